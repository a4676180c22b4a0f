import { createHash } from 'node:crypto'
import { connect, type Session } from '../../dialect/postgres/connect.ts'
import { describePlace, type Place, readPlace, versionText } from '../../dialect/postgres/place.ts'
import { ident } from '../../dialect/postgres/quote.ts'
import type { StreamItem } from '../../model/change.ts'
import type { Identities } from '../../model/checkpoint.ts'
import type { Declared } from '../../model/declared.ts'
import type { Finding } from '../../model/fault.ts'
import type { Comparison, Position, Positions } from '../../model/position.ts'
import type { Present, SourceReader } from '../../model/reader.ts'
import type { Blueprint, Sequence, Table, Vocabulary } from '../../model/table.ts'
import { firstOf } from '../newcomers.ts'
import type {
  Estimate,
  Later,
  LogState,
  Selection,
  Snapshot,
  Source,
  SourceOptions,
  SourceTraits,
} from '../source.ts'
import { identityFacts, readLeaves } from './check/facts.ts'
import { requireLandmark } from './check/landmark.ts'
import { preflightSource } from './check/preflight.ts'
import { Newcomers } from './later.ts'
import { currentHead, emitFence, emitWord } from './log/head.ts'
import { Lookout } from './look.ts'
import { type Names, namesFor } from './names.ts'
import {
  comparePositions,
  LANE,
  type Lsn,
  landmarkOf,
  lsnOf,
  parseLsn,
  passedAt,
  positionAt,
  positionsAt,
} from './position.ts'
import {
  dropPublications,
  extendPublications,
  preparePublications,
  requirePublications,
  requireSince,
  stampsOf,
} from './publication.ts'
import { openPresent } from './reader/present.ts'
import { openSourceReader } from './reader/reader.ts'
import { Declarations } from './schema/declared.ts'
import { encodingsOf, readTypeBook, type TypeBook } from './schema/encodings.ts'
import { inspectSource } from './schema/inspect.ts'
import { readVocabularies } from './schema/inspect-types.ts'
import { sequencesOf } from './schema/sequences.ts'
import { marked } from './schema/shape.ts'
import { dropSlot, freeSlot, readSlot, requireSlot, strangeSlot } from './slot.ts'
import { estimateTables } from './snapshot/estimate.ts'
import { openSnapshot } from './snapshot/snapshot.ts'
import { PostgresStream } from './stream.ts'
import { defaultCatchUp } from './windows/options.ts'

/** Connects; faults within seconds when the server cannot be reached or entered. */
export async function openPostgresSource(options: SourceOptions): Promise<Source> {
  const names = namesFor(options.mirror)
  const { endpoint, mirror } = options
  const control = await connect(endpoint, { side: 'source', mirror, purpose: 'control' })
  try {
    const place = await readPlace(control)
    return new PostgresSource(options, { names, control, place, book: await readTypeBook(control) })
  } catch (error) {
    await control[Symbol.asyncDispose]()
    throw error
  }
}

interface Opened {
  readonly names: Names
  /** An ordinary session for single statements; several callers use it at once. */
  readonly control: Session
  readonly place: Place
  readonly book: TypeBook
}

class PostgresSource implements Source {
  readonly traits: SourceTraits = { dialect: 'postgres', wholeTransactions: true }
  readonly label: string
  readonly place: string
  readonly #options: SourceOptions
  readonly #names: Names
  readonly #control: Session
  readonly #place: Place
  readonly #log: string
  readonly #lookout: Lookout
  readonly #declarations = new Declarations()
  readonly #newcomers = new Newcomers()
  /** Of its own transactions, which are asked for again and again. */
  #looking: Session | null = null
  #book: TypeBook
  #stream: PostgresStream | null = null
  #durable: Lsn | null = null
  /** The mirrored tables, once somebody said which they are. */
  #tables: readonly Table[] | null = null

  constructor(options: SourceOptions, { names, control, place, book }: Opened) {
    this.#options = options
    this.#names = names
    this.#control = control
    this.#place = place
    this.#book = book
    this.#log = `${place.system}/${place.timeline}/${place.databaseOid}`
    this.#lookout = new Lookout({ control, names, database: place.database })
    this.label = `PostgreSQL ${versionText(control.version)} at ${control.label}/${place.database}`
    this.place = describePlace(place)
  }

