import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { shownConfig, startupLines } from '../../../src/config/describe.ts'
import { isDisabled, loadConfig, type MirrorFlags } from '../../../src/config/load.ts'
import { resolveMirrors } from '../../../src/config/resolve.ts'
import type { MirrorSettings } from '../../../src/config/settings.ts'
import { Fault } from '../../../src/model/fault.ts'

const directory = mkdtempSync(join(tmpdir(), 'holdfast-config-'))
after(() => rmSync(directory, { recursive: true }))

const silent: MirrorFlags = {
  name: null,
  source: null,
  target: null,
  include: [],
  exclude: [],
  keyless: null,
  onExisting: null,
  set: [],
}

interface Given {
  readonly text?: string
  readonly environment?: Record<string, string>
  readonly flags?: Partial<MirrorFlags>
}

let files = 0

function load({ text, environment = {}, flags = {} }: Given) {
  let file: string | null = null
  if (text !== undefined) {
    file = `c${files++}.yaml`
    writeFileSync(join(directory, file), text)
  }
  const request = { environment, directory, file, flags: { ...silent, ...flags } }
  const loaded = loadConfig(request)
  return { loaded, file, mirrors: resolveMirrors(loaded, directory) }
}

function one(given: Given): MirrorSettings {
  const [first, ...others] = load(given).mirrors
  assert.ok(first !== undefined && others.length === 0)
  return first
}

function faults(given: Given): Fault[] {
  try {
    load(given)
  } catch (error) {
    const all: unknown[] = error instanceof AggregateError ? error.errors : [error]
    return all.map((fault) => {
      assert.ok(fault instanceof Fault, String(fault))
      return fault
    })
  }
  throw new Error('the configuration was accepted')
}

const small = `version: 1
mirrors:
  - name: shop
    source: { url: "postgres://a@h1/s" }
    target: { url: "postgres://b@h2/t" }
`

test('a small file gives a whole mirror', () => {
  const mirror = one({ text: small })
  assert.equal(mirror.name, 'shop')
  assert.equal(mirror.source.host, 'h1')
  assert.equal(mirror.target.database, 't')
  assert.equal(mirror.onExisting, 'refuse')
  assert.deepEqual(mirror.selection, { include: [], exclude: [], keyless: 'refuse' })
  assert.equal(mirror.limits.batchBytes, 16 << 20)
  assert.equal(mirror.limits.spillDirectory, join(directory, '.holdfast/spill/shop'))
  assert.deepEqual(mirror.await, { source: 0, target: 0 })
})

test('rows are written ahead where the pool of the target leaves a connection for it', () => {
  const ahead = (pool: string): boolean =>
    one({ text: small.replace('/t"', `/t", pool: ${pool}`) }).limits.ahead
  assert.deepEqual(['null', '3', '4'].map(ahead), [true, false, true])
})

test('unknown keys: place, suggestion, line and caret, all at once', () => {
  const text = `${small}    tables: { exlude: [a] }
    copy:
      workrs: 3
lgo: { level: info }
`
  const found = faults({ text })
  assert.deepEqual(
    found.map(({ code }) => code),
    ['HF-C003', 'HF-C003', 'HF-C003'],
  )
  assert.match(found[0]?.message ?? '', /c\d+\.yaml:6:15 {2}unknown key "exlude"/)
  assert.equal(
    found[0]?.detail.evidence?.['excerpt'],
    '   6 |     tables: { exlude: [a] }\n     |               ^^^^^^ did you mean "exclude"?',
  )
  assert.match(found[1]?.message ?? '', /:8:7 {2}unknown key "workrs"/)
  assert.match(found[2]?.message ?? '', /:9:1 {2}unknown key "lgo"/)
})

