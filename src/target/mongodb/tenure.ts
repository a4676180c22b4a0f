import type { ClientSession } from 'mongodb'
import { point } from '../../async/point.ts'
import { Turn } from '../../async/turn.ts'
import type { Connection } from '../../dialect/mongodb/connect.ts'
import { faultOf, serverCode } from '../../dialect/mongodb/errors.ts'
import type { JsonForm } from '../../dialect/mongodb/values.ts'
import type { Batch } from '../../model/batch.ts'
import type { Identities } from '../../model/checkpoint.ts'
import { Fault } from '../../model/fault.ts'
import type { Position, Positions } from '../../model/position.ts'
import { type Table, tableName } from '../../model/table.ts'
import { type Tuple, Unframer } from '../../model/tuple.ts'
import { storedPositions } from '../stored.ts'
import type { Shape, Target, TargetPlan } from '../target.ts'
import type { Tenure } from '../tenured.ts'
import type { Writing } from './commands.ts'
import { CHANGES, COMMAND_BYTES, COMMAND_DOCUMENTS } from './config.ts'
import { applyHistory, historyIndexes, loadHistory } from './history.ts'
import { Layout } from './layout.ts'
import { MongoLease, type StoredLease } from './lease.ts'
import { applyRows, load, type Place, type Places, sweep } from './mirror.ts'
import { collectionNames } from './names.ts'
import { onlyPlace, stampOf } from './stamp.ts'
import type { MirrorState, State, StoredTable } from './state.ts'
import { type Transaction, transact } from './transaction.ts'

interface TenureOptions {
  readonly on: Connection
  readonly state: MirrorState
  readonly epoch: bigint
  readonly lease: StoredLease
  /** As the URL says; what the state says holds from the first preparation on. */
  readonly json: JsonForm
  readonly now: State | null
}

/** Namespace exists. */
const EXISTS = 48

/** What a claim allows: everything that writes. */
export class MongoTenure implements Tenure, Places {
  readonly epoch: bigint
  readonly #on: Connection
  readonly #state: MirrorState
  readonly #lease: MongoLease
  /** One batch at a time, and none while a comparison wants the target to stand still. */
  readonly #turn = new Turn()
  #tables: readonly StoredTable[]
  readonly #places = new Map<string, Place>()
  /** Tables whose definition a batch has changed. */
  readonly #reshaped = new Map<string, Table>()
  #durable: Positions
  #onExisting: TargetPlan['onExisting']
  #shape: Shape
  #json: JsonForm

  constructor(options: TenureOptions) {
    const { on, state, epoch, lease, now } = options
    this.#on = on
    this.#state = state
    this.epoch = epoch
    this.#lease = new MongoLease(on, state.mirror, { lease, turn: this.#turn })
    this.#tables = now?.tables ?? []
    this.#durable = now?.checkpoint.positions ?? new Map()
    this.#onExisting = now?.onExisting ?? 'refuse'
    this.#shape = now?.shape ?? 'mirror'
    this.#json = now?.shape == null ? options.json : now.json
    for (const { table } of now?.checkpoint.tables ?? []) this.#settle(table)
    point('claimed')
  }

  get lost(): AbortSignal {
    return this.#lease.lost
  }
  get durable(): Positions {
    return this.#durable
  }

  of(table: Table): Place {
    const place = this.#places.get(table.id)
    if (place === undefined) {
      throw new Fault('HF-X001', { what: `${tableName(table)} is not of this mirror` })
    }
    return place.layout.table === table ? place : this.#settle(table)
  }

  reshape(to: Table): void {
    this.#reshaped.set(to.id, to)
    this.#settle(to)
  }

