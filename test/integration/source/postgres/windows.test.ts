import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Lsn, parseLsn } from '../../../../src/source/postgres/position.ts'
import { CatchUp } from '../../../../src/source/postgres/windows/catchup.ts'
import { LogReader, type WindowPlace } from '../../../../src/source/postgres/windows/reader.ts'
import { database, type TestDatabase } from '../../../../testkit/servers/index.ts'
import { endpointOf, never, started } from './support.ts'

const MEMORY = { decoding: 4 << 20, result: 4 << 20 }

async function lsnOf(db: TestDatabase, sql: string): Promise<Lsn> {
  const [row] = await db.query(sql)
  return parseLsn(row?.['lsn'] ?? '')
}

/** The messages of a window but those about relations and types, in hex. */
async function rowsOf(reader: LogReader, place: Omit<WindowPlace, 'memory'>): Promise<string[]> {
  const window = reader.window({ ...place, memory: MEMORY })
  const found: string[] = []
  while (await window.some(never)) {
    const { buffer, ends } = window.take()
    for (let i = 0; i < ends.length; i += 2) {
      const message = buffer.subarray(ends[i], ends[i + 1])
      if (message[0] !== 0x52 && message[0] !== 0x59) found.push(message.toString('hex'))
    }
  }
  return found
}

/** The Commit messages of a window. */
async function commits(reader: LogReader, place: Omit<WindowPlace, 'memory'>): Promise<string[]> {
  return (await rowsOf(reader, place)).filter((hex) => hex.startsWith('43'))
}

/** How readers of the mirror's slot are opened. */
async function optionsOf(db: TestDatabase): Promise<Parameters<typeof LogReader.open>[0]> {
  const [slot] = await db.query(
    'select slot_name as name from pg_replication_slots where database = current_database()',
  )
  const name = slot?.['name'] ?? ''
  const endpoint = endpointOf(db.url)
  return { endpoint, mirror: 'windows', slot: name, publications: [name], binary: false }
}

/** A window that follows no other one. */
const alone = { after: null, held: false } as const

for (const major of [14, 16, 18] as const) {
  test(`PostgreSQL ${major}: windows side by side hold each commit once, wherever a page begins`, async (t) => {
    const db = await database(t, major)
    await db.query('create table a (id int primary key)')
    const { positions } = await started(t, db)
    const from = positions.get('wal')?.order ?? 0n
    await db.query(
      `do $$ begin for i in 1..4000 loop insert into a values (i); commit; end loop; end $$`,
    )
    const to = await lsnOf(db, 'select pg_current_wal_flush_lsn() as lsn')
    const options = await optionsOf(db)
    await using one = await LogReader.open(options)
    const wanted = await commits(one, { from, to, ...alone })
    assert.ok(wanted.length >= 4000)
    // Each page of 8 kB once as the end of a window and the beginning of the next.
    for (const step of [0x2000n, 0x10000n]) {
      await using reader = await LogReader.open(options)
      await using second = await LogReader.open(options)
      // One alone, and two in turn of which each goes on where the other one's window ended.
      for (const readers of [[reader], [second, one]]) {
        const got: string[] = []
        let after: LogReader | null = null
        for (let [at, turn] = [from, 0]; at < to; turn++) {
          const page = (at + step) & ~(step - 1n)
          const end = page < to ? page : to
          const next = readers[turn % readers.length] ?? assert.fail()
          const place = { from: at, to: end, after, held: false }
          got.push(...(await commits(next, place)))
          at = end
          after = next
        }
        assert.deepEqual(got, wanted)
      }
    }
  })

  test(`PostgreSQL ${major}: a window is read although a transaction has been open for long`, async (t) => {
    const db = await database(t, major)
    await db.query('create table a (id int primary key)')
    const { positions } = await started(t, db)
    const open = await db.session()
    await open.query('begin; insert into a values (0)')
    // What was running is noted: later windows decode from here on.
    await db.query('checkpoint')
    const from = positions.get('wal')?.order ?? 0n
    await db.query(
      "select pg_logical_emit_message(false, 'x', repeat('x', 1 << 20)) from generate_series(1, 300)",
    )
    await db.query(
      'do $$ begin for i in 1..4000 loop insert into a values (i); commit; end loop; end $$',
    )
    const to = await lsnOf(db, 'select pg_current_wal_flush_lsn() as lsn')
    const middle = (to - 0x20000n) & ~0xffffn
    const options = await optionsOf(db)
    await using one = await LogReader.open(options)
    await using other = await LogReader.open(options)
    const first = await commits(one, { from, to: middle, ...alone })
    const second = await commits(other, { from: middle, to, after: one, held: false })
    await open.close()
    assert.ok(other.before > 256 << 20)
    assert.equal(new Set([...first, ...second]).size, first.length + second.length)
    assert.equal(first.length + second.length, 4000)
  })

  test(`PostgreSQL ${major}: windows in turn bring what one brings while the server notes what runs`, async (t) => {
    const db = await database(t, major)
    await db.query('create table a (id bigserial primary key, x text)')
    for (let i = 0; i < 4; i++) await db.query(`create table b${i} (like a including all)`)
    const { positions } = await started(t, db)
    const from = positions.get('wal')?.order ?? 0n
    await overlapping(db)
    const to = await lsnOf(db, 'select pg_current_wal_flush_lsn() as lsn')
    const options = await optionsOf(db)
    await using whole = await LogReader.open(options)
    const wanted = await rowsOf(whole, { from, to, ...alone })
    assert.equal(wanted.filter((hex) => hex.startsWith('43')).length, 121)
    assert.ok(wanted.filter((hex) => hex.startsWith('49')).length > 10_000)
    for (const step of [0x10000n, 0x25000n]) {
      await using one = await LogReader.open(options)
      await using other = await LogReader.open(options)
      const got: string[] = []
      let after: LogReader | null = null
      const restarts = new Set<Lsn>()
      for (let at = from; at < to; ) {
        const end: Lsn = at + step < to ? at + step : to
        const reader: LogReader = after === one ? other : one
        const place = { from: at, to: end, after, held: false }
        got.push(...(await rowsOf(reader, place)))
        restarts.add(reader.restart)
        ;[at, after] = [end, reader]
      }
      assert.deepEqual(got, wanted)
      assert.ok(restarts.size > 5, 'decoding begins further on, time and again')
    }
  })
}

