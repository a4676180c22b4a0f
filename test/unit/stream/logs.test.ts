import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { inOrder } from '../../../src/apply/ordered.ts'
import { Route } from '../../../src/apply/route.ts'
import type { Batch, Step } from '../../../src/model/batch.ts'
import type { Change, StreamItem } from '../../../src/model/change.ts'
import { Changes } from '../../../src/model/changes.ts'
import { describePositions } from '../../../src/model/position.ts'
import { textsOf, tupleOf } from '../../../src/model/tuple.ts'
import { Decoder } from '../../../src/source/postgres/log/pgoutput.ts'
import { Transactions } from '../../../src/source/postgres/log/transactions.ts'
import { comparePositions, formatLsn, passedAt } from '../../../src/source/postgres/position.ts'
import { batches } from '../../../src/stream/batches.ts'
import { Feed } from '../../../testkit/memory/feed.ts'
import { textTable } from '../../../testkit/memory/tables.ts'
import { Random } from '../../../testkit/oracle/random.ts'
import * as m from '../source/postgres/messages.ts'
import { spillFolder, wide } from './bench.ts'

const identity = { by: 'key', columns: [0] } as const
const tables = new Map(
  [7, 8].map((id) => [id, textTable({ id: String(id), columns: ['id', 'x'], identity })]),
)
const STRANGER = 9
const LONG = 50

/** A message of a (sub-)transaction, and the change that it tells of; null where none is meant. */
interface Op {
  readonly sub: number | null
  readonly message: (xid: number | null) => Buffer
  readonly change: Change | null
}

interface Logged {
  readonly xid: number
  readonly end: bigint
  readonly ops: readonly Op[]
  /** Sub-transactions that were rolled back. */
  readonly undone: readonly number[]
}

/** By table and key. */
type Rows = Map<string, string>

const placeOf = (lsn: bigint) => passedAt('log', lsn, null)

/** An operation on rows that are there or not, as `rows` says; those are as they are after it. */
function opOf(random: Random, sub: number | null, rows: Rows): Op {
  if (random.chance(0.03)) return truncated(sub, rows)
  const relation = random.pick([7, 7, 8, 8, STRANGER])
  const table = tables.get(relation) ?? null
  const [key, to] = [String(random.below(20)), String(random.below(20))]
  const cells = ['v'.repeat(random.below(30)) + random.below(1000)]
  const old = tupleOf([key, null])
  const is = (at: string): boolean => rows.has(`${relation} ${at}`)
  if (is(key) && random.chance(0.4)) {
    rows.delete(`${relation} ${key}`)
    const change = table && ({ kind: 'delete', table, row: null, old } as const)
    return { sub, change, message: (xid) => m.remove(relation, old, 'K', xid) }
  }
  const moves = is(key) && !is(to) && random.chance(0.4)
  const row = tupleOf([moves ? to : key, ...cells])
  if (moves) rows.delete(`${relation} ${key}`)
  const updates = moves || is(key)
  rows.set(`${relation} ${moves ? to : key}`, String(cells[0]))
  if (!updates) {
    const change = table && ({ kind: 'insert', table, row, old: null } as const)
    return { sub, change, message: (xid) => m.insert(relation, row, xid) }
  }
  const change = table && ({ kind: 'update', table, row, old: moves ? old : null } as const)
  const tuples = { ...(moves ? { key: old } : {}), row }
  return { sub, change, message: (xid) => m.update(relation, tuples, xid) }
}

function truncated(sub: number | null, rows: Rows): Op {
  for (const id of ['7', '8', String(STRANGER)]) dropAll(rows, id)
  const change = {
    kind: 'truncate',
    tables: [...tables.values()],
    restartSequences: false,
  } as const
  return { sub, change, message: (xid) => m.truncate([7, STRANGER, 8], 0, xid) }
}

function lineOf(change: Change): string {
  if (change.kind === 'schema') return 'schema'
  if (change.kind === 'truncate') return `truncate ${change.tables.map(({ id }) => id).join()}`
  const tuples = [change.row, change.old].filter((tuple) => tuple !== null)
  return `${change.kind} ${change.table.id} ${tuples.map((one) => textsOf(one)).join('|')}`
}

