import { test } from 'node:test'
import { largeValue } from './large.ts'

test('P10 a value of more than 100 MB is copied, inserted and left alone, 14 to 18', (t) =>
  largeValue(t, { from: 14, to: 18, megabytes: 101 }))
