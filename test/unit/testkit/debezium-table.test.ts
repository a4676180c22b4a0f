import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { debeziumPage, page } from '../../../testkit/debezium-table.ts'

test(`${page} is what the decoder does; to write it anew: node testkit/debezium-table.ts`, () => {
  const written = readFileSync(new URL(`../../../${page}`, import.meta.url), 'utf8')
  assert.ok(written === debeziumPage(), `${page} is not up to date`)
})
