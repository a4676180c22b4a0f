import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import type { MirrorOptions, MirrorOutcome, Run } from '../../../src/mirror/options.ts'
import { type MirrorEvent, reduce, startProgress } from '../../../src/mirror/progress.ts'
import { session } from '../../../src/mirror/session.ts'
import { Fault } from '../../../src/model/fault.ts'
import { describePositions } from '../../../src/model/position.ts'
import { keepOn } from '../../../src/supervise/keep.ts'
import { eventually } from '../../../testkit/eventually.ts'
import { MemoryDatabase } from '../../../testkit/memory/database.ts'
import { Life, type Script } from '../../../testkit/memory/life.ts'
import { connectorsOf, mirrorOptions } from '../../../testkit/memory/pair.ts'
import { MemoryStore } from '../../../testkit/memory/store.ts'

const lost = new Fault('HF-T201', { what: 'the connection is lost' })

interface Bench {
  readonly database: MemoryDatabase
  readonly store: MemoryStore
  /** A new process; what it does next is in `run`. */
  process(options?: Partial<MirrorOptions>, script?: Script): Process
  same(): void
}

interface Process {
  readonly run: Run
  readonly drain: AbortController
  readonly events: readonly MirrorEvent[]
  /** Phases in their order. */
  phases(): readonly string[]
  /** Runs until the goal, with retries. */
  keepOn(): Promise<MirrorOutcome>
}

/** Two tables with three rows; nothing is mirrored yet. */
function bench(t: TestContext): Bench {
  // Nothing in memory keeps the process up while a mirror waits.
  const alive = setInterval(() => undefined, 1000)
  t.after(() => clearInterval(alive))
  const database = new MemoryDatabase()
  const store = new MemoryStore()
  const { id } = database.table('t', ['id', 'u'], { by: 'key', columns: [0] })
  database.write((transaction) => {
    for (const key of ['1', '2', '3']) transaction.insert(id, [key, `u${key}`])
  })
  const process: Bench['process'] = (over = {}, script = () => undefined) => {
    const life = new Life(script)
    const drain = new AbortController()
    const events: MirrorEvent[] = []
    t.after(() => life.die())
    const run: Run = {
      options: mirrorOptions({ until: 'caught-up', ...over }),
      watch: (event) => events.push(event),
      drain: drain.signal,
      goal: null,
      opened: false,
      connectors: connectorsOf({ database, store, life }),
    }
    const phases = (): readonly string[] =>
      events.flatMap((event) => (event.kind === 'phase' ? [event.phase] : []))
    return { run, drain, events, phases, keepOn: () => keepOn(run) }
  }
  const same = (): void => assert.deepEqual([...store.contents()], [...database.contents()])
  return { database, store, process, same }
}

const T = '101'
/** The `nth` time that a call of the target is about to be made. */
const nth = (call: string, count: number, fate: Fault | (() => void)): Script => {
  let seen = 0
  return (moment) =>
    moment.call === call && moment.when === 'before' && ++seen === count ? fate : undefined
}