test('where the log ends is asked for twice for each window, not for each piece of one', async (t) => {
  const db = await database(t, 18)
  await db.query('create table a (id int primary key, x text)')
  const { positions } = await started(t, db)
  await db.query(`do $$ begin for i in 0..99 loop
    insert into a select i * 1000 + g, repeat('x', 250) from generate_series(1, 1000) g; commit;
  end loop; end $$`)
  let asked = 0
  await using catchUp = await CatchUp.open({
    ...(await optionsOf(db)),
    from: positions.get('wal')?.order ?? 0n,
    settings: { distance: 32 << 20, millis: 5_000, memory: 512 << 20 },
    head: () => {
      asked++
      return lsnOf(db, 'select pg_current_wal_flush_lsn() as lsn')
    },
  })
  const pieces = { messages: 0, through: 0 }
  for await (const piece of catchUp.pieces(never)) {
    pieces['through' in piece ? 'through' : 'messages']++
    if ('through' in piece && piece.asked) catchUp.acknowledge(piece.through)
  }
  assert.ok(pieces.through > 1)
  assert.ok(pieces.messages > 10 * pieces.through, `${pieces.messages} pieces`)
  assert.ok(asked <= 2 * pieces.through + 1, `${asked} times`)
})

/** Transactions that lie across one another and across places where all that runs is noted. */
async function overlapping(db: TestDatabase): Promise<void> {
  const sessions = await Promise.all([0, 1, 2, 3].map(() => db.session()))
  const rows = "(x) select repeat('x', 100) from generate_series(1, 40)"
  for (let round = 0; round < 30; round++) {
    for (const [i, session] of sessions.entries()) {
      const change =
        (round + i) % 10 === 0 ? `alter table b${i} add c${round} int` : `insert into b${i} ${rows}`
      await session.query(`begin; insert into a ${rows}; savepoint s; ${change}`)
      await session.query(i === 2 ? 'rollback to s' : `insert into b${i} ${rows}`)
      if (i === round % 4) await db.query('checkpoint')
    }
    for (const [i, session] of sessions.entries()) {
      await session.query('commit')
      if (i === (round + 1) % 4) await db.query('checkpoint')
    }
  }
  for (const session of sessions) await session.close()
  await db.query('insert into a default values')
}
