import { monotonic, sleep } from '../../async/clock.ts'
import { type Connection, connect } from '../../dialect/mongodb/connect.ts'
import { faultOf } from '../../dialect/mongodb/errors.ts'
import type { Batch } from '../../model/batch.ts'
import type { Checkpoint, Identities, TableState } from '../../model/checkpoint.ts'
import { Fault, type Finding } from '../../model/fault.ts'
import type { Positions } from '../../model/position.ts'
import type { TargetReader } from '../../model/reader.ts'
import type { Sequence, Table, Vocabulary } from '../../model/table.ts'
import { held, LOOK_AGAIN_MS } from '../holding.ts'
import type {
  Claim,
  ClaimRequest,
  Target,
  TargetOptions,
  TargetPlan,
  TargetTraits,
} from '../target.ts'
import { STATE } from './config.ts'
import { leaseId, leases, type StoredLease, takeLease } from './lease.ts'
import { preflightTarget } from './preflight.ts'
import { openTargetReader } from './reader.ts'
import { MirrorState } from './state.ts'
import { Tenure } from './tenure.ts'

/** Connects; faults at once when the server cannot be reached or entered. */
export async function openMongoTarget(options: TargetOptions): Promise<Target> {
  const { endpoint, mirror } = options
  return new MongoTarget(options, await connect(endpoint, { mirror, purpose: 'apply' }))
}

const VALUES = { stream: ['values'], copy: ['values'] } as const

class MongoTarget implements Target {
  readonly traits: TargetTraits
  readonly label: string
  readonly place: string
  readonly #options: TargetOptions
  readonly #on: Connection
  readonly #state: MirrorState
  #held: Tenure | null = null

  constructor(options: TargetOptions, on: Connection) {
    this.#options = options
    this.#on = on
    this.#state = new MirrorState(on, options.mirror)
    const { databaseName } = on.db
    this.traits = {
      dialect: 'mongodb',
      transactional: on.transactions,
      transactionalDdl: on.transactions,
      history: true,
    }
    this.label = `MongoDB ${on.version} at ${on.label}/${databaseName}`
    this.place = `mongodb ${on.label}/${databaseName}`
  }

  get #tenure(): Tenure {
    if (this.#held !== null) return this.#held
    throw new Fault('HF-X001', { what: 'the target was written to without a claim' })
  }

  preflight(plan: TargetPlan): Promise<readonly Finding[]> {
    return preflightTarget(this.#on, this.#options.mirror, plan)
  }

  encodings(): typeof VALUES {
    return VALUES
  }

  async identity(): Promise<Readonly<Record<string, string>>> {
    const state = await this.#state.identity()
    const { version, db } = this.#on
    return { ...(state === null ? {} : { state }), version, database: db.databaseName }
  }

  async checkpoint(): Promise<Checkpoint | null> {
    await this.#state.identity()
    return (await this.#state.read())?.checkpoint ?? null
  }

  mirrors(): Promise<readonly string[]> {
    return this.#state.names()
  }

  async claim(request: ClaimRequest, signal: AbortSignal): Promise<Claim> {
    const { mirror } = this.#options
    await this.#state.ensure()
    const until = monotonic() + request.patience
    for (;;) {
      signal.throwIfAborted()
      const taken = await takeLease(this.#on, mirror)
      if ('lease' in taken) return await this.#holding(taken.lease, request)
      const left = until - monotonic()
      if (left <= 0) throw held({ mirror, label: this.label, request }, taken.heldBy)
      await sleep(Math.min(LOOK_AGAIN_MS, left), signal)
    }
  }

  async #holding(lease: StoredLease, request: ClaimRequest): Promise<Claim> {
    const epoch = await this.#state.advance(request.settings)
    const now = request.destroying === true ? null : await this.#state.held(epoch)
    const tenure = new Tenure({ on: this.#on, state: this.#state, epoch, lease, now })
    this.#held = tenure
    return {
      checkpoint: epoch === 1n ? null : (now?.checkpoint ?? null),
      epoch,
      lost: tenure.lost,
      [Symbol.asyncDispose]: async () => {
        if (this.#held === tenure) this.#held = null
        await tenure[Symbol.asyncDispose]()
      },
    }
  }

  prepare(plan: TargetPlan): Promise<void> {
    return this.#tenure.prepare(plan)
  }
  begin(
    tables: readonly Table[],
    snapshot: {
      readonly positions: Positions
      readonly source: Identities
      readonly first: boolean
    },
  ): Promise<void> {
    return this.#tenure.begin(tables, snapshot)
  }
  copy(...[chunk, rows, signal]: Parameters<Target['copy']>): Promise<number> {
    return this.#tenure.copy(chunk, rows, signal)
  }
  copied(table: Table): Promise<void> {
    return this.#tenure.copied(table)
  }
  finish(): Promise<void> {
    return this.#tenure.finish()
  }
  apply(batch: Batch): Promise<void> {
    return this.#tenure.apply(batch)
  }
  durable(): Promise<Positions> {
    return Promise.resolve(this.#tenure.durable)
  }

  /** Documents have no counters. */
  setSequences(_sequences: readonly Sequence[]): Promise<void> {
    return Promise.resolve()
  }

  /** A label is a string, whatever the list it is from. */
  learn(_vocabularies: readonly Vocabulary[]): ReturnType<Target['learn']> {
    return Promise.resolve({ said: [], renamed: null })
  }

  reader(_tables: readonly TableState[], _signal: AbortSignal): Promise<TargetReader> {
    return openTargetReader(this.#options)
  }

  async destroy(): Promise<readonly string[]> {
    const { mirror } = this.#options
    if (!(await this.#state.remove())) return []
    const removed = [`the state of mirror ${mirror} in collection ${STATE}`]
    try {
      await leases(this.#on).deleteOne({ _id: leaseId(mirror) })
      if ((await this.#state.names()).length > 0) return removed
      await this.#on.db.dropCollection(STATE)
      return [...removed, `collection ${STATE}`]
    } catch (error) {
      throw faultOf(error, { doing: 'removing its state', label: this.#on.label })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held?.[Symbol.asyncDispose]()
    await this.#on[Symbol.asyncDispose]()
  }
}
