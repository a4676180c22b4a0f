import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Child, holdfast } from '../../../testkit/child.ts'
import { contents } from '../../../testkit/contents.ts'
import { as, pair, refused, scratch, stateOf } from '../bad-input/support.ts'

async function answered(t: TestContext, words: readonly string[], exit: number): Promise<Child> {
  const child = holdfast(words, { cwd: scratch(t) })
  t.after(() => child[Symbol.asyncDispose]())
  const { code } = await child.end()
  assert.equal(code, exit, child.lines.join('\n'))
  return child
}

test('check says whether it would work, and changes nothing', async (t) => {
  const { source, target, ends } = await pair(t)
  const before = [await stateOf(source), await stateOf(target)]
  const good = await answered(t, ['check', ...ends], 0)
  assert.match(good.stdout.join('\n'), /^ok {3}source {3}reachable, PostgreSQL 18/)
  assert.match(good.stderr.join('\n'), /Summary: \d+ ok · \d+ warn · 0 fail\..*Next: holdfast run/)
  await source.query('create table note (body text)')
  const bad = await answered(t, ['check', ...ends], 4)
  assert.match(bad.stdout.join('\n'), /fail HF-S203[\s\S]*→ /)
  const json = await answered(t, ['check', ...ends, '--json'], 4)
  const envelope = JSON.parse(json.stdout.join('\n'))
  assert.equal(envelope.ok, false)
  assert.equal(envelope.error, null)
  assert.equal(envelope.summary.fail, 1)
  assert.ok(envelope.result.findings.some(({ code }: { code?: string }) => code === 'HF-S203'))
  await source.query('drop table note')
  assert.deepEqual([await stateOf(source), await stateOf(target)], before)
})

test('check --sql prints at once what makes it pass at both ends', async (t) => {
  const { source, target, ends } = await pair(t)
  await source.query('create table note (body text)')
  const at = await as(t, target, 'login')
  const words = ['check', ...ends, '--target', at]
  const script = await answered(t, [...words, '--sql'], 4)
  const [, ofSource = '', ofTarget = ''] =
    /^([\s\S]*?)(-- At the target[\s\S]*)?$/.exec(script.stdout.join('\n')) ?? []
  // What a person would run by hand; ALTER SYSTEM would reach beyond this database.
  await source.query(ofSource.replaceAll(/ALTER SYSTEM .*/g, ''))
  await target.query(ofTarget)
  await answered(t, words, 0)
})

test('discover lists the tables and what becomes of them, with no target named', async (t) => {
  const { source, ends } = await pair(t)
  await source.query('create table note (body text); create schema crm')
  await source.query('create table crm."Odd Name" (a int, b int, primary key (b, a))')
  await source.query('create table crm.moment (a int primary key, s pg_snapshot, x pg_lsn)')
  const words = ['discover', '--source', source.url]
  const told = await answered(t, words, 0)
  const lines = told.stdout.join('\n')
  assert.match(lines, /public\.item +2 +\S+ kB +2 +id +key +mirror/)
  assert.match(lines, /public\.note +0 +\S+ kB +1 +none +none +blocked +HF-S203/)
  assert.match(lines, /crm\.Odd Name +0 +0 B +2 +b, a +key +mirror/)
  assert.match(told.stderr.join('\n'), /Next: holdfast check --source URL --target URL/)
  const json = await answered(t, ['discover', ...ends, '--include', 'crm.*', '--json'], 0)
  const { result } = JSON.parse(json.stdout.join('\n'))
  assert.deepEqual(
    result.tables.map(({ table }: { table: string }) => table),
    ['crm.Odd Name', 'crm.moment'],
  )
  const wrong = await answered(t, ['discover', '--source', 'postgres://h:x/d'], 2)
  assert.match(wrong.stderr.join('\n'), /HF-C102[\s\S]*--source/)
})

test('destroy takes away what the mirror keeps, and leaves the tables', async (t) => {
  const { source, target, ends } = await pair(t)
  const empty = await stateOf(source)
  await answered(t, ['run', ...ends, '--name', 'crm', '--until', 'caught-up'], 0)
  const rows = [...(await contents(target))]
  const name = ['--name', 'crm']
  await refused(t, {
    untouched: [source, target],
    words: ['destroy', ...ends, ...name],
    code: 'HF-X010',
    exit: 5,
    says: /--confirm crm/,
  })
  const gone = await answered(t, ['destroy', ...ends, ...name, '--confirm', 'crm'], 0)
  assert.match(gone.stdout.join('\n'), /ok {3}removed replication slot holdfast_crm/)
  assert.deepEqual(await stateOf(source), empty)
  assert.deepEqual([...(await contents(target))], rows)
  const [state] = await target.query("select to_regnamespace('_holdfast') as state")
  assert.equal(state?.state, null)
  await answered(t, ['destroy', ...ends, ...name, '--confirm', 'crm'], 2)
})

test('status tells which mirrors the target knows', async (t) => {
  const { ends, target } = await pair(t)
  await answered(t, ['run', ...ends, '--name', 'crm', '--until', 'caught-up'], 0)
  const stored = await answered(t, ['status', '--target', target.url, '--name', 'crm', '--json'], 0)
  const { result } = JSON.parse(stored.stdout.join('\n'))
  assert.equal(result.phase, 'stopped')
  assert.equal(result.statistics.tables_enabled, 1)
  assert.match(result.positions.applied, /^[0-9A-F]+\/[0-9A-F]+$/)
  const other = await answered(t, ['status', '--target', target.url, '--name', 'shop'], 2)
  assert.match(other.stderr.join('\n'), /HF-C112[\s\S]*holds crm/)
  await answered(t, ['status', '--target', target.url, '--name', 'crm', '--exit-code'], 4)
  const nobody = await answered(t, ['status'], 4)
  assert.match(nobody.stderr.join('\n'), /HF-X012/)
})

test('the environment alone runs a mirror', async (t) => {
  const { source, target } = await pair(t)
  const { hostname, port, pathname, username } = new URL(target.url)
  const env = {
    DATABASE_MIRROR_ENABLED: 'true',
    DATABASE_URL: source.url,
    MIRROR_DB_HOST: hostname,
    MIRROR_DB_PORT: port,
    MIRROR_DB_NAME: pathname.slice(1),
    MIRROR_DB_USER: username,
    MIRROR_DB_PASSWORD: 'hunter2',
    HOLDFAST_EXCLUDE: 'public.secret',
  }
  await source.query('create table secret (id int primary key)')
  await target.query('create table item (id int primary key, name text not null)')
  await target.query("insert into item values (9, 'mine')")
  await using child = holdfast(['run', '--until', 'caught-up'], { cwd: scratch(t), env })
  assert.equal((await child.end()).code, 0, child.lines.join('\n'))
  const said = child.stderr.join('\n')
  assert.match(said, /\[DatabaseMirror\] Database mirroring is enabled/)
  assert.match(said, /\[DatabaseMirror\] target .*TLS prefer, pool 3/)
  assert.match(said, /excluded: public\.secret/)
  assert.ok(!said.includes('hunter2'))
  const rows = await target.query('select id from item order by id')
  assert.deepEqual(
    rows.map(({ id }) => id),
    ['1', '2', '9'],
  )
  const [secret] = await target.query("select to_regclass('secret') as there")
  assert.equal(secret?.there, null)
})
