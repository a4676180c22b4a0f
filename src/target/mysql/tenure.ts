import { orAborted } from '../../async/abort.ts'
import { point } from '../../async/point.ts'
import type { Session } from '../../dialect/mysql/connect.ts'
import { ident } from '../../dialect/mysql/quote.ts'
import type { Batch, Step } from '../../model/batch.ts'
import type { Checkpoint, Identities, TableState } from '../../model/checkpoint.ts'
import { Fault } from '../../model/fault.ts'
import type { Positions } from '../../model/position.ts'
import { type Sequence, type Table, tableName } from '../../model/table.ts'
import { purposeOf } from '../claiming.ts'
import { toEmpty } from '../emptying.ts'
import { Hold } from '../hold.ts'
import { fenced } from '../holding.ts'
import type { Lease } from '../lease.ts'
import type { Target, TargetOptions, TargetPlan } from '../target.ts'
import { type Tenure, without } from '../tenured.ts'
import { Applier } from './apply/apply.ts'
import { Bindings } from './apply/bindings.ts'
import { findTables } from './apply/columns.ts'
import { copyChunk } from './copy.ts'
import { refusal } from './refusal.ts'
import { alterations, createTable, makingOf } from './schema/ddl.ts'
import { advance, build, counters, type Rest, restOf } from './schema/finish.ts'
import { type Known, nativeSchema, readKnown } from './schema/native.ts'
import { breakOff, type Link, openLink, transaction } from './sessions.ts'
import * as stored from './state/checkpoint.ts'
import { sign } from './state/claim.ts'
import { Disk } from './state/disk.ts'
import { leaseOver } from './state/lease.ts'

interface TenureOptions {
  readonly options: TargetOptions
  readonly link: Link
  readonly epoch: bigint
  readonly checkpoint: Checkpoint | null
}

/** What a claim allows: everything that writes, each thing with the epoch asserted. */
export class MysqlTenure implements Tenure {
  readonly #mirror: string
  readonly #link: Link
  readonly #epoch: bigint
  readonly #lease: Lease
  readonly #hold: Hold<Link>
  readonly #disk: Disk
  readonly #bindings: Bindings
  readonly #applier: Applier
  readonly #states = new Map<string, TableState['mode']>()
  #plan: TargetPlan | null = null
  #rest: Rest | null = null
  #server: Known | null = null
  /** Where the source's counters stood when those here were last put there. */
  #counted = ''

