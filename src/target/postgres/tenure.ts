import { UntilAborted } from '../../async/abort.ts'
import { point } from '../../async/point.ts'
import type { Session } from '../../dialect/postgres/connect.ts'
import type { Batch, Step } from '../../model/batch.ts'
import type { Checkpoint, Identities, TableState } from '../../model/checkpoint.ts'
import type { Fault, Todo } from '../../model/fault.ts'
import { type Lane, type Positions, shownAt } from '../../model/position.ts'
import type { Sequence, Table, Vocabulary } from '../../model/table.ts'
import { purposeOf } from '../claiming.ts'
import { toEmpty } from '../emptying.ts'
import { Hold } from '../hold.ts'
import { LEASE_MS } from '../holding.ts'
import type { Held, Target, TargetOptions, TargetPlan } from '../target.ts'
import { type Tenure, without } from '../tenured.ts'
import { Ahead } from './apply/ahead.ts'
import { type Applied, Applier } from './apply/apply.ts'
import { Bindings } from './apply/bindings.ts'
import { copyChunk, emptySql, heldRows } from './copy.ts'
import { defaultsSql, noDefaultsSql } from './metadata.ts'
import { refusal } from './refusal.ts'
import { addColumn, createKey, createSchema } from './schema/ddl.ts'
import { buildSettings, finishSchema } from './schema/finish.ts'
import { learn, withLabels } from './schema/vocabulary.ts'
import { breakOff, type Link, openLink, transaction } from './sessions.ts'
import * as stored from './state/checkpoint.ts'
import { evict } from './state/claim.ts'
import { Durable } from './state/durable.ts'
import { leaseOver } from './state/lease.ts'
import { settleLanes, spread } from './state/members.ts'
import { STATE } from './state/state.ts'

interface TenureOptions {
  readonly options: TargetOptions
  readonly link: Link
  readonly epoch: bigint
  readonly checkpoint: Checkpoint | null
  /** One of several processes, each with lanes of its own. */
  readonly shared?: boolean
}

const durably = { synchronous_commit: 'on' }

/** Bytes of a table from which on it is worth a file of its own in the transaction of its rows. */
const WORTH_FREEZING = 64 << 10

/** What a claim allows: everything that writes, each thing with the epoch asserted. */
export class PostgresTenure implements Tenure {
  readonly #mirror: string
  readonly #epoch: bigint
  readonly #link: Link
  readonly #hold: Hold<Link>
  readonly #durable: Durable
  readonly #bindings: Bindings
  readonly #ahead: Ahead
  readonly #untilLost: UntilAborted
  readonly #states = new Map<string, TableState['mode']>()
  /** Tables that this claim made: nobody else has put rows there. */
  readonly #made = new Set<string>()
  #plan: TargetPlan | null = null
  /** Labels of enums that the role may not add. */
  #closed: readonly Todo[] = []

