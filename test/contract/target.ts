import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { collapse } from '../../src/apply/collapse.ts'
import { inOrder } from '../../src/apply/ordered.ts'
import { planOf } from '../../src/mirror/plan.ts'
import type { Batch, Part, Step } from '../../src/model/batch.ts'
import type { Change } from '../../src/model/change.ts'
import { Fault } from '../../src/model/fault.ts'
import { covers, type Positions } from '../../src/model/position.ts'
import { type Table, tableName } from '../../src/model/table.ts'
import type { Source } from '../../src/source/source.ts'
import type { Claim, Target } from '../../src/target/target.ts'
import { eventually } from '../../testkit/eventually.ts'
import { mirrorOptions } from '../../testkit/memory/pair.ts'
import { never, type Read, readAll } from './reading.ts'
import type { SourceStand } from './source.ts'
import {
  type Contents,
  firstRows,
  insert,
  large,
  names,
  remove,
  sample,
  truncate,
  update,
  type Write,
} from './writes.ts'

/** A target without tables, and a source to take rows from. */
export interface TargetStand {
  readonly from: SourceStand
  /** The encoding that rows stream in, and the one that they are copied in. */
  readonly encoding: { readonly stream: string; readonly copy: string }
  /** A target of one mirror; the same mirror every time. */
  open(source: Source): Promise<Target>
  contents(): Promise<Contents>
  /** Whoever holds the mirror now looks dead to others, whatever it is. */
  abandon(): Promise<void>
}

export type TargetFixture = (t: TestContext) => Promise<TargetStand>

interface Bench extends TargetStand {
  readonly source: Source
  readonly target: Target
  readonly claim: Claim
  readonly tables: readonly Table[]
  /** The checkpoint. */
  at(): Promise<Positions>
  /** What a transaction of these writes is, read from the source in the encoding. */
  read(...writes: readonly Write[]): Promise<Read>
  apply(batch: Batch): Promise<void>
  /** The target holds what the source holds. */
  same(): Promise<void>
}

const request = { settings: { some: 'setting' }, patience: 0 }

/** Everything is copied. */
async function bench(t: TestContext, fixture: TargetFixture): Promise<Bench> {
  const born = await unborn(t, fixture)
  const { source, target, tables, encoding } = born
  await using snapshot = await source.snapshot({ keep: true }, never)
  const { positions } = snapshot
  await target.begin(tables, { positions, source: await source.identity(), first: true })
  for (const table of tables) {
    for (const chunk of await snapshot.chunks(table, 4096)) {
      const data = snapshot.read(chunk, encoding.copy, never)
      assert.equal((await target.copy(chunk, encoding.copy, data, never)) > 0, true)
    }
    await target.copied(table)
  }
  await target.finish()
  return born
}

/** Tables are prepared at both ends and nothing is copied. */
async function unborn(t: TestContext, fixture: TargetFixture): Promise<Bench> {
  const stand = await fixture(t)
  const { from, encoding } = stand
  await transact(from, firstRows)
  const source = await from.open()
  const blueprint = await source.inspect()
  const { tables } = blueprint
  const target = await stand.open(source)
  const claim = await target.claim(request, never)
  t.after(() => claim[Symbol.asyncDispose]())
  await target.prepare(planOf(blueprint, mirrorOptions()))
  await source.prepare(tables)
  for (const table of tables) {
    assert.ok(source.encodings(table).stream.includes(encoding.stream))
    assert.ok(target.encodings(table).stream.includes(encoding.stream))
    assert.ok(source.encodings(table).copy.includes(encoding.copy))
    assert.ok(target.encodings(table).copy.includes(encoding.copy))
  }
  const at = async (): Promise<Positions> =>
    (await target.checkpoint())?.positions ?? assert.fail('there is no checkpoint')
  let reached: Positions | null = null
  return {
    ...stand,
    source,
    target,
    claim,
    tables,
    at,
    read: async (...writes) => {
      await transact(from, writes)
      const after: Positions = reached ?? (await at())
      const [one, ...more] = await readAll({ source, after, tables, encoding: encoding.stream })
      assert.ok(one !== undefined && more.length === 0, 'one transaction')
      reached = one.positions
      return one
    },
    apply: (batch) => target.apply(batch, encoding.stream),
    same: async () => {
      const wanted = await from.contents()
      assert.deepEqual(
        [...(await stand.contents())],
        [...wanted].filter(([name]) => name !== 'aside'),
      )
    },
  }
}

