import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { mutations } from '../../../testkit/oracle/mutations.ts'

const root = new URL('../../../', import.meta.url)

for (const { name, edits } of mutations) {
  test(`the engine can be broken so that it ${name}`, () => {
    for (const { path, find } of edits) {
      const pieces = readFileSync(new URL(path, root), 'utf8').split(find)
      assert.equal(pieces.length, 2, `${path} holds this ${pieces.length - 1} times:\n${find}`)
    }
  })
}
