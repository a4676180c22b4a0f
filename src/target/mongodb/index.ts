import { type Connection, connect, jsonForm } from '../../dialect/mongodb/connect.ts'
import { faultOf } from '../../dialect/mongodb/errors.ts'
import type { JsonForm } from '../../dialect/mongodb/values.ts'
import type { Checkpoint, TableState } from '../../model/checkpoint.ts'
import { Fault, type Finding } from '../../model/fault.ts'
import type { TargetReader } from '../../model/reader.ts'
import { contend } from '../claiming.ts'
import type {
  Claim,
  ClaimRequest,
  Target,
  TargetOptions,
  TargetPlan,
  TargetTraits,
} from '../target.ts'
import { Tenured } from '../tenured.ts'
import { STATE } from './config.ts'
import { leaseId, leases, takeLease } from './lease.ts'
import { preflightTarget } from './preflight.ts'
import { openTargetReader } from './reader.ts'
import { MirrorState, type State } from './state.ts'
import { MongoTenure } from './tenure.ts'

/** Connects; faults at once when the server cannot be reached or entered. */
export async function openMongoTarget(options: TargetOptions): Promise<Target> {
  const { endpoint, mirror } = options
  return new MongoTarget(options, await connect(endpoint, { mirror, purpose: 'apply' }))
}

const VALUES = { stream: ['values'], copy: ['values'] } as const

class MongoTarget extends Tenured<MongoTenure> implements Target {
  readonly traits: TargetTraits
  readonly label: string
  readonly place: string
  readonly #options: TargetOptions
  readonly #on: Connection
  readonly #state: MirrorState

  constructor(options: TargetOptions, on: Connection) {
    super()
    this.#options = options
    this.#on = on
    this.#state = new MirrorState(on, options.mirror)
    const { databaseName } = on.db
    this.traits = {
      dialect: 'mongodb',
      transactional: on.transactions,
      transactionalDdl: on.transactions,
      history: true,
      oneLane: true,
    }
    this.label = `MongoDB ${on.version} at ${on.label}/${databaseName}`
    this.place = `mongodb ${on.label}/${databaseName}`
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
    const form = jsonForm(this.#options.endpoint)
    if (request.destroying !== true) this.#refuseForm(form, await this.#state.read())
    const contest = { mirror, label: this.label, request }
    const { lease } = await contend(contest, () => takeLease(this.#on, mirror), signal)
    const epoch = await this.#state.advance(request.settings)
    const now = request.destroying === true ? null : await this.#state.held(epoch)
    const json = form ?? 'text'
    const tenure = new MongoTenure({ on: this.#on, state: this.#state, epoch, lease, json, now })
    const checkpoint = epoch === 1n ? null : (now?.checkpoint ?? null)
    return this.hold(tenure, { epoch, checkpoint })
  }

  /** Documents that are there would read differently. */
  #refuseForm(asked: JsonForm | null, state: State | null): void {
    if (asked === null || state === null || state.shape === null || state.json === asked) return
    throw new Fault('HF-C111', {
      what: `mirror ${this.#options.mirror} keeps JSON as ${state.json} at the target, and its URL asks for json=${asked} now`,
    })
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

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]()
    await this.#on[Symbol.asyncDispose]()
  }
}