  #settle(table: Table): Place {
    const stored = this.#tables.find(({ id }) => id === table.id)
    if (stored === undefined) throw new Fault('HF-X001', { what: 'a table is not of this mirror' })
    const { collection, mode } = stored
    const place = { collection, mode, layout: new Layout(table, this.#json) }
    this.#places.set(table.id, place)
    return place
  }

  #writing(session: ClientSession | null = null): Writing {
    const { db, label } = this.#on
    return { db, label, session, send: (command) => this.#lease.send(command) }
  }

  async prepare(plan: TargetPlan): Promise<void> {
    const shape = plan.shape ?? 'mirror'
    const tables = plan.tables.map(({ table }) => table)
    const collection = shape === 'history' ? () => CHANGES : collectionNames(tables)
    const how = { shape, collection, json: this.#json }
    this.#shape = shape
    this.#tables = await this.#lease.send(() => this.#state.plan(this.epoch, plan, how))
    this.#onExisting = plan.onExisting
    for (const { table } of plan.tables) {
      await this.#makeCollection(this.#settle(table).collection)
    }
    if (shape === 'history') await this.#index()
  }

  async #index(): Promise<void> {
    const { db, label } = this.#on
    const indexes = historyIndexes.map(({ name, key }) => ({ name, key: { ...key } }))
    try {
      await this.#lease.send(() => db.collection(CHANGES).createIndexes(indexes))
    } catch (error) {
      throw faultOf(error, { doing: 'indexing', label, table: CHANGES })
    }
  }

  /** A table without rows has a collection, too; inside of a transaction none can be made. */
  async #makeCollection(name: string): Promise<void> {
    const { db, label } = this.#on
    try {
      await this.#lease.send(() => db.createCollection(name))
    } catch (error) {
      if (serverCode(error) !== EXISTS)
        throw faultOf(error, { doing: 'creating', label, table: name })
    }
  }