test('wrong values: kind, choice, duration, size, missing key', () => {
  const text = `version: 1
mirrors:
  - source: { url: "postgres://h/s", await: 7 day }
    target: { url: "postgres://h/t", on_existing: mrege }
    copy: { workers: 0 }
    apply: { memory: 64 mb }
`
  const found = faults({ text })
  assert.deepEqual(
    found.map((fault) => [fault.code, /:(\d+:\d+)/.exec(fault.message)?.[1]]),
    [
      ['HF-C008', '3:5'],
      ['HF-C005', '3:45'],
      ['HF-C004', '4:51'],
      ['HF-C004', '5:22'],
      ['HF-C005', '6:22'],
    ],
  )
  assert.match(found[1]?.message ?? '', /write 7d/)
  assert.match(found[2]?.detail.evidence?.['excerpt'] ?? '', /did you mean merge\?/)
})

test('an unquoted reference in braces is caught by name', () => {
  const [fault, ...others] = faults({ text: small.replace('"postgres://a@h1/s"', '${' + 'SRC}') })
  assert.equal(others.length, 0)
  assert.equal(fault?.code, 'HF-C002')
  assert.match(fault?.message ?? '', /:4:20 {2}put quotes round \$\{SRC\}/)
})

test('broken YAML has its place', () => {
  const [fault] = faults({ text: 'version: 1\nmirrors: [\n' })
  assert.equal(fault?.code, 'HF-C002')
  assert.match(fault?.message ?? '', /c\d+\.yaml:\d+:\d+/)
})

test('a file without keys, and a file that is not there', () => {
  assert.equal(faults({ text: '' })[0]?.code, 'HF-C008')
  assert.throws(
    () => loadConfig({ environment: {}, directory, file: 'none.yaml', flags: silent }),
    (error: Fault) => error.code === 'HF-C001',
  )
})

const referring = (url: string): string =>
  small
    .replace('postgres://a@h1/s', url)
    .replace('name: shop', 'name: shop\n    copy: { workers: "${' + 'N:-3}" }')

test('references: variable, default, advice, file', () => {
  const secret = join(directory, 'secret')
  writeFileSync(secret, 'postgres://c:pw@h9/x\n')
  const url = '${' + 'SRC:?set SRC to the shop}'
  const mirror = one({ text: referring(url), environment: { SRC: 'postgres://z@h3/q', N: '7' } })
  assert.equal(mirror.source.host, 'h3')
  assert.equal(mirror.copyWorkers, 7)
  const [fault, ...others] = faults({ text: referring(url), environment: { SRC: '' } })
  assert.equal(others.length, 0)
  assert.equal(fault?.code, 'HF-C007')
  assert.match(fault?.message ?? '', /:5:20 {2}the variable SRC is not set or empty/)
  assert.equal(fault?.todo[0]?.text, 'Set SRC to the shop.')
  const read = one({ text: referring(`\${file:${secret}}`) })
  assert.equal(read.source.host, 'h9')
  assert.equal(read.source.password?.reveal(), 'pw')
  assert.equal(read.copyWorkers, 3)
  assert.equal(faults({ text: referring('${' + 'file:/none}') })[0]?.code, 'HF-C007')
})

test('flag over variable over file, and show tells which', () => {
  const environment = {
    HOLDFAST__MIRRORS__SHOP__TABLES__EXCLUDE: 'a.*, b.*',
    HOLDFAST__MIRRORS__SHOP__COPY__WORKERS: '9',
    HOLDFAST__LOG__LEVEL: 'debug',
  }
  const given = { text: small, environment, flags: { exclude: ['c.*'] } }
  const { loaded, mirrors, file } = load(given)
  assert.deepEqual(mirrors[0]?.selection.exclude, ['c.*'])
  assert.equal(mirrors[0]?.copyWorkers, 9)
  assert.equal(loaded.config.log.level, 'debug')
  const origin = Object.fromEntries(shownConfig(loaded).map((row) => [row.key, row.origin]))
  assert.equal(origin['mirrors.0.tables.exclude'], '--exclude')
  assert.equal(origin['mirrors.0.copy.workers'], 'HOLDFAST__MIRRORS__SHOP__COPY__WORKERS')
  assert.equal(origin['mirrors.0.source.url'], `${file}:4:20`)
  assert.equal(origin['mirrors.0.target.await'], 'default')
})

