import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { collapse } from '../../src/apply/collapse.ts'
import { inOrder } from '../../src/apply/ordered.ts'
import type { Batch, Part, Step } from '../../src/model/batch.ts'
import { Changes } from '../../src/model/changes.ts'
import { Fault } from '../../src/model/fault.ts'
import { covers, type Positions } from '../../src/model/position.ts'
import { tableName } from '../../src/model/table.ts'
import { eventually } from '../../testkit/eventually.ts'
import { describeAhead } from './ahead.ts'
import {
  batchOf,
  bench,
  carry,
  exact,
  merging,
  refused,
  request,
  type TargetFixture,
  transact,
  unborn,
} from './bench.ts'
import { divergences, kinds, many, shaping } from './kinds.ts'
import { never, type Read, readAll } from './reading.ts'
import { firstRows, insert, large, names, sample, truncate, update, type Write } from './writes.ts'

const PIECEMEAL = 'rows are written one by one, and written again after a failure'

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
          await carry(on, read, (changes) => steps([changes], exact))
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
        const changes = Changes.joined(some.map((one) => one.changes))
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
          yield { steps: collapse([changes.slice(i, i + 100)], exact) }
      }
      await on.apply(batchOf({ previous, positions, parts: parts(), changes }))
      await on.same()
    })

    test('rows are overwritten where that is asked for', async (t) => {
      const on = await bench(t, fixture)
      const read = await on.read(
        insert('plain', 'n', 'x'),
        update('plain', { id: 'a' }, { a: 'over' }),
        ...many(100, (i) => insert('wide', 'x', `n${i}`, 'first')),
      )
      const merged = (changes: Changes): readonly Step[] => collapse([changes], merging)
      await carry(on, read, merged)
      await on.same()
      const again = await on.read(insert('plain', 'm', 'x'))
      await carry(on, { ...again, changes: Changes.joined([read.changes, again.changes]) }, merged)
      await on.same()
    })

    test('what only a target that has diverged would be sent is refused', async (t) => {
      const on = await bench(t, fixture)
      if (!on.target.traits.transactional) return t.skip(PIECEMEAL)
      for (const [what, [write, between]] of Object.entries(divergences)) {
        await t.test(what, async () => {
          const once = await on.read(write)
          await carry(on, once)
          if (between !== null) await carry(on, await on.read(between))
          for (const extra of [1, 150]) {
            const id = (i: number): string => `${what}, ${extra}, ${i}`
            const good = await on.read(...many(extra, (i) => insert('wide', null, id(i), null)))
            for (const steps of [collapse, inOrder]) {
              const bad = (changes: Changes): readonly Step[] => [
                ...steps([changes], exact),
                ...steps([once.changes], exact),
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
      if (on.copiesPiecemeal === true) return t.skip(PIECEMEAL)
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
      await assert.rejects(
        target.copy(chunk, { encoding: encoding.copy, data: torn(data()) }, never),
        Fault,
      )
      assert.deepEqual(await states(), begun)
      assert.deepEqual((await on.contents()).get('plain') ?? [], [])
      assert.equal(await target.copy(chunk, { encoding: encoding.copy, data: data() }, never), 3)
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

    describeAhead(fixture)

    test('a batch whose parts fail halfway changes nothing', async (t) => {
      const on = await bench(t, fixture)
      if (!on.target.traits.transactional) return t.skip(PIECEMEAL)
      const previous = await on.at()
      const { positions, changes } = await on.read(insert('plain', 'n', null))
      async function* parts(): AsyncIterable<Part> {
        yield { steps: collapse([changes], exact) }
        throw new Fault('HF-X001', { what: 'the spill cannot be read' })
      }
      const batch = batchOf({ previous, positions, parts: parts(), changes })
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
        batchOf({ ...read, previous, parts: [{ steps: collapse([read.changes], exact) }] })
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
      const parts = [{ steps: collapse([read.changes], exact) }]
      const batch = batchOf({ ...read, previous, parts })
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
      const parts = [{ steps: collapse([flushed.changes], exact) }]
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
        await target.copy(chunk, { encoding: encoding.copy, data }, never)
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
          await target.copy(chunk, { encoding: encoding.copy, data }, never)
        }
        await target.copied(table)
      }
      await target.finish()
      await target.finish()
      await on.same()
    })

    test('lanes that begin with a table become the checkpoint’s; those that it has stay', async (t) => {
      const on = await bench(t, fixture)
      const { target, tables } = on
      if (target.traits.oneLane === true) return t.skip('it follows one lane')
      const before = (await target.checkpoint()) ?? assert.fail()
      const [place] = before.positions.values()
      assert.ok(place !== undefined)
      const fact = (value: string) => ({ value, changed: 'HF-L106' })
      const other = { ...place, token: `${place.token}0`, order: place.order + 9n }
      const [lane] = before.positions.keys()
      const positions = new Map([[lane ?? '', other] as const, ['more', place] as const])
      const facts = Object.fromEntries(Object.keys(before.source).map((name) => [name, fact('?')]))
      const source = { ...facts, more: fact('1') }
      await target.begin(tables.slice(0, 1), { positions, source, first: false })
      const after = (await target.checkpoint()) ?? assert.fail()
      const tokens = (all: Positions) => [...all].map(([name, { token }]) => [name, token]).sort()
      assert.deepEqual(
        tokens(after.positions),
        tokens(new Map([...before.positions, ['more', place]])),
      )
      assert.deepEqual(after.source, { ...before.source, more: fact('1') })
      assert.deepEqual(tokens(await target.durable()), tokens(after.positions))
    })

    test('lanes go on elsewhere in one step, and with them where tables begin', async (t) => {
      const on = await bench(t, fixture)
      const { target, tables } = on
      if (target.traits.oneLane === true) return t.skip('it follows one lane')
      const before = (await target.checkpoint()) ?? assert.fail()
      const [[lane, place] = []] = before.positions
      assert.ok(lane !== undefined && place !== undefined)
      const elsewhere = { ...place, token: `${place.token}0`, order: place.order + 9n }
      const positions = new Map([[lane, elsewhere] as const, ['more', place] as const])
      const start = new Map([['more', place] as const])
      const source = { more: { value: '1', changed: 'HF-L106' } }
      await target.relocate(tables.slice(0, 1), { positions, start, source })
      const after = (await target.checkpoint()) ?? assert.fail()
      const tokens = (all: Positions | null) =>
        all === null ? null : [...all].map(([name, { token }]) => [name, token]).sort()
      assert.deepEqual(tokens(after.positions), tokens(positions))
      assert.deepEqual(tokens(await target.durable()), tokens(positions))
      assert.deepEqual(after.source, source)
      assert.deepEqual(
        after.tables.map((one) => [one.state, tokens(one.start)]),
        before.tables.map((one, i) => ['copied', tokens(i === 0 ? start : one.start)]),
      )
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
