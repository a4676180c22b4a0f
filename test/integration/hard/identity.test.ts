import { identityCases } from './identity.ts'
import { hardCases } from './suite.ts'

for (const [from, to, form] of [
  [14, 14, 'best'],
  [18, 18, 'pg-text'],
  [14, 18, 'values'],
  [18, 14, 'best'],
] as const) {
  hardCases('identity', { from, to, form }, identityCases)
}
