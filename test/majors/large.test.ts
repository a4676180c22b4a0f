import { test } from 'node:test'
import { largeValue } from '../integration/hard/large.ts'

for (const [from, to] of [
  [14, 18],
  [18, 14],
] as const) {
  test(`P11 a value that no string of the runtime could hold is mirrored, ${from} to ${to}`, (t) =>
    largeValue(t, { from, to, megabytes: 560 }))
}
