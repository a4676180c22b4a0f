import { randomUUID } from 'node:crypto'
import type { ClientSession, Collection, Document } from 'mongodb'
import type { Connection } from '../../dialect/mongodb/connect.ts'
import { faultOf, serverCode } from '../../dialect/mongodb/errors.ts'
import type { JsonForm } from '../../dialect/mongodb/values.ts'
import type { Checkpoint, Identities, TableState } from '../../model/checkpoint.ts'
import { Fault } from '../../model/fault.ts'
import type { Positions } from '../../model/position.ts'
import type { Table } from '../../model/table.ts'
import { fenced } from '../holding.ts'
import { checkpointOf, storedPositions } from '../stored.ts'
import type { Shape, TargetPlan } from '../target.ts'
import { DUPLICATE } from './commands.ts'
import { COMMAND_MS, STATE, STATE_VERSION } from './config.ts'

/** A table as the state's document holds it; what the core has no say in is text. */
export interface StoredTable {
  readonly id: string
  readonly definition: string
  readonly collection: string
  readonly mode: TableState['mode']
  readonly state: TableState['state']
  readonly start: string | null
  readonly rows: number
}

/** A mirror is one document, since that is what is written and read as one everywhere. */
interface StoredMirror extends Document {
  readonly _id: string
  readonly epoch: number
  readonly settings: string
  readonly source: string
  readonly positions: string
  readonly finished: boolean
  readonly shape: Shape | null
  /** Absent where nobody chose. */
  readonly json?: JsonForm
  readonly on_existing: TargetPlan['onExisting'] | null
  readonly tables: readonly StoredTable[]
}

/** Not the name of a mirror. */
const ABOUT = '/about'

export interface State {
  readonly epoch: bigint
  readonly checkpoint: Checkpoint
  /** As it is stored; equal texts are equal positions. */
  readonly positions: string
  readonly tables: readonly StoredTable[]
  readonly shape: Shape | null
  readonly json: JsonForm
  readonly onExisting: TargetPlan['onExisting'] | null
}

export class MirrorState {
  readonly mirror: string
  readonly #on: Connection

  constructor(on: Connection, mirror: string) {
    this.#on = on
    this.mirror = mirror
  }

