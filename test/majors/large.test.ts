import { test } from 'node:test'
import { largeValue } from '../integration/hard/large.ts'

for (const [from, to] of [
  [14, 18],
  [18, 14],
] as const) {
  test(`P11 a value that no string of the runtime could hold is mirrored, ${from} to ${to}`, (t) =>
    largeValue(t, { from, to, megabytes: 560 }))
}

for (const [from, to, form] of [
  [14, 18, 'pg-text'],
  [18, 14, 'values'],
] as const) {
  test(`P10 values of more than 100 MB go every way as ${form}, ${from} to ${to}`, (t) =>
    largeValue(t, { from, to, megabytes: 101, form }))
}