  async preflight(options?: {
    readonly fresh: boolean
    readonly target?: string
  }): Promise<readonly Finding[]> {
    const { mirror, selection } = this.#options
    const { database } = this.#place
    return await this.#apart(async (session) => {
      const fresh = options?.fresh === true
      const fault = await strangeSlot(session, this.#names.slot, { database, fresh })
      const findings = await preflightSource(session, {
        mirror,
        selection,
        target: options?.target,
      })
      return fault === null ? findings : [...findings, { level: 'fail', subject: 'slot', fault }]
    })
  }

  async inspect(of?: readonly Table[]): Promise<Blueprint> {
    const wanted = of === undefined ? this.#options.selection : new Set(of.map(({ id }) => id))
    return await this.#apart(async (session) => {
      const blueprint = await inspectSource(session, wanted)
      this.#book = await readTypeBook(session)
      return { ...blueprint, tables: await marked(session, blueprint.tables) }
    })
  }

  async estimates(tables: readonly Table[]): Promise<readonly Estimate[]> {
    return await estimateTables(this.#control, tables)
  }

  encodings(table: Table): ReturnType<Source['encodings']> {
    return encodingsOf(table, this.#book)
  }

  async identity(tables: readonly Table[] | null = null): Promise<Identities> {
    const slot = await requireSlot(this.#control, this.#names.slot, this.#place.database)
    const publications = await requirePublications(this.#control, this.#names)
    if (tables !== null) await requireSince(this.#control, publications, tables)
    const published = publications.flatMap((one) => [...one.tables])
    const first = tables === null ? published : firstOf(tables).map(({ id }) => id)
    const leaves = await readLeaves(this.#control, first)
    const ids = [...leaves.keys()].join(' ')
    const digest = createHash('sha256').update(ids).digest('hex').slice(0, 16)
    const place = await readPlace(this.#control)
    const partitions = `${leaves.size} ${digest}`
    this.#lookout.remember({ tables, publications, leaves })
    const stamps = stampsOf(publications, tables)
    return identityFacts({ place, slot, stamps, partitions })
  }

  async range(): Promise<{ readonly from: Positions; readonly head: Positions }> {
    const slot = await requireSlot(this.#control, this.#names.slot, this.#place.database)
    const head = await currentHead(this.#control)
    return { from: this.#at(slot.confirmed), head: this.#at(head) }
  }

  compare(a: Position, b: Position): Comparison {
    return comparePositions(a, b)
  }

  position(_lane: string, token: string): Position {
    return positionAt(this.#log, parseLsn(token))
  }

  async confirm(applied: Positions, signal: AbortSignal): Promise<void> {
    const { slot: name } = this.#names
    lsnOf(applied, this.#log)
    const slot = await requireSlot(this.#control, name, this.#place.database)
    const place = applied.get(LANE)
    if (place === undefined || place.order <= slot.confirmed) return
    const { mirror } = this.#options
    await freeSlot(this.#control, name, { mirror, signal })
    const publications = (await requirePublications(this.#control, this.#names)).map((p) => p.name)
    await this.#apart((session) =>
      requireLandmark(session, {
        slot: name,
        confirmed: slot.confirmed,
        publications,
        applied: place,
      }),
    )
  }

  async prepare(tables: readonly Table[]): Promise<void> {
    const appends = this.#options.selection.keyless === 'append'
    await preparePublications(this.#control, this.#names, { tables, appends })
  }

  async later(selection: Selection, known: readonly Table[]): Promise<Later> {
    const { mirror } = this.#options
    const come = await this.#newcomers.come(this.#control, selection, known)
    if (come === null) return this.#newcomers.found
    return await this.#apart(async (session) => {
      const found = await this.#newcomers.look(session, { mirror, selection, known, come })
      this.#book = await readTypeBook(session)
      return found
    })
  }

  async admit(tables: readonly Table[]): Promise<readonly Table[] | null> {
    return await extendPublications(this.#control, this.#names, tables)
  }

  async snapshot(options: { readonly keep: boolean }, signal: AbortSignal): Promise<Snapshot> {
    const { endpoint, mirror, notice } = this.#options
    const { slot } = this.#names
    const { database } = this.#place
    if (options.keep) await dropSlot(this.#control, slot, { mirror, database, idle: true, signal })
    return await openSnapshot(
      {
        endpoint,
        mirror,
        control: this.#control,
        slot: options.keep ? slot : `${slot}_copy_${this.#control.pid}`,
        temporary: !options.keep,
        positions: (lsn) => this.#at(lsn),
        notice: notice ?? (() => undefined),
      },
      signal,
    )
  }

  async *stream(
    after: Positions,
    options: { readonly tables: readonly Table[]; readonly encoding: string },
    signal: AbortSignal,
  ): AsyncIterable<readonly StreamItem[]> {
    const { endpoint, mirror } = this.#options
    const { slot } = this.#names
    this.#tables = options.tables
    const start = lsnOf(after, this.#log)
    const publications = await requirePublications(this.#control, this.#names)
    const relations = await this.#lookout.follow(options.tables)
    await freeSlot(this.#control, slot, { mirror, signal })
    const stream = new PostgresStream({
      endpoint,
      mirror,
      slot,
      publications: publications.map(({ name }) => name),
      after: start,
      landmark: landmarkOf(after),
      encoding: options.encoding,
      positions: (lsn, landmark) => passedAt(this.#log, lsn, landmark),
      relations,
      catchUp: this.#options.catchUp ?? defaultCatchUp,
      head: () => currentHead(this.#control),
      way: this.#options.way ?? (() => undefined),
    })
    this.#stream = stream
    if (this.#durable !== null) stream.acknowledge(this.#durable)
    try {
      yield* stream.bursts(signal)
    } finally {
      this.#stream = null
    }
  }

  acknowledge(durable: Positions): void {
    if (durable.size === 0) return
    const lsn = lsnOf(durable, this.#log)
    this.#durable = lsn
    this.#stream?.acknowledge(lsn)
  }

  async fence(): Promise<Positions> {
    return this.#at(await this.#apart(emitFence))
  }

  async look(tables: readonly Table[]): Promise<void> {
    this.#tables = tables
    await this.#lookout.look(tables)
  }

  async sequences(): Promise<readonly Sequence[]> {
    this.#tables ??= (await this.inspect()).tables
    return await sequencesOf(
      this.#control,
      this.#tables.map(({ id }) => id),
    )
  }

  vocabularies(tables: readonly Table[]): Promise<readonly Vocabulary[]> {
    return readVocabularies(this.#control, tables)
  }

  async log(): Promise<LogState> {
    const slot = await readSlot(this.#control, this.#names.slot)
    if (slot?.restart == null) return { retainedBytes: null, limitBytes: null }
    const retainedBytes = Number((await currentHead(this.#control)) - slot.restart)
    const limitBytes = slot.safeBytes === null ? null : retainedBytes + slot.safeBytes
    return { retainedBytes, limitBytes }
  }

  async reader(tables: readonly Table[], signal: AbortSignal): Promise<SourceReader> {
    const { endpoint, mirror } = this.#options
    const publications = await requirePublications(this.#control, this.#names)
    return await openSourceReader(
      {
        endpoint,
        mirror,
        tables,
        slot: this.#names.slot,
        publications: publications.map(({ name }) => name),
        log: this.#log,
      },
      signal,
    )
  }

  present(_tables: readonly Table[], signal: AbortSignal): Promise<Present> {
    const { endpoint, mirror } = this.#options
    return openPresent({ endpoint, mirror }, signal)
  }

  async declared(tables: readonly Pick<Table, 'schema' | 'name'>[]): Promise<readonly Declared[]> {
    const { endpoint, mirror } = this.#options
    this.#looking ??= await connect(endpoint, { side: 'source', mirror, purpose: 'look' })
    return await this.#declarations.of(this.#looking, tables)
  }

  sign(word: string): Promise<void> {
    return emitWord(this.#control, word)
  }

  async destroy(): Promise<readonly string[]> {
    const { mirror } = this.#options
    const { slot } = this.#names
    const removed: string[] = []
    const { database } = this.#place
    // One of another database is not this mirror's, whatever it is called.
    const strange = await strangeSlot(this.#control, slot, { database, fresh: false })
    const dropped =
      strange === null && (await dropSlot(this.#control, slot, { mirror, database, idle: false }))
    if (dropped) {
      removed.push(`replication slot ${slot}`)
    }
    for (const name of await dropPublications(this.#control, this.#names)) {
      removed.push(`publication ${ident(name)}`)
    }
    return removed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#looking?.[Symbol.asyncDispose]()
    await this.#control[Symbol.asyncDispose]()
  }

  /** Transactions of several statements must not meet others on the control session. */
  async #apart<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const { endpoint, mirror } = this.#options
    await using session = await connect(endpoint, { side: 'source', mirror, purpose: 'look' })
    return await work(session)
  }

  #at(lsn: Lsn): Positions {
    return positionsAt(this.#log, lsn)
  }
}
