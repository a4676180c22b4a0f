import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Child, holdfast } from '../../../testkit/child.ts'
import { assertSameContents } from '../../../testkit/contents.ts'
import { eventually } from '../../../testkit/eventually.ts'
import { database, type TestDatabase } from '../../../testkit/servers/index.ts'

interface Stage {
  readonly source: TestDatabase
  readonly target: TestDatabase
  readonly ends: readonly string[]
  /** Starts holdfast in the folder of this test. */
  start(...words: string[]): Child
}

async function stage(t: TestContext): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-run-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const source = await database(t, 18)
  const target = await database(t, 18)
  await source.query('create table item (id int primary key, name text not null)')
  await source.query("insert into item select i, 'item ' || i from generate_series(1, 500) i")
  const ends = ['--source', source.url, '--target', target.url]
  const start = (...words: string[]): Child => holdfast(words, { cwd: directory })
  return { source, target, ends, start }
}

async function ended(child: Child): Promise<number | null> {
  return (await child.end()).code
}

test('run --until caught-up copies, ends with 0, and goes on by name', async (t) => {
  const { source, target, ends, start } = await stage(t)
  await using first = start('run', '--name', 'shop', ...ends, '--until', 'caught-up')
  assert.equal(await ended(first), 0, first.lines.join('\n'))
  assert.match(first.stdout.join('\n'), /ok {3}shop has caught up at .*: 1 table, 500 rows copied/)
  await assertSameContents(source, target)
  await source.query("update item set name = 'new' where id = 7; delete from item where id = 8")
  await using again = start('run', '--name', 'shop', ...ends, '--until', 'caught-up', '--json')
  assert.equal(await ended(again), 0, again.lines.join('\n'))
  const records = again.stdout.map((line) => JSON.parse(line))
  const envelope = records.at(-1)
  assert.equal(envelope.schema, 'holdfast.cli/1')
  assert.equal(envelope.ok, true)
  assert.deepEqual(envelope.summary, { shop: 'caught-up' })
  assert.ok(records.some(({ schema, event }) => schema === 'holdfast.event/1' && event === 'phase'))
  await assertSameContents(source, target)
})

test('no address and no password is stored at either end or in the folder', async (t) => {
  const { source, target, start } = await stage(t)
  const secret = (url: string): string => url.replace('postgres@', 'postgres:hunter2@')
  const ends = ['--source', secret(source.url), '--target', secret(target.url)]
  await using mirror = start('run', ...ends, '--until', 'caught-up')
  assert.equal(await ended(mirror), 0, mirror.lines.join('\n'))
  const [state] = await target.query(
    "select schema_to_xml('_holdfast', true, false, '')::text as everything",
  )
  assert.match(String(state?.everything), /public/)
  for (const word of ['postgres://', 'hunter2', '127.0.0.1']) {
    assert.ok(!String(state?.everything).includes(word), word)
  }
  const [publication] = await source.query(
    "select obj_description(oid, 'pg_publication') as said from pg_publication",
  )
  assert.doesNotMatch(String(publication?.said), /hunter2|127\.0\.0\.1/)
})

test('run --until a position ends there, from nothing and from a checkpoint', async (t) => {
  const { source, target, ends, start } = await stage(t)
  for (const id of [1001, 1002]) {
    await source.query(`insert into item values (${id}, 'x')`)
    const [row] = await source.query('select pg_current_wal_flush_lsn() as at')
    await using mirror = start('run', ...ends, '--until', String(row?.at))
    assert.equal(await ended(mirror), 0, mirror.lines.join('\n'))
    await assertSameContents(source, target)
  }
})

test('run --snapshot-only ends after the copy, and says what it costs', async (t) => {
  const { source, target, ends, start } = await stage(t)
  await using copied = start('run', ...ends, '--snapshot-only')
  assert.equal(await ended(copied), 0, copied.lines.join('\n'))
  assert.match(copied.stderr.join('\n'), /keeps its log for this mirror.*holdfast run/)
  await assertSameContents(source, target)
  await source.query('delete from item where id <= 100')
  await using again = start('run', ...ends, '--until', 'caught-up')
  assert.equal(await ended(again), 0, again.lines.join('\n'))
  await assertSameContents(source, target)
})

test('a running mirror can be asked; SIGTERM applies what was read and ends with 0', async (t) => {
  const { source, target, ends, start } = await stage(t)
  await using mirror = start('run', ...ends)
  await mirror.line(/streaming: the target is up to date/)
  await source.query("insert into item values (1001, 'live')")
  await eventually('the live row arrives', async () => {
    const [row] = await target.query('select count(*) as n from item where id = 1001')
    return row?.n === '1'
  })
  const healthy = await eventually('the status is healthy', async () => {
    await using asked = start('status', '--json')
    assert.equal(await ended(asked), 0, asked.lines.join('\n'))
    const { result } = JSON.parse(asked.stdout.join('\n'))
    return result.overall === 'healthy' && result
  })
  assert.equal(healthy.mirror, 'default')
  assert.equal(healthy.phase, 'streaming')
  assert.equal(healthy.connector.state, 'RUNNING')
  assert.equal(healthy.consumer.healthy, true)
  assert.deepEqual(healthy.config, {
    status: 'active',
    active: true,
    connector_name: 'holdfast_default',
  })
  assert.equal(healthy.transactions.whole, true)
  assert.ok(healthy.statistics.rows_synced >= 501)
  assert.deepEqual(healthy.tables, [
    {
      name: 'public.item',
      mode: 'exact',
      copied: true,
      rows_copied: 500,
      rows_expected: healthy.tables[0].rows_expected,
    },
  ])
  await using verified = start('verify')
  assert.equal(await ended(verified), 0, verified.lines.join('\n'))
  assert.match(verified.stdout.join('\n'), /verify PASS/)
  await source.query("insert into item values (1002, 'last')")
  mirror.signal('SIGTERM')
  assert.equal(await ended(mirror), 0, mirror.lines.join('\n'))
  assert.match(mirror.stdout.join('\n'), /ok {3}default stopped at/)
  await using asked = start('status', ...ends)
  assert.equal(await ended(asked), 0)
  assert.match(asked.stdout.join('\n'), /wait default {3}degraded {3}stopped/)
})

test('a second signal stops at once', async (t) => {
  const { source, target, ends, start } = await stage(t)
  await using mirror = start('run', ...ends)
  await mirror.line(/streaming: the target is up to date/)
  // The table is locked at the target, so that draining cannot end.
  const holder = await target.session()
  await holder.query('begin')
  await holder.query('lock table item')
  await source.query('update item set name = name')
  await eventually('the mirror waits for the lock', async () => {
    const [row] = await target.query(
      "select count(*) as n from pg_locks where not granted and relation = 'item'::regclass",
    )
    return Number(row?.n) > 0
  })
  mirror.signal('SIGTERM')
  await mirror.line(/^Stopping: /)
  mirror.signal('SIGTERM')
  const { code } = await mirror.end()
  assert.equal(code, 1)
  assert.match(mirror.stderr.join('\n'), /HF-X002/)
})

test('a look that is interrupted ends at once with the code of the signal', async (t) => {
  const { ends, start } = await stage(t)
  const sockets: Socket[] = []
  const silent = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1')
  t.after(() => silent.close())
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    await using look = start('discover', ...ends, '--source', `postgres://127.0.0.1:${port}/d`)
    await once(silent, 'connection')
    look.signal(signal)
    assert.equal((await look.end()).code, code)
  }
  for (const socket of sockets) socket.destroy()
})
