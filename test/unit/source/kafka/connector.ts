import type {
  DebeziumEvent,
  Origin,
  RowEvent,
  SnapshotMark,
} from '../../../../src/dialect/debezium/event.ts'
import { exactly, type Whole } from '../../../../src/dialect/debezium/place.ts'
import type { Table } from '../../../../src/model/table.ts'
import { tupleOf } from '../../../../src/model/tuple.ts'
import { textTable } from '../../../../testkit/memory/tables.ts'

export type Cells = readonly (string | null | undefined)[]
/** A number from 0 up to, and without, `below`. */
export type Draw = (below: number) => number

export const table: Table = textTable({
  id: 'shop.public.t',
  name: 't',
  columns: ['id', 'a', 'big'],
  identity: { by: 'key', columns: [0] },
})

export interface Sent {
  readonly key: Buffer | null
  readonly event: DebeziumEvent
}

/** What a connector handed to its producer. */
interface Handed {
  readonly partition: number
  readonly sent: Sent
}

/** Random numbers that a seed repeats. */
export function drawer(seed: number): Draw {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

type Write =
  | { readonly op: 'create' | 'update' | 'delete'; readonly id: string }
  | { readonly op: 'move'; readonly id: string; readonly to: string }
  | { readonly op: 'truncate' }

/**
 * A database and a connector that tells of it as Debezium does for PostgreSQL: events of each
 * transaction in the order of commits, placed by the commit before and their own LSN; partitions by
 * key; deletes with tombstones; changes of a key as a delete and a create; values that an update
 * left alone and that the log does not hold; repetitions after a restart; snapshots taken anew.
 */
export class Connector {
  readonly rows = new Map<string, readonly [string, string]>()
  readonly partitions: readonly Sent[][]
  /** By partition, what the producer has not brought to the broker yet. */
  readonly #pending: readonly Handed[][]
  /** The broker takes records of some partitions later than those of others. */
  readonly #lags: boolean
  readonly #draw: Draw
  /** Everything that was sent, in its order. */
  #sent: Handed[] = []
  /** Where the log was followed since the newest snapshot. */
  #since = 0
  #lsn = 100n
  #time = 1_000_000n
  #commit: bigint | null = null
  #values = 0

  constructor(draw: Draw, partitions: number, { lags = false } = {}) {
    this.#draw = draw
    this.#lags = lags
    this.partitions = Array.from({ length: partitions }, () => [])
    this.#pending = this.partitions.map(() => [])
  }

  /** The producer brings some of what it has to the broker, or all. */
  deliver({ all = false } = {}): void {
    this.#pending.forEach((handed, partition) => {
      const count = all || !this.#lags ? handed.length : this.#draw(handed.length + 1)
      this.partitions[partition]?.push(...handed.splice(0, count).map(({ sent }) => sent))
    })
  }

  /** Something happens. */
  step(): void {
    this.#happens()
    this.deliver()
  }

  #happens(): void {
    const what = this.#draw(100)
    if (what < 70) this.#transactions({ lost: false })
    else if (what < 82) this.#restart()
    else if (what < 90) this.#renew()
    else if (what < 92) this.#repeatAll()
    else if (what < 95) this.#between()
    else if (what < 97) this.#repeatSome()
    else this.#transactions({ lost: false, truncates: true })
  }

  /** Rows that are there before the connector is. */
  begin(): void {
    for (let i = 0; i < this.#draw(5); i++) this.#transactions({ lost: true })
    this.snapshot()
    this.deliver()
  }

  /** One transaction, or two that write at the same time. */
  #transactions({ lost, truncates = false }: { lost: boolean; truncates?: boolean }): void {
    const ids = ['1', '2', '3', '4', '5', '6']
    const alone = truncates || this.#draw(2) === 0
    const half = alone ? ids.length : 1 + this.#draw(ids.length - 1)
    const first = truncates ? [{ op: 'truncate' } as const] : this.#writes(ids.slice(0, half))
    const second = alone ? [] : this.#writes(ids.slice(half))
    const places = new Map<Write, bigint>()
    const queues = [[...first], [...second]]
    let together: readonly Write[] | null = null
    while (queues.some(({ length }) => length > 0)) {
      const queue = queues[this.#draw(2)] ?? []
      const write = queue.shift()
      if (write === undefined) continue
      // Rows that one statement adds may share a place.
      const shares = write.op === 'create' && together === queue && this.#draw(2) === 0
      if (!shares) this.#lsn += BigInt(1 + this.#draw(5))
      together = write.op === 'create' ? queue : null
      places.set(write, this.#lsn)
    }
    for (const writes of [second, first]) {
      if (writes.length === 0) continue
      this.#lsn += 3n
      this.#time += BigInt(this.#draw(3))
      for (const write of writes) this.#carryOut(write, places.get(write) ?? 0n, lost)
      if (!lost) this.#commit = this.#lsn
      this.#lsn += 1n
    }
  }

  /** Of one transaction, which may write to a row several times. */
  #writes(ids: readonly string[]): Write[] {
    const writes: Write[] = []
    const there = new Set(ids.filter((id) => this.rows.has(id)))
    for (let i = 0; i < 1 + this.#draw(4); i++) {
      const id = ids[this.#draw(ids.length)] ?? ''
      const to = ids.filter((other) => !there.has(other))[0]
      const what = this.#draw(4)
      if (!there.has(id)) writes.push({ op: 'create', id })
      else if (what === 0 && to !== undefined) writes.push({ op: 'move', id, to })
      else writes.push({ op: what === 1 ? 'delete' : 'update', id })
      const [done] = writes.slice(-1)
      if (done?.op === 'delete' || done?.op === 'move') there.delete(id)
      else there.add(id)
      if (done?.op === 'move') there.add(done.to)
    }
    return writes
  }

  #carryOut(write: Write, lsn: bigint, lost: boolean): void {
    const origin = this.#origin('no', [this.#commit, lsn])
    const tell = (key: string | null, event: DebeziumEvent): void => {
      if (!lost) this.#send(key, event)
    }
    switch (write.op) {
      case 'truncate':
        this.rows.clear()
        tell(null, { kind: 'truncate', table, origin })
        return
      case 'delete':
        this.rows.delete(write.id)
        tell(write.id, row({ op: 'delete', key: write.id, origin }))
        tell(write.id, tombstone(write.id))
        return
      case 'move': {
        const old = this.rows.get(write.id) ?? ['', '']
        this.rows.delete(write.id)
        this.rows.set(write.to, old)
        tell(write.id, row({ op: 'delete', key: write.id, newKey: write.to, origin }))
        tell(write.id, tombstone(write.id))
        const big = this.#draw(2) === 0 ? undefined : old[1]
        const cells: Cells = [write.to, old[0], big]
        tell(write.to, row({ op: 'create', cells, oldKey: write.id, origin }))
        return
      }
      default: {
        const keeps = write.op === 'update' && this.#draw(2) === 0
        const big = keeps ? (this.rows.get(write.id)?.[1] ?? '') : `big${this.#values++}`
        const now = [`a${this.#values++}`, big] as const
        this.rows.set(write.id, now)
        const unknown = keeps && this.#draw(2) === 0
        const cells: Cells = [write.id, now[0], unknown ? undefined : big]
        tell(write.id, row({ op: write.op, cells, origin }))
      }
    }
  }

  #origin(snapshot: SnapshotMark, parts: readonly (bigint | null)[]): Origin {
    return {
      connector: 'postgresql',
      server: 'shop',
      database: 'db',
      snapshot,
      committedAt: exactly(this.#time),
      place: { log: 'postgresql/shop/db', parts: parts.map(toWhole), gtid: null },
      transactionId: String(this.#lsn),
      membership: null,
    }
  }

  #send(key: string | null, event: DebeziumEvent): void {
    const partition = key === null ? 0 : Number(key) % this.partitions.length
    this.#put(partition, { key: key === null ? null : Buffer.from(key), event })
  }

  #put(partition: number, sent: Sent): void {
    const handed = { partition, sent }
    this.#pending[partition]?.push(handed)
    this.#sent.push(handed)
  }

  /** What was sent since the last flush of offsets comes once more, and what never arrived. */
  #restart(): void {
    const all = this.#sent
    const lost = this.#lose()
    const known = lost < 0 ? all.length : lost
    let from = known - this.#draw(Math.min(Math.max(known - this.#since, 0), 12) + 1)
    // A delete and its tombstone have one offset: both come again, or none.
    if (all[from]?.sent.event.kind === 'tombstone') from--
    const again = all.slice(from)
    // Of a snapshot nothing is told again: it is taken anew.
    if (again.some(({ sent: { event } }) => event.kind === 'row' && event.op === 'read')) {
      if (lost >= 0) this.snapshot()
      return
    }
    for (const { partition, sent } of again) this.#put(partition, sent)
  }

  /** What the producer had not brought to the broker is gone; the number of the first, or -1. */
  #lose(): number {
    const gone = new Set(this.#pending.flatMap((handed) => handed.splice(0)))
    const first = this.#sent.findIndex((handed) => gone.has(handed))
    this.#sent = this.#sent.filter((handed) => !gone.has(handed))
    return first
  }

  /** Somebody copies the whole topic behind itself. */
  #repeatAll(): void {
    this.deliver({ all: true })
    for (const { partition, sent } of [...this.#sent]) this.#put(partition, sent)
  }

  /** The newest records of one partition come behind it once more. */
  #repeatSome(): void {
    const partition = this.#draw(this.partitions.length)
    const all = this.#sent.filter((one) => one.partition === partition)
    const told = all.slice(-1 - this.#draw(20))
    // A delete and its tombstone are one piece.
    if (told[0]?.sent.event.kind === 'tombstone') told.shift()
    for (const { sent } of told) this.#put(partition, sent)
  }

  /** The slot was lost with changes that nobody told of. */
  #renew(): void {
    if (this.#draw(2) === 0) this.#lose()
    else this.deliver({ all: true })
    for (let i = 0; i < this.#draw(4); i++) this.#transactions({ lost: true })
    if (this.#draw(3) === 0) {
      this.snapshot({ interrupted: true })
      for (let i = 0; i < this.#draw(3); i++) this.#transactions({ lost: true })
    }
    this.snapshot()
  }

  /** Some rows are read while the log is followed, and told between its transactions. */
  #between(): void {
    const at = this.#commit
    if (at === null) return
    for (const [id, [a, big]] of this.rows) {
      if (this.#draw(3) === 0) continue
      const origin = this.#origin('incremental', [at, at])
      this.#send(id, row({ op: 'read', cells: [id, a, big], origin }))
    }
  }

  /** Of a table that is empty a snapshot says nothing at all. */
  snapshot({ interrupted = false } = {}): void {
    while (this.rows.size === 0) this.#transactions({ lost: true })
    this.#lsn += 5n
    this.#time += 1n
    const all = [...this.rows]
    const told = interrupted ? all.slice(0, this.#draw(all.length + 1)) : all
    told.forEach(([id, [a, big]], i) => {
      const last = i === all.length - 1
      const mark = last ? 'last' : i === 0 ? 'first' : 'true'
      const origin = this.#origin(mark, [null, this.#lsn])
      this.#send(id, row({ op: 'read', cells: [id, a, big], origin }))
    })
    this.#commit = null
    this.#since = this.#sent.length
  }
}

interface RowFacts {
  readonly op: RowEvent['op']
  readonly cells?: Cells
  readonly key?: string
  readonly newKey?: string
  readonly oldKey?: string
  readonly origin: Origin
}

const NOWHERE = { from: -1, to: -1 }

function row({ op, cells, key, newKey, oldKey, origin }: RowFacts): RowEvent {
  const buffer = cells === undefined ? keyTuple(key ?? '') : tupleOf(cells)
  const whole = { from: 0, to: buffer.length }
  return {
    kind: 'row',
    op,
    table,
    buffer,
    row: cells === undefined ? NOWHERE : whole,
    before: NOWHERE,
    key: cells === undefined ? whole : NOWHERE,
    partial: cells?.includes(undefined) ?? false,
    newKey: newKey === undefined ? null : keyTuple(newKey),
    oldKey: oldKey === undefined ? null : keyTuple(oldKey),
    origin,
  }
}

function keyTuple(id: string): Buffer {
  return tupleOf([id, null, null])
}

function tombstone(id: string): DebeziumEvent {
  return { kind: 'tombstone', table, key: keyTuple(id), newKey: null }
}

function toWhole(part: bigint | null): Whole | null {
  return part === null ? null : exactly(part)
}
