import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { page, typesPage } from '../../../testkit/type-table.ts'

test(`${page} is what the connectors do; to write it anew: node testkit/type-table.ts`, () => {
  const written = readFileSync(new URL(`../../../${page}`, import.meta.url), 'utf8')
  assert.ok(written === typesPage(), `${page} is not up to date`)
})
