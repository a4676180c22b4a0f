import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Child, holdfast } from '../../testkit/child.ts'
import { eventually } from '../../testkit/eventually.ts'

/** A temporary folder of the test's own, in which the demo makes all that it makes. */
async function scratch(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-test-'))
  // The servers' own user must be able to pass.
  await chmod(folder, 0o711)
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

function demo(folder: string, flags: readonly string[]): Child {
  return holdfast(['demo', ...flags], { env: { TMPDIR: folder } })
}

/** Servers may have to be fetched, and nothing is proven by how long it takes. */
const LONG = { within: 280_000 }

/** Command lines of processes that name the folder or work in it. */
async function processesIn(folder: string): Promise<readonly string[]> {
  const found: string[] = []
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '')
    if (line.includes(folder) || cwd.includes(folder)) found.push(line.replaceAll('\0', ' '))
  }
  return found
}

async function nothingLeft(folder: string): Promise<void> {
  await eventually('files and processes of the demo are gone', async () => {
    const left = [...(await readdir(folder)), ...(await processesIn(folder))]
    return left.length === 0 || Promise.reject(new Error(left.join('\n')))
  })
}

const played = [
  { pair: null, source: /^ {2}source +PostgreSQL 18/ },
  { pair: 'mysql-mongodb', source: /^ {2}source +MySQL 9/ },
] as const

for (const { pair, source } of played) {
  const name = pair ?? 'of two PostgreSQL servers'
  test(`the demo ${name} copies, streams, survives SIGKILL, verifies, leaves nothing`, async (t) => {
    const folder = await scratch(t)
    const which = pair === null ? [] : ['--pair', pair]
    await using child = demo(folder, [...which, '--for', '15s', '--no-open'])
    await child.line(source, LONG)
    await child.line(/streaming/, LONG)
    assert.notDeepEqual(await processesIn(folder), [], 'the test can see the processes')
    assert.deepEqual(await child.end(LONG), { code: 0, signal: null }, child.lines.join('\n'))
    const text = child.stdout.join('\n')
    const killed = text.indexOf('SIGKILL')
    assert.ok(killed > 0, text)
    assert.ok(text.lastIndexOf('verify PASS') > killed, text)
    assert.ok(text.indexOf('verify PASS') < killed, text)
    assert.ok(!text.includes('verify FAIL'), text)
    assert.match(text, /written [\d,]+ {2}applied [\d,]+/)
    await nothingLeft(folder)
  })
}

test('every pair of --list can be asked for, and no other', async (t) => {
  const folder = await scratch(t)
  await using list = demo(folder, ['--list', '--json'])
  assert.deepEqual(await list.end(), { code: 0, signal: null })
  const { pairs } = JSON.parse(list.stdout.at(-1) ?? '').summary
  assert.ok(pairs.includes('mysql-mongodb'), String(pairs))
  await using other = demo(folder, ['--pair', 'mongodb-mysql'])
  assert.deepEqual(await other.end(), { code: 2, signal: null })
  assert.match(other.stderr.join(' '), /HF-C005.*mysql-mongodb/)
  assert.deepEqual(await readdir(folder), [])
})

test('--json gives a record for each line and an envelope at the end', async (t) => {
  const folder = await scratch(t)
  await using child = demo(folder, ['--for', '1s', '--rate', '50/s', '--json'])
  assert.deepEqual(await child.end({ within: 120_000 }), { code: 0, signal: null })
  const records = child.stdout.map((line) => JSON.parse(line))
  const kinds = new Set(records.map((record) => record.event))
  for (const kind of ['server', 'shop', 'copied', 'streaming', 'kill', 'verify']) {
    assert.ok(kinds.has(kind), kind)
  }
  const last = records.at(-1)
  assert.equal(last.schema, 'holdfast.cli/1')
  assert.equal(last.ok, true)
  assert.equal(last.summary.verdict.equal, true)
  await nothingLeft(folder)
})

test('Ctrl-C ends the demo and leaves nothing', async (t) => {
  const folder = await scratch(t)
  await using child = demo(folder, [])
  await child.line(/verify PASS/)
  await child.line(/written [\d,]+ {2}applied [\d,]+ {2}lag \d/)
  assert.deepEqual(await child.kill('SIGINT'), { code: 0, signal: null })
  await nothingLeft(folder)
})

for (const which of [[], ['--pair', 'mariadb-mongodb']]) {
  test(`SIGKILL of the demo itself leaves nothing (${which.at(-1) ?? 'usual'})`, async (t) => {
    const folder = await scratch(t)
    await using child = demo(folder, which)
    await child.line(/streaming/, LONG)
    await child.kill('SIGKILL')
    await nothingLeft(folder)
  })
}

test('a rate or a duration that cannot be read is refused before anything starts', async (t) => {
  const folder = await scratch(t)
  for (const flags of [
    ['--rate', 'fast'],
    ['--for', '10 parsecs'],
  ]) {
    await using child = demo(folder, flags)
    assert.deepEqual(await child.end(), { code: 2, signal: null })
    assert.match(child.stderr.join('\n'), /HF-C005/)
  }
  assert.deepEqual(await readdir(folder), [])
})
