import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import type { StreamItem } from '../../src/model/change.ts'
import { Fault } from '../../src/model/fault.ts'
import { covers, type Positions } from '../../src/model/position.ts'
import type { Table } from '../../src/model/table.ts'
import { textsOf } from '../../src/model/tuple.ts'
import type { Source } from '../../src/source/source.ts'
import { assertSame, copyOf, never, type Read, readAll, readUntil, withChanges } from './reading.ts'
import {
  type Contents,
  firstRows,
  insert,
  large,
  remove,
  sample,
  truncate,
  update,
  type Write,
  type Writer,
} from './writes.ts'

/** A database with the tables of `writes.ts`, and nothing in them. */
export interface SourceStand {
  /** A source of `plain`, `wide` and `loose`; the same mirror every time. */
  open(): Promise<Source>
  begin(): Promise<Writer>
  contents(): Promise<Contents>
  /** Resolves when a reader that says nothing would have been given up. */
  silence(): Promise<void>
  /** So many rows make a transaction that arrives before it commits. */
  readonly many: number
  /**
   * `log`: it tells of `plain` alone, each change by itself, and what stood before is told, too; a
   * copy of it is empty. `database` when absent.
   */
  readonly kind?: SourceKind
  /** False for a server that keeps nothing for a reader of its log; true when absent. */
  readonly keeps?: boolean
}

export type SourceKind = 'database' | 'log'

export type SourceFixture = (t: TestContext) => Promise<SourceStand>

interface Begun extends SourceStand {
  readonly source: Source
  readonly tables: readonly Table[]
  readonly positions: Positions
  write(...writes: readonly Write[]): Promise<void>
}

/** Rows are there, and the log is kept from `positions` on. */
async function begun(t: TestContext, fixture: SourceFixture): Promise<Begun> {
  const stand = await fixture(t)
  const source = await stand.open()
  const write = (...writes: readonly Write[]): Promise<void> => transact(stand, writes)
  await write(...firstRows)
  const { tables } = await source.inspect()
  await source.prepare(tables)
  await using snapshot = await source.snapshot({ keep: true }, never)
  const { positions } = snapshot
  if (stand.kind !== 'log') return { ...stand, source, tables, positions, write }
  const told = await readAll({ source, after: positions, tables })
  return { ...stand, source, tables, positions: told.at(-1)?.positions ?? positions, write }
}

async function transact(stand: SourceStand, writes: readonly Write[]): Promise<void> {
  const writer = await stand.begin()
  await writer.write(...writes)
  await writer.commit()
}

/** A likeness of transactions that equals another exactly when they say the same. */
function told(transactions: readonly Read[]): unknown {
  return transactions.map(({ positions, changes }) => ({
    at: [...positions].map(([lane, { token }]) => [lane, token]),
    changes: [...changes].map((change) => {
      if (change.kind === 'truncate') return change.tables.map(({ name }) => name)
      if (change.kind === 'schema') return change.to.columns.map(({ name }) => name)
      const { kind, table, row, old } = change
      return [kind, table.name, row && textsOf(row), old && textsOf(old)]
    }),
  }))
}

/** Of a test that has no meaning for a source. */
const ignored = (_name: string, _of: (t: TestContext) => Promise<void>): void => undefined

function holdsChanges(item: StreamItem): boolean {
  if (item.kind === 'run') return item.run.changes.length > 0
  return item.kind === 'commit' && item.changes.length > 0
}

/** A table that is truncated before it is copied cannot be read in the snapshot any more. */
function truncated(error: unknown): null {
  if (error instanceof Fault && error.code === 'HF-L109') return null
  throw error
}

