import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { DebeziumEvent, RowEvent } from '../../../../src/dialect/debezium/event.ts'
import type { StreamItem } from '../../../../src/model/change.ts'
import { Changes } from '../../../../src/model/changes.ts'
import { textsOf, tupleOf } from '../../../../src/model/tuple.ts'
import { Lane } from '../../../../src/source/kafka/lane.ts'
import {
  type LanePlace,
  laneOf,
  parsePosition,
  placeOf,
} from '../../../../src/source/kafka/place.ts'
import { TopicReading } from '../../../../src/source/kafka/reading.ts'
import { Wholes } from '../../../../src/source/kafka/wholes.ts'
import { textTable } from '../../../../testkit/memory/tables.ts'
import { type Draw, drawer } from './connector.ts'

const LOG = 'kafka test'
const ENDS = 'shop.transaction'
const PATIENCE = 1000
const key = { by: 'key', columns: [0] } as const
const tables = ['a', 'b'].map((name) =>
  textTable({ id: `shop.public.${name}`, name, columns: ['id', 'v'], identity: key }),
)

interface Sent {
  readonly lane: string
  readonly key: Buffer | null
  readonly event: DebeziumEvent
}

interface Spoilt {
  /** Of ends: one in so many is lost, or tells of too many rows. */
  readonly lost?: number
  readonly wrong?: number
  /** The broker takes records of some partitions later than those of others. */
  readonly lags?: boolean
}

/** A database of two tables, and a connector that tells of its transactions. */
class Shop {
  /** What the tables hold after each transaction. */
  readonly states = ['']
  readonly lanes = new Map<string, Sent[]>()
  readonly #rows = new Map<string, string>()
  readonly #draw: Draw
  readonly #partitions: number
  readonly #spoilt: Spoilt
  readonly #sent: Sent[] = []
  /** What the producer has not brought to the broker yet. */
  #pending: Sent[] = []
  #lsn = 100n
  #commit: bigint | null = null
  #count = 0

  constructor(draw: Draw, partitions: number, spoilt: Spoilt) {
    this.#draw = draw
    this.#partitions = partitions
    this.#spoilt = spoilt
    for (const { id } of tables) {
      for (let i = 0; i < partitions; i++) this.lanes.set(`${id}/${i}`, [])
    }
    this.lanes.set(`${ENDS}/0`, [])
  }

