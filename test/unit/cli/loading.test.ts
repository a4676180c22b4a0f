import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startChild } from '../../../testkit/child.ts'

const program = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url))

/** Prints the file of every package that is loaded, whichever way. */
const TELL = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module'
  registerHooks({ resolve(name, context, next) {
    const found = next(name, context)
    const [, of] = /node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(found.url) ?? []
    if (of !== undefined) console.error('package ' + of)
    return found
  } })`)}`

for (const words of [['version'], ['status'], ['run', '--source', 'postgres://x@127.0.0.1:1/a']]) {
  test(`${words[0]} loads no driver that it does not use`, async () => {
    await using child = startChild(process.execPath, ['--import', TELL, program, ...words], {})
    await child.end()
    const loaded = new Set(child.lines.flatMap((line) => /^package (\S+)$/.exec(line)?.[1] ?? []))
    assert.ok(loaded.has('commander'), child.lines.join('\n'))
    for (const driver of ['mysql2', 'mongodb', '@platformatic/kafka', 'avsc']) {
      assert.ok(!loaded.has(driver), `${driver} is loaded`)
    }
  })
}
