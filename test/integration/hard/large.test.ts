import { test } from 'node:test'
import { largeValue } from './large.ts'

// Larger ones and the other encodings are in test/majors.
test('P10 values of more than 100 MB are copied, inserted, updated and left alone, 14 to 18', (t) =>
  largeValue(t, { from: 14, to: 18, megabytes: 101 }))
