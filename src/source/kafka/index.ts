import { every, type Ticker, wallMicros } from '../../async/clock.ts'
import { modesOf } from '../../dialect/debezium/modes.ts'
import { Registry } from '../../dialect/debezium/registry.ts'
import { Cluster, type Topic } from '../../dialect/kafka/cluster.ts'
import { Fetcher } from '../../dialect/kafka/fetcher.ts'
import type { StreamItem } from '../../model/change.ts'
import type { Checkpoint, Identities } from '../../model/checkpoint.ts'
import { Fault, type Finding } from '../../model/fault.ts'
import { Gathering } from '../../model/gathering.ts'
import type { Comparison, Position, Positions } from '../../model/position.ts'
import type { SourceReader } from '../../model/reader.ts'
import type { Blueprint, Sequence, Table, Vocabulary } from '../../model/table.ts'
import type {
  Estimate,
  Hearing,
  Later,
  LogState,
  Selection,
  Snapshot,
  Source,
  SourceOptions,
  SourceTraits,
  Telling,
  Wholeness,
} from '../source.ts'
import { Ageing } from './ageing.ts'
import { fromBeginnings } from './back.ts'
import { Declarations, decoderOf } from './declared.ts'
import { hearMessages } from './hearing.ts'
import { Latecomers } from './later.ts'
import {
  comparePositions,
  laneOf,
  parsePosition,
  partitionOf,
  placeOf,
  positionAt,
} from './place.ts'
import { findingsOf, requireTables } from './preflight.ts'
import { TopicReading } from './reading.ts'
import { EmptySnapshot } from './snapshot.ts'
import { streamTopics } from './stream.ts'
import { describeTable, type Reach, type TopicTable } from './tables.ts'
import { factsOf, tellAnew } from './telling.ts'
import { chosenTopics, requireSame } from './topics.ts'
import { beginOfTransactions, openWholes, PATIENCE, wholenessOf } from './transactions.ts'

/** Connects; faults within seconds when the brokers cannot be reached or entered. */
export async function openKafkaSource(options: SourceOptions): Promise<Source> {
  const { endpoint, mirror } = options
  const cluster = await Cluster.open(endpoint, { mirror, purpose: 'control' })
  try {
    const fetcher = await Fetcher.open(endpoint, { cluster, mirror })
    return new KafkaSource(options, { cluster, fetcher })
  } catch (error) {
    await cluster[Symbol.asyncDispose]()
    throw error
  }
}

/** Milliseconds between two commits of what is durable, for other tools to see. */
const TELL = 5_000
/** Milliseconds between two looks at how old the oldest record is that was not read. */
const AGE = 30_000

class KafkaSource implements Source {
  readonly traits: SourceTraits = {
    dialect: 'kafka',
    wholeTransactions: false,
    retells: true,
    apart: true,
  }
  readonly label: string
  readonly place: string
  readonly #options: SourceOptions
  readonly #reach: Reach
  readonly #log: string
  /** Topics that the checkpoint names, which are the mirror's from then on. */
  readonly #followed = new Set<string>()
  /** By the ids of topics, so that a topic is looked through once. */
  readonly #described = new Map<string, TopicTable>()
  readonly #quiet = new AbortController()
  readonly #tickers: readonly Ticker[]
  readonly #ageing: Ageing
  readonly #latecomers: Latecomers
  /** Where partitions ended when their topics came later, by their lanes. */
  readonly #ends = new Map<string, bigint>()
  /** As they were when their facts were told first, which is what the checkpoint has. */
  readonly #told = new Map<string, Topic>()
  #durable: Positions | null = null
  #committed: Positions | null = null

