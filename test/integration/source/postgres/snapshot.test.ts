import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Table } from '../../../../src/model/table.ts'
import { textsOf, unframe } from '../../../../src/model/tuple.ts'
import type { Snapshot } from '../../../../src/source/source.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { database } from '../../../../testkit/servers/index.ts'
import { faults, never, readOn, sourceOf, started } from './support.ts'

/** All rows of a table in the snapshot, read in pieces of about `bytes`, concurrently. */
async function rowsIn(snapshot: Snapshot, table: Table, bytes: number) {
  const chunks = await snapshot.chunks(table, bytes)
  const read = chunks.map(async (chunk) => {
    const rows: (string | null | undefined)[][] = []
    for await (const piece of snapshot.read(chunk, 'values', never)) {
      rows.push(...unframe(piece).map(textsOf))
    }
    return rows
  })
  return { rows: (await Promise.all(read)).flat(), chunks: chunks.length }
}

for (const major of [14, 18] as const) {
  describe(`PostgreSQL ${major}`, () => {
    test('copy and stream together are the source, whatever is written meanwhile', async (t) => {
      const db = await database(t, major)
      await db.query(
        `create table a (id int primary key, v int);
         insert into a select g, 0 from generate_series(1, 20000) g`,
      )
      let writing = true
      const writers = [1, 2, 3].map(async (n) => {
        const session = await db.session()
        for (let i = 0; writing || i < 100; i++) {
          const key = ((i * 7919 * n) % 20_000) + 1
          await session.query(`update a set v = v + 1 where id = ${key}`)
          await session.query(`insert into a values (${n * 1_000_000 + i}, 0)`)
          if (i % 3 === 0) await session.query(`delete from a where id = ${(key * 3) % 20_000}`)
        }
      })
      const source = await sourceOf(t, db)
      const { tables } = await source.inspect()
      const [table] = tables
      assert.ok(table !== undefined)
      await source.prepare(tables)
      const copy = new Map<string, string>()
      await using snapshot = await source.snapshot({ keep: true }, never)
      const { rows, chunks } = await rowsIn(snapshot, table, 60_000)
      assert.ok(chunks > 5)
      for (const [id, v] of rows) {
        assert.ok(!copy.has(id ?? ''), 'a row came twice')
        copy.set(id ?? '', v ?? '')
      }
      writing = false
      await Promise.all(writers)
      const { wholes } = await readOn(source, snapshot.positions, { tables })
      assert.ok(wholes.length > 100)
      for (const change of wholes.flatMap(({ changes }) => changes)) {
        assert.ok(change.kind !== 'truncate' && change.kind !== 'schema')
        const [id = '', v = ''] = textsOf(change.row ?? change.old ?? Buffer.alloc(2)) as string[]
        assert.equal(copy.has(id), change.kind !== 'insert', `${change.kind} of ${id}`)
        if (change.kind === 'delete') copy.delete(id)
        else copy.set(id, v)
      }
      const truth = await db.query('select id, v from a')
      assert.deepEqual(copy, new Map(truth.map((row) => [row['id'], row['v']])))
    })

    test('an empty table is one chunk, and each encoding is read to its end', async (t) => {
      const db = await database(t, major)
      await db.query('create table a (id int primary key, b bytea)')
      const { source, tables } = await started(t, db)
      await using snapshot = await source.snapshot({ keep: false }, never)
      const [table] = tables
      assert.ok(table !== undefined)
      const chunks = await snapshot.chunks(table, 1000)
      assert.equal(chunks.length, 1)
      for (const encoding of source.encodings(table).copy) {
        let bytes = 0
        for (const chunk of chunks) {
          for await (const piece of snapshot.read(chunk, encoding, never)) bytes += piece.length
        }
        // The binary form has a header and a trailer of 21 bytes, here in one message.
        assert.equal(bytes, encoding === 'pg-copy-binary' ? 21 + 5 : 0, encoding)
      }
    })

    test('a second snapshot stands where its own rows are, and leaves no slot behind', async (t) => {
      const db = await database(t, major)
      await db.query('create table a (id int primary key)')
      const { source, tables, positions } = await started(t, db)
      await db.query('insert into a values (1)')
      const slots = `select count(*) as n from pg_replication_slots where database = current_database()`
      {
        await using snapshot = await source.snapshot({ keep: false }, never)
        const [table] = tables
        assert.ok(table !== undefined)
        await db.query('insert into a values (2)')
        assert.deepEqual((await rowsIn(snapshot, table, 1000)).rows, [['1']])
        const { wholes } = await readOn(source, snapshot.positions, { tables })
        assert.deepEqual(
          wholes
            .flatMap(({ changes }) => changes)
            .map((c) => ('row' in c && c.row ? textsOf(c.row) : [])),
          [['2']],
        )
      }
      await eventually('only the mirror’s own slot is left', async () => {
        const [row] = await db.query(slots)
        return row?.['n'] === '1'
      })
      assert.equal((await source.range()).from.size, positions.size)
    })

    test('a snapshot whose session dies says so, and so does a table that was emptied under it', async (t) => {
      const db = await database(t, major)
      await db.query(
        `create table a (id int primary key); insert into a select generate_series(1, 20000);
         create table b (id int primary key);
         create table c (id int primary key); insert into c values (1)`,
      )
      const { source, tables } = await started(t, db)
      const [a, b, c] = tables
      assert.ok(a !== undefined && b !== undefined && c !== undefined)
      await using snapshot = await source.snapshot({ keep: false }, never)
      // Even before its chunks are known: the snapshot finds the new file empty.
      await db.query('truncate c; insert into c values (2)')
      await faults('HF-L109', rowsIn(snapshot, c, 1000))
      const chunks = await snapshot.chunks(a, 100_000)
      await db.query('truncate a')
      const read = async (chunk = chunks[0]): Promise<void> => {
        assert.ok(chunk !== undefined)
        for await (const _ of snapshot.read(chunk, 'pg-copy-text', never));
      }
      await faults('HF-L109', read())
      const other = await snapshot.chunks(b, 1000)
      await read(other[0])
      await db.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where application_name like 'holdfast:%:snapshot' and datname = current_database()`,
      )
      await eventually('the session is gone', async () => {
        const rows = await db.query(
          `select 1 from pg_stat_activity
           where application_name like 'holdfast:%:snapshot' and datname = current_database()`,
        )
        return rows.length === 0
      })
      await faults('HF-L109', read(other[0]))
    })

    test('who holds the snapshot up is named, and waiting can be given up (P98)', async (t) => {
      const db = await database(t, major)
      await db.query('create table a (id int primary key)')
      const idle = await db.session()
      await idle.query(`set application_name = 'forgotten'; begin; insert into a values (1)`)
      const notices: string[] = []
      const stop = new AbortController()
      const notice = (text: string): void => {
        notices.push(text)
        stop.abort(new Error('enough'))
      }
      const source = await sourceOf(t, db, { notice })
      const { tables } = await source.inspect()
      await source.prepare(tables)
      await assert.rejects(source.snapshot({ keep: true }, stop.signal))
      assert.match(notices[0] ?? '', /forgotten/)
      await idle.query('commit')
      await eventually('the half-made slot is gone', async () => {
        const rows = await db.query(
          'select 1 from pg_replication_slots where database = current_database()',
        )
        return rows.length === 0
      })
      await using snapshot = await source.snapshot({ keep: true }, never)
      const [table] = tables
      assert.ok(table !== undefined)
      assert.equal((await rowsIn(snapshot, table, 1000)).rows.length, 1)
    })

    test('a copy that is given up leaves no session busy', async (t) => {
      const db = await database(t, major)
      await db.query(
        `create table a (id int primary key, x text);
         insert into a select g, repeat('x', 500) from generate_series(1, 40000) g`,
      )
      const { source, tables } = await started(t, db)
      const [table] = tables
      assert.ok(table !== undefined)
      await using snapshot = await source.snapshot({ keep: false }, never)
      const [chunk] = await snapshot.chunks(table, 1 << 30)
      assert.ok(chunk !== undefined)
      for await (const _ of snapshot.read(chunk, 'pg-copy-binary', never)) break
      const stop = new AbortController()
      await assert.rejects(async () => {
        for await (const _ of snapshot.read(chunk, 'pg-copy-binary', stop.signal)) stop.abort()
      })
      await eventually('no copy runs', async () => {
        const rows = await db.query(
          `select 1 from pg_stat_activity where application_name like 'holdfast:%:copy'
           and datname = current_database() and state = 'active'`,
        )
        return rows.length === 0
      })
    })

    test('destroy removes slot and publications, and can be repeated', async (t) => {
      const db = await database(t, major)
      await db.query('create table a (id int primary key); create table k (x int)')
      const { source } = await started(t, db)
      const name = `holdfast_${db.name}`
      assert.deepEqual(await source.destroy(), [
        `replication slot ${name}`,
        `publication "${name}"`,
        `publication "${name}_append"`,
      ])
      assert.deepEqual(await source.destroy(), [])
    })
  })
}
