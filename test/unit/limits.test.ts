import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { catalogue } from '../../src/model/catalogue/index.ts'

/** Faults of what somebody typed, of the demo, and of the program itself. */
const NO_LIMIT = /^HF-(C|X0|X3)/

const page = readFileSync(new URL('../../docs/explanation/limits.md', import.meta.url), 'utf8')

test('the page of limits names the code of everything that is refused, halts or is waited for', () => {
  const known = Object.keys(catalogue)
  const missing = known.filter((code) => !NO_LIMIT.test(code) && !page.includes(code))
  assert.deepEqual(missing, [])
  const named = page.match(/HF-[A-Z]\d+/g) ?? []
  assert.deepEqual(
    named.filter((code) => !known.includes(code)),
    [],
  )
})
