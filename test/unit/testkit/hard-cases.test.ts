import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { hardCasesPage, page } from '../../../testkit/hard-cases.ts'

test(`${page} is what the tests say; to write it anew: node testkit/hard-cases.ts`, () => {
  const written = readFileSync(new URL(`../../../${page}`, import.meta.url), 'utf8')
  assert.ok(written === hardCasesPage(), `${page} is not up to date`)
})