suite('a session', () => {
  test('copies, catches up and ends; the next one goes on', async (t) => {
    const { database, process, same, store } = bench(t)
    const first = process()
    assert.equal((await first.keepOn()).ended, 'caught-up')
    assert.deepEqual(first.phases(), [
      'preparing',
      'snapshotting',
      'catching-up',
      'streaming',
      'stopped',
    ])
    same()
    assert.equal(store.now.mirrors.get('m')?.finished, true)
    database.write((transaction) => transaction.insert(T, ['4', 'u4']))
    const second = process()
    const { ended, positions } = await second.keepOn()
    assert.deepEqual(
      [ended, [...positions.values()].map(({ token }) => token)],
      ['caught-up', ['2']],
    )
    assert.ok(!second.phases().includes('snapshotting'))
    same()
  })

  test('counts the rows of a table that is copied anew once', async (t) => {
    const { process, same } = bench(t)
    const { keepOn: ended, events } = process({}, nth('copied', 1, lost))
    await ended()
    same()
    let progress = startProgress('m', 0n)
    for (const event of events) progress = reduce(progress, event, 0n)
    assert.deepEqual(
      [...progress.tables.values()].map(({ rowsCopied, copied }) => [rowsCopied, copied]),
      [[3, true]],
    )
  })

  test('with nothing to do ends at once', async (t) => {
    const { process, same } = bench(t)
    await process().keepOn()
    const calls: string[] = []
    const again = process({}, ({ call }) => void calls.push(call))
    await again.keepOn()
    // Nobody had to ask from time to time whether something has become durable.
    assert.ok(!calls.includes('durable'))
    assert.ok(!again.events.some(({ kind }) => kind === 'applied'))
    assert.deepEqual(again.phases(), ['preparing', 'catching-up', 'streaming', 'stopped'])
    same()
  })

  test('ends at the position that was asked for', async (t) => {
    const { database, process, store } = bench(t)
    await process().keepOn()
    for (const key of ['4', '5', '6'])
      database.write((transaction) => transaction.insert(T, [key, `u${key}`]))
    const limits = { ...mirrorOptions().limits, batchRows: 1 }
    await process({ until: { position: '3' }, limits }).keepOn()
    const reached = Number(store.now.mirrors.get('m')?.positions[0]?.token)
    assert.ok(reached >= 3)
    assert.deepEqual([...store.contents()], [...database.contents(reached)])
  })

  test('copies only, when that is asked for', async (t) => {
    const { process, same, store } = bench(t)
    assert.equal((await process({ snapshotOnly: true }).keepOn()).ended, 'snapshot')
    same()
    assert.equal(store.leases.size, 0)
  })

  test('drains: what was committed and read is there, and the claim is let go', async (t) => {
    const { database, process, same, store } = bench(t)
    const { until: _until, ...forever } = mirrorOptions()
    const one = process()
    const going = keepOn({ ...one.run, options: forever })
    await eventually('it streams', () => one.phases().includes('streaming'))
    database.write((transaction) => transaction.delete(T, ['1']))
    await eventually('it is applied', () => store.contents().get('t')?.length === 2)
    one.drain.abort()
    assert.equal((await going).ended, 'drained')
    assert.equal(one.phases().at(-1), 'stopped')
    same()
    assert.equal(store.leases.size, 0)
  })

  test('goes on by itself after a transient fault, and says that it waits', async (t) => {
    const { process, same } = bench(t)
    const one = process({}, nth('copied', 1, lost))
    await one.keepOn()
    same()
    const phases = one.phases()
    assert.ok(phases.indexOf('waiting') > phases.indexOf('snapshotting'))
    const faults = one.events.flatMap((event) => (event.kind === 'fault' ? [event] : []))
    assert.equal(faults.length, 1)
    assert.equal(faults[0]?.fault.code, 'HF-T201')
    assert.ok((faults[0]?.retryInMillis ?? 0) > 0)
  })

  test('does not try again what fails before it was ever open', async (t) => {
    const { process } = bench(t)
    const one = process({}, nth('open', 1, lost))
    await assert.rejects(one.keepOn(), lost)
    assert.equal(one.phases().at(-1), 'halted')
  })

  test('halts at a fault that time does not heal', async (t) => {
    const { process } = bench(t)
    const refused = new Fault('HF-T216', { what: 'a statement is refused' })
    const one = process({}, nth('finish', 1, refused))
    await assert.rejects(one.keepOn(), refused)
    assert.equal(one.phases().at(-1), 'halted')
  })

  test('replays in order what is refused as collapsed', async (t) => {
    const { database, process, same, store } = bench(t)
    await process().keepOn()
    store.unique.set(T, [1])
    database.write((transaction) => {
      transaction.update(T, ['1'], { u: 'aside' })
      transaction.update(T, ['2'], { u: 'u1' })
      transaction.update(T, ['1'], { u: 'u2' })
    })
    const one = process()
    await one.keepOn()
    same()
    const applied = one.events.flatMap((event) => (event.kind === 'applied' ? [event] : []))
    assert.deepEqual(
      applied.map(({ replayed }) => replayed),
      [true],
    )
  })

  test('stands right before the transaction that is refused, and names it', async (t) => {
    const { database, process, store } = bench(t)
    await process().keepOn()
    for (let i = 1; i <= 40; i++) {
      database.write((transaction) => {
        transaction.insert(T, [`before ${i}`, `x${i}`])
        if (i === 27) transaction.update(T, ['3'], { u: 'nowhere' })
        transaction.insert(T, [`after ${i}`, `y${i}`])
      })
    }
    const bad = 1 + 27
    store.tamper((rows) => rows.take(T, rows.all(T)[2] ?? assert.fail('there is no row 3')))
    for (const settings of [{}, { limits: { ...mirrorOptions().limits, batchRows: 1 } }]) {
      const one = process(settings)
      await assert.rejects(one.keepOn(), (thrown: unknown) => {
        assert.ok(thrown instanceof Fault)
        assert.equal(thrown.code, 'HF-D201')
        assert.equal(thrown.detail.evidence?.['transaction'], String(bad))
        assert.match(thrown.message, new RegExp(`committed at ${bad} `))
        return true
      })
      // On disk, and told of: what is before it and nothing of it.
      const [reached] = store.flushed.mirrors.get('m')?.positions ?? []
      assert.equal(reached?.token, String(bad - 1))
      assert.equal(store.contents().get('t')?.length, 2 + 2 * 26)
      const told = one.events.flatMap((event) =>
        event.kind === 'applied' ? [event.positions] : [],
      )
      if (told.length > 0)
        assert.equal(describePositions(told.at(-1) ?? new Map()), String(bad - 1))
    }
  })

  test('calls a difference what is refused in order, too, and leaves everything', async (t) => {
    const { database, process, store } = bench(t)
    await process().keepOn()
    store.tamper((rows) => rows.empty(T))
    const before = store.contents()
    database.write((transaction) => transaction.update(T, ['1'], { u: 'x' }))
    const one = process()
    await assert.rejects(one.keepOn(), { code: 'HF-D201' })
    assert.deepEqual(store.contents(), before)
    assert.equal(store.now.mirrors.get('m')?.positions[0]?.token, '1')
  })
})