  async begin(
    tables: readonly Table[],
    snapshot: {
      readonly positions: Positions
      readonly source: Identities
      readonly first: boolean
    },
  ): Promise<void> {
    const states = new Map(this.#tables.map((stored) => [stored.id, stored]))
    for (const table of tables) {
      const state = states.get(table.id)?.state ?? 'pending'
      await this.#empty(this.of(table), state)
    }
    const ids = new Set(tables.map(({ id }) => id))
    await this.#lease.send(() => this.#state.begin(this.epoch, ids, snapshot))
    this.#tables = (await this.#state.held(this.epoch)).tables
    if (snapshot.first) this.#durable = snapshot.positions
  }

  async forget(tables: readonly Table[]): Promise<void> {
    const ids = new Set(tables.map(({ id }) => id))
    await this.#lease.send(() => this.#state.forget(this.epoch, ids))
    this.#tables = (await this.#state.held(this.epoch)).tables
  }

  /** Takes away what an earlier copy of ours left; documents that were there before are kept. */
  async #empty(place: Place, state: StoredTable['state']): Promise<void> {
    const { collection, layout, mode } = place
    const ours = { _holdfast: { $exists: true } }
    if (this.#shape === 'history') {
      const which = { mirror: this.#state.mirror, table: tableName(layout.table) }
      await sweep(this.#writing(), collection, which)
    } else if (this.#onExisting === 'replace') await sweep(this.#writing(), collection, {})
    else if (state === 'pending') return
    // With a key the rows are written over, and what the source has no more is kept like others.
    else if (mode !== 'merge') await sweep(this.#writing(), collection, {})
    else if (layout.key === null) await sweep(this.#writing(), collection, ours)
  }

  async copy(...[chunk, rows, signal]: Parameters<Target['copy']>): Promise<number> {
    const { table } = chunk
    const number = this.#tables.findIndex(({ id }) => id === table.id)
    const stored = (await this.#state.held(this.epoch)).checkpoint.tables[number]
    if (stored?.state !== 'copying' || stored.start === null) {
      throw new Fault('HF-X001', { what: `${tableName(table)} is not being copied` })
    }
    const start = onlyPlace(stored.start)
    const frames = new Unframer()
    let copied = 0
    const waiting: Tuple[] = []
    let bytes = 0
    const flush = async (): Promise<void> => {
      const stretch = `${number}.${chunk.index}.${copied}`
      if (waiting.length > 0) await this.#load(table, { start, stretch }, waiting)
      copied += waiting.length
      waiting.length = 0
      bytes = 0
    }
    for await (const piece of rows.data) {
      signal.throwIfAborted()
      for (const tuple of frames.take(piece)) {
        waiting.push(tuple)
        bytes += tuple.length
        if (waiting.length >= COMMAND_DOCUMENTS || bytes >= COMMAND_BYTES) await flush()
      }
    }
    frames.end()
    await flush()
    signal.throwIfAborted()
    await this.#mark(number, { $inc: { [`tables.${number}.rows`]: copied } })
    return copied
  }

  #load(
    table: Table,
    { start, stretch }: { readonly start: Position; readonly stretch: string },
    rows: readonly Tuple[],
  ): Promise<void> {
    const place = this.of(table)
    if (this.#shape === 'mirror') {
      return load(this.#writing(), { place, stamp: stampOf(start, 0) }, rows)
    }
    const { layout } = place
    const of = { mirror: this.#state.mirror, layout, place: start, stretch }
    return loadHistory(this.#writing(), of, rows)
  }

  copied({ id }: Table): Promise<void> {
    const number = this.#tables.findIndex((stored) => stored.id === id)
    return this.#mark(number, { $set: { [`tables.${number}.state`]: 'copied' } })
  }

  finish(): Promise<void> {
    return this.#lease.send(() => this.#state.change(this.epoch, { $set: { finished: true } }))
  }

  async #mark(number: number, update: Record<string, unknown>): Promise<void> {
    const where = { [`tables.${number}.state`]: 'copying' }
    await this.#lease.send(() => this.#state.change(this.epoch, update, { where }))
  }

  apply(batch: Batch): Promise<void> {
    return this.#turn.take(async () => {
      point('batch-begun')
      this.#reshaped.clear()
      await (this.#on.transactions ? this.#atOnce(batch) : this.#afterAnother(batch))
      this.#durable = batch.positions
      point('batch-applied')
    })
  }

  /** The rows, each document by itself, and then the checkpoint. */
  async #afterAnother(batch: Batch): Promise<void> {
    const before = await this.#standing(batch, null)
    await this.#carry(this.#writing(), batch)
    point('batch-sent')
    await this.#advance(batch, before, null)
  }

  #carry(on: Writing, batch: Batch): Promise<void> {
    if (this.#shape === 'mirror') return applyRows(on, this, batch)
    return applyHistory(on, { mirror: this.#state.mirror, places: this }, batch)
  }

  /** Rows and checkpoint in one transaction. */
  async #atOnce(batch: Batch): Promise<void> {
    const transaction: Transaction = {
      send: (command) => this.#lease.send(command),
      sent: () => point('batch-sent'),
      body: async (session, doubtful) => {
        this.#reshaped.clear()
        if (doubtful && (await this.#landed(batch, session))) return false
        const before = await this.#standing(batch, session)
        await this.#carry(this.#writing(session), batch)
        await this.#advance(batch, before, session)
        return true
      },
    }
    await transact(this.#on.client, transaction).catch((error: unknown) => {
      throw this.#failed(error)
    })
  }

  /** The checkpoint says that the batch is there. */
  async #landed(batch: Batch, session: ClientSession): Promise<boolean> {
    const { checkpoint } = await this.#state.held(this.epoch, session)
    return tokens(checkpoint.positions) === tokens(batch.positions)
  }

  #failed(error: unknown): Fault {
    return faultOf(error, { doing: 'applying changes', label: this.#on.label })
  }

  /** The stored positions, when they are those that the batch begins at. Throws HF-X107. */
  async #standing(batch: Batch, session: ClientSession | null): Promise<string> {
    const { checkpoint, positions } = await this.#state.held(this.epoch, session)
    if (tokens(checkpoint.positions) === tokens(batch.previous)) return positions
    throw new Fault('HF-X107', {
      what: 'the checkpoint stands elsewhere than the batch begins',
      side: 'target',
    })
  }

  async #advance(batch: Batch, positions: string, session: ClientSession | null): Promise<void> {
    const set: Record<string, unknown> = { positions: storedPositions(batch.positions) }
    for (const [id, table] of this.#reshaped) {
      const number = this.#tables.findIndex((stored) => stored.id === id)
      set[`tables.${number}.definition`] = JSON.stringify(table)
    }
    const change = { where: { positions }, session }
    await this.#lease.send(() => this.#state.change(this.epoch, { $set: set }, change))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lease[Symbol.asyncDispose]()
  }
}

/** What names a place; order and landmark follow from it. */
function tokens(positions: Positions): string {
  const lanes = [...positions].map(([lane, { log, token }]) => [lane, log, token])
  return JSON.stringify(lanes.sort())
}
