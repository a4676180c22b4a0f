import { hardCases } from './suite.ts'
import { valueCases } from './values.ts'

for (const [from, to, form] of [
  [14, 14, 'best'],
  [18, 18, 'pg-text'],
  [14, 18, 'values'],
  [18, 14, 'best'],
] as const) {
  hardCases('values', { from, to, form }, valueCases)
}
