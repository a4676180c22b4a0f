import { monotonic, sleep } from '../../async/clock.ts'
import type { Origin } from '../../dialect/debezium/event.ts'
import type { PlaceOffset, Topic } from '../../dialect/kafka/cluster.ts'
import type { Checkpoint, Identities } from '../../model/checkpoint.ts'
import { Fault } from '../../model/fault.ts'
import { listed } from '../../model/findings.ts'
import type { Position, Positions } from '../../model/position.ts'
import { type Table, tableName } from '../../model/table.ts'
import type { Moved, Telling, Wish } from '../source.ts'
import { type Beginning, eventsOf, newestSnapshot, type Stretch } from './beginning.ts'
import { decoderOf } from './declared.ts'
import { isLast, isWhole, type Marks, order } from './marks.ts'
import { laneOf, partitionOf, placeOf, positionAt } from './place.ts'
import { leadsTo, type Reach } from './tables.ts'

/** Milliseconds between two looks at topics that a snapshot is to come to. */
const LOOK = 500
/**
 * Parts of the patience with a connector after each of which it is asked once more, as long as
 * nothing comes: one that is about to listen hears only what is said from then on.
 */
const REMINDERS = 5

/** A topic that is to be told anew. */
interface Told {
  readonly table: Table
  /** What the connector calls itself. */
  readonly server: string
}

/** The facts that a checkpoint holds of a topic. */
export function factsOf({ name, id, partitions }: Topic): Identities {
  return {
    [`topic ${name}`]: { value: id, changed: 'HF-K103' },
    [`partitions of ${name}`]: { value: String(partitions), changed: 'HF-K104' },
  }
}

/** Names of followed topics that are not what they were, or do not hold what comes next. */
async function gapsIn({ cluster }: Reach, known: Checkpoint): Promise<ReadonlySet<string>> {
  const names = topicsOf(known.positions)
  const topics = await cluster.describe([...names])
  const gaps = new Set(names.difference(new Set(topics.map(({ name }) => name))))
  for (const topic of topics) {
    const facts = Object.entries(factsOf(topic))
    if (facts.some(([fact, { value }]) => known.source[fact]?.value !== value)) gaps.add(topic.name)
  }
  const same = topics.filter(({ name }) => !gaps.has(name))
  for (const [moment, side] of [
    ['begin', -1n],
    ['end', 1n],
  ] as const) {
    for (const { topic, partition, offset } of await cluster.offsets(same, moment)) {
      const reached = known.positions.get(laneOf({ topic, partition }))?.order
      if (reached === undefined || (reached - offset) * side > 0n) gaps.add(topic)
    }
  }
  return gaps
}

/** The tables of these names out of all; those with a gap unless named. Throws HF-C105. */
export async function tellAnew(
  reach: Reach,
  of: {
    readonly log: string
    readonly known: Checkpoint | null
    readonly all: readonly Table[]
    readonly names: readonly string[] | null
  },
): Promise<Telling> {
  const { log, known, all, names } = of
  const lost = known === null ? new Set<string>() : await gapsIn(reach, known)
  const missing = names?.filter((name) => !all.some((table) => calls(name, table))) ?? []
  if (missing.length > 0) {
    const what = `no table that is mirrored is called ${listed(missing)}`
    throw new Fault('HF-C105', { what, side: 'source' })
  }
  const tables = all.filter((table) =>
    names === null
      ? known === null || lost.has(table.id)
      : names.some((name) => calls(name, table)),
  )
  const told = tables.map((table) => ({ table, server: serverOf(table, known) }))
  return await TopicsAnew.open(reach, told, { log, known, lost })
}

/** True when a person means the table by this: as it or its topic is called. */
function calls(text: string, { id, schema, name }: Table): boolean {
  return text === id || text === `${schema}.${name}`
}

function topicsOf(positions: Positions): Set<string> {
  return new Set([...positions.keys()].map((lane) => partitionOf(lane).topic))
}

/** The name that a connector gave itself in what was read of a topic; else what the topic says. */
function serverOf({ id, schema, name }: Table, known: Checkpoint | null): string {
  for (const [lane, position] of known?.positions ?? []) {
    if (partitionOf(lane).topic !== id) continue
    const server = placeOf(lane, position).marks[0]?.log.split('/')[1] ?? ''
    if (server !== '') return server
  }
  const own = `.${schema}.${name}`
  return id.endsWith(own) ? id.slice(0, -own.length) : ''
}

/** `shop.dbo.t` in the topic `cdc.shop.dbo.t` of `cdc`; `public.t` where the topic is renamed. */
function wishOf({ table, server }: Told): Wish {
  const plain = `${table.schema}.${table.name}`
  const whole = table.id.startsWith(`${server}.`) ? table.id.slice(server.length + 1) : plain
  return { server, collection: whole.endsWith(plain) ? whole : plain }
}