suite('a start', () => {
  test('is refused while another process holds the mirror', async (t) => {
    const { process } = bench(t)
    const { until: _until, ...forever } = mirrorOptions()
    const holder = process()
    const going = session({ ...holder.run, options: forever })
    await eventually('it streams', () => holder.phases().includes('streaming'))
    await assert.rejects(process().keepOn(), { code: 'HF-X101' })
    holder.drain.abort()
    await going
    await process().keepOn()
  })

  test('is refused when the log has gone past the checkpoint', async (t) => {
    const { database, process, store } = bench(t)
    await process().keepOn()
    database.write((transaction) => transaction.insert(T, ['4', 'u4']))
    const slot = database.slots.get('m')
    assert.ok(slot !== undefined)
    slot.confirmed = database.head
    const before = store.contents()
    await assert.rejects(process().keepOn(), { code: 'HF-L105' })
    assert.deepEqual(store.contents(), before)
  })

  test('is refused when what the source keeps is gone, or was made anew', async (t) => {
    const { database, process } = bench(t)
    await process().keepOn()
    const slot = database.slots.get('m')
    assert.ok(slot !== undefined)
    database.slots.delete('m')
    await assert.rejects(process().keepOn(), { code: 'HF-L103' })
    database.slots.set('m', { ...slot, made: 'another time' })
    await assert.rejects(process().keepOn(), { code: 'HF-L105' })
    database.slots.set('m', slot)
    await process().keepOn()
  })

  test('is refused when the source went back in time', async (t) => {
    const { database, process } = bench(t)
    database.write((transaction) => transaction.insert(T, ['4', 'u4']))
    await process().keepOn()
    database.history.pop()
    const slot = database.slots.get('m')
    assert.ok(slot !== undefined)
    slot.confirmed = database.head
    await assert.rejects(process().keepOn(), { code: 'HF-L106' })
  })

  test('is refused with other wishes than the mirror was set up with', async (t) => {
    const { process } = bench(t)
    await process({ onExisting: 'merge' }).keepOn()
    await assert.rejects(process({ onExisting: 'replace' }).keepOn(), { code: 'HF-C111' })
    await process({ onExisting: 'merge' }).keepOn()
    await process().keepOn()
  })

  test('is refused over rows that are there, and changes nothing', async (t) => {
    const { database, process, store } = bench(t)
    store.tamper((rows) => {
      const [stored] = database.committed().values()
      if (stored !== undefined) rows.make(stored.table)
      const [row] = stored?.rows.get([...(stored?.rows.keys() ?? [])][0] ?? '') ?? []
      if (row !== undefined) rows.put(T, row)
    })
    const before = store.contents()
    await assert.rejects(process().keepOn(), Fault)
    assert.deepEqual(store.contents(), before)
    assert.equal(store.now.mirrors.size, 0)
    assert.equal(database.slots.size, 0)
    await process({ onExisting: 'replace' }).keepOn()
    assert.deepEqual([...store.contents()], [...database.contents()])
  })
})