  private constructor(opened: TenureOptions, lease: Link) {
    const { options, link, epoch } = opened
    const { mirror } = options
    this.#mirror = mirror
    this.#link = link
    this.#epoch = epoch
    this.#disk = new Disk(lease.session, opened.checkpoint?.positions ?? new Map())
    this.#lease = leaseOver(lease.session, { mirror, epoch, disk: this.#disk })
    this.#hold = new Hold({
      ...{ link, breakOff, lease: this.#lease },
      open: () => openSigned(opened, 'copy'),
      held: (on, work) => this.#held(on, work),
    })
    this.#bindings = new Bindings(link.collation)
    this.#applier = new Applier({
      ...{ link, mirror, epoch },
      links: this.#hold.links,
      bindings: this.#bindings,
      evolve: (step) => this.#evolve(step),
    })
    for (const state of opened.checkpoint?.tables ?? []) this.#place(state)
  }

  static async open(opened: TenureOptions): Promise<MysqlTenure> {
    await sign(opened.link.session, opened.options.mirror, opened.epoch)
    const tenure = new MysqlTenure(opened, await openSigned(opened, 'lease'))
    await tenure.#lease.renew()
    point('claimed')
    return tenure
  }

  get lost(): AbortSignal {
    return this.#hold.lost
  }
  get durable(): Positions {
    return this.#disk.positions
  }
  async usePlan(plan: TargetPlan): Promise<void> {
    this.#plan = plan
    const known = await this.#hold.alone((session) => this.#known(session))
    const rest = restOf(plan, known)
    const alike = nativeSchema(plan.blueprint) !== null
    this.#rest = rest
    this.#bindings.expect(({ id }) => ({ others: rest.unique.has(id), alike }))
  }

  #place(state: Pick<TableState, 'table' | 'target' | 'mode'>): void {
    this.#bindings.place([state])
    this.#states.set(state.table.id, state.mode)
  }

  async #held<T>(link: Link, work: (session: Session) => Promise<T>): Promise<T> {
    try {
      return await transaction(link, async (session) => {
        if (!(await stored.isHeld(session, this.#mirror, this.#epoch))) throw fenced()
        return await work(session)
      })
    } catch (error) {
      throw refusal(error, { label: link.session.label, doing: 'changing the target' })
    }
  }

  /**
   * Statements that commit by themselves, beside a transaction that holds the epoch meanwhile: a
   * claim waits for them.
   */
  #beside<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.#hold.aside(() => this.#hold.links.use((link) => work(link.session)))
  }

  /** Reads on the main connection, between what else it does. */
  alone<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.#hold.alone(work)
  }

  async prepare(plan: TargetPlan): Promise<void> {
    await this.#beside(async (session) => {
      const known = await this.#known(session)
      for (const planned of plan.tables) {
        const making = makingOf(plan.blueprint, planned.table, known)
        await session.query(createTable(planned, making))
      }
    })
    await this.#hold.write((session) => stored.recordPlan(session, this.#mirror, plan))
    for (const table of plan.tables) this.#place({ ...table })
    await this.usePlan(plan)
  }

  async #known(session: Session): Promise<Known> {
    this.#server ??= await readKnown(session, this.#link.collation)
    return this.#server
  }

  async begin(
    tables: readonly Table[],
    snapshot: {
      readonly positions: Positions
      readonly source: Identities
      readonly first: boolean
    },
  ): Promise<void> {
    const { positions, source, first } = snapshot
    await this.#hold.links.use((link) => this.#bindings.load(link.session, tables))
    await this.#empty(tables)
    const more = await this.#hold.write(async (session) => {
      const ids = tables.map((table) => table.id)
      await stored.recordBegin(session, this.#mirror, { ids, positions })
      const start = { positions, source, epoch: this.#epoch }
      if (!first) return await stored.recordMore(session, this.#mirror, start)
      await stored.recordStart(session, this.#mirror, start)
      return positions
    })
    if (first) this.#disk.settle(positions)
    else this.#disk.added(more)
  }

  async forget(tables: readonly Table[]): Promise<void> {
    const plan = this.#plan === null ? null : without(this.#plan, tables)
    await this.#hold.write(async (session) => {
      const ids = tables.map(({ id }) => id)
      await stored.recordForgotten(session, this.#mirror, { ids, plan })
    })
    if (plan !== null) await this.usePlan(plan)
  }

  async relocate(...[tables, to]: Parameters<Target['relocate']>): Promise<void> {
    const { positions, start, source } = to
    await this.#hold.write(async (session) => {
      const ids = tables.map(({ id }) => id)
      await stored.recordBeginning(session, this.#mirror, { ids, start })
      await stored.recordStart(session, this.#mirror, { positions, source, epoch: this.#epoch })
    })
    this.#disk.settle(positions)
  }

  /**
   * Takes away what an earlier copy of ours left; rows that were there before are kept. Each table
   * is emptied by itself: until the copy is recorded as begun, the next attempt does it again.
   */
  async #empty(tables: readonly Table[]): Promise<void> {
    const emptied = await this.#hold.write(async (session) =>
      toEmpty(tables, {
        onExisting: this.#plan?.onExisting ?? 'refuse',
        marks: await stored.copyMarks(session, this.#mirror),
        holdsRows: (table) => this.#holdsRows(session, table),
      }),
    )
    if (emptied.length === 0) return
    await this.#beside(async (session) => {
      for (const table of emptied) {
        await session.query(`TRUNCATE TABLE ${this.#bindings.of(table).name}`)
      }
    })
  }

  async #holdsRows(session: Session, table: Table): Promise<boolean> {
    const { name } = this.#bindings.of(table)
    const [row] = await session.query(`SELECT 1 AS one FROM ${name} LIMIT 1`)
    const held = row !== undefined
    await stored.recordHeldRows(session, this.#mirror, { id: table.id, held })
    return held
  }

  copy(
    chunk: { readonly table: Table; readonly of: number },
    rows: { readonly data: AsyncIterable<Buffer> },
    signal: AbortSignal,
  ): Promise<number> {
    const { table, of } = chunk
    return this.#hold.links.use(async (link) => {
      await this.#bindings.load(link.session, [table])
      return await copyChunk({
        ...{ link, of, signal, data: rows.data },
        overwrite: this.#states.get(table.id) === 'merge' && table.identity.by === 'key',
        mirror: this.#mirror,
        epoch: this.#epoch,
        binding: this.#bindings.of(table),
      })
    })
  }

  copied(table: Table): Promise<void> {
    return this.#hold.aside((session) => stored.recordCopied(session, this.#mirror, table.id))
  }

  async finish(): Promise<void> {
    if (this.#plan === null) return
    const builds = this.#rest?.builds ?? []
    if (builds.length > 0) await this.#beside((session) => build(session, builds))
    await this.#hold.aside((session) => stored.recordFinished(session, this.#mirror))
    await this.#hold.links.settle()
  }

  apply(batch: Batch): Promise<void> {
    return this.#hold.alone(async () => {
      this.lost.throwIfAborted()
      await orAborted(this.#applier.apply(batch), this.lost)
      this.#disk.committed(batch.positions)
      if (batch.flush) await orAborted(this.#disk.flushed(this.lost), this.lost)
    })
  }

  /** The source's new columns, and those of more room. */
  async #evolve({ to }: Extract<Step, { readonly kind: 'schema' }>): Promise<void> {
    const { name } = this.#bindings.placeOf(to)
    await this.#beside(async (session) => {
      const found = (await findTables(session, [name])).get(name)
      if (found === undefined) return
      const blueprint = this.#plan?.blueprint ?? { dialect: '', tables: [], native: null }
      const making = makingOf(blueprint, to, await this.#known(session))
      const changes = alterations(to, found.columns, making)
      // What is there and does not fit is named by whoever binds the table.
      if (changes.length === 0) await this.#bindings.load(session, [to])
      else await session.query(`ALTER TABLE ${ident(found.name)} ${changes.join(', ')}`)
    })
  }

  /**
   * Where a table stands at the source of its counter, if that is further than here, where rows that
   * are gone were never. Whoever uses the table is not waited for: the next call tries again.
   */
  async setSequences(sequences: readonly Sequence[]): Promise<void> {
    const plan = this.#plan
    if (plan === null || nativeSchema(plan.blueprint) === null || sequences.length === 0) return
    const state = JSON.stringify(sequences)
    if (state === this.#counted) return
    let all = true
    const wanted = new Map(
      plan.tables.flatMap(({ table, target }) => {
        const own = sequences.find((one) => tableName(one) === tableName(table))
        return own === undefined ? [] : [[target.name, BigInt(own.value)]]
      }),
    )
    await this.#beside(async (session) => {
      await session.query('SET SESSION lock_wait_timeout = 1')
      for (const [table, next] of await counters(session)) {
        if ((wanted.get(table) ?? 0n) <= next) continue
        await session.query(advance(table, wanted.get(table) ?? next)).catch((error: unknown) => {
          if (!(error instanceof Fault && error.code === 'HF-T217')) throw error
          all = false
        })
      }
      await session.query('SET SESSION lock_wait_timeout = 50')
    })
    if (all) this.#counted = state
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hold[Symbol.asyncDispose]()
  }
}

async function openSigned(
  { options, epoch }: TenureOptions,
  work: 'copy' | 'lease',
): Promise<Link> {
  const link = await openLink(options, purposeOf(work, epoch))
  await sign(link.session, options.mirror, epoch)
  return link
}