test('a variable that names no key is refused with the one that was meant', () => {
  const [fault] = faults({
    text: small,
    environment: { HOLDFAST__MIRRORS__SHOP__COPY__WORKRS: '1' },
  })
  assert.equal(fault?.code, 'HF-C003')
  assert.match(fault?.todo[0]?.text ?? '', /workers/)
  const [other] = faults({ text: small, environment: { HOLDFAST__MIRRORS__CRM__AUTOSTART: 'no' } })
  assert.equal(other?.code, 'HF-C003')
})

test('a URL given by a flag stands for the whole address of the file', () => {
  const text = small.replace(
    'target: { url: "postgres://b@h2/t" }',
    'target: { type: postgres, host: h2, password: x, ssl: { mode: disable } }',
  )
  const mirror = one({ text, flags: { target: 'postgres://n@h7/t?sslmode=require' } })
  assert.equal(mirror.target.host, 'h7')
  assert.equal(mirror.target.password, null)
  assert.equal(mirror.target.tls.mode, 'require')
})

test('flags alone describe a mirror; a name has a form', () => {
  const flags = { source: 'postgres://h1/s', target: 'postgres://h2/t' }
  assert.equal(one({ flags }).name, 'default')
  assert.equal(one({ flags: { ...flags, name: 'crm_eu' } }).name, 'crm_eu')
  for (const name of ['', 'Crm', '1a', 'a-b', 'a'.repeat(41), 'a"; drop']) {
    if (name !== '') assert.equal(faults({ flags: { ...flags, name } })[0]?.code, 'HF-C015', name)
  }
  const variables = { HOLDFAST_SOURCE: flags.source, HOLDFAST_TARGET: flags.target }
  assert.equal(one({ environment: variables }).source.host, 'h1')
})

test('one end alone, and nothing at all', () => {
  const [half] = faults({ flags: { source: 'postgres://h/s' } })
  assert.equal(half?.code, 'HF-C013')
  assert.match(half?.message ?? '', /not the target/)
  assert.equal(faults({})[0]?.code, 'HF-C013')
})

test('an unknown scheme, a bad URL and a bad TLS mode are named with where they stand', () => {
  const flags = { source: 'oracle://h/s', target: 'postgres://h:0/t' }
  const found = faults({ flags })
  assert.deepEqual(
    found.map((fault) => [fault.code, fault.message.slice(0, 8)]),
    [
      ['HF-C101', '--source'],
      ['HF-C102', 'the URL '],
    ],
  )
  const text = small.replace('h2/t', 'h2/t?sslmode=maybe')
  assert.match(faults({ text })[0]?.message ?? '', /c\d+\.yaml:5:20, parameter sslmode/)
})

test('contradictions', () => {
  const text = small.replace('"postgres://a@h1/s"', '"postgres://a@h1/s", host: x')
  assert.equal(faults({ text })[0]?.code, 'HF-C016')
  const twice = small + small.split('mirrors:\n')[1]
  const [fault] = faults({ text: twice })
  assert.equal(fault?.code, 'HF-C016')
  assert.match(fault?.message ?? '', /:6:11 {2}a second mirror is called "shop"/)
})

test('several mirrors: all, one by name, none of that name, a flag for one of them', () => {
  const text = small + (small.split('mirrors:\n')[1] ?? '').replace('shop', 'crm')
  assert.deepEqual(
    load({ text }).mirrors.map(({ name }) => name),
    ['shop', 'crm'],
  )
  assert.equal(one({ text, flags: { name: 'crm' } }).name, 'crm')
  const [unknown] = faults({ text, flags: { name: 'shp' } })
  assert.equal(unknown?.code, 'HF-C014')
  assert.match(unknown?.message ?? '', /shop, crm/)
  assert.equal(faults({ text, flags: { exclude: ['a.*'] } })[0]?.code, 'HF-C014')
})

const block = {
  DATABASE_MIRROR_ENABLED: 'true',
  MIRROR_DB_HOST: 'db.example',
  MIRROR_DB_NAME: 'app',
  MIRROR_DB_USER: 'mirror',
  MIRROR_DB_PASSWORD: '0042',
  DATABASE_URL: 'postgres://app:pw@127.0.0.1/app?schema=public',
}