  constructor(
    options: SourceOptions,
    { cluster, fetcher }: { readonly cluster: Cluster; readonly fetcher: Fetcher },
  ) {
    const { registry } = options.endpoint.params
    this.#options = options
    this.#reach = {
      cluster,
      fetcher,
      registry: registry === undefined ? null : new Registry({ url: registry }),
      modes: modesOf(options.endpoint.params),
      declarations: new Declarations(options.behind ?? null),
    }
    this.#log = `kafka ${cluster.id}`
    this.label = `Kafka at ${cluster.label}`
    this.place = `kafka:${cluster.id}`
    this.#ageing = new Ageing(cluster)
    this.#latecomers = new Latecomers(this.#reach)
    // Neither decides anything: what fails now is done the next time.
    const work: readonly (readonly [number, () => Promise<void>])[] = [
      [TELL, () => this.#tell()],
      [AGE, () => this.#age()],
    ]
    this.#tickers = work.map(([millis, call]) => every(millis, call, () => undefined))
  }

  async #topics(): Promise<readonly Topic[]> {
    const { cluster } = this.#reach
    if (this.#followed.size > 0) return await cluster.describe([...this.#followed].sort())
    return await chosenTopics(cluster, this.#options.selection)
  }

  /** Of these tables; of all that are followed or chosen, unless given. */
  async #tables(of?: readonly Table[]): Promise<readonly TopicTable[]> {
    const { signal } = this.#quiet
    const found: TopicTable[] = []
    const topics =
      of === undefined
        ? await this.#topics()
        : await this.#reach.cluster.describe(of.map(({ id }) => id).sort())
    for (const topic of topics) {
      const known =
        this.#described.get(topic.id) ?? (await describeTable(this.#reach, topic, signal))
      if (known.table !== null) this.#described.set(topic.id, known)
      found.push({ ...known, topic })
    }
    return found
  }

  async preflight(): Promise<readonly Finding[]> {
    return findingsOf(await this.#tables(), this.#options.selection)
  }

  async inspect(of?: readonly Table[]): Promise<Blueprint> {
    const topics = await this.#tables(of)
    requireTables(topics)
    const tables = topics.flatMap(({ table }) => (table === null ? [] : [table]))
    return this.#blueprint(tables.filter(({ identity }) => identity.by === 'key'))
  }

  #blueprint(tables: readonly Table[]): Blueprint {
    return { dialect: this.traits.dialect, tables, native: null }
  }

  async later(selection: Selection, known: readonly Table[]): Promise<Later> {
    if (selection.include.length === 0) return { blueprint: this.#blueprint([]), refused: [] }
    const names = new Set(known.map(({ id }) => id))
    const { tables, refused } = await this.#latecomers.find(selection, names, this.#quiet.signal)
    for (const { found, notices } of tables) {
      const { topic } = found
      if (!this.#described.has(topic.id)) for (const text of notices) this.#options.notice?.(text)
      this.#described.set(topic.id, found)
    }
    const those = tables.flatMap(({ found: { table } }) => (table === null ? [] : [table]))
    return { blueprint: this.#blueprint(those), refused }
  }

  async telling(known: Checkpoint | null, names: readonly string[] | null): Promise<Telling> {
    const all = known === null ? await this.#untold() : known.tables.map(({ table }) => table)
    return await tellAnew(this.#reach, { log: this.#log, known, all, names })
  }

  /** Tables of the selection whose first copy cannot begin. */
  async #untold(): Promise<readonly Table[]> {
    const topics = await this.#tables()
    return topics.flatMap(({ table, lacking }) =>
      table === null || lacking === null ? [] : [table],
    )
  }

  async estimates(tables: readonly Table[]): Promise<readonly Estimate[]> {
    return tables.map(() => ({ rows: null, bytes: null }))
  }

  encodings(): ReturnType<Source['encodings']> {
    return { stream: ['values'], copy: ['values'] }
  }

  async identity(): Promise<Identities> {
    const topics = await this.#topics()
    for (const topic of topics) {
      if (!this.#told.has(topic.name)) this.#told.set(topic.name, topic)
    }
    return Object.assign({}, ...topics.map(factsOf))
  }

  async range(): ReturnType<Source['range']> {
    const topics = await this.#topics()
    const [from, head] = [
      await this.#positions(topics, 'begin'),
      await this.#positions(topics, 'end'),
    ]
    return { from, head, gap: 'HF-K101' }
  }

  async #positions(topics: readonly Topic[], moment: 'begin' | 'end'): Promise<Positions> {
    const offsets = await this.#reach.cluster.offsets(topics, moment)
    return new Map(
      offsets.map((one) => [
        laneOf(one),
        positionAt(this.#log, { ...one, gone: false, marks: [] }),
      ]),
    )
  }

  readonly compare = (a: Position, b: Position): Comparison => comparePositions(a, b)

  position(lane: string, token: string): Position {
    this.#followed.add(partitionOf(lane).topic)
    return parsePosition(this.#log, lane, token)
  }

  /** A topic that was made again has another id, which is compared before. */
  async confirm(_applied: Positions, _signal: AbortSignal): Promise<void> {}

  async prepare(_tables: readonly Table[]): Promise<void> {}

  /** What came before the first record that there is: nothing. The stream brings all rows. */
  async snapshot({ tables }: Parameters<Source['snapshot']>[0]): Promise<Snapshot> {
    const topics = await this.#tables(tables)
    for (const { topic, table, lacking, skipped } of topics) {
      if (table === null) continue
      if (lacking !== null) throw new Fault('HF-K107', { what: lacking, side: 'source' })
      if (skipped > 0n) this.#options.notice?.(skippedNotice(topic.name, skipped))
    }
    const held = topics.filter(({ table }) => table?.identity.by === 'key')
    const { cluster } = this.#reach
    const begins = held.flatMap((one) => one.begins)
    // Whether transactions are told is decided with the first copy.
    if (tables === undefined) {
      const transactions = await beginOfTransactions(cluster, held)
      if (transactions.length === 0 && held.length > 1) this.#options.notice?.(APART)
      begins.push(...transactions)
    } else {
      const found = held.map(({ topic }) => topic)
      for (const one of await cluster.offsets(found, 'end')) this.#ends.set(laneOf(one), one.offset)
    }
    for (const { topic } of begins) this.#followed.add(topic)
    return new EmptySnapshot(
      new Map(
        begins.map((one) => [
          laneOf(one),
          positionAt(this.#log, { ...one, gone: false, marks: [] }),
        ]),
      ),
    )
  }

  async *stream(
    after: Positions,
    { tables }: { readonly tables: readonly Table[] },
    signal: AbortSignal,
  ): AsyncIterable<readonly StreamItem[]> {
    const { cluster, fetcher } = this.#reach
    const places = [...after].map(([lane, position]) => placeOf(lane, position))
    const byTopic = Map.groupBy(places, ({ topic }) => topic)
    const topics = await cluster.describe([...byTopic.keys()])
    const held = tables.filter(({ id }) => byTopic.has(id))
    const notice = (text: string): void => this.#options.notice?.(text)
    const { transaction_wait: patience = PATIENCE } = this.#options.endpoint.params
    const wholeness = (told: Wholeness): void => this.#options.wholeness?.(told)
    const all = { topics, tables, places }
    const how = { log: this.#log, notice, wholeness, patience: Number(patience) }
    const ends = openWholes({ ...all, ...how })
    wholeness(await wholenessOf(cluster, ends, all))
    const wholes = ends?.whole === true ? ends.of : null
    const readings = topics.flatMap((topic) => {
      const table = held.find(({ id }) => id === topic.name)
      const here = byTopic.get(topic.name) ?? []
      if (table === undefined || here.length === 0) return []
      const again = (): void => this.#again(topic.name)
      const { partitions } = topic
      const own = { table, places: here, partitions }
      return { topic, reading: new TopicReading({ log: this.#log, ...own, again, wholes }) }
    })
    for (const { reading } of readings) {
      wholes?.join(reading)
      for (const lane of reading.lanes) lane.apart = this.#ends.get(laneOf(lane)) ?? 0n
    }
    for (const { name } of topics) this.#followed.add(name)
    const decoder = decoderOf(this.#reach)
    try {
      yield* streamTopics({ cluster, fetcher, decoder, readings, wholes: ends }, signal)
    } catch (error) {
      throw error instanceof Gathering ? await fromBeginnings(cluster, this.#log, error) : error
    }
  }

  readonly #counts = new Map<string, number>()

  /** Says at the first, the tenth, the hundredth … that changes are told again. */
  #again(topic: string): void {
    const count = (this.#counts.get(topic) ?? 0) + 1
    this.#counts.set(topic, count)
    if (!/^10*$/.test(String(count))) return
    const events = count === 1 ? 'a change' : `${count} changes`
    this.#options.notice?.(
      `the topic ${topic} told again of ${events} that the target has; nothing was changed by that`,
    )
  }

  acknowledge(durable: Positions): void {
    this.#durable = durable
  }

  /** Offsets at the brokers are for other tools to see; nobody here reads them. */
  async #tell(): Promise<void> {
    const durable = this.#durable
    if (durable === null || durable === this.#committed) return
    const offsets = [...durable].map(([lane, position]) => placeOf(lane, position))
    await this.#reach.cluster.commit(this.#group, offsets)
    this.#committed = durable
  }

  /** Says that records which were not read come near the end of their time. */
  async #age(): Promise<void> {
    const durable = this.#durable
    if (durable === null) return
    const places = [...durable].map(([lane, position]) => placeOf(lane, position))
    const how = { places, now: wallMicros() / 1000n }
    for (const text of await this.#ageing.notices(await this.#topics(), how)) {
      this.#options.notice?.(text)
    }
  }

  get #group(): string {
    return `holdfast-${this.#options.mirror}`
  }

  async fence(): Promise<Positions> {
    return await this.#positions(await this.#topics(), 'end')
  }

  /** A topic that is gone, was made again or has more partitions. */
  async look(_tables: readonly Table[]): Promise<void> {
    const told = [...this.#told.values()]
    requireSame(told, await this.#reach.cluster.describe([...this.#told.keys()]))
  }

  async sequences(): Promise<readonly Sequence[]> {
    return []
  }

  async vocabularies(_tables: readonly Table[]): Promise<readonly Vocabulary[]> {
    return []
  }

  async log(): Promise<LogState> {
    return { retainedBytes: null, limitBytes: null }
  }

  async reader(_tables: readonly Table[], _signal: AbortSignal): Promise<SourceReader> {
    throw new Fault('HF-K112', {
      what: `rows of ${this.label} cannot be compared: topics hold changes, not rows`,
      side: 'source',
    })
  }

  async hear(): Promise<Hearing> {
    return await hearMessages(this.#reach, await this.#tables())
  }

  async destroy(): Promise<readonly string[]> {
    const forgotten = await this.#reach.cluster.forget(this.#group)
    return forgotten ? [`the offsets of group ${this.#group}`] : []
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#quiet.abort()
    for (const ticker of this.#tickers) ticker[Symbol.dispose]()
    await this.#tell().catch(() => undefined)
    await this.#reach.declarations[Symbol.asyncDispose]()
    await this.#reach.fetcher[Symbol.asyncDispose]()
    await this.#reach.cluster[Symbol.asyncDispose]()
  }
}

const APART =
  'no topic tells of the transactions of all tables: each row is followed in its order, and tables follow each other at their own pace'

function skippedNotice(topic: string, records: bigint): string {
  return `${records} records of the topic ${topic} are not read: a snapshot came after them`
}