/** Snapshots that are yet to come into topics, each from its first row on. */
class TopicsAnew implements Telling {
  readonly tables: readonly Table[]
  readonly gaps: readonly Table[]
  readonly wishes: readonly Wish[]
  readonly #reach: Reach
  readonly #log: string
  readonly #known: Checkpoint | null
  readonly #lost: ReadonlySet<string>
  readonly #arrivals: readonly Arrival[]

  private constructor(reach: Reach, told: readonly Told[], of: Opened) {
    this.tables = told.map(({ table }) => table)
    this.gaps = this.tables.filter(({ id }) => of.lost.has(id))
    this.wishes = told.map(wishOf)
    this.#reach = reach
    this.#log = of.log
    this.#known = of.known
    this.#lost = of.lost
    this.#arrivals = told.map((one) => new Arrival(reach, one, of.ends))
  }

  static async open(
    reach: Reach,
    told: readonly Told[],
    of: Omit<Opened, 'ends'>,
  ): Promise<TopicsAnew> {
    const topics = await reach.cluster.describe(told.map(({ table }) => table.id).sort())
    const offsets = await reach.cluster.offsets(topics, 'end')
    const ids = new Map(topics.map(({ name, id }) => [name, id]))
    const ends = new Map(
      offsets.map((one) => [`${ids.get(one.topic)} ${one.partition}`, one.offset]),
    )
    return new TopicsAnew(reach, told, { ...of, ends })
  }