async function transact(from: SourceStand, writes: readonly Write[]): Promise<void> {
  const writer = await from.begin()
  await writer.write(...writes)
  await writer.commit()
}

interface BatchOf {
  readonly previous: Positions
  readonly positions: Positions
  readonly parts: readonly Part[]
  readonly flush?: boolean
}

function batchOf({ previous, positions, parts, flush = false }: BatchOf): Batch {
  const made: Batch = {
    previous,
    positions,
    parts,
    collapsed: false,
    inOrder: () => made,
    transactions: 1,
    changes: 1,
    bytes: 1,
    committedAt: null,
    flush,
  }
  return made
}

/** A change that can be made once, and one that may have to come before it is made again. */
const divergences: Readonly<Record<string, readonly [Write, Write | null]>> = {
  'an insert of a row that is there': [insert('plain', 'n', 'x'), null],
  'an update of a row that is gone': [
    update('plain', { id: 'a' }, { a: 'x' }),
    remove('plain', { id: 'a' }),
  ],
  'a change of key of a row that is gone': [update('plain', { id: 'b' }, { id: 'z' }), null],
  'a delete of a row that is gone': [remove('plain', { id: 'c' }), null],
  'a delete of a row without a key that is gone': [remove('loose', { a: 'single', b: null }), null],
  'an update of a row without a key that is gone': [
    update('loose', { a: 'same', b: 'same' }, { a: 'x' }),
    truncate('loose'),
  ],
}

const exact = () => 'exact' as const
const merging = () => 'merge' as const

/** Applies a transaction as these steps, from where the target stands. */
async function carry(
  on: Bench,
  read: Read,
  steps: (changes: readonly Change[]) => readonly Step[] = (changes) => collapse(changes, exact),
): Promise<void> {
  const previous = await on.at()
  const { positions, changes } = read
  await on.apply(batchOf({ previous, positions, parts: [{ steps: steps(changes) }] }))
}

/** A write is refused by a Fault, and nothing of it stays. */
async function refused(on: Bench, work: () => Promise<unknown>): Promise<Fault> {
  const before = [await on.contents(), await on.at()]
  const fault = await work().then(
    () => assert.fail('it was not refused'),
    (error: unknown) => error,
  )
  assert.ok(fault instanceof Fault, String(fault))
  assert.deepEqual([await on.contents(), await on.at()], before)
  return fault
}

const many = (count: number, write: (i: number) => Write): Write[] =>
  Array.from({ length: count }, (_, i) => write(i))

/** The kind that comes last, since rows look different after it. */
const shaping = 'a column is added before the rows that have it'

/** Transactions of one kind each, small ones and large ones. */
const kinds: Readonly<Record<string, readonly (readonly Write[])[]>> = {
  'rows are inserted': [
    [insert('plain', 'n', 'x'), insert('loose', 'l', null), insert('wide', null, 'w', 'small')],
    many(300, (i) => insert('plain', `n${i}`, i % 7 === 0 ? null : `é\t\\${i}\n`)),
    many(300, (i) => insert('wide', '', `n${i}`, i % 5 === 0 ? large(`${i}`) : null)),
  ],
  'rows are updated, cells that are unchanged kept': [
    [update('plain', { id: 'a' }, { a: 'y' }), update('wide', { id: 'a' }, { a: null })],
    many(200, (i) => insert('wide', null, `n${i}`, large(`${i}`))),
    many(200, (i) => update('wide', { id: `n${i}` }, { a: `z${i}` })),
    many(200, (i) => update('wide', { id: `n${i}` }, { big: i % 2 === 0 ? null : 'now small' })),
  ],
  'keys change': [
    [update('plain', { id: 'a' }, { id: 'z' }), update('wide', { id: 'a' }, { id: 'z', a: 'm' })],
    [
      update('plain', { id: 'b' }, { id: 'swap' }),
      update('plain', { id: 'c' }, { id: 'b' }),
      update('plain', { id: 'swap' }, { id: 'c', a: 'swapped' }),
    ],
  ],
  'rows are deleted': [
    [remove('plain', { id: 'a' }), remove('wide', { id: 'b' })],
    many(200, (i) => insert('plain', `n${i}`, null)),
    many(200, (i) => remove('plain', { id: `n${i}` })),
  ],
  'rows without a key are found, one of several': [
    [insert('loose', null, null), insert('loose', null, null), insert('loose', 'x', null)],
    [update('loose', { a: 'same', b: 'same' }, { b: 'other' })],
    [remove('loose', { a: null, b: null }), update('loose', { a: 'x', b: null }, { a: null })],
    many(40, (i) => insert('loose', 'd', i % 2 === 0 ? 'even' : null)),
    many(20, () => remove('loose', { a: 'd', b: null })),
  ],
  'tables are emptied together': [
    [truncate('plain', 'loose'), insert('plain', 'new', null)],
    [truncate('wide'), insert('wide', null, 'a', null), truncate('plain', 'wide')],
  ],
  [shaping]: [
    [
      { kind: 'column', table: 'plain', name: 'more' },
      insert('plain', 'n', 'x', 'there'),
      update('plain', { id: 'a' }, { more: 'too' }),
    ],
    [update('plain', { id: 'b' }, { more: 'later' }), remove('plain', { id: 'c' })],
  ],
}