  private constructor(open: TenureOptions, lease: Link, durable: Durable) {
    const { options, link, epoch } = open
    this.#mirror = options.mirror
    this.#epoch = epoch
    this.#link = link
    this.#durable = durable
    const further = (work: 'apply' | 'copy'): Promise<Link> =>
      openLink(options, {
        purpose: purposeOf(work, epoch),
        writesRows: work === 'apply',
        quiet: link.quiet,
      })
    this.#hold = new Hold({
      ...{ link, breakOff, open: () => further('copy') },
      lease: leaseOver(lease, {
        ...{ mirror: options.mirror, epoch, durable },
        table: open.shared === true ? 'members' : 'leases',
      }),
      held: (on, work) => this.#held(on, work),
    })
    this.#untilLost = new UntilAborted(this.#hold.lost)
    this.#bindings = new Bindings()
    const applierOver = (link: Link): Applier =>
      new Applier({
        ...{ link, epoch, mirror: options.mirror },
        ...{ links: this.#hold.links, bindings: this.#bindings },
        evolve: (on, step) => this.#evolve(on, step),
      })
    this.#ahead = new Ahead({
      main: applierOver(link),
      alone: (work) => this.#hold.alone(work),
      open: () => further('apply'),
      applierOver,
      lost: this.#hold.lost,
    })
    for (const state of open.checkpoint?.tables ?? []) this.#place(state)
  }

  static async open(open: TenureOptions): Promise<PostgresTenure> {
    const purpose = purposeOf('lease', open.epoch)
    const { quiet } = open.link
    const lease = await openLink(open.options, { purpose, writesRows: false, quiet })
    const durable = new Durable(open.checkpoint?.positions ?? new Map())
    const tenure = new PostgresTenure(open, lease, durable)
    point('claimed')
    return tenure
  }

  get lost(): AbortSignal {
    return this.#hold.lost
  }
  get durable(): Positions {
    return this.#durable.positions
  }
  usePlan(plan: TargetPlan): void {
    this.#plan = plan
  }

  #place(state: Pick<TableState, 'table' | 'target' | 'mode'>): void {
    this.#bindings.place([state])
    this.#states.set(state.table.id, state.mode)
  }

  async #held<T>(link: Link, work: (session: Session) => Promise<T>): Promise<T> {
    try {
      return await transaction(link, durably, async (session) => {
        await session.query(`SELECT ${STATE}.hold($1, $2::bigint)`, [
          this.#mirror,
          this.#epoch.toString(),
        ])
        return await work(session)
      })
    } catch (error) {
      const { label } = link.session
      throw refusal(error, { label, doing: 'changing the target', table: null })
    }
  }

  /** Gives up lanes and takes others, as `Membership` says. */
  async settle(wanted: readonly Lane[]): Promise<Held> {
    this.lost.throwIfAborted()
    const sharing = { mirror: this.#mirror, epoch: this.#epoch }
    const held = await this.#hold.alone(async () => {
      const { stale } = await spread(this.#link.session, sharing)
      for (const epoch of stale) await evict(this.#link, this.#mirror, epoch)
      const own = { ...durably, lock_timeout: `${LEASE_MS}ms` }
      return await transaction(this.#link, own, (session) => settleLanes(session, sharing, wanted))
    })
    const { checkpoint, lanes } = held
    for (const { table, target, mode } of checkpoint.tables) {
      this.#place({ table, target, mode })
    }
    const positions = new Map([...checkpoint.positions].filter(([lane]) => lanes.has(lane)))
    this.#durable.committed(positions, null)
    return held
  }

  unsettled(): Promise<boolean> {
    const sharing = { mirror: this.#mirror, epoch: this.#epoch }
    return this.#hold.alone(async (session) => {
      const { give, take } = (await spread(session, sharing)).shares
      return give.length > 0 || take.length > 0
    })
  }

  /** Reads on the main connection, between what else it does. */
  alone<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.#hold.alone(work)
  }

  async prepare(plan: TargetPlan): Promise<void> {
    const made = await this.#hold.write(async (session) => {
      const tables = await createSchema(session, plan)
      await stored.recordPlan(session, this.#mirror, plan)
      return tables
    })
    for (const id of made) this.#made.add(id)
    for (const table of plan.tables) this.#place({ ...table })
    this.#plan = plan
  }

  async begin(
    tables: readonly Table[],
    snapshot: {
      readonly positions: Positions
      readonly source: Identities
      readonly first: boolean
      readonly openedAt?: bigint
    },
  ): Promise<void> {
    const { positions, source, first, openedAt: capturedAt = null } = snapshot
    const about = { capturedAt, place: shownAt(positions), op: 'r' } as const
    const more = await this.#hold.write(async (session) => {
      await this.#empty(session, tables)
      for (const table of tables) {
        const sql = defaultsSql(this.#bindings.of(table), about)
        if (sql !== null) await session.query(sql)
      }
      const ids = tables.map((table) => table.id)
      await stored.recordBegin(session, this.#mirror, { ids, positions })
      const start = { positions, source, epoch: this.#epoch }
      if (!first) return await stored.recordMore(session, this.#mirror, start)
      await stored.recordStart(session, this.#mirror, start)
      return positions
    })
    if (first) this.#durable.committed(positions, null)
    else this.#durable.added(more)
  }

  async forget(tables: readonly Table[]): Promise<void> {
    const plan = this.#plan === null ? null : without(this.#plan, tables)
    await this.#hold.write(async (session) => {
      const ids = tables.map(({ id }) => id)
      await stored.recordForgotten(session, this.#mirror, { ids, plan })
    })
    this.#plan = plan
  }

  async relocate(...[tables, to]: Parameters<Target['relocate']>): Promise<void> {
    const { positions, start, source } = to
    await this.#hold.write(async (session) => {
      const ids = tables.map(({ id }) => id)
      await stored.recordBeginning(session, this.#mirror, { ids, start })
      await stored.recordStart(session, this.#mirror, { positions, source, epoch: this.#epoch })
    })
    this.#durable.committed(positions, null)
  }

  /** Takes away what an earlier copy of ours left; rows that were there before are kept. */
  async #empty(session: Session, tables: readonly Table[]): Promise<void> {
    await this.#bindings.load(session, tables)
    const onExisting = this.#plan?.onExisting ?? 'refuse'
    if (onExisting === 'merge') await this.#makeKeys(session, tables)
    const emptied = await toEmpty(tables, {
      onExisting,
      marks: await stored.copyMarks(session, this.#mirror),
      holdsRows: (table) => this.#holdsRows(session, table),
    })
    if (emptied.length === 0) return
    await session.query(emptySql(emptied.map((table) => this.#bindings.of(table))))
  }

  async #holdsRows(session: Session, table: Table): Promise<boolean> {
    const held = await heldRows(session, this.#bindings.of(table))
    await stored.recordHeldRows(session, this.#mirror, { id: table.id, held })
    return held
  }

  /** Rows are merged by key, so that it must stand before the first of them. */
  async #makeKeys(session: Session, tables: readonly Table[]): Promise<void> {
    if (this.#plan === null) return
    for (const table of tables) {
      if (table.identity.by === 'key') await createKey(session, this.#plan, table)
    }
  }

  copy(
    chunk: { readonly table: Table; readonly of: number; readonly bytes?: number },
    rows: { readonly encoding: string; readonly data: AsyncIterable<Buffer> },
    signal: AbortSignal,
  ): Promise<number> {
    const { table, of, bytes = 0 } = chunk
    return this.#hold.links.use(async (link) => {
      await this.#bindings.load(link.session, [table])
      const overwrite = this.#states.get(table.id) === 'merge' && table.identity.by === 'key'
      const frozen = of === 1 && bytes >= WORTH_FREEZING && this.#made.has(table.id) && !overwrite
      return await copyChunk({
        ...{ ...rows, signal, link, of, overwrite, frozen },
        mirror: this.#mirror,
        epoch: this.#epoch,
        binding: this.#bindings.of(table),
        recode: this.#bindings.recode(table, rows.encoding),
      })
    })
  }

  copied(table: Table): Promise<void> {
    return this.#hold.aside(async (session) => {
      await session.query(buildSettings)
      if (this.#plan !== null) await createKey(session, this.#plan, table)
      const sql = noDefaultsSql(this.#bindings.of(table))
      if (sql !== null) await session.query(sql)
      await stored.recordCopied(session, this.#mirror, table.id)
    })
  }

  async finish(): Promise<void> {
    const plan = this.#plan
    if (plan === null) return
    await this.#hold.links.use(async (link) => {
      await finishSchema(link.session, plan, { replicaRole: link.quiet })
      await this.#held(link, (session) => stored.recordFinished(session, this.#mirror))
    })
    await this.#hold.links.settle()
  }

  async apply(batch: Batch, encoding: string): Promise<void> {
    this.lost.throwIfAborted()
    const applied = this.#ahead.inTurn((main) => {
      this.lost.throwIfAborted()
      return main.apply(batch, encoding)
    })
    this.#stands(batch, await this.#untilLost.wait(this.#known(applied)))
  }

  /** Where triggers are silent, and the server is spoken to directly. */
  async ahead(batch: Batch, encoding: string, before: Promise<void>): Promise<boolean> {
    const { direct, quiet } = this.#link
    if (!direct || !quiet) return false
    const applied = this.#ahead.apply(batch, encoding, before)
    const stands = await this.#untilLost.wait(this.#known(applied))
    if (stands !== null) this.#stands(batch, stands)
    return stands !== null
  }

  /** A label that the role may not add is what a row was refused for. */
  async #known<T>(applied: Promise<T>): Promise<T> {
    return await applied.catch((error: unknown) => {
      throw withLabels(error, this.#closed)
    })
  }

  #stands(batch: Batch, { end, flushed }: Applied): void {
    this.#durable.committed(batch.positions, batch.flush ? null : end)
    this.#durable.flushed(flushed)
  }

  /** The source's new columns, in the transaction of the rows that hold them. */
  async #evolve(
    link: Link,
    { from, to }: Extract<Step, { readonly kind: 'schema' }>,
  ): Promise<void> {
    const { session } = link
    const place = this.#bindings.placeOf(to)
    const known = new Set(from.columns.map((column) => column.name))
    const dialect = this.#plan?.blueprint.dialect ?? ''
    for (const column of to.columns) {
      if (!known.has(column.name)) await addColumn(session, place, { ...column, dialect })
    }
    await stored.recordTable(session, this.#mirror, to)
    this.#bindings.forget(to)
    await this.#bindings.load(session, [to])
  }

  async learn(
    vocabularies: readonly Vocabulary[],
  ): Promise<{ readonly said: readonly string[]; readonly renamed: Fault | null }> {
    if (vocabularies.length === 0) return { said: [], renamed: null }
    const { added, closed, renamed } = await this.#hold.aside((session) =>
      learn(session, vocabularies),
    )
    this.#closed = [...closed, ...(renamed?.todo ?? [])]
    const asked = closed.map(({ text, sql }) => `${text}  ${sql ?? ''} (at the target)`)
    return { said: [...added, ...asked], renamed }
  }

  setSequences(sequences: readonly Sequence[]): Promise<void> {
    if (sequences.length === 0) return Promise.resolve()
    return this.#hold.aside((session) => stored.setSequences(session, sequences))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#untilLost[Symbol.dispose]()
    await this.#ahead[Symbol.asyncDispose]()
    await this.#hold[Symbol.asyncDispose]()
  }
}
