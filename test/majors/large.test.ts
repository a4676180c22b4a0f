import { test } from 'node:test'
import { largeValue } from '../integration/hard/large.ts'

for (const [from, to] of [
  [14, 18],
  [18, 14],
] as const) {
  test(`P11 a value that no string of the runtime could hold is mirrored, ${from} to ${to}`, (t) =>
    largeValue(t, { from, to, megabytes: 560 }))
}

for (const [from, to, form, megabytes] of [
  [14, 18, 'pg-text', 101],
  // As hexadecimal text it is longer than a string of the runtime.
  [18, 14, 'values', 280],
] as const) {
  test(`P10 values of ${megabytes} MB go every way as ${form}, ${from} to ${to}`, (t) =>
    largeValue(t, { from, to, megabytes, form }))
}