  get #all(): Collection<StoredMirror> {
    return this.#on.db.collection<StoredMirror>(STATE)
  }

  /** Null when nobody claimed the mirror. Throws HF-X106 or HF-X108. */
  async read(session: ClientSession | null = null): Promise<State | null> {
    const found = await this.#asking('reading its state', async () => {
      return this.#all.findOne({ _id: this.mirror }, session === null ? {} : { session })
    })
    return found === null ? null : this.#stateOf(found)
  }

  async names(): Promise<readonly string[]> {
    const found = await this.#asking('reading its state', () =>
      this.#all
        .find({ epoch: { $exists: true } }, { projection: { _id: 1 } })
        .sort({ _id: 1 })
        .toArray(),
    )
    return found.map(({ _id }) => _id)
  }

  /** The UUID of the state in this database; null when there is none. Throws HF-X106. */
  async identity(): Promise<string | null> {
    const about = await this.#asking('reading its state', () => this.#all.findOne({ _id: ABOUT }))
    if (about === null) return null
    if (about['version'] > STATE_VERSION) {
      throw new Fault('HF-X106', {
        what: `the state in collection ${STATE} of the target is of version ${about['version']}; this Holdfast knows versions up to ${STATE_VERSION}`,
        side: 'target',
      })
    }
    return String(about['identity'])
  }

  /** Creates what is needed; safe to run by several at once. */
  async ensure(): Promise<void> {
    if ((await this.identity()) !== null) return
    const about = { identity: randomUUID(), version: STATE_VERSION }
    await this.#asking('creating its state', async () => {
      await this.#unlessThere(() =>
        this.#all.updateOne({ _id: ABOUT }, { $setOnInsert: about }, { upsert: true }),
      )
    })
  }

  /** A new epoch, which shuts out whoever had the last one. */
  async advance(settings: Readonly<Record<string, unknown>>): Promise<bigint> {
    const kept = Object.keys(settings).length === 0 ? {} : { settings: JSON.stringify(settings) }
    const made = {
      ...(Object.keys(kept).length === 0 ? { settings: '{}' } : {}),
      source: '{}',
      positions: '{}',
      finished: false,
      shape: null,
      on_existing: null,
      tables: [],
    }
    const found = await this.#asking('claiming the mirror', () =>
      this.#all.findOneAndUpdate(
        { _id: this.mirror },
        { $inc: { epoch: 1 }, $set: kept, $setOnInsert: made },
        { upsert: true, returnDocument: 'after' },
      ),
    )
    if (found === null) throw new Fault('HF-X001', { what: 'the state was not made' })
    return BigInt(found.epoch)
  }

  /** Records every table as pending; those that are recorded already stay as they are. */
  async plan(
    epoch: bigint,
    plan: TargetPlan,
    how: {
      readonly shape: Shape
      readonly json: JsonForm
      readonly collection: (table: Table) => string
    },
  ): Promise<readonly StoredTable[]> {
    const known = (await this.#held(epoch)).tables
    const there = new Set(known.map(({ id }) => id))
    const added = plan.tables
      .filter(({ table }) => !there.has(table.id))
      .map(({ table, mode }): StoredTable => {
        const definition = JSON.stringify(table)
        const collection = how.collection(table)
        const { id } = table
        return { id, definition, collection, mode, state: 'pending', start: null, rows: 0 }
      })
    const tables = [...known, ...added]
    const { shape, json } = how
    const set = { tables, shape, json, on_existing: plan.onExisting, finished: false }
    await this.change(epoch, { $set: set })
    return tables
  }

  /** Takes tables out of the mirror. */
  async forget(epoch: bigint, ids: ReadonlySet<string>): Promise<void> {
    const { tables } = await this.#held(epoch)
    await this.change(epoch, { $set: { tables: tables.filter(({ id }) => !ids.has(id)) } })
  }

  /** Records that these tables are being copied from a snapshot at these positions. */
  async begin(
    epoch: bigint,
    ids: ReadonlySet<string>,
    snapshot: {
      readonly positions: Positions
      readonly source: Identities
      readonly first: boolean
    },
  ): Promise<void> {
    const start = storedPositions(snapshot.positions)
    const tables = (await this.#held(epoch)).tables.map((one): StoredTable => {
      return ids.has(one.id) ? { ...one, state: 'copying', start, rows: 0 } : one
    })
    const first = { source: JSON.stringify(snapshot.source), positions: start }
    await this.change(epoch, { $set: { tables, ...(snapshot.first ? first : {}) } })
  }

  /** Changes the mirror's document while the epoch is ours. Throws HF-X102. */
  async change(
    epoch: bigint,
    update: Document,
    more: { readonly where?: Document; readonly session?: ClientSession | null } = {},
  ): Promise<void> {
    const { where = {}, session = null } = more
    const which = { _id: this.mirror, epoch: Number(epoch), ...where }
    const options = session === null ? { maxTimeMS: COMMAND_MS } : { session }
    const { matchedCount } = await this.#asking('writing its state', () =>
      this.#all.updateOne(which, update, options),
    )
    if (matchedCount > 0) return
    const now = await this.read(session)
    if (now?.epoch !== epoch) throw fenced()
    throw new Fault('HF-X107', {
      what: 'the checkpoint stands elsewhere than the batch begins',
      side: 'target',
    })
  }

  /** The state, while the epoch is ours. Throws HF-X102. */
  async held(epoch: bigint, session: ClientSession | null = null): Promise<State> {
    return await this.#held(epoch, session)
  }

  async remove(): Promise<boolean> {
    const { deletedCount } = await this.#asking('removing its state', () =>
      this.#all.deleteOne({ _id: this.mirror }),
    )
    return deletedCount > 0
  }

  async #held(epoch: bigint, session: ClientSession | null = null): Promise<State> {
    const state = await this.read(session)
    if (state?.epoch !== epoch) throw fenced()
    return state
  }

  #stateOf(stored: StoredMirror): State {
    const schema = this.#on.db.databaseName
    const tables = stored.tables.map(
      (one) =>
        `{"table":${one.definition},"target":${JSON.stringify({ schema, name: one.collection })},` +
        `"mode":${JSON.stringify(one.mode)},"state":${JSON.stringify(one.state)},` +
        `"start":${one.start},"rowsCopied":${one.rows}}`,
    )
    const { settings, source, positions, finished } = stored
    const row = { settings, source, positions, finished: finished ? 't' : 'f' }
    const checkpoint = checkpointOf(this.mirror, { ...row, tables: `[${tables.join()}]` })
    return {
      epoch: BigInt(stored.epoch),
      checkpoint,
      positions,
      tables: stored.tables,
      shape: stored.shape,
      json: stored.json ?? 'text',
      onExisting: stored.on_existing,
    }
  }

  async #unlessThere(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (serverCode(error) !== DUPLICATE) throw error
    }
  }

  async #asking<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw faultOf(error, { doing, label: this.#on.label })
    }
  }
}
