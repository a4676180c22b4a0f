import { endpointLabel, type Session } from '../../dialect/postgres/connect.ts'
import { sqlstateOf } from '../../dialect/postgres/errors.ts'
import { describePlace, type Place, readPlace, versionText } from '../../dialect/postgres/place.ts'
import type { Checkpoint, TableState } from '../../model/checkpoint.ts'
import type { Finding } from '../../model/fault.ts'
import type { MemberLease } from '../../model/member.ts'
import type { MetadataCells } from '../../model/metadata.ts'
import type { TargetReader } from '../../model/reader.ts'
import type { Table } from '../../model/table.ts'
import { purposeOf, type Taken } from '../claiming.ts'
import type {
  Claim,
  ClaimRequest,
  Membership,
  Target,
  TargetOptions,
  TargetPlan,
  TargetTraits,
} from '../target.ts'
import { Tenured } from '../tenured.ts'
import { preflightTarget } from './check/preflight.ts'
import { type Encodings, encodingsOf } from './encodings.ts'
import { metadataCells } from './metadata.ts'
import { openTargetReader } from './reader.ts'
import { nativeSchema } from './schema/ddl.ts'
import { type Link, openLink } from './sessions.ts'
import * as stored from './state/checkpoint.ts'
import { join, take } from './state/claim.ts'
import { memberLeases } from './state/members.ts'
import { PostgresTenure } from './tenure.ts'

/** Connects; faults at once when the server cannot be reached or entered. */
export async function openPostgresTarget(options: TargetOptions): Promise<Target> {
  const link = await openLink(options, { purpose: 'apply', writesRows: true })
  try {
    return new PostgresTarget(options, link, await readPlace(link.session))
  } catch (error) {
    await link.session[Symbol.asyncDispose]()
    throw error
  }
}

class PostgresTarget extends Tenured<PostgresTenure> implements Target {
  readonly traits: TargetTraits = {
    growing: true,
    ahead: true,
    shared: true,
    dialect: 'postgres',
    transactional: true,
    transactionalDdl: true,
  }
  readonly label: string
  readonly place: string
  readonly #options: TargetOptions
  readonly #link: Link
  readonly #place: Place
  #plan: TargetPlan | null = null

  constructor(options: TargetOptions, link: Link, place: Place) {
    super()
    this.#options = options
    this.#link = link
    this.#place = place
    const version = versionText(link.session.version)
    this.label = `PostgreSQL ${version} at ${endpointLabel(options.endpoint)}/${place.database}`
    this.place = describePlace(place)
  }

  /** Never inside a transaction that writes. */
  #read<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.held === null ? work(this.#link.session) : this.held.alone(work)
  }

  async preflight(plan: TargetPlan): Promise<readonly Finding[]> {
    this.#plan = plan
    const { session, quiet } = this.#link
    return await preflightTarget(session, plan, { quiet })
  }

  encodings(table: Table): Encodings {
    const schema = this.#plan === null ? null : nativeSchema(this.#plan.blueprint)
    return encodingsOf(table, schema, this.#link.session.version)
  }

  metadata(encoding: string): MetadataCells {
    return metadataCells(encoding)
  }

  async identity(): Promise<Readonly<Record<string, string>>> {
    const state = await this.#read((session) => stored.stateIdentity(session))
    return {
      ...(state === null ? {} : { state }),
      version: versionText(this.#link.session.version),
      system: this.#place.system,
      database: this.#place.database,
    }
  }

  checkpoint(): Promise<Checkpoint | null> {
    return this.#read((session) => stored.readCheckpoint(session, this.#options.mirror))
  }
  mirrors(): Promise<readonly string[]> {
    return this.#read((session) => stored.mirrorNames(session))
  }

  async claim(request: ClaimRequest, signal: AbortSignal): Promise<Claim> {
    const taken = await take(this.#contest(request), signal)
    const tenure = await this.#tenureOf(taken, false)
    return this.hold(tenure, taken)
  }

  async join(request: ClaimRequest, signal: AbortSignal): Promise<Membership> {
    const taken = await join(this.#contest(request), signal)
    const tenure = await this.#tenureOf(taken, true)
    return {
      ...this.hold(tenure, taken),
      settle: (wanted) => tenure.settle(wanted),
      unsettled: () => tenure.unsettled(),
    }
  }

  members(): Promise<readonly MemberLease[]> {
    return this.#read((session) => memberLeases(session, this.#options.mirror))
  }

  #contest(request: ClaimRequest) {
    return { link: this.#link, mirror: this.#options.mirror, label: this.label, request }
  }

  async #tenureOf({ epoch, checkpoint }: Taken, shared: boolean): Promise<PostgresTenure> {
    const { mirror } = this.#options
    this.#plan = (await stored.readPlan(this.#link.session, mirror)) ?? this.#plan
    const { direct, session } = this.#link
    if (direct) {
      const name = `holdfast:${mirror}:${purposeOf('apply', epoch)}`
      await session.query(`select pg_catalog.set_config('application_name', $1, false)`, [name])
    }
    const [options, link] = [this.#options, this.#link]
    const tenure = await PostgresTenure.open({ options, link, epoch, checkpoint, shared })
    if (this.#plan !== null) tenure.usePlan(this.#plan)
    return tenure
  }

  override async prepare(plan: TargetPlan): Promise<void> {
    await super.prepare(plan)
    this.#plan = plan
  }

  reader(_tables: readonly TableState[], _signal: AbortSignal): Promise<TargetReader> {
    const { endpoint, mirror } = this.#options
    return openTargetReader({ endpoint, mirror })
  }

  async destroy(): Promise<readonly string[]> {
    const { session } = this.#link
    try {
      await session.query('BEGIN')
      const removed = await stored.removeMirror(session, this.#options.mirror)
      await session.query('COMMIT')
      return removed
    } catch (error) {
      if (!session.lost.aborted) await session.query('ROLLBACK')
      if (sqlstateOf(error) === '42P01') return []
      throw error
    }
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]()
    await this.#link.session[Symbol.asyncDispose]()
  }
}