function logOf(random: Random): readonly Logged[] {
  const rows: Rows = new Map()
  return Array.from({ length: LONG }, (_, i) => {
    const xid = 1000 + i * 10
    const subs = random.chance(0.4) ? [xid + 1, xid + 2, xid + 3] : []
    const undone = subs.filter(() => random.chance(0.4))
    const count = random.chance(0.1) ? 0 : random.between(1, 12)
    const ops = Array.from({ length: count }, () => {
      const sub = random.chance(0.5) ? null : (subs[random.below(3)] ?? null)
      const lasts = sub === null || !undone.includes(sub)
      return opOf(random, sub, lasts ? rows : new Map(rows))
    })
    return { xid, end: 1000n + BigInt(i) * 10n, ops, undone }
  })
}

const lasting = ({ ops, undone }: Logged): readonly Op[] =>
  ops.filter(({ sub }) => sub === null || !undone.includes(sub))

/** A server that sends a log from a transaction on: what is large in blocks, before its end. */
class Sender {
  readonly #random: Random
  readonly #log: readonly Logged[]
  #next: number
  /** How many operations of streamed ones were sent. */
  readonly #sent = new Map<Logged, number>()

  constructor(random: Random, log: readonly Logged[], from: number) {
    this.#random = random
    this.#log = log
    this.#next = from
  }

