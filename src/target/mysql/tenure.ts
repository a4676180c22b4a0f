import { orAborted } from '../../async/abort.ts'
import { point } from '../../async/point.ts'
import { Turn } from '../../async/turn.ts'
import type { Session } from '../../dialect/mysql/connect.ts'
import type { Batch, Step } from '../../model/batch.ts'
import type { Checkpoint, Identities, TableState } from '../../model/checkpoint.ts'
import { Fault } from '../../model/fault.ts'
import type { Positions } from '../../model/position.ts'
import { type Table, tableName } from '../../model/table.ts'
import { fenced } from '../holding.ts'
import { Links } from '../links.ts'
import type { TargetOptions, TargetPlan } from '../target.ts'
import { Applier } from './apply/apply.ts'
import { Bindings } from './apply/bindings.ts'
import { findTables, sameName } from './apply/columns.ts'
import { copyChunk } from './copy.ts'
import { refusal } from './refusal.ts'
import { addColumns, createTable } from './schema/ddl.ts'
import { breakOff, type Link, openLink, transaction } from './sessions.ts'
import * as stored from './state/checkpoint.ts'
import { purposeOf, sign } from './state/claim.ts'
import { Durable } from './state/durable.ts'
import { Lease } from './state/lease.ts'

interface TenureOptions {
  readonly options: TargetOptions
  readonly link: Link
  readonly epoch: bigint
  readonly checkpoint: Checkpoint | null
}

/** What a claim allows: everything that writes, each thing with the epoch asserted. */
export class Tenure implements AsyncDisposable {
  readonly #mirror: string
  readonly #link: Link
  readonly #epoch: bigint
  readonly #links: Links<Link>
  readonly #lease: Lease
  readonly #durable: Durable
  readonly #bindings: Bindings
  readonly #applier: Applier
  readonly #states = new Map<string, TableState['mode']>()
  /** The main connection does one thing at a time. */
  readonly #turn = new Turn()
  #plan: TargetPlan | null = null

  private constructor(opened: TenureOptions, lease: Link) {
    const { options, link, epoch } = opened
    const { mirror } = options
    this.#mirror = mirror
    this.#link = link
    this.#epoch = epoch
    this.#durable = new Durable(opened.checkpoint?.positions ?? new Map())
    this.#links = new Links({ open: () => openSigned(opened, 'copy'), breakOff })
    this.#lease = new Lease({ session: lease.session, mirror, epoch, durable: this.#durable })
    link.session.lost.addEventListener('abort', () => this.#lease.lose(link.session.lost.reason))
    this.lost.addEventListener('abort', () => this.#giveUp())
    this.#bindings = new Bindings(link.collation)
    this.#applier = new Applier({
      ...{ link, mirror, epoch },
      links: this.#links,
      bindings: this.#bindings,
      evolve: (step) => this.#evolve(step),
    })
    for (const state of opened.checkpoint?.tables ?? []) this.#place(state)
  }

  static async open(opened: TenureOptions): Promise<Tenure> {
    await sign(opened.link.session, opened.options.mirror, opened.epoch)
    const tenure = new Tenure(opened, await openSigned(opened, 'lease'))
    await tenure.#lease.renew()
    point('claimed')
    return tenure
  }

  /** Whoever waits for a server that does not answer is let go. */
  #giveUp(): void {
    breakOff(this.#link)
    this.#links.breakOff()
  }

