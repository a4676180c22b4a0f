import { orAborted } from '../../async/abort.ts'
import { point } from '../../async/point.ts'
import { Turn } from '../../async/turn.ts'
import type { Session } from '../../dialect/postgres/connect.ts'
import type { Batch, Step } from '../../model/batch.ts'
import type { Checkpoint, Identities, TableState } from '../../model/checkpoint.ts'
import { Fault, type Todo } from '../../model/fault.ts'
import type { Positions } from '../../model/position.ts'
import { type Sequence, type Table, tableName, type Vocabulary } from '../../model/table.ts'
import { Links } from '../links.ts'
import type { TargetOptions, TargetPlan } from '../target.ts'
import { Applier } from './apply/apply.ts'
import { Bindings } from './apply/bindings.ts'
import { copyChunk, emptySql, heldRows } from './copy.ts'
import { refusal } from './refusal.ts'
import { addColumn, createKey, createSchema } from './schema/ddl.ts'
import { buildSettings, finishSchema } from './schema/finish.ts'
import { learn, withLabels } from './schema/vocabulary.ts'
import { breakOff, type Link, openLink, transaction } from './sessions.ts'
import * as stored from './state/checkpoint.ts'
import { purposeOf } from './state/claim.ts'
import { Durable } from './state/durable.ts'
import { Lease } from './state/lease.ts'
import { STATE } from './state/state.ts'

interface TenureOptions {
  readonly options: TargetOptions
  readonly link: Link
  readonly epoch: bigint
  readonly checkpoint: Checkpoint | null
}

const durably = { synchronous_commit: 'on' }