  /** What comes next; null at the end. */
  next(): readonly Buffer[] | null {
    const first = this.#log[this.#next]
    if (first === undefined) return null
    const open = this.#log.slice(this.#next, this.#next + 5)
    if (this.#random.chance(0.5)) return this.#block(this.#random.pick(open), false)
    this.#next++
    if (this.#sent.has(first)) {
      return [...this.#block(first, true), m.streamCommit(first.xid, first.end - 5n, first.end)]
    }
    const rows = lasting(first).map(({ message }) => message(null))
    return [m.begin(first.xid), ...rows, m.commit(first.end - 5n, first.end)]
  }

  #block(of: Logged, all: boolean): readonly Buffer[] {
    const from = this.#sent.get(of) ?? 0
    const left = of.ops.length - from
    const count = all ? left : this.#random.below(left + 1)
    const ops = of.ops.slice(from, from + count)
    this.#sent.set(of, from + count)
    const out = [m.streamStart(of.xid, from === 0)]
    for (const { message, sub } of ops) out.push(message(sub ?? of.xid))
    out.push(m.streamStop())
    if (all) out.push(...of.undone.map((sub) => m.streamAbort(of.xid, sub)))
    return out
  }
}

/** The items of the log, in bursts that are cut anywhere; reading begins anew now and then. */
function* burstsOf(random: Random, log: readonly Logged[]): Generator<StreamItem[]> {
  const transactions = new Transactions({
    tables: {
      of: (relation) => tables.get(relation) ?? null,
      committed: () => undefined,
      aborted: () => undefined,
    },
    after: 1n,
    positions: (lsn) => placeOf(lsn),
    convert: random.chance(0.3) ? (tuple) => Buffer.from(tuple) : null,
  })
  let items: StreamItem[] = []
  const burst = (): StreamItem[] => {
    transactions.handOn(items)
    const all = items
    items = []
    return all
  }
  for (let done = false; !done; ) {
    const sender = new Sender(random, log, log.filter(({ end }) => end <= transactions.last).length)
    const decoder = new Decoder()
    let left = random.between(1, 60)
    for (let some = sender.next(); left > 0; some = sender.next()) {
      if (some === null) {
        done = true
        break
      }
      // Messages stand in one buffer, as they come.
      const buffer = Buffer.concat(some)
      let at = 0
      for (const { length } of some) {
        if (left-- === 0) break
        const message = decoder.decode(buffer, at, at + length)
        at += length
        assert.ok(message.kind !== 'relation')
        transactions.take(message, items)
        if (random.chance(0.1)) yield burst()
      }
      if (random.chance(0.1)) transactions.keepalive(transactions.last, true, items)
    }
    if (!done) transactions.abandon(items)
    yield burst()
  }
}

/** What a table's rows become by a step, whatever was there. */
function carryOut(rows: Rows, step: Step): void {
  if (step.kind === 'truncate') for (const { id } of step.tables) dropAll(rows, id)
  if (step.kind === 'truncate' || step.kind === 'schema') return
  const key = (cells: readonly unknown[]): string => `${step.table.id} ${cells[0]}`
  if (step.kind === 'delete') for (const old of step.old) rows.delete(key(textsOf(old)))
  else {
    for (let i = 0; i < step.rows.length; i++) {
      const cells = textsOf(step.rows.at(i))
      if (step.kind === 'update' && step.old !== null) rows.delete(key(textsOf(step.old.at(i))))
      rows.set(key(cells), String(cells[1]))
    }
  }
}

function dropAll(rows: Rows, id: string): void {
  for (const key of [...rows.keys()]) if (key.startsWith(`${id} `)) rows.delete(key)
}

/** The batch itself, or it cut into single transactions. */
function cutUp(random: Random, batch: Batch): readonly Batch[] {
  const halves = random.chance(0.5) ? batch.halves() : null
  return halves === null ? [batch] : halves.flatMap((half) => cutUp(random, half))
}

for (let seed = 1; seed <= 20; seed++) {
  test(`log ${seed} arrives whole, transaction by transaction`, async (t) => {
    const random = new Random(seed)
    const log = logOf(random)
    const [after, start] = [random.below(LONG), random.below(LONG)].map((i) => log[i]?.end ?? 0n)
    if (after === undefined || start === undefined) throw new RangeError('no such transaction')
    const held = { table: tables.get(8) ?? assert.fail(), mode: 'exact', state: 'copied' } as const
    const states = [{ ...held, target: held.table, start: placeOf(start), rowsCopied: 0 }]
    const feed = new Feed()
    const flow = batches({
      stream: (signal) => feed.stream(signal),
      after: placeOf(after),
      route: new Route(comparePositions, states),
      compare: comparePositions,
      limits: {
        ...wide,
        ...{ memory: random.between(0, 3000), rows: random.between(1, 60) },
        directory: await spillFolder(t),
      },
      awaited: () => false,
      drain: new AbortController().signal,
      ahead: true,
      growing: random.chance(0.7),
    })
    const alive = setInterval(() => undefined, 1000)
    t.after(() => clearInterval(alive))
    const feeding = (async () => {
      for (const items of burstsOf(random.fork('bursts'), log)) {
        feed.push(...items)
        if (random.chance(0.3)) await turn()
      }
      feed.end()
    })()
    const got = new Map<string, string[]>()
    const has = (id: string, upTo: bigint): [string, string][] =>
      [...mirrored(log.filter(({ end }) => end <= upTo))].filter(([key]) => key.startsWith(id))
    const before = [...has('7', after), ...has('8', after > start ? after : start)]
    const [collapsed, ordered] = [new Map(before), new Map(before)]
    for await (const sealed of flow) {
      await using whole = sealed
      for (const batch of cutUp(random, whole)) {
        for await (const { steps } of batch.parts) {
          for (const step of steps) carryOut(collapsed, step)
        }
        await batch.grown()
        for await (const { positions, first, changes } of batch.stretches) {
          const lines = got.get(describePositions(positions)) ?? []
          got.set(describePositions(positions), lines)
          assert.equal(lines.length, first)
          lines.push(...[...changes].map(lineOf))
        }
        for await (const { steps } of batch.inOrder().parts) {
          for (const step of steps) carryOut(ordered, step)
        }
        assert.deepEqual([...collapsed].sort(), [...ordered].sort())
      }
    }
    await feeding
    const wanted = log.map((one): [string, string[]] => {
      const seen = one.end > after ? changesOf(one, one.end > start) : []
      return [formatLsn(one.end), seen.map(lineOf)]
    })
    const filled = (all: Iterable<[string, string[]]>) => [...all].filter(([, of]) => of.length > 0)
    assert.deepEqual(filled(got), filled(wanted))
    assert.deepEqual([...ordered].sort(), [...mirrored(log)].sort())
  })
}

/** What lasts of a transaction, without the table that is held until its copy is passed. */
function changesOf(one: Logged, passed: boolean): Change[] {
  return lasting(one).flatMap(({ change }): Change[] => {
    if (change === null || passed) return change === null ? [] : [change]
    if (change.kind !== 'truncate')
      return 'table' in change && change.table.id === '8' ? [] : [change]
    return [{ ...change, tables: change.tables.filter(({ id }) => id !== '8') }]
  })
}

/** The rows that a log makes. */
function mirrored(log: readonly Logged[]): Rows {
  const rows: Rows = new Map()
  for (const one of log) {
    const steps = inOrder([Changes.of(changesOf(one, true))], () => 'exact')
    for (const step of steps) carryOut(rows, step)
  }
  return rows
}