/** A log without a database is tried with what has a meaning there. */
export function describeSource(
  name: string,
  fixture: SourceFixture,
  kind: SourceKind = 'database',
): void {
  const ofRows = kind === 'log' ? ignored : test
  suite(`source contract: ${name}`, () => {
    test('a snapshot and the stream after it are the database, whatever is written', async (t) => {
      const stand = await fixture(t)
      const source = await stand.open()
      await transact(stand, firstRows)
      const { tables } = await source.inspect()
      const names = kind === 'log' ? ['plain'] : ['loose', 'plain', 'wide']
      assert.deepEqual(tables.map((table) => table.name).sort(), names)
      await source.prepare(tables)
      const writing = (async () => {
        for (const writes of sample) await transact(stand, writes)
      })()
      let snapshot = await source.snapshot({ keep: true }, never)
      let copied = await copyOf(source, snapshot, tables).catch(truncated)
      // Where a view locks what it has read, a TRUNCATE waits for its end.
      await snapshot[Symbol.asyncDispose]()
      await writing
      if (copied === null) {
        snapshot = await source.snapshot({ keep: false }, never)
        copied = await copyOf(source, snapshot, tables)
        await snapshot[Symbol.asyncDispose]()
      }
      const read = await readAll({ source, after: snapshot.positions, tables })
      assertSame(withChanges(copied, read), await stand.contents())
    })

    ofRows('each table is estimated, in the order asked for', async (t) => {
      const { source, tables } = await begun(t, fixture)
      await using snapshot = await source.snapshot({ keep: false }, never)
      const held = await copyOf(source, snapshot, tables)
      for (const asked of [tables, [...tables].reverse(), []]) {
        const estimates = await source.estimates(asked)
        const some = estimates.map(({ rows }) => (rows ?? 0) > 0)
        assert.deepEqual(
          some,
          asked.map(({ id }) => (held.get(id)?.rows.size ?? 0) > 0),
        )
      }
    })

    ofRows('a later snapshot beside a kept log stands at its own place', async (t) => {
      const { source, tables, write, contents } = await begun(t, fixture)
      await write(insert('plain', 'n', '1'), remove('loose', { a: 'same', b: 'same' }))
      await using snapshot = await source.snapshot({ keep: false }, never)
      await write(insert('plain', 'm', '2'))
      const copied = await copyOf(source, snapshot, tables)
      await write(update('plain', { id: 'n' }, { a: '3' }))
      const read = await readAll({ source, after: snapshot.positions, tables })
      assertSame(withChanges(copied, read), await contents())
    })

    test('the stream goes on exactly after any commit', async (t) => {
      const { source, tables, positions, write } = await begun(t, fixture)
      for (const writes of sample.slice(0, 12)) await write(...writes)
      const all = await readAll({ source, after: positions, tables })
      assert.ok(all.length > 5)
      const fence = await source.fence()
      for (const [i, { positions: after }] of all.entries()) {
        if (i % 3 !== 0) continue
        const rest = await readUntil({ source, after, tables }, (at) =>
          covers(source.compare, at, fence),
        )
        assert.deepEqual(told(rest), told(all.slice(i + 1)))
      }
    })

    test('positions come in order, and their tokens bring them back', async (t) => {
      const { source, tables, positions, write } = await begun(t, fixture)
      for (let i = 0; i < 4; i++) await write(insert('plain', `n${i}`, null))
      const all = await readAll({ source, after: positions, tables })
      const places = [positions, ...all.map((one) => one.positions)]
      for (const [i, one] of places.entries()) {
        for (const [j, other] of places.entries()) {
          const lane = [...one.keys()][0] ?? ''
          const [a, b] = [one.get(lane), other.get(lane)]
          assert.ok(a !== undefined && b !== undefined)
          const wanted = i === j ? 'equal' : i < j ? 'before' : 'after'
          assert.equal(source.compare(a, b), wanted)
          assert.equal(source.compare(source.position(lane, a.token), a), 'equal')
          assert.equal(a.order < b.order, i < j)
          assert.equal(source.compare({ ...a, log: 'another' }, b), 'unrelated')
        }
      }
    })

    test('what was not acknowledged is sent again, what was is behind', async (t) => {
      const { source, tables, positions, write, open } = await begun(t, fixture)
      for (let i = 0; i < 5; i++) await write(insert('plain', `n${i}`, null))
      const all = await readAll({ source, after: positions, tables })
      const again = await readAll({ source, after: positions, tables })
      assert.deepEqual(told(again), told(all))
      const stop = new AbortController()
      const reading = source.stream(positions, { tables, encoding: 'values' }, stop.signal)
      const durable = all[2]?.positions ?? positions
      for await (const _burst of reading) {
        source.acknowledge(durable)
        break
      }
      stop.abort()
      await source[Symbol.asyncDispose]()
      const later = await open()
      const { from, head } = await later.range()
      assert.ok(covers(later.compare, durable, from), 'the log begins at or before it')
      assert.ok(covers(later.compare, head, durable))
      const rest = await readAll({ source: later, after: durable, tables })
      assert.deepEqual(told(rest), told(all.slice(3)))
    })

    ofRows('keys that change, rows that keep cells, and truncates arrive whole', async (t) => {
      const { source, tables, positions, write, contents } = await begun(t, fixture)
      const snapshot = await source.snapshot({ keep: false }, never)
      const copied = await copyOf(source, snapshot, tables)
      await snapshot[Symbol.asyncDispose]()
      await write(update('wide', { id: 'a' }, { a: 'y' }))
      await write(update('wide', { id: 'a' }, { id: 'moved' }), insert('wide', 'z', 'a', 'small'))
      await write(truncate('plain', 'loose'), insert('plain', 'after', null))
      await write(remove('wide', { id: 'b' }), update('wide', { id: 'moved' }, { id: 'b' }))
      const read = await readAll({ source, after: positions, tables })
      const [first] = read[0]?.changes ?? []
      assert.ok(first?.kind === 'update' && first.row !== null)
      assert.deepEqual(textsOf(first.row), ['y', 'a', undefined])
      assertSame(withChanges(copied, read), await contents())
    })

    ofRows('large transactions arrive interleaved, without what was rolled back', async (t) => {
      const stand = await begun(t, fixture)
      const { source, tables, positions, contents, many } = stand
      const snapshot = await source.snapshot({ keep: false }, never)
      const copied = await copyOf(source, snapshot, tables)
      await snapshot[Symbol.asyncDispose]()
      const rows = (seed: string): readonly Write[] =>
        Array.from({ length: many }, (_, i) => insert('wide', null, `${seed}${i}`, large(seed)))
      const [one, other, gone] = [await stand.begin(), await stand.begin(), await stand.begin()]
      await one.write(...rows('one'), { kind: 'savepoint' }, ...rows('undone'), { kind: 'undo' })
      await other.write({ kind: 'savepoint' }, ...rows('other'), { kind: 'release' })
      await gone.write(...rows('gone'))
      await stand.write(insert('plain', 'between', null))
      await one.write({ kind: 'savepoint' }, insert('plain', 'undone', null), { kind: 'undo' })
      await one.write(insert('plain', 'last', null))
      await gone.rollback()
      await other.commit()
      await one.commit()
      const read = await readAll({ source, after: positions, tables })
      assert.deepEqual(
        read.map(({ changes }) => changes.length),
        [1, many, many + 1],
      )
      assertSame(withChanges(copied, read), await contents())
      const last = read.at(-2)?.positions ?? positions
      const rest = await readAll({ source, after: last, tables })
      assert.deepEqual(told(rest), told(read.slice(-1)))
    })

    test('a fence is passed although nothing is written, or only beside', async (t) => {
      const { source, tables, positions, write } = await begun(t, fixture)
      assert.deepEqual(await readAll({ source, after: positions, tables }), [])
      await write(insert('aside', '1'))
      const read = await readAll({ source, after: positions, tables })
      assert.deepEqual(
        read.flatMap(({ changes }) => [...changes]),
        [],
      )
    })

    test('a stream that nobody reads stays alive', async (t) => {
      const { source, tables, positions, write, silence } = await begun(t, fixture)
      await write(insert('plain', 'n', null))
      const stop = new AbortController()
      const bursts = source
        .stream(positions, { tables, encoding: 'values' }, stop.signal)
        [Symbol.asyncIterator]()
      assert.equal((await bursts.next()).done, false)
      await silence()
      await write(insert('plain', 'm', null))
      for (;;) {
        const burst = await bursts.next()
        assert.ok(burst.done !== true)
        if (burst.value.some(holdsChanges)) break
      }
      stop.abort()
      await bursts.return?.()
    })

    test('a stream ends when its signal aborts', async (t) => {
      const { source, tables, positions } = await begun(t, fixture)
      const stop = new AbortController()
      const reason = new Error('enough')
      const reading = (async () => {
        for await (const _burst of source.stream(
          positions,
          { tables, encoding: 'values' },
          stop.signal,
        ));
      })().catch((error: unknown) => assert.equal(error, reason))
      await source.fence()
      stop.abort(reason)
      await reading
    })

    test('an added column comes before the first row that has it', async (t) => {
      const { source, tables, positions, write } = await begun(t, fixture)
      await write({ kind: 'column', table: 'plain', name: 'more' })
      await write(insert('plain', 'n', null, 'there'))
      const read = await readAll({ source, after: positions, tables })
      const changes = read.flatMap((one) => [...one.changes])
      assert.deepEqual(
        changes.map(({ kind }) => kind),
        ['schema', 'insert'],
      )
      const [schema, row] = changes
      assert.ok(schema?.kind === 'schema' && row?.kind === 'insert' && row.row !== null)
      assert.deepEqual(textsOf(row.row), ['n', null, 'there'])
      assert.equal(row.table.version, schema.to.version)
      const known = tables.find(({ name: of }) => of === 'plain')
      assert.equal(schema.from.version, known?.version)
    })

    test('looking changes nothing and finds nothing wrong', async (t) => {
      const { source, tables } = await begun(t, fixture)
      const before = await source.identity()
      assert.deepEqual(
        (await source.preflight()).filter(({ level }) => level === 'fail'),
        [],
      )
      await source.look(tables)
      await source.sequences()
      await source.log()
      assert.deepEqual(await source.identity(), before)
      assert.ok(Object.keys(before).length > 0)
      assert.deepEqual(
        (await source.inspect()).tables.map(({ version }) => version),
        tables.map(({ version }) => version),
      )
    })

    test('what it keeps can be removed, and removed again', async (t) => {
      const { source, keeps = true } = await begun(t, fixture)
      assert.equal((await source.destroy()).length > 0, keeps)
      assert.deepEqual(await source.destroy(), [])
      if (keeps) await assert.rejects(source.identity(), Fault)
    })
  })
}