/** Bytes of a table from which on it is worth a file of its own in the transaction of its rows. */
const WORTH_FREEZING = 64 << 10

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
  /** Tables that this claim made: nobody else has put rows there. */
  readonly #made = new Set<string>()
  /** The main connection does one thing at a time. */
  readonly #turn = new Turn()
  #plan: TargetPlan | null = null
  /** Labels of enums that the role may not add. */
  #closed: readonly Todo[] = []

  private constructor(open: TenureOptions, lease: Link, durable: Durable) {
    const { options, link, epoch } = open
    this.#mirror = options.mirror
    this.#link = link
    this.#epoch = epoch
    this.#durable = durable
    const further = (): Promise<Link> =>
      openLink(options, {
        purpose: purposeOf('copy', epoch),
        writesRows: false,
        quiet: link.quiet,
      })
    this.#links = new Links({ open: further, breakOff })
    this.#lease = new Lease({ link: lease, mirror: options.mirror, epoch, durable })
    link.session.lost.addEventListener('abort', () => this.#lease.lose(link.session.lost.reason))
    this.lost.addEventListener('abort', () => this.#giveUp())
    this.#bindings = new Bindings()
    this.#applier = new Applier({
      link,
      links: this.#links,
      bindings: this.#bindings,
      mirror: options.mirror,
      epoch,
      evolve: (on, step) => this.#evolve(on, step),
    })
    for (const state of open.checkpoint?.tables ?? []) this.#place(state)
  }

  static async open(open: TenureOptions): Promise<Tenure> {
    const purpose = purposeOf('lease', open.epoch)
    const { quiet } = open.link
    const lease = await openLink(open.options, { purpose, writesRows: false, quiet })
    const tenure = new Tenure(open, lease, new Durable(open.checkpoint?.positions ?? new Map()))
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

  /** Reads on the main connection, between what else it does. */
  alone<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.#turn.take(() => work(this.#link.session))
  }

  async prepare(plan: TargetPlan): Promise<void> {
    const made = await this.#write(async (session) => {
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
    },
  ): Promise<void> {
    const { positions, source, first } = snapshot
    await this.#write(async (session) => {
      await this.#empty(session, tables)
      const ids = tables.map((table) => table.id)
      await stored.recordBegin(session, this.#mirror, { ids, positions })
      if (!first) return
      await stored.recordStart(session, this.#mirror, { positions, source, epoch: this.#epoch })
    })
    if (first) this.#durable.committed(positions, null)
  }

  /** Takes away what an earlier copy of ours left; rows that were there before are kept. */
  async #empty(session: Session, tables: readonly Table[]): Promise<void> {
    await this.#bindings.load(session, tables)
    const marks = await stored.copyMarks(session, this.#mirror)
    const replace = this.#plan?.onExisting === 'replace'
    const merge = this.#plan?.onExisting === 'merge'
    const emptied: Table[] = []
    for (const table of tables) {
      const mark = marks.get(table.id)
      const fresh = mark === undefined || mark.state === 'pending'
      if (merge) await this.#prepareMerge(session, table, mark)
      const ours = merge ? !(await this.#heldBefore(session, table, fresh)) : true
      if (ours && (!fresh || replace)) emptied.push(table)
    }
    if (emptied.length === 0) return
    await session.query(emptySql(emptied.map((table) => this.#bindings.of(table))))
  }

  /** Whether the table held rows before the first copy into it; remembered from then on. */
  async #heldBefore(session: Session, table: Table, fresh: boolean): Promise<boolean> {
    if (!fresh) return await stored.heldRows(session, this.#mirror, table.id)
    const held = await heldRows(session, this.#bindings.of(table))
    await stored.recordHeldRows(session, this.#mirror, { id: table.id, held })
    return held
  }

  /** Rows are merged by key, so that it must stand before the first of them. */
  async #prepareMerge(
    session: Session,
    table: Table,
    mark: stored.CopyMark | undefined,
  ): Promise<void> {
    if (table.identity.by === 'key') {
      if (this.#plan !== null) await createKey(session, this.#plan, table)
      return
    }
    if (mark === undefined || mark.state === 'pending' || mark.chunks === 0) return
    if (!(await stored.heldRows(session, this.#mirror, table.id))) return
    throw new Fault('HF-T220', {
      what: `${tableName(table)} has no key and held rows before the mirror; a copy of it was broken off and its rows cannot be told apart`,
      side: 'target',
      table: tableName(table),
    })
  }

  copy(
    chunk: { readonly table: Table; readonly of: number; readonly bytes?: number },
    rows: { readonly encoding: string; readonly data: AsyncIterable<Buffer> },
    signal: AbortSignal,
  ): Promise<number> {
    const { table, of, bytes = 0 } = chunk
    return this.#links.use(async (link) => {
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
    return this.#links.use((link) =>
      this.#held(link, async (session) => {
        await session.query(buildSettings)
        if (this.#plan !== null) await createKey(session, this.#plan, table)
        await stored.recordCopied(session, this.#mirror, table.id)
      }),
    )
  }

  async finish(): Promise<void> {
    const plan = this.#plan
    if (plan === null) return
    await this.#links.use(async (link) => {
      await finishSchema(link.session, plan, { replicaRole: link.quiet })
      await this.#held(link, (session) => stored.recordFinished(session, this.#mirror))
    })
    await this.#links.settle()
  }

  apply(batch: Batch, encoding: string): Promise<void> {
    return this.#turn.take(async () => {
      this.lost.throwIfAborted()
      const applied = this.#applier.apply(batch, encoding).catch((error: unknown) => {
        throw withLabels(error, this.#closed)
      })
      const { end, flushed } = await orAborted(applied, this.lost)
      this.#durable.committed(batch.positions, batch.flush ? null : end)
      this.#durable.flushed(flushed)
    })
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
    const { added, closed, renamed } = await this.#links.use((link) =>
      this.#held(link, (session) => learn(session, vocabularies)),
    )
    this.#closed = [...closed, ...(renamed?.todo ?? [])]
    const asked = closed.map(({ text, sql }) => `${text}  ${sql ?? ''} (at the target)`)
    return { said: [...added, ...asked], renamed }
  }

  setSequences(sequences: readonly Sequence[]): Promise<void> {
    if (sequences.length === 0) return Promise.resolve()
    return this.#links.use((link) =>
      this.#held(link, (session) => stored.setSequences(session, sequences)),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#links[Symbol.asyncDispose]()
    await this.#lease[Symbol.asyncDispose]()
  }
}