  get lost(): AbortSignal {
    return this.#lease.lost
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

  /** A transaction on the main connection that holds the epoch from its beginning. */
  #write<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.#turn.take(() => this.#held(this.#link, work))
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
    return this.#links.use((guard) =>
      this.#held(guard, () => this.#links.use((link) => work(link.session))),
    )
  }

  /** Reads on the main connection, between what else it does. */
  alone<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.#turn.take(() => work(this.#link.session))
  }

  async prepare(plan: TargetPlan): Promise<void> {
    await this.#beside(async (session) => {
      for (const table of plan.tables) await session.query(createTable(table, this.#link.collation))
    })
    await this.#write((session) => stored.recordPlan(session, this.#mirror, plan))
    for (const table of plan.tables) this.#place({ ...table })
    this.#plan = plan
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
    await this.#links.use((link) => this.#bindings.load(link.session, tables))
    await this.#empty(tables)
    await this.#write(async (session) => {
      const ids = tables.map((table) => table.id)
      await stored.recordBegin(session, this.#mirror, { ids, positions })
      if (!first) return
      await stored.recordStart(session, this.#mirror, { positions, source, epoch: this.#epoch })
    })
    if (first) this.#durable.settle(positions)
  }

  /**
   * Takes away what an earlier copy of ours left; rows that were there before are kept. Each table
   * is emptied by itself: until the copy is recorded as begun, the next attempt does it again.
   */
  async #empty(tables: readonly Table[]): Promise<void> {
    const emptied = await this.#write((session) => this.#ours(session, tables))
    if (emptied.length === 0) return
    await this.#beside(async (session) => {
      for (const table of emptied) {
        await session.query(`TRUNCATE TABLE ${this.#bindings.of(table).name}`)
      }
    })
  }

  async #ours(session: Session, tables: readonly Table[]): Promise<readonly Table[]> {
    const marks = await stored.copyMarks(session, this.#mirror)
    const { onExisting } = this.#plan ?? { onExisting: 'refuse' }
    const ours: Table[] = []
    for (const table of tables) {
      const mark = marks.get(table.id)
      const fresh = mark === undefined || mark.state === 'pending'
      if (onExisting === 'merge' && (await this.#heldBefore(session, table, mark))) continue
      if (!fresh || onExisting === 'replace') ours.push(table)
    }
    return ours
  }

  /** Whether the table held rows before the first copy into it; remembered from then on. */
  async #heldBefore(
    session: Session,
    table: Table,
    mark: stored.CopyMark | undefined,
  ): Promise<boolean> {
    if (mark !== undefined && mark.state !== 'pending') {
      if (mark.heldRows && table.identity.by !== 'key' && mark.chunks > 0) throw mingled(table)
      return mark.heldRows
    }
    const [row] = await session.query(
      `SELECT 1 AS one FROM ${this.#bindings.of(table).name} LIMIT 1`,
    )
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
    return this.#links.use(async (link) => {
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
    return this.#links.use((link) =>
      this.#held(link, (session) => stored.recordCopied(session, this.#mirror, table.id)),
    )
  }

  async finish(): Promise<void> {
    if (this.#plan === null) return
    await this.#links.use((link) =>
      this.#held(link, (session) => stored.recordFinished(session, this.#mirror)),
    )
    await this.#links.settle()
  }

  apply(batch: Batch): Promise<void> {
    return this.#turn.take(async () => {
      this.lost.throwIfAborted()
      await orAborted(this.#applier.apply(batch), this.lost)
      this.#durable.committed(batch.positions, this.#lease.strict)
      if (batch.flush) await orAborted(this.#lease.flushed(), this.lost)
    })
  }

  /** The source's new columns. */
  async #evolve({ to }: Extract<Step, { readonly kind: 'schema' }>): Promise<void> {
    const { name } = this.#bindings.placeOf(to)
    await this.#beside(async (session) => {
      const found = (await findTables(session, [name])).get(name)
      if (found === undefined) return
      const lacking = to.columns
        .map((column) => column.name)
        .filter((wanted) => !found.columns.some((column) => sameName(column.name, wanted)))
      // What is there and does not fit is named by whoever binds the table.
      if (lacking.length === 0) await this.#bindings.load(session, [to])
      else {
        const { collation } = this.#link
        await session.query(addColumns(to, { name: found.name, lacking, collation }))
      }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#links[Symbol.asyncDispose]()
    await this.#lease[Symbol.asyncDispose]()
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

function mingled(table: Table): Fault {
  return new Fault('HF-T220', {
    what: `${tableName(table)} has no key and held rows before the mirror; a copy of it was broken off and its rows cannot be told apart`,
    side: 'target',
    table: tableName(table),
  })
}