  async whole(
    { wait, again }: Parameters<Telling['whole']>[0],
    signal: AbortSignal,
  ): Promise<Moved | null> {
    const start = new Map<string, Position>()
    const facts: Identities[] = []
    let open = this.#arrivals
    let asked = monotonic()
    for (let newest = asked; ; await sleep(LOOK, signal)) {
      const looks: Look[] = []
      for (const arrival of open) looks.push(await arrival.look(signal))
      for (const { topic, found } of looks.flatMap(({ whole }) => whole ?? [])) {
        for (const [lane, position] of this.#places(found)) start.set(lane, position)
        facts.push(factsOf(topic))
      }
      open = open.filter((_, i) => looks[i]?.whole == null)
      if (open.length === 0) break
      if (looks.some(({ rows }) => rows)) newest = monotonic()
      const doubted = open.filter((arrival) => arrival.isDoubted())
      if (doubted.length > 0) await again(doubted.map(({ wish }) => wish))
      if (monotonic() - newest > wait) throw notTold(open, wait)
      const silent = monotonic() - Math.max(asked, newest) > wait / REMINDERS
      if (!silent) continue
      asked = monotonic()
      await again(open.map(({ wish }) => wish))
    }
    const known = this.#known
    return known === null ? null : await this.#moved(known, start, facts)
  }

  /** What comes there is new, and the rows of the snapshot take the place of those that there are. */
  #places({ first: { origin }, places }: Beginning): Positions {
    const log = origin?.place?.log ?? ''
    const marks: Marks = [{ log, parts: null, snapshot: null, at: 0n, gtids: new Map(), total: 0 }]
    return new Map(
      places.map((one) => [laneOf(one), positionAt(this.#log, { ...one, gone: false, marks })]),
    )
  }

  async #moved(known: Checkpoint, start: Positions, facts: readonly Identities[]): Promise<Moved> {
    const { cluster } = this.#reach
    const ids = new Set(this.tables.map(({ id }) => id))
    const tables = new Set(known.tables.map(({ table }) => table.id))
    // What tells of transactions has no rows that could be missing.
    const others = [...this.#lost].filter((name) => !tables.has(name))
    const topics = (await cluster.describe(others)).filter(({ partitions }) => partitions === 1)
    const begins = (await cluster.offsets(topics, 'begin')).map((one) => {
      return [laneOf(one), positionAt(this.#log, { ...one, gone: false, marks: [] })] as const
    })
    const left = (name: string): boolean => ids.has(name) || others.includes(name)
    const kept = [...known.positions].filter(([lane]) => !left(partitionOf(lane).topic))
    const source = Object.entries(known.source).filter(
      ([fact]) => !left(fact.replace(/^(?:topic|partitions of) /, '')),
    )
    return {
      positions: new Map([...kept, ...begins, ...start]),
      start,
      source: Object.assign(Object.fromEntries(source), ...facts, ...topics.map(factsOf)),
    }
  }
}

interface Opened {
  readonly log: string
  readonly known: Checkpoint | null
  /** Names of followed topics with a gap. */
  readonly lost: ReadonlySet<string>
  /** Where partitions ended then, by the id of the topic and the number. */
  readonly ends: ReadonlyMap<string, bigint>
}

interface Look {
  /** Rows of a snapshot have come since the last one. */
  readonly rows: boolean
  readonly whole: { readonly topic: Topic; readonly found: Beginning } | null
}

function notTold(open: readonly Arrival[], wait: number): Fault {
  const names = listed(open.map(({ name }) => name))
  const what = `no row of a new snapshot of ${names} came for ${wait / 1000} s`
  return new Fault('HF-K122', { what, side: 'source' })
}

/** The snapshot of one table, which comes into its topic after it was asked for. */
class Arrival {
  readonly wish: Wish
  readonly #reach: Reach
  readonly #table: Table
  readonly #ends: Opened['ends']
  /** Looked through up to here, in the same way. */
  readonly #seen: Map<string, bigint>
  /** The last row of a snapshot has come. */
  #ended = false
  /** Of a snapshot that was under way before, perhaps: the next one began after it. */
  #doubted: Origin | null = null
  #asked = false

  constructor(reach: Reach, told: Told, ends: Opened['ends']) {
    this.#reach = reach
    this.#table = told.table
    this.wish = wishOf(told)
    this.#ends = ends
    this.#seen = new Map(ends)
  }

  get name(): string {
    return tableName(this.#table)
  }

  /** True once for a row alone that may be the end of a snapshot whose other rows are gone. */
  isDoubted(): boolean {
    const [doubted, asked] = [this.#doubted !== null, this.#asked]
    this.#asked = doubted
    return doubted && !asked
  }

  async look(signal: AbortSignal): Promise<Look> {
    // One that was deleted is made again by its connector.
    try {
      const [topic] = await this.#reach.cluster.describe([this.#table.id])
      if (topic !== undefined) return await this.#lookAt(topic, signal)
    } catch (error) {
      // Nobody leads a partition that was just made, and one that goes is there for a while.
      const passes = error instanceof Fault && (error.transient || error.code === 'HF-K103')
      if (!passes) throw error
    }
    return { rows: false, whole: null }
  }

  async #lookAt(topic: Topic, signal: AbortSignal): Promise<Look> {
    const after = await this.#stretches(topic)
    const rows = await this.#read(after(this.#seen), signal)
    // Its other rows may come later, in other partitions.
    const found = this.#ended ? await this.#found(after(this.#ends), signal) : null
    return { rows, whole: found === null ? null : { topic, found } }
  }

  /** The topic behind places by the names of partitions, up to where it ends now. */
  async #stretches(topic: Topic): Promise<(after: Opened['ends']) => Stretch> {
    const { cluster } = this.#reach
    const begins = await cluster.offsets([topic], 'begin')
    const ends = await cluster.offsets([topic], 'end')
    const decoder = decoderOf(this.#reach)
    return (after) => {
      const from = begins.map((one) => {
        const known = after.get(`${topic.id} ${one.partition}`) ?? 0n
        return known > one.offset ? { ...one, offset: known } : one
      })
      // Records that came since, and are gone already.
      const cut = from.filter(
        (one, i) =>
          one.offset === begins[i]?.offset &&
          one.offset > (this.#ends.get(nameOf(topic, one)) ?? 0n),
      )
      return { topic, decoder, from, ends, cut: new Set(cut.map(({ partition }) => partition)) }
    }
  }

  async #found(stretch: Stretch, signal: AbortSignal): Promise<Beginning | null> {
    const { found } = await newestSnapshot(this.#reach, stretch, signal)
    if (found === null || !found.complete) return null
    if (!this.#isOwn(found)) return null
    this.#requireFit(found)
    return found
  }

  /** Looks through what came since the last time; true when there are rows of a snapshot. */
  async #read(stretch: Stretch, signal: AbortSignal): Promise<boolean> {
    let rows = false
    for await (const { event } of eventsOf(this.#reach, stretch, signal)) {
      if (event?.kind !== 'row' || event.origin === null || !isWhole(event.origin)) continue
      rows = true
      if (isLast(event.origin)) this.#ended = true
    }
    for (const one of stretch.ends) this.#seen.set(nameOf(stretch.topic, one), one.offset)
    return rows
  }

  /**
   * False for the end of a snapshot that was under way before. One row alone says nothing of a
   * beginning: the second one that comes began after the first.
   */
  #isOwn({ begun, rows, first: { origin } }: Beginning): boolean {
    if (begun) return true
    if (rows > 1 || origin === null) return false
    if (this.#doubted !== null && !isOfSame(this.#doubted, origin)) return true
    this.#doubted = origin
    return false
  }

  /** Throws HF-K110, HF-K113 for a snapshot that cannot take the place of the rows. */
  #requireFit({ first }: Beginning): void {
    if (first.origin?.place == null) {
      const what = `records of the topic ${this.#table.id} do not say where they stand, so that a new snapshot cannot be told from changes`
      throw new Fault('HF-K113', { what, side: 'source', table: this.name })
    }
    if (leadsTo(this.#table, first.table, { all: true })) return
    const what = `the new snapshot of ${tableName(this.#table)} has other columns than the target`
    throw new Fault('HF-K110', { what, side: 'source', table: tableName(this.#table) })
  }
}

function nameOf({ id }: Topic, { partition }: Pick<PlaceOffset, 'partition'>): string {
  return `${id} ${partition}`
}

function isOfSame(one: Origin | null, other: Origin): boolean {
  if (one === null || !isWhole(one) || one.place === null || other.place === null) return false
  return one.place.log === other.place.log && order(one.place.parts, other.place.parts) === 0
}
