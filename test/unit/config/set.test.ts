import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { shownConfig } from '../../../src/config/describe.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { resolveMirrors } from '../../../src/config/resolve.ts'
import { Fault } from '../../../src/model/fault.ts'

const directory = mkdtempSync(join(tmpdir(), 'holdfast-set-'))
after(() => rmSync(directory, { recursive: true }))

const ends = { source: 'postgres://a@h/s', target: 'mongodb://b@h/t' }

function load(set: readonly string[], text?: string, name: string | null = null) {
  const file = text === undefined ? null : 'some.yaml'
  if (text !== undefined) writeFileSync(join(directory, 'some.yaml'), text)
  const choice = { include: [], exclude: [], keyless: null, onExisting: null }
  const flags = { name, source: null, target: null, ...(file === null ? ends : {}), ...choice, set }
  return loadConfig({ environment: {}, directory, file, flags })
}

function mirrorOf(...set: readonly string[]) {
  const [mirror] = resolveMirrors(load(set), directory)
  return mirror ?? assert.fail()
}

function refused(...args: Parameters<typeof load>): Fault {
  try {
    load(...args)
  } catch (error) {
    const fault = error instanceof AggregateError ? error.errors[0] : error
    return fault instanceof Fault ? fault : assert.fail(String(error))
  }
  return assert.fail('it was accepted')
}

test('any key of a mirror, over all else', () => {
  assert.equal(mirrorOf().shape, 'mirror')
  assert.equal(mirrorOf('target.shape=history').shape, 'history')
  assert.equal(mirrorOf('copy.workers=7').copyWorkers, 7)
  assert.equal(mirrorOf('apply.batch.bytes=64KiB').limits.batchBytes, 65536)
  assert.equal(mirrorOf('catch_up.distance=null').catchUp.distance, null)
  assert.equal(mirrorOf('autostart=false').autostart, false)
  assert.deepEqual(mirrorOf('tables.include=a.*,b.c').selection.include, ['a.*', 'b.c'])
  assert.equal(mirrorOf('target.password=a=b').target.password?.reveal(), 'a=b')
  assert.equal(mirrorOf('copy.workers=2', 'copy.workers=3').copyWorkers, 3)
  assert.equal(load(['log.level=debug']).config.log.level, 'debug')
})

test('its origin is shown', () => {
  const shown = JSON.stringify(shownConfig(load(['target.shape=history'])))
  assert.match(shown, /--set target\.shape/)
})

test('keys that there are not, and values that are none', () => {
  const unknown = refused(['target.shap=history'])
  assert.equal(unknown.code, 'HF-C003')
  assert.match(unknown.message, /--set target\.shap/)
  assert.match(unknown.todo[0]?.text ?? '', /shape/)
  assert.equal(refused(['targt.shape=history']).code, 'HF-C003')
  assert.match(refused(['targt.shape=history']).todo[0]?.text ?? '', /target/)
  const wrong = refused(['target.shape=both'])
  assert.equal(wrong.code, 'HF-C004')
  assert.match(wrong.message, /mirror or history/)
  for (const text of ['target.shape', '=history', 'mirrors.0.name=x']) {
    assert.equal(refused([text]).code, 'HF-C012', text)
  }
  assert.doesNotMatch(refused(['=secret']).message, /secret/)
})

test('a key of a mirror needs to know which', () => {
  const text = `version: 1
mirrors:
  - { name: a, source: { url: "postgres://a@h/s" }, target: { url: "mongodb://h/t" } }
  - { name: b, source: { url: "postgres://a@h/s" }, target: { url: "mongodb://h/u" } }
`
  assert.equal(refused(['copy.workers=1'], text).code, 'HF-C014')
  assert.deepEqual(load(['log.level=warn'], text).chosen, [0, 1])
  const [mirror] = resolveMirrors(load(['target.shape=history'], text, 'b'), directory)
  assert.deepEqual([mirror?.name, mirror?.shape], ['b', 'history'])
})
