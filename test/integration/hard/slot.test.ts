import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import pg from 'pg'
import { assertSameContents, contents } from '../../../testkit/contents.ts'
import { eventually } from '../../../testkit/eventually.ts'
import { type Major, openSession, postgres } from '../../../testkit/servers/index.ts'
import { run } from '../../../testkit/servers/machine.ts'
import { dropSlot } from '../../../testkit/slot.ts'
import { countAt, halts, type Life, life, writeLog } from './life.ts'

async function slotOf(one: Life): Promise<Readonly<Record<string, string | null>> | undefined> {
  const [row] = await one.source.query(
    'select active_pid, wal_status, confirmed_flush_lsn, restart_lsn from pg_replication_slots where slot_name = $1',
    [one.slot],
  )
  return row
}

async function stateOf(one: Life): Promise<string | null | undefined> {
  const [row] = await one.target.query('select token from _holdfast.lanes')
  return row?.token
}

for (const major of [14, 18] as const) {
  test(`P108 a slot that lost its log is named and nothing is applied, ${major}`, async (t) => {
    await using server = await postgres(major, {
      settings: { max_slot_wal_keep_size: '1MB', checkpoint_timeout: '1h' },
    })
    const one = await life(t, { source: server, target: 18 })
    await one.catchUp()
    const stood = await stateOf(one)
    await one.source.query("insert into item values (100, 'unread')")
    await writeLog(one.source, 4)
    assert.equal((await slotOf(one))?.wal_status, 'lost')
    await halts(one, 'HF-L101', { says: /invalidated \(wal_removed\)/ })
    assert.equal(await stateOf(one), stood)
    assert.equal(await countAt(one.target), 50)
  })

  test(`P108 a slot that is lost while the mirror is held up ends it by name, ${major}`, async (t) => {
    await using server = await postgres(major, {
      settings: { max_slot_wal_keep_size: '1MB', checkpoint_timeout: '1h' },
    })
    const one = await life(t, { source: server, target: 18 })
    const child = one.run()
    await child.line(/streaming: the target is up to date/)
    const holder = await one.target.session()
    await holder.query('begin; lock table item')
    await one.source.query("insert into item values (100, 'not applied yet')")
    await eventually('the slot is lost', async () => {
      await writeLog(one.source, 4)
      return (await slotOf(one))?.wal_status === 'lost'
    })
    await holder.query('rollback')
    assert.equal((await child.end()).code, 1, child.lines.join('\n'))
    assert.match(child.stderr.join('\n'), /HF-L101 /)
  })

  test(`P109 a slot that was dropped, or made anew by hand, is a gap, ${major}`, async (t) => {
    const one = await life(t, { source: major, target: 18 })
    await one.catchUp()
    await dropSlot(one.source, one.slot)
    await one.source.query("insert into item values (100, 'while there was no slot')")
    await halts(one, 'HF-L103')
    await one.source.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [one.slot])
    await one.source.query("insert into item values (101, 'in the new slot')")
    await halts(one, 'HF-L105', { says: /the source's log for this mirror begins at/ })
    await dropSlot(one.source, one.slot)
    await one.source.query("select pg_create_logical_replication_slot($1, 'test_decoding')", [
      one.slot,
    ])
    await halts(one, 'HF-L105', { says: /one of test_decoding/ })
    assert.equal(await countAt(one.target), 50)
  })

  test(`P110 a target that was restored to before its slot is a gap, ${major}`, async (t) => {
    const one = await life(t, { source: major, target: 18 })
    await one.catchUp()
    // The whole target as it stood, its state included.
    const backup = `${one.target.name}_backup`
    await using admin = await openSession(one.target.server.url())
    const restore = async (from: string, to: string): Promise<void> => {
      await admin.query(`drop database if exists ${to} with (force)`)
      await admin.query(`create database ${to} template ${from}`)
    }
    const disconnect = `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1`
    await eventually('nobody is connected', async () => {
      await admin.query(disconnect, [one.target.name])
      await restore(one.target.name, backup)
      return true
    })
    t.after(async () => {
      await using last = await openSession(one.target.server.url())
      await last.query(`drop database if exists ${backup} with (force)`)
    })
    await one.source.query("insert into item values (100, 'after the backup')")
    await one.catchUp()
    await restore(backup, one.target.name)
    await one.source.query("insert into item values (101, 'after the restore')")
    await halts(one, 'HF-L105', { says: /the target stands at .* but the source's log/ })
    assert.equal(await countAt(one.target), 50)
  })

  test(`P111 a source that went back in time is not followed, ${major}`, async (t) => {
    await wentBack(t, major)
  })

  test(`P111 a slot that is merely behind the target is no sign of that, ${major}`, async (t) => {
    await using server = await postgres(major, {
      settings: { logical_decoding_work_mem: '64kB' },
    })
    const one = await life(t, { source: server, target: 18 })
    await one.source.query('create table aside (id int)')
    const first = one.run('--exclude', 'aside', '--until', 'caught-up')
    assert.equal((await first.end()).code, 0, first.lines.join('\n'))
    const large = `insert into item select i, repeat('x', 100) from generate_series`
    const small = `insert into aside select generate_series`
    for (const [round, sql] of [
      `begin; ${large}(1000, 3999) i; commit`,
      `begin; insert into item values (100, 'kept'); savepoint a; ${large}(5000, 7999) i;
       rollback to a; commit`,
      `begin; savepoint a; ${large}(5000, 7999) i; rollback to a; commit; update item set name = 'y'`,
      `${small}(1, 9000); begin; ${large}(9000, 11999) i; rollback; delete from item where id = 3;
       ${small}(1, 9000)`,
    ].entries()) {
      await one.source.query(sql)
      // Killed before the source hears of what was applied, and the slot is read from again.
      const child = one.runWith({ HOLDFAST_KILL_AT: 'batch-applied' }, '--exclude', 'aside')
      assert.equal((await child.end()).signal, 'SIGKILL', child.lines.join('\n'))
      const slot = await slotOf(one)
      const [row] = await one.source.query('select $1::pg_lsn < $2::pg_lsn as behind', [
        slot?.confirmed_flush_lsn,
        await stateOf(one),
      ])
      assert.equal(row?.behind, 't', `round ${round}`)
      const next = one.run('--exclude', 'aside', '--until', 'caught-up')
      assert.equal((await next.end()).code, 0, next.lines.join('\n'))
      assert.equal(
        (await contents(one.target)).get('public.item'),
        (await contents(one.source)).get('public.item'),
      )
    }
  })

  test(`P112 another server under the same address is refused, ${major}`, async (t) => {
    const one = await life(t, { source: major, target: 18 })
    await one.catchUp()
    await using fresh = await postgres(major, { settings: {} })
    await using admin = await openSession(fresh.url())
    await admin.query(`create database ${one.source.name}`)
    await using other = await openSession(fresh.url(one.source.name))
    await other.query('create table item (id int primary key, name text not null)')
    const flags = ['--source', fresh.url(one.source.name)]
    await halts(one, 'HF-L106', { flags })
    // Nor when somebody made there what the mirror looks for.
    await other.query(`create publication ${one.slot} for table item`)
    await other.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [one.slot])
    await halts(one, 'HF-L106', { flags, says: /the source is not the one that was mirrored/ })
    // The first one is still followed.
    await one.source.query("insert into item values (100, 'at home')")
    await one.catchUp()
  })

  test(`P115 two processes: the second waits, is refused, and takes over from a dead one, ${major}`, async (t) => {
    const one = await life(t, { source: major, target: 18 })
    const first = one.run()
    await first.line(/streaming: the target is up to date/)
    const second = one.run()
    assert.equal((await second.end()).code, 4, second.lines.join('\n'))
    assert.match(second.stderr.join('\n'), /HF-X101 [\s\S]*held by process \d+/)
    await first.kill()
    await one.source.query("insert into item values (100, 'for the next one')")
    await one.catchUp()
  })

  test(`P115 a stranger on the slot is named and never ended, ${major}`, async (t) => {
    const one = await life(t, { source: major, target: 18 })
    await one.catchUp()
    await one.source.query("insert into item values (100, 'x')")
    const stranger = await consumer(t, one)
    const child = one.run()
    await child.line(/HF-L104 .*somebody else.*trying again/)
    assert.ok(await readerOf(one), 'the stranger still reads')
    await stranger.end()
    await eventually('the row arrives', async () => (await countAt(one.target)) === 51)
    assert.equal((await child.kill('SIGTERM')).code, 0, child.lines.join('\n'))
    await assertSameContents(one.source, one.target)
  })
}

/** Reads from the mirror's slot as a program would that has nothing to do with Holdfast. */
async function consumer(t: TestContext, one: Life): Promise<pg.Client> {
  const url = new URL(one.source.url)
  url.searchParams.set('replication', 'database')
  url.searchParams.set('application_name', 'somebody else')
  const client = new pg.Client({ connectionString: url.href })
  client.on('error', () => {})
  await client.connect()
  t.after(() => client.end())
  const options = `proto_version '1', publication_names '${one.slot}'`
  client.query(`START_REPLICATION SLOT ${one.slot} LOGICAL 0/0 (${options})`).catch(() => {})
  await eventually('somebody else reads', () => readerOf(one))
  return client
}

async function readerOf(one: Life): Promise<boolean> {
  const [row] = await one.source.query(
    `select a.application_name from pg_stat_activity a join pg_replication_slots s
     on s.active_pid = a.pid where s.slot_name = $1`,
    [one.slot],
  )
  return row?.application_name === 'somebody else'
}

/** A copy of the server's files, made and put back while it is stopped. */
async function wentBack(t: TestContext, major: Major): Promise<void> {
  await using server = await postgres(major, { settings: {} })
  const one = await life(t, { source: server, target: 18 })
  const backup = `${server.dataDirectory}-backup`
  const copy = (from: string, to: string): Promise<string> =>
    run('cp', ['-a', '--reflink=auto', from, to])
  await one.catchUp()
  await server.stop('fast')
  await copy(server.dataDirectory, backup)
  await server.start()
  await one.source.query("insert into item select i, 'withdrawn' from generate_series(100, 199) i")
  await one.catchUp()
  const stood = await stateOf(one)
  const restore = async (): Promise<void> => {
    await server.stop('fast')
    await rm(server.dataDirectory, { recursive: true })
    await copy(backup, server.dataDirectory)
    await server.start()
  }

  await restore()
  await halts(one, 'HF-L106', { says: /but the source's log ends at/ })
  assert.equal(await stateOf(one), stood)

  // A log that has grown past the place again is another one all the same.
  await one.source.query("insert into item select i, 'new' from generate_series(100, 3999) i")
  const [row] = await one.source.query(`select pg_current_wal_flush_lsn() > $1::pg_lsn as passed`, [
    stood,
  ])
  assert.equal(row?.passed, 't')
  await halts(one, 'HF-L106', { says: /went back|not the one/ })
  assert.equal(await stateOf(one), stood)
}

test('P108 a slot that was idle for too long is lost by name, 18', async (t) => {
  await using server = await postgres(18, { settings: { idle_replication_slot_timeout: '1s' } })
  const one = await life(t, { source: server, target: 18 })
  await one.catchUp()
  await eventually('the slot is lost', async () => {
    await one.source.query('checkpoint')
    return (await slotOf(one))?.wal_status === 'lost'
  })
  await one.source.query("insert into item values (100, 'unread')")
  await halts(one, 'HF-L101', { says: /idle_timeout/ })
})