  transact(): void {
    const number = ++this.#count
    // The connector of PostgreSQL writes the place of each event behind its transaction.
    const id = (): string => `${number}:${this.#lsn}`
    const counts = tables.map(() => 0)
    const says = (status: 'begin' | 'end', collections: readonly (readonly [string, number])[]) => {
      const named = collections.map(([name, events]) => ({ name, events }))
      const about = { events: null, collections: named } as const
      const event = { kind: 'transaction', status, id: id(), ...about } as const
      this.#send({ lane: `${ENDS}/0`, key: null, event })
    }
    says('begin', [])
    for (let i = 0; i < 1 + this.#draw(4); i++) {
      const at = this.#draw(2)
      const order = (counts[at] ?? 0) + 1
      counts[at] = order
      this.#write(at, { id: id(), totalOrder: i + 1, collectionOrder: order })
    }
    this.#lsn += 3n
    this.#commit = this.#lsn
    this.states.push(printed(this.#rows))
    const { lost = 0, wrong = 0 } = this.#spoilt
    if (lost > 0 && this.#draw(lost) === 0) return
    const more = wrong > 0 && this.#draw(wrong) === 0 ? 1 : 0
    const told = counts.map((n, i) => [`public.${tables[i]?.name}`, n + more] as const)
    says('end', told)
  }

  #write(at: number, membership: NonNullable<RowEvent['origin']>['membership']): void {
    const table = tables[at]
    if (table === undefined) return
    const row = String(1 + this.#draw(4))
    const place = `${table.name} ${row}`
    this.#lsn += 2n
    const gone = this.#rows.has(place) && this.#draw(3) === 0
    const value = `v${this.#lsn}`
    if (gone) this.#rows.delete(place)
    else this.#rows.set(place, value)
    const buffer = tupleOf([row, gone ? null : value])
    const whole = { from: 0, to: buffer.length }
    const none = { from: -1, to: -1 }
    const event: RowEvent = {
      kind: 'row',
      op: gone ? 'delete' : 'upsert',
      table,
      buffer,
      row: gone ? none : whole,
      before: none,
      key: gone ? whole : none,
      partial: false,
      newKey: null,
      oldKey: null,
      origin: {
        connector: 'postgresql',
        server: 'shop',
        database: 'db',
        snapshot: 'no',
        committedAt: this.#lsn,
        place: { log: 'postgresql/shop/db', parts: [this.#commit, this.#lsn], gtid: null },
        transactionId: membership?.id ?? null,
        membership,
      },
    }
    this.#send({
      lane: `${table.id}/${Number(row) % this.#partitions}`,
      key: Buffer.from(row),
      event,
    })
  }

  #send(sent: Sent): void {
    this.#sent.push(sent)
    this.#hand(sent)
  }

  #hand(sent: Sent): void {
    if (this.#spoilt.lags === true) this.#pending.push(sent)
    else this.lanes.get(sent.lane)?.push(sent)
  }

  /** The producer brings what it has to the broker, each partition by itself. */
  bring({ all = false } = {}): void {
    const isLate = (lane: string): boolean => this.#draw(lane.startsWith(ENDS) ? 2 : 6) > 0
    const late = all ? [] : [...this.lanes.keys()].filter(isLate)
    for (const sent of this.#pending)
      if (!late.includes(sent.lane)) this.lanes.get(sent.lane)?.push(sent)
    this.#pending = this.#pending.filter(({ lane }) => late.includes(lane))
  }

  /** The connector starts again and tells of what it told before. */
  restart(): void {
    const from = this.#sent.length - this.#draw(Math.min(this.#sent.length, 15) + 1)
    for (const sent of this.#sent.slice(from)) this.#hand(sent)
  }
}

function printed(rows: ReadonlyMap<string, string>): string {
  return [...rows]
    .map((row) => row.join(' '))
    .sort()
    .join(', ')
}

/** Reads what a shop tells, in portions and with kills, and looks at each commit. */
class Reader {
  readonly notices: string[] = []
  kills = 0
  commits = 0
  readonly rows = new Map<string, string>()
  readonly #tokens = new Map<string, string>()
  readonly #open = new Map<string, Changes>()
  readonly #shop: Shop
  readonly #draw: Draw
  readonly #look: () => void
  #readings: TopicReading[] = []
  #wholes: Wholes
  #polls = 0
  #now = 0

  constructor(shop: Shop, draw: Draw, look: (rows: string) => void) {
    this.#shop = shop
    this.#draw = draw
    this.#look = () => look(printed(this.rows))
    this.#wholes = this.#begin()
  }

  #begin(): Wholes {
    this.#open.clear()
    const place = (lane: string): LanePlace => {
      const token = this.#tokens.get(lane)
      if (token !== undefined) return placeOf(lane, parsePosition(LOG, lane, token))
      const [topic = '', partition] = lane.split('/')
      return { topic, partition: Number(partition), offset: 0n, gone: false, marks: [] }
    }
    const lane = new Lane(LOG, place(`${ENDS}/0`))
    const notice = (text: string): void => void this.notices.push(text)
    const wholes = new Wholes({ log: LOG, lane, patience: PATIENCE, notice, wholeness: () => {} })
    this.#readings = tables.map((table) => {
      const own = [...this.#shop.lanes.keys()].filter((name) => name.startsWith(`${table.id}/`))
      const places = own.map(place)
      const of = { table, places, partitions: places.length }
      const reading = new TopicReading({ log: LOG, ...of, again: () => {}, wholes })
      wholes.join(reading)
      return reading
    })
    const before = this.#shop.lanes.get(`${ENDS}/0`)?.slice(0, Number(lane.applied)) ?? []
    for (const { event } of before) wholes.recall(event)
    this.#wholes = wholes
    return wholes
  }

  get done(): boolean {
    return [...this.#shop.lanes].every(([lane, all]) => {
      const at = new RegExp(`:${all.length}!?(?: |$)`)
      return all.length === 0 || at.test(this.#tokens.get(lane) ?? '')
    })
  }

  /** `waits`: no time passes in which what is missing could come. */
  poll(most: number, { waits = true } = {}): void {
    this.#polls++
    if (!waits) this.#now += PATIENCE
    const items: StreamItem[] = []
    for (const lane of [this.#wholes.lane, ...this.#readings.flatMap(({ lanes }) => lanes)]) {
      this.#read(lane, most)
    }
    for (const reading of this.#readings) {
      reading.drain(items)
      if (reading.asks) {
        reading.ends(new Map(reading.lanes.map((lane) => [lane.partition, this.#endOf(lane)])))
        reading.drain(items)
      }
    }
    while (this.#wholes.drain(items, this.#now)) {
      for (const reading of this.#readings) reading.drain(items)
    }
    this.#take(items)
  }

  #endOf(lane: Lane): bigint {
    return BigInt(this.#shop.lanes.get(laneOf(lane))?.length ?? 0)
  }

  #read(lane: Lane, most: number): void {
    const from = Number(lane.fetched)
    const all = this.#shop.lanes.get(laneOf(lane)) ?? []
    for (const [i, { key, event }] of all.slice(from, from + this.#draw(most + 1)).entries()) {
      lane.push({ offset: BigInt(from + i), key, event, poll: this.#polls, joined: false })
      lane.fetched = BigInt(from + i + 1)
    }
    lane.seen = { poll: this.#polls, end: BigInt(all.length) }
  }

  #take(items: readonly StreamItem[]): void {
    let left = this.#draw(12) === 0 ? this.#draw(4) : Number.POSITIVE_INFINITY
    for (const item of items) {
      if (item.kind === 'part') {
        const known = this.#open.get(item.transaction) ?? Changes.empty()
        this.#open.set(item.transaction, Changes.joined([known, Changes.of(item.changes)]))
        continue
      }
      assert.ok(item.kind === 'commit' || item.kind === 'progress', item.kind)
      if (left-- <= 0) {
        this.kills++
        this.#begin()
        return
      }
      if (item.kind === 'commit') this.#commit(item.transaction)
      for (const [lane, { token }] of item.positions) this.#reach(lane, token)
    }
  }

  #reach(lane: string, token: string): void {
    const before = this.#tokens.get(lane)
    const order = (text: string): bigint => parsePosition(LOG, lane, text).order
    assert.ok(before === undefined || order(before) <= order(token), `${lane} went back`)
    this.#tokens.set(lane, token)
  }

  #commit(transaction: string): void {
    for (const change of this.#open.get(transaction) ?? []) {
      assert.ok(change.kind !== 'truncate' && change.kind !== 'schema')
      const { name } = change.table
      if (change.old !== null) this.rows.delete(`${name} ${textsOf(change.old)[0]}`)
      if (change.row === null) continue
      const [id, value] = textsOf(change.row)
      this.rows.set(`${name} ${id}`, String(value))
    }
    this.#open.delete(transaction)
    this.commits++
    this.#look()
  }
}

/** Both, until the reader has read everything. */
function play(seed: number, { spoilt = {}, look }: { spoilt?: Spoilt; look?: Look } = {}) {
  const draw = drawer(seed)
  const shop = new Shop(draw, 1 + draw(3), spoilt)
  const reader = new Reader(shop, draw, (rows) => look?.(rows, shop.states))
  const waits = spoilt.lost === undefined && spoilt.wrong === undefined
  for (let i = 0; i < 30; i++) {
    if (draw(6) === 0) shop.restart()
    else shop.transact()
    shop.bring()
    if (draw(3) > 0) reader.poll(spoilt.lags === true ? 50 : 5)
  }
  shop.bring({ all: true })
  for (let i = 0; !reader.done; i++) {
    assert.ok(i < 3000, 'the reading does not come to its end')
    reader.poll(10, { waits })
  }
  assert.equal(printed(reader.rows), shop.states.at(-1))
  return { shop, reader }
}

type Look = (rows: string, states: readonly string[]) => void

function eachSeed(count: number, run: (seed: number) => void): void {
  for (let seed = 0; seed < count; seed++) {
    try {
      run(seed)
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
  }
}

suite('transactions that several topics tell of', () => {
  test('K14 are seen as wholes and in their order, whatever is told again, through kills', () => {
    const seen = { kills: 0, commits: 0 }
    eachSeed(250, (seed) => {
      let at = 0
      const look: Look = (rows, states) => {
        const found = states.indexOf(rows, at)
        assert.ok(found >= 0, `after ${at} transactions: ${rows} is the state after none`)
        at = found
      }
      const { reader } = play(seed, { look })
      assert.deepEqual(reader.notices, [])
      seen.kills += reader.kills
      seen.commits += reader.commits
    })
    assert.ok(seen.kills > 100 && seen.commits > 3000, JSON.stringify(seen))
  })

  test('K14 are waited for when an end comes long before its rows, and through kills', () => {
    let kills = 0
    eachSeed(250, (seed) => {
      const { reader } = play(seed, { spoilt: { lags: true } })
      assert.deepEqual(reader.notices, [])
      kills += reader.kills
    })
    assert.ok(kills > 100, String(kills))
  })

  test('K15 whose end is lost or tells too much are applied all the same, and that is said', () => {
    let said = 0
    eachSeed(150, (seed) => {
      const spoilt = seed % 2 === 0 ? { lost: 8 } : { wrong: 8 }
      said += play(seed, { spoilt }).reader.notices.length
    })
    assert.ok(said > 50, String(said))
  })
})
