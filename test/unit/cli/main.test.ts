import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { main } from '../../../src/cli/main.ts'

interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  readonly directory: string
}

async function holdfast(
  t: TestContext,
  argv: readonly string[],
  { environment = {}, files = {}, terminal = false }: Partial<Setting> = {},
): Promise<Ran> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-cli-'))
  t.after(() => rmSync(directory, { recursive: true }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  const stdout = Object.assign(new PassThrough(), { isTTY: terminal })
  const stderr = Object.assign(new PassThrough(), { isTTY: terminal })
  const code = await main(argv, { environment, directory, stdout, stderr })
  const text = (stream: PassThrough): string => String(stream.read() ?? '')
  return { code, stdout: text(stdout), stderr: text(stderr), directory }
}

interface Setting {
  readonly environment: Record<string, string>
  readonly files: Record<string, string>
  readonly terminal: boolean
}

const small = `version: 1
mirrors:
  - name: shop
    source: { url: "postgres://a@h1/s" }
    target: { url: "postgres://b@h2/t" }
`

const mistakes: readonly (readonly [string, readonly string[], string, RegExp])[] = [
  ['an unknown verb', ['rnu'], 'HF-C010', /Did you mean run\?/],
  ['an unknown flag', ['run', '--sorce', 'x'], 'HF-C011', /Did you mean --source\?/],
  [
    'an unknown flag with a value',
    ['run', '--sorce=postgres://u:hunter2@h'],
    'HF-C011',
    /--sorce\n/,
  ],
  ['an unknown global flag', ['--jsno', 'run'], 'HF-C011', /--json/],
  ['a flag without its value', ['run', '--name'], 'HF-C012', /argument missing/],
  [
    'a secret where a choice is',
    ['run', '--keyless', 'postgres://u:hunter2@h/d'],
    'HF-C012',
    /keyless/,
  ],
  ['a choice that is none', ['run', '--keyless', 'drop'], 'HF-C012', /refuse, exclude, append/],
  ['a word too many', ['run', 'postgres://u:hunter2@h/d'], 'HF-C012', /too many arguments/],
  ['a part of config that is none', ['config', 'validat'], 'HF-C012', /validate/],
  ['a goal twice', ['run', '--until', 'caught-up', '--snapshot-only'], 'HF-C012', /both/],
  ['nothing to mirror', ['run'], 'HF-C013', /--source URL --target URL/],
  ['a file that is not there', ['run', '-c', 'no.yaml'], 'HF-C001', /no\.yaml/],
  [
    'a name that is none',
    ['check', '--source', 'postgres://h', '--target', 'postgres://h', '--name', 'A'],
    'HF-C015',
    /"A"/,
  ],
]

for (const [what, argv, code, says] of mistakes) {
  test(`${what}: ${code}, exit 2, no stack trace`, async (t) => {
    const ran = await holdfast(t, argv)
    assert.equal(ran.code, 2)
    assert.equal(ran.stdout, '')
    assert.match(ran.stderr, new RegExp(code))
    assert.match(ran.stderr, says)
    assert.match(ran.stderr, /not lost {3}Nothing was started/)
    assert.doesNotMatch(ran.stderr, /\n\s+at |hunter2|error:/)
    const json = await holdfast(t, [...argv, '--json'])
    assert.equal(json.code, 2)
    assert.equal(json.stderr, '')
    const envelope = JSON.parse(json.stdout)
    assert.deepEqual(Object.keys(envelope), [
      'schema',
      'command',
      'ok',
      'summary',
      'result',
      'error',
      'hints',
    ])
    assert.equal(envelope.schema, 'holdfast.cli/1')
    assert.equal(envelope.ok, false)
    assert.equal(envelope.error.code, code)
  })
}

test('version and help go to stdout with 0, nothing typed is usage', async (t) => {
  const flag = await holdfast(t, ['--version'])
  assert.deepEqual([flag.code, flag.stderr], [0, ''])
  assert.match(flag.stdout, /^\d+\.\d+\.\d+\n$/)
  const verb = await holdfast(t, ['version', '--json'])
  assert.equal(JSON.parse(verb.stdout).result.version, flag.stdout.trim())
  for (const argv of [['--help'], ['help'], ['run', '--help'], ['help', 'run']]) {
    const help = await holdfast(t, argv)
    assert.deepEqual([help.code, help.stderr], [0, ''], argv.join(' '))
    assert.match(help.stdout, /Usage: holdfast/)
  }
  const nothing = await holdfast(t, [])
  assert.deepEqual([nothing.code, nothing.stdout], [2, ''])
  assert.match(nothing.stderr, /Usage: holdfast/)
})

test('several errors of a file are shown at once, in their order', async (t) => {
  const text = small
    .replace('url: "postgres://b', 'ulr: "postgres://b')
    .replace('name: shop', 'nmae: shop')
  const ran = await holdfast(t, ['config', 'validate'], { files: { 'holdfast.yaml': text } })
  assert.equal(ran.code, 2)
  const at = [...ran.stderr.matchAll(/HF-\w+ {2}holdfast\.yaml:(\d+:\d+)/g)].map(
    ([, place]) => place,
  )
  assert.deepEqual(at, ['3:5', '3:5', '5:15'])
  assert.match(ran.stderr, /\^{4} did you mean "name"\?/)
  assert.match(ran.stderr, /Summary: 3 errors\. .*holdfast config validate\n$/)
})

test('a right file is valid; a mirror without its own file is found in it', async (t) => {
  const files = { 'holdfast.yaml': small }
  const ran = await holdfast(t, ['config', 'validate'], { files })
  assert.equal(ran.code, 0)
  assert.match(ran.stdout, /holdfast\.yaml is valid: 1 mirror \(shop\)/)
  const shown = await holdfast(t, ['config', 'show', '--json', '--exclude', 'a.*'], { files })
  const rows: { key: string; origin: string }[] = JSON.parse(shown.stdout).result
  assert.equal(rows.find(({ key }) => key === 'mirrors.0.tables.exclude')?.origin, '--exclude')
})

test('colours: off elsewhere, on a terminal, by flag and by variable', async (t) => {
  const asks = async (setting: Partial<Setting>, ...flags: string[]): Promise<boolean> =>
    (await holdfast(t, ['run', ...flags], setting)).stderr.includes('\u001b[')
  assert.equal(await asks({}), false)
  assert.equal(await asks({ terminal: true }), true)
  assert.equal(await asks({ terminal: true, environment: { NO_COLOR: '1' } }), false)
  assert.equal(await asks({ terminal: true, environment: { TERM: 'dumb' } }), false)
  assert.equal(await asks({ environment: { FORCE_COLOR: '1' } }), true)
  assert.equal(await asks({ environment: { NO_COLOR: '1' } }, '--color', 'always'), true)
  assert.equal(await asks({ terminal: true }, '--color', 'never'), false)
})

test('words stand for glyphs where nobody looks at a terminal', async (t) => {
  assert.match((await holdfast(t, ['rnu'])).stderr, /^fail HF-C010 {2}Unknown command/)
  assert.match((await holdfast(t, ['rnu'], { terminal: true })).stderr, /✗/)
})

test('mirroring that is switched off is a sentence and 0', async (t) => {
  const environment = { DATABASE_MIRROR_ENABLED: 'false', MIRROR_DB_HOST: '' }
  const ran = await holdfast(t, ['run'], { environment })
  assert.equal(ran.code, 0)
  assert.match(ran.stderr, /\[DatabaseMirror\] Database mirroring is disabled/)
})

test('mirroring that is switched on without its settings names them all', async (t) => {
  const environment = { DATABASE_MIRROR_ENABLED: 'true', MIRROR_DB_HOST: '', MIRROR_DB_NAME: 'x' }
  const ran = await holdfast(t, ['run'], { environment })
  assert.equal(ran.code, 2)
  assert.match(ran.stderr, /HF-C006/)
  assert.match(ran.stderr, /MIRROR_DB_HOST, MIRROR_DB_USER, MIRROR_DB_PASSWORD, DATABASE_URL/)
})

test('init writes once, by reference where it can, privately where it must', async (t) => {
  const source = 'postgres://app:pw@h1/s'
  const ends = ['--source', source, '--target', 'postgres://b@h2/t', '--exclude', 'a.keys']
  const referring = await holdfast(t, ['init', ...ends], { environment: { SHOP_URL: source } })
  assert.equal(referring.code, 0)
  const file = join(referring.directory, 'holdfast.yaml')
  assert.match(readFileSync(file, 'utf8'), /url: "\$\{SHOP_URL\}"/)
  assert.equal(statSync(file).mode & 0o777, 0o644)
  const literal = await holdfast(t, ['init', ...ends])
  assert.equal(statSync(join(literal.directory, 'holdfast.yaml')).mode & 0o777, 0o600)
  const text = readFileSync(join(literal.directory, 'holdfast.yaml'), 'utf8')
  const read = await holdfast(t, ['config', 'show', '--json'], { files: { 'holdfast.yaml': text } })
  assert.equal(read.code, 0)
  assert.ok(!read.stdout.includes('pw@'))
  const again = await holdfast(t, ['init', ...ends], { files: { 'holdfast.yaml': small } })
  assert.equal(again.code, 5)
  assert.match(again.stderr, /HF-X011/)
  assert.equal(readFileSync(join(again.directory, 'holdfast.yaml'), 'utf8'), small)
})

test('init from the environment writes references that read back', async (t) => {
  const environment = {
    DATABASE_MIRROR_ENABLED: 'true',
    DATABASE_URL: 'postgres://app:pw@127.0.0.1/app',
    MIRROR_DB_HOST: 'db.example',
    MIRROR_DB_NAME: 'app',
    MIRROR_DB_USER: 'mirror',
    MIRROR_DB_PASSWORD: 'hunter2',
  }
  const made = await holdfast(t, ['init', '--from-env', '--dry-run'], { environment })
  assert.equal(made.code, 0)
  assert.ok(!made.stdout.includes('hunter2') && !made.stdout.includes('pw@'))
  const files = { 'holdfast.yaml': made.stdout }
  const read = await holdfast(t, ['config', 'validate'], { environment, files })
  assert.equal(read.code, 0, read.stderr)
})

test('explain: a code, an error of a server, a text of ours, nothing known', async (t) => {
  assert.match((await holdfast(t, ['explain', 's103'])).stdout, /^HF-S103 /)
  const pasted = 'ERROR: requested WAL segment 00000001 has already been removed'
  assert.match((await holdfast(t, ['explain', pasted])).stdout, /^HF-L101 /)
  assert.match((await holdfast(t, ['explain', 'Unknown', 'key'])).stdout, /^HF-C003 /)
  const unknown = await holdfast(t, ['explain', 'zzz'])
  assert.deepEqual([unknown.code, unknown.stdout], [4, ''])
  const all = JSON.parse((await holdfast(t, ['explain', '--json'])).stdout).result
  assert.ok(all.length > 40)
})

test('destroy is refused where nobody can be asked', async (t) => {
  const ends = ['--source', 'postgres://h1/s', '--target', 'postgres://h2/t', '--name', 'crm']
  for (const more of [[], ['--confirm', 'shop']]) {
    const ran = await holdfast(t, ['destroy', ...ends, ...more])
    assert.equal(ran.code, 5)
    assert.match(ran.stderr, /stays .*all mirrored tables/)
    assert.match(ran.stderr, /holdfast destroy --name crm --source URL --target URL --confirm crm/)
  }
})
