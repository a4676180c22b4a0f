import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { referenceFiles } from '../../../src/cli/reference.ts'

const root = new URL('../../../', import.meta.url)

for (const [path, content] of referenceFiles()) {
  test(`${path} is what the code says; to write it anew: node src/cli/reference.ts`, () => {
    assert.ok(readFileSync(new URL(path, root), 'utf8') === content, `${path} is not up to date`)
  })
}