/** `rowsOnly` leaves out what is the same in each encoding. */
export function describeTarget(
  name: string,
  fixture: TargetFixture,
  options: { readonly rowsOnly?: boolean } = {},
): void {
  suite(`target contract: ${name}`, () => {
    for (const [how, steps] of Object.entries({ collapsed: collapse, 'in order': inOrder })) {
      test(`changes of each kind, ${how}`, async (t) => {
        const on = await bench(t, fixture)
        await on.same()
        const apply = async (...writes: readonly Write[]): Promise<void> => {
          const read = await on.read(...writes)
          await carry(on, read, (changes) => steps(changes, exact))
          assert.deepEqual(await on.at(), read.positions)
          await on.same()
        }
        for (const [what, transactions] of Object.entries(kinds)) {
          await t.test(what, async () => {
            for (const writes of transactions) await apply(...writes)
          })
          if (what !== shaping) await apply(truncate(...names), ...firstRows)
        }
      })
    }

    test('any transactions, many in a batch', async (t) => {
      const on = await bench(t, fixture)
      const previous = await on.at()
      for (const writes of sample) await transact(on.from, writes)
      const { source, tables, encoding } = on
      const all = await readAll({ source, after: previous, tables, encoding: encoding.stream })
      assert.ok(all.length > 10)
      for (let i = 0; i < all.length; i += 7) {
        const some = all.slice(i, i + 7)
        const changes = some.flatMap((one) => one.changes)
        await carry(on, { positions: some.at(-1)?.positions ?? previous, changes })
      }
      await on.same()
    })

    test('a batch of several parts, read while it is written', async (t) => {
      const on = await bench(t, fixture)
      const previous = await on.at()
      const { positions, changes } = await on.read(
        ...many(500, (i) => insert('plain', `n${i}`, large(`${i}`))),
      )
      async function* parts(): AsyncIterable<Part> {
        for (let i = 0; i < changes.length; i += 100)
          yield { steps: collapse(changes.slice(i, i + 100), exact) }
      }
      await on.apply({ ...batchOf({ previous, positions, parts: [] }), parts: parts() })
      await on.same()
    })

    test('rows are overwritten where that is asked for', async (t) => {
      const on = await bench(t, fixture)
      const read = await on.read(
        insert('plain', 'n', 'x'),
        update('plain', { id: 'a' }, { a: 'over' }),
        ...many(100, (i) => insert('wide', 'x', `n${i}`, 'first')),
      )
      const merged = (changes: readonly Change[]): readonly Step[] => collapse(changes, merging)
      await carry(on, read, merged)
      await on.same()
      const again = await on.read(insert('plain', 'm', 'x'))
      await carry(on, { ...again, changes: [...read.changes, ...again.changes] }, merged)
      await on.same()
    })

    test('what only a target that has diverged would be sent is refused', async (t) => {
      const on = await bench(t, fixture)
      for (const [what, [write, between]] of Object.entries(divergences)) {
        await t.test(what, async () => {
          const once = await on.read(write)
          await carry(on, once)
          if (between !== null) await carry(on, await on.read(between))
          for (const extra of [1, 150]) {
            const id = (i: number): string => `${what}, ${extra}, ${i}`
            const good = await on.read(...many(extra, (i) => insert('wide', null, id(i), null)))
            for (const steps of [collapse, inOrder]) {
              const bad = (changes: readonly Change[]): readonly Step[] => [
                ...steps(changes, exact),
                ...steps(once.changes, exact),
              ]
              const fault = await refused(on, () => carry(on, good, bad))
              assert.equal(fault.entry.class, 'data', fault.code)
            }
            await carry(on, good)
          }
          await on.same()
        })
      }
    })

    test('a chunk is there with its mark, or not at all', async (t) => {
      const on = await unborn(t, fixture)
      const { source, target, tables, encoding } = on
      await using snapshot = await source.snapshot({ keep: true }, never)
      const identities = await source.identity()
      await target.begin(tables, { ...first(snapshot.positions), source: identities, first: true })
      const states = async (): Promise<unknown> =>
        (await target.checkpoint())?.tables.map((one) => [
          tableName(one.table),
          one.state,
          one.rowsCopied,
        ])
      const begun = await states()
      const table = tables.find((one) => one.name === 'plain') ?? assert.fail()
      const [chunk] = await snapshot.chunks(table, 1 << 20)
      assert.ok(chunk !== undefined)
      async function* torn(whole: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
        yield* whole
        throw new Fault('HF-S101', { what: 'the source is gone' })
      }
      const data = (): AsyncIterable<Buffer> => snapshot.read(chunk, encoding.copy, never)
      await assert.rejects(target.copy(chunk, encoding.copy, torn(data()), never), Fault)
      assert.deepEqual(await states(), begun)
      assert.deepEqual((await on.contents()).get('plain') ?? [], [])
      assert.equal(await target.copy(chunk, encoding.copy, data(), never), 3)
      assert.deepEqual(
        await states(),
        tables.map((one) => [tableName(one), 'copying', one === table ? 3 : 0]),
      )
      await target.copied(table)
      assert.deepEqual(
        (await target.checkpoint())?.tables.map(({ state }) => state),
        tables.map((one) => (one === table ? 'copied' : 'copying')),
      )
    })

    if (options.rowsOnly === true) return

    test('a batch whose parts fail halfway changes nothing', async (t) => {
      const on = await bench(t, fixture)
      const previous = await on.at()
      const { positions, changes } = await on.read(insert('plain', 'n', null))
      async function* parts(): AsyncIterable<Part> {
        yield { steps: collapse(changes, exact) }
        throw new Fault('HF-X001', { what: 'the spill cannot be read' })
      }
      const batch = { ...batchOf({ previous, positions, parts: [] }), parts: parts() }
      await refused(on, () => on.apply(batch))
    })

    test('an empty batch moves the checkpoint alone', async (t) => {
      const on = await bench(t, fixture)
      const before = await on.contents()
      const { positions } = await on.read(insert('plain', 'n', null))
      await on.apply(batchOf({ previous: await on.at(), positions, parts: [] }))
      assert.deepEqual(await on.at(), positions)
      assert.deepEqual(await on.contents(), before)
    })

    test('a batch that does not begin where the checkpoint stands is refused', async (t) => {
      const on = await bench(t, fixture)
      const first = await on.at()
      const one = await on.read(insert('plain', '1', null))
      const two = await on.read(insert('plain', '2', null))
      const batch = (read: Read, previous: Positions): Batch =>
        batchOf({ ...read, previous, parts: [{ steps: collapse(read.changes, exact) }] })
      await refused(on, () => on.apply(batch(two, one.positions)))
      await on.apply(batch(one, first))
      await refused(on, () => on.apply(batch(one, first)))
      await refused(on, () => on.apply(batch(two, first)))
      await on.apply(batch(two, one.positions))
      await on.same()
    })

    test('a claim is kept against others while its holder lives', async (t) => {
      const on = await bench(t, fixture)
      const other = await on.open(on.source)
      const fault = await refused(on, () => other.claim(request, never))
      assert.equal(fault.transient, false)
      await carry(on, await on.read(insert('plain', 'n', null)))
      await on.same()
    })

    test('a claim that was let go can be had, and knows all that was stored', async (t) => {
      const on = await bench(t, fixture)
      const before = await on.target.checkpoint()
      await on.claim[Symbol.asyncDispose]()
      const other = await on.open(on.source)
      await using claim = await other.claim(request, never)
      assert.ok(claim.epoch > on.claim.epoch)
      assert.deepEqual(claim.checkpoint, before)
      assert.deepEqual(claim.checkpoint?.settings, request.settings)
      assert.equal(claim.checkpoint?.finished, true)
      assert.deepEqual(
        claim.checkpoint?.tables.map(({ table, state, mode }) => [table, state, mode]),
        on.tables.map((table) => [table, 'copied', 'exact']),
      )
      assert.deepEqual(claim.checkpoint?.source, await on.source.identity())
    })

    test('who was taken over from writes no more', async (t) => {
      const on = await bench(t, fixture)
      const read = await on.read(insert('plain', 'n', null))
      await on.abandon()
      const other = await on.open(on.source)
      await using claim = await other.claim({ ...request, patience: 10_000 }, never)
      assert.ok(claim.epoch > on.claim.epoch)
      await eventually('the loss is known', () => on.claim.lost.aborted)
      assert.ok(on.claim.lost.reason instanceof Fault)
      const previous = claim.checkpoint?.positions ?? new Map()
      const parts = [{ steps: collapse(read.changes, exact) }]
      const batch = batchOf({ previous, positions: read.positions, parts })
      const before = await on.contents()
      await assert.rejects(on.apply(batch), Fault)
      await assert.rejects(on.target.begin(on.tables, { ...first(previous), first: true }), Fault)
      assert.deepEqual(await on.contents(), before)
      assert.deepEqual((await other.checkpoint())?.positions, previous)
      await other.apply(batch, on.encoding.stream)
      await on.same()
    })

    test('what is flushed is durable when apply returns, and the rest soon after', async (t) => {
      const on = await bench(t, fixture)
      const { compare } = on.source
      const flushed = await on.read(insert('plain', '1', null))
      const parts = [{ steps: collapse(flushed.changes, exact) }]
      await on.apply(batchOf({ ...flushed, previous: await on.at(), parts, flush: true }))
      assert.ok(covers(compare, await on.target.durable(), flushed.positions))
      const later = await on.read(insert('plain', '2', null))
      await carry(on, later)
      await eventually('it is durable', async () =>
        covers(compare, await on.target.durable(), later.positions),
      )
    })

    test('tables that were not copied whole begin anew, the others stay', async (t) => {
      const on = await unborn(t, fixture)
      const { source, target, tables, encoding } = on
      await using snapshot = await source.snapshot({ keep: true }, never)
      const identities = await source.identity()
      const { positions } = snapshot
      await target.begin(tables, { positions, source: identities, first: true })
      for (const table of tables) {
        const [chunk] = await snapshot.chunks(table, 1 << 20)
        assert.ok(chunk !== undefined)
        const data = snapshot.read(chunk, encoding.copy, never)
        await target.copy(chunk, encoding.copy, data, never)
        if (table.name === 'plain') await target.copied(table)
      }
      await transact(on.from, [insert('wide', null, 'n', null)])
      await using later = await source.snapshot({ keep: false }, never)
      const rest = tables.filter((one) => one.name !== 'plain')
      const again = { positions: later.positions, source: identities, first: false }
      await target.begin(rest, again)
      const contents = await on.contents()
      assert.deepEqual(
        names.map((one) => contents.get(one)?.length),
        [3, 0, 0],
      )
      const checkpoint = (await target.checkpoint()) ?? assert.fail()
      assert.deepEqual(checkpoint.positions, positions)
      assert.deepEqual(
        checkpoint.tables.map(({ start }) => start),
        tables.map((one) => (one.name === 'plain' ? positions : later.positions)),
      )
      for (const table of rest) {
        for (const chunk of await later.chunks(table, 1 << 20)) {
          const data = later.read(chunk, encoding.copy, never)
          await target.copy(chunk, encoding.copy, data, never)
        }
        await target.copied(table)
      }
      await target.finish()
      await target.finish()
      await on.same()
    })

    test('its state can be removed, and removed again; the rows stay', async (t) => {
      const on = await bench(t, fixture)
      assert.deepEqual((await on.target.mirrors()).length, 1)
      assert.ok((await on.target.destroy()).length > 0)
      assert.deepEqual(await on.target.destroy(), [])
      assert.equal(await on.target.checkpoint(), null)
      assert.deepEqual(await on.target.mirrors(), [])
      await on.same()
    })
  })
}

const first = (positions: Positions) => ({ positions, source: {} })
