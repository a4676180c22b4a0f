import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { MirrorSettings } from '../../../src/config/settings.ts'
import { parseUrl } from '../../../src/config/url.ts'
import { Secret } from '../../../src/model/endpoint.ts'
import {
  answer,
  ask,
  askSettings,
  openSettings,
  socketNames,
  socketPath,
} from '../../../src/observe/socket.ts'

function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-socket-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

const settings: MirrorSettings = {
  name: 'shop',
  autostart: true,
  source: {
    ...parseUrl('postgres://a:hunter2@h1/s', 'x'),
    behind: parseUrl('postgres://e:hunter5@h5/s', 'x'),
  },
  target: parseUrl('postgres://b@h2/t?sslmode=require', 'x'),
  database: parseUrl('postgres://c:hunter3@h3/d', 'x'),
  owned: { worker: new Secret('http://d:hunter4@h4:8083'), connectors: ['shop'], attempts: null },
  selection: { include: ['public.*'], exclude: [], keyless: 'refuse' },
  onExisting: 'refuse',
  shape: 'mirror',
  rename: [],
  metadata: false,
  copyWorkers: 4,
  catchUp: { distance: null, millis: 0, memory: 0 },
  limits: { batchRows: 1, batchBytes: 2, memoryBytes: 3, spillDirectory: '/tmp', ahead: true },
  await: { source: 0, target: 0 },
}

test('a running mirror answers its own user, and is gone when it ends', async (t) => {
  const directory = folder(t)
  const answers = { status: () => ({ phase: 'streaming' }), settings: () => openSettings(settings) }
  {
    await using door = await answer(directory, 'shop', answers)
    assert.ok(door !== null)
    assert.equal(statSync(join(directory, '.holdfast')).mode & 0o777, 0o700)
    assert.equal(statSync(socketPath(directory, 'shop')).mode & 0o777, 0o600)
    assert.deepEqual(socketNames(directory), ['shop'])
    assert.deepEqual(await ask(directory, 'shop', 'status'), { phase: 'streaming' })
    const told = await askSettings(directory, 'shop')
    assert.equal(told?.source.password?.reveal(), 'hunter2')
    assert.equal(told?.source.behind?.password?.reveal(), 'hunter5')
    assert.equal(told?.target.password, null)
    assert.equal(told?.database?.password?.reveal(), 'hunter3')
    assert.equal(told?.owned?.worker.reveal(), 'http://d:hunter4@h4:8083')
    const hidden = { source: 0, target: 0, database: 0, owned: 0 }
    assert.deepEqual({ ...told, ...hidden }, { ...settings, ...hidden })
    assert.doesNotMatch(JSON.stringify(told), /hunter/)
  }
  assert.deepEqual(socketNames(directory), [])
  assert.equal(await ask(directory, 'shop', 'status'), null)
})

test('a socket that a crash left is replaced; what is no socket answers nothing', async (t) => {
  const directory = folder(t)
  const answers = { status: () => 1, settings: () => null }
  const first = await answer(directory, 'shop', answers)
  assert.ok(first !== null)
  writeFileSync(join(directory, '.holdfast', 'crm.sock'), '')
  assert.equal(await ask(directory, 'crm', 'status'), null)
  await using second = await answer(directory, 'crm', answers)
  assert.ok(second !== null)
  assert.equal(await ask(directory, 'crm', 'status'), 1)
  await first[Symbol.asyncDispose]()
})

test('a path too long for a socket is no reason not to run', async (t) => {
  const directory = join(folder(t), 'x'.repeat(120))
  assert.equal(await answer(directory, 'shop', { status: () => 1, settings: () => 1 }), null)
})
