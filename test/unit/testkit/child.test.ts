import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startChild } from '../../../testkit/child.ts'
import { eventually } from '../../../testkit/eventually.ts'

const node = (script: string, input?: string): ReturnType<typeof startChild> =>
  startChild(process.execPath, ['-e', script], input === undefined ? {} : { input })

test('collects lines and the exit code', async () => {
  await using child = node(`console.log('one'); console.error('two'); process.exitCode = 4`)
  assert.deepEqual(await child.end(), { code: 4, signal: null })
  assert.deepEqual([child.stdout, child.stderr], [['one'], ['two']])
  assert.equal(await child.line(/o.e/), 'one')
})

test('fails when the process ends without the line', async () => {
  await using child = node(`console.log('one')`)
  await assert.rejects(child.line(/three/), /ended without a line like \/three\/.*one/s)
})

test('hands input on and kills', async () => {
  await using child = node(
    `process.stdin.on('data', (text) => console.log('got ' + text)); setInterval(() => {}, 1e3)`,
    'this',
  )
  assert.equal(await child.line(/got/), 'got this')
  assert.deepEqual(await child.kill(), { code: null, signal: 'SIGKILL' })
})

test('eventually says what it waited for and what it saw last', async () => {
  let asked = 0
  assert.equal(await eventually('three', () => (++asked === 3 ? asked : null)), 3)
  await assert.rejects(
    eventually(
      'a miracle',
      () => {
        throw new Error('no wonder')
      },
      { within: 30, every: 5 },
    ),
    /Not within 30 ms: a miracle \(last: no wonder\)/,
  )
})
