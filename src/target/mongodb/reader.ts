import type { Document } from 'mongodb'
import { type Connection, connect } from '../../dialect/mongodb/connect.ts'
import { faultOf } from '../../dialect/mongodb/errors.ts'
import type { Checkpoint } from '../../model/checkpoint.ts'
import { Fault } from '../../model/fault.ts'
import type { Positions } from '../../model/position.ts'
import { PrintedRows, type Readable } from '../../model/printed.ts'
import { VALUES } from '../../model/prints.ts'
import type { Described, TargetReader } from '../../model/reader.ts'
import { type Table, tableName } from '../../model/table.ts'
import { cell, frame, type Tuple } from '../../model/tuple.ts'
import type { TargetOptions } from '../target.ts'
import { MARK } from './config.ts'
import { Fold, raw } from './fold.ts'
import { Layout, packed } from './layout.ts'
import { isLive, leaseId, leases, serverTime } from './lease.ts'
import { MirrorState, type State } from './state.ts'
import { Still } from './still.ts'

/** Rows that are handed over together. */
const BURST = 1000

export async function openTargetReader({
  endpoint,
  mirror,
}: Pick<TargetOptions, 'endpoint' | 'mirror'>): Promise<TargetReader> {
  const on = await connect(endpoint, { mirror, purpose: 'verify' })
  try {
    const reader = new MongoReader(on, mirror)
    await reader.renew()
    return reader
  } catch (error) {
    await on[Symbol.asyncDispose]()
    throw error
  }
}

/** Documents while the mirror stands still. */
class MongoReader extends PrintedRows implements TargetReader {
  readonly #on: Connection
  readonly #mirror: string
  readonly #view: View
  #still: Still | null = null
  #state: State | null = null
  #held = false

  constructor(on: Connection, mirror: string) {
    const view: View = { on, state: () => this.#known }
    super(readable(view))
    this.#on = on
    this.#mirror = mirror
    this.#view = view
  }

  get #known(): State {
    if (this.#state !== null) return this.#state
    throw new Fault('HF-C112', { what: `${this.#on.label} knows no mirror named ${this.#mirror}` })
  }

  get at(): Positions {
    return this.#known.checkpoint.positions
  }
  get checkpoint(): Checkpoint {
    return this.#known.checkpoint
  }
  get held(): boolean {
    return this.#held
  }

  async renew(): Promise<void> {
    await this.#still?.[Symbol.asyncDispose]()
    this.#still = null
    this.#still = await Still.begin(this.#on, this.#mirror)
    this.#state = await new MirrorState(this.#on, this.#mirror).read()
    this.#held = await this.#isHeld()
    this.#known
  }

  async #isHeld(): Promise<boolean> {
    try {
      const lease = await leases(this.#on).findOne({ _id: leaseId(this.#mirror) })
      return isLive(lease, await serverTime(this.#on), this.#on)
    } catch (error) {
      throw faultOf(error, { doing: 'looking who holds the mirror', label: this.#on.label })
    }
  }

  async describe(tables: readonly Table[]): Promise<readonly Described[]> {
    const { on } = this.#view
    try {
      const names = new Set((await on.db.listCollections().toArray()).map(({ name }) => name))
      return await Promise.all(tables.map((table) => this.#describe(table, names)))
    } catch (error) {
      throw faultOf(error, { doing: 'looking at its collections', label: on.label })
    }
  }

  async #describe(table: Table, names: ReadonlySet<string>): Promise<Described> {
    const collection = collectionOf(this.#known, table)
    const exists = names.has(collection)
    const rows = exists ? await this.#on.db.collection(collection).estimatedDocumentCount() : 0
    return { exists, lacking: [], forms: table.columns.map(() => [VALUES]), rows }
  }

  intact(): Promise<boolean> {
    return Promise.resolve(this.#still?.unbroken === true)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#still?.[Symbol.asyncDispose]()
    this.#still = null
    await this.#on[Symbol.asyncDispose]()
  }
}

interface View {
  readonly on: Connection
  readonly state: () => State
}

function collectionOf({ tables }: State, table: Table): string {
  const stored = tables.find(({ id }) => id === table.id)
  if (stored !== undefined) return stored.collection
  throw new Fault('HF-X001', { what: `${tableName(table)} is not of this mirror` })
}

function readable(view: View): Readable {
  const isHistory = (): boolean => view.state().shape === 'history'
  return {
    all: (table) => (isHistory() ? folded(view, table, null) : documents(view, table, {})),
    some: (table, keys) => {
      const layout = new Layout(table, view.state().json)
      const rows = keys.map((key) => spread(table, key))
      if (isHistory()) return folded(view, table, rows)
      return documents(view, table, { _id: { $in: rows.map((row) => layout.id(row)) } })
    },
  }
}

async function* folded(
  { on, state }: View,
  table: Table,
  keys: readonly Tuple[] | null,
): AsyncGenerator<Buffer, void, undefined> {
  const fold = new Fold(on, state().checkpoint.mirror, { table, json: state().json })
  try {
    let burst: Tuple[] = []
    for await (const tuple of fold.rows(keys)) {
      burst.push(tuple)
      if (burst.length < BURST) continue
      yield frame(burst)
      burst = []
    }
    if (burst.length > 0) yield frame(burst)
  } catch (error) {
    throw faultOf(error, { doing: 'reading', label: on.label, table: tableName(table) })
  }
}

/** The cells of a key where they stand in a row, the others null. */
function spread(table: Table, key: Tuple): Tuple {
  const { identity, columns } = table
  const at = identity.by === 'key' ? identity.columns : []
  return packed(columns.map((_, i) => (at.includes(i) ? cell(key, at.indexOf(i)).bytes : null)))
}

async function* documents(
  { on, state }: View,
  table: Table,
  which: Document,
): AsyncGenerator<Buffer, void, undefined> {
  const layout = new Layout(table, state().json)
  const collection = on.db.collection(collectionOf(state(), table))
  const cursor = collection.find(which, { ...raw, batchSize: BURST })
  try {
    let burst: Tuple[] = []
    for await (const document of cursor) {
      const tuple = layout.tuple(document)
      for (let left = countOf(document); left > 0; left--) burst.push(tuple)
      if (burst.length < BURST) continue
      yield frame(burst)
      burst = []
    }
    if (burst.length > 0) yield frame(burst)
  } catch (error) {
    throw faultOf(error, { doing: 'reading', label: on.label, table: tableName(table) })
  } finally {
    await cursor.close()
  }
}

/** How many rows a document stands for. */
function countOf(document: Document): number {
  const count: unknown = document[MARK]?.count ?? 1
  return Number(count)
}
