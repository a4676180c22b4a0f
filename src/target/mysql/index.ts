import { endpointLabel, type Session } from '../../dialect/mysql/connect.ts'
import { describePlace } from '../../dialect/mysql/place.ts'
import type { Checkpoint, TableState } from '../../model/checkpoint.ts'
import type { Finding } from '../../model/fault.ts'
import { VALUES } from '../../model/prints.ts'
import type { TargetReader } from '../../model/reader.ts'
import type {
  Claim,
  ClaimRequest,
  Target,
  TargetOptions,
  TargetPlan,
  TargetTraits,
} from '../target.ts'
import { Tenured } from '../tenured.ts'
import { preflightTarget } from './check/preflight.ts'
import { openTargetReader } from './reader.ts'
import { type Link, openLink } from './sessions.ts'
import * as stored from './state/checkpoint.ts'
import { take } from './state/claim.ts'
import { MysqlTenure } from './tenure.ts'

/** Connects; faults at once when the server cannot be reached or entered. */
export async function openMysqlTarget(options: TargetOptions): Promise<Target> {
  const link = await openLink(options, 'apply')
  try {
    return new MysqlTarget(options, link, await describePlace(link.session))
  } catch (error) {
    await link.session[Symbol.asyncDispose]()
    throw error
  }
}

class MysqlTarget extends Tenured<MysqlTenure> implements Target {
  readonly traits: TargetTraits = {
    dialect: 'mysql',
    transactional: true,
    transactionalDdl: false,
  }
  readonly label: string
  readonly place: string
  readonly #options: TargetOptions
  readonly #link: Link
  #plan: TargetPlan | null = null

  constructor(options: TargetOptions, link: Link, place: string) {
    super()
    this.#options = options
    this.#link = link
    const { flavour, text } = link.session.version
    const { endpoint } = options
    const name = flavour === 'mariadb' ? 'MariaDB' : 'MySQL'
    const version = /^(?:5\.5\.5-)?[\d.]+/.exec(text)?.[0].replace('5.5.5-', '') ?? text
    this.label = `${name} ${version} at ${endpointLabel(endpoint)}/${endpoint.database ?? ''}`
    this.place = place
  }

  /** Never inside a transaction that writes. */
  #read<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.held === null ? work(this.#link.session) : this.held.alone(work)
  }

  async preflight(plan: TargetPlan): Promise<readonly Finding[]> {
    this.#plan = plan
    return await preflightTarget(this.#link, plan)
  }

  encodings(): { readonly stream: readonly string[]; readonly copy: readonly string[] } {
    return { stream: [VALUES], copy: [VALUES] }
  }

  async identity(): Promise<Readonly<Record<string, string>>> {
    const state = await this.#read((session) => stored.stateIdentity(session))
    return {
      ...(state === null ? {} : { state }),
      version: this.#link.session.version.text,
      system: this.place,
      database: this.#options.endpoint.database ?? '',
    }
  }

  checkpoint(): Promise<Checkpoint | null> {
    return this.#read((session) => stored.readCheckpoint(session, this.#options.mirror))
  }
  mirrors(): Promise<readonly string[]> {
    return this.#read((session) => stored.mirrorNames(session))
  }

  async claim(request: ClaimRequest, signal: AbortSignal): Promise<Claim> {
    const { mirror } = this.#options
    const contest = { link: this.#link, mirror, label: this.label, request }
    const { epoch, checkpoint } = await take(contest, signal)
    this.#plan = (await stored.readPlan(this.#link.session, mirror)) ?? this.#plan
    const options = this.#options
    const tenure = await MysqlTenure.open({ options, link: this.#link, epoch, checkpoint })
    if (this.#plan !== null) await tenure.usePlan(this.#plan)
    return this.hold(tenure, { epoch, checkpoint })
  }

  override async prepare(plan: TargetPlan): Promise<void> {
    await super.prepare(plan)
    this.#plan = plan
  }

  reader(_tables: readonly TableState[], _signal: AbortSignal): Promise<TargetReader> {
    return openTargetReader(this.#options)
  }

  async destroy(): Promise<readonly string[]> {
    const { session } = this.#link
    try {
      return await stored.removeMirror(session, this.#options.mirror)
    } catch (error) {
      if (!session.lost.aborted) await session.query('ROLLBACK')
      if (stored.isUnknownTable(error)) return []
      throw error
    }
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]()
    await this.#link.session[Symbol.asyncDispose]()
  }
}