test('the environment alone describes a mirror', () => {
  const { loaded, mirrors } = load({ environment: { ...block, HOLDFAST_EXCLUDE: 'public.keys' } })
  const [mirror] = mirrors
  assert.ok(mirror !== undefined)
  assert.equal(mirror.name, 'default')
  assert.equal(mirror.onExisting, 'merge')
  assert.equal(mirror.target.port, 5432)
  assert.equal(mirror.target.password?.reveal(), '0042')
  assert.equal(mirror.target.tls.mode, 'require')
  assert.equal(mirror.source.host, '127.0.0.1')
  assert.deepEqual(mirror.selection.exclude, ['public.keys'])
  const lines = startupLines(mirror, loaded).join('\n')
  assert.match(lines, /mirroring is enabled/i)
  assert.match(lines, /target postgres:\/\/mirror@db\.example:5432\/app \(TLS require, pool 3/)
  assert.match(lines, /excluded: public\.keys/)
  assert.ok(!lines.includes('0042') && !lines.includes('pw@'))
})

test('the environment: loopback, given mode, secrets in files, PG* for the source', () => {
  const local = one({ environment: { ...block, MIRROR_DB_HOST: '127.0.0.1' } })
  assert.equal(local.target.tls.mode, 'prefer')
  const strict = one({ environment: { ...block, MIRROR_DB_SSLMODE: 'verify-full' } })
  assert.equal(strict.target.tls.mode, 'verify-full')
  const file = join(directory, 'pw')
  writeFileSync(file, 'from file\n')
  const { MIRROR_DB_PASSWORD: _, DATABASE_URL: __, ...rest } = block
  const environment = {
    ...rest,
    MIRROR_DB_PASSWORD_FILE: file,
    PGHOST: 'h',
    PGPORT: '5433',
    PGPASSWORD: '1',
  }
  const mirror = one({ environment })
  assert.equal(mirror.target.password?.reveal(), 'from file')
  assert.equal(mirror.source.port, 5433)
  assert.equal(mirror.source.password?.reveal(), '1')
})

test('the environment: all that is missing in one fault; empty is not set', () => {
  const environment = { ...block, MIRROR_DB_HOST: '', MIRROR_DB_PASSWORD: '', DATABASE_URL: '' }
  const [fault, ...others] = faults({ environment })
  assert.equal(others.length, 0)
  assert.equal(fault?.code, 'HF-C006')
  assert.match(fault?.message ?? '', /MIRROR_DB_HOST, MIRROR_DB_PASSWORD, DATABASE_URL/)
  const bad = { ...block, MIRROR_DB_POOL: 'many' }
  const [pool] = faults({ environment: bad })
  assert.equal(pool?.code, 'HF-C004')
  assert.match(pool?.message ?? '', /^MIRROR_DB_POOL/)
})

test('the environment can say that nothing is to run; a file and flags are over it', () => {
  const disabled = (environment: Record<string, string>, flags: Partial<MirrorFlags> = {}) =>
    isDisabled({ environment, directory, file: null, flags: { ...silent, ...flags } })
  assert.equal(disabled({ DATABASE_MIRROR_ENABLED: 'false' }), true)
  assert.equal(disabled({ MIRROR_DB_HOST: 'h' }), true)
  assert.equal(disabled({ DATABASE_MIRROR_ENABLED: 'Yes' }), false)
  assert.equal(disabled({}), false)
  const flags = { source: 'postgres://h/s', target: 'postgres://h/t' }
  assert.equal(disabled({ DATABASE_MIRROR_ENABLED: 'false' }, flags), false)
})

test('no fault and no shown setting holds a password', () => {
  const text = `version: 1
mirrors:
  - name: shop
    source: { url: "postgres://a:hunter2@h1/s", tpye: postgres }
    target: { host: h, password: hunter2, prot: 1 }
`
  for (const fault of faults({ text })) {
    assert.ok(!JSON.stringify(fault.detail).includes('hunter2'), fault.message)
  }
  const right = text.replace(', tpye: postgres', '').replace('prot: 1', 'type: postgres')
  assert.ok(!JSON.stringify(shownConfig(load({ text: right }).loaded)).includes('hunter2'))
})
