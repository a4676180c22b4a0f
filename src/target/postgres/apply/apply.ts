import { point } from '../../../async/point.ts'
import { ExchangeError, exchange, type Outcome } from '../../../dialect/postgres/exchange.ts'
import type { Param, Pipe } from '../../../dialect/postgres/pipe.ts'
import type { Batch, Step } from '../../../model/batch.ts'
import type { Positions } from '../../../model/position.ts'
import type { Table } from '../../../model/table.ts'
import type { Tuples } from '../../../model/tuples.ts'
import type { Links } from '../../links.ts'
import { explained } from '../explain.ts'
import { refusal, tableOf, type Written } from '../refusal.ts'
import { type Link, transactionSettings } from '../sessions.ts'
import { lsnOf } from '../state/durable.ts'
import { STATE } from '../state/state.ts'
import type { Bindings } from './bindings.ts'
import type { Binding } from './columns.ts'
import { Hopes } from './hopes.ts'
import { bindRow, form, MissingCell, type Rows } from './rows.ts'
import * as stage from './stage.ts'
import * as statements from './statements.ts'

export interface ApplierOptions {
  readonly link: Link
  /** Where tables are looked up meanwhile. */
  readonly links: Links<Link>
  readonly bindings: Bindings
  readonly mirror: string
  readonly epoch: bigint
  /** Carries out a schema step inside the batch's transaction. */
  readonly evolve: (link: Link, step: Extract<Step, { readonly kind: 'schema' }>) => Promise<void>
}

/** Statements and stages that a session keeps at most. */
const MOST_STATEMENTS = 1000
const MOST_STAGES = 64

/** Writes batches, each as one transaction and, without schema steps, one round trip. */
export class Applier {
  readonly #options: ApplierOptions
  readonly #stages: stage.Stages
  /** Names of the statements that the session has prepared, by their SQL. */
  readonly #prepared = new Map<string, string>()
  readonly #hopes = new Hopes()
  #statements = 0

  constructor(options: ApplierOptions) {
    this.#options = options
    this.#stages = new stage.Stages(options.link.direct)
  }

  /** Promise 2. Returns where the server's log stood after the commit and how far it is flushed. */
  async apply(batch: Batch, encoding: string): Promise<Applied> {
    this.#hopes.begun()
    for (;;) {
      try {
        return await this.#transaction(batch, encoding, null)
      } catch (error) {
        // Each table is hoped for once.
        if (!this.#hopes.failed(error)) throw await this.#faultOf(error)
      }
    }
  }

  /**
   * The same for an additive batch, which commits when its turn has come; the checkpoint asserts
   * that it has. Null when it was taken back.
   */
  async ahead(batch: Batch, encoding: string, turn: () => Promise<void>): Promise<Applied | null> {
    const { lost } = this.#options.link.session
    let committing = false
    try {
      return await this.#transaction(batch, encoding, async () => {
        await turn()
        committing = !lost.aborted
      })
    } catch (error) {
      const refused = error instanceof ExchangeError && error.refused
      if (refused || !committing) return null
      throw await this.#faultOf(error)
    }
  }

  /** Taken back when it throws. */
  async #transaction(batch: Batch, encoding: string, turn: Turn): Promise<Applied> {
    point('batch-begun')
    const steps = this.#steps(batch)
    this.#stages.begun()
    try {
      const [row] = await this.#stretches(batch, steps, { encoding, turn })
      this.#stages.committed()
      point('batch-applied')
      return { end: lsnOf(row?.rows[0]?.[0] ?? '0/0'), flushed: lsnOf(row?.rows[0]?.[1] ?? '0/0') }
    } catch (error) {
      await this.#rollBack()
      throw error
    } finally {
      await steps.return(undefined)
    }
  }

  /** The transaction, in as many round trips as there are schema steps, and one. */
  async #stretches(
    batch: Batch,
    steps: AsyncGenerator<Step, undefined>,
    { encoding, turn }: { readonly encoding: string; readonly turn: Turn },
  ): Promise<readonly Outcome[]> {
    const { link, evolve } = this.#options
    let begun = false
    // Of a batch that grows, its place is known when its parts are written.
    const early = batch.growing ? batch.positions : null
    for (;;) {
      let evolution: Extract<Step, { readonly kind: 'schema' }> | null = null
      const outcomes = await exchange(link.session, async (pipe) => {
        if (!begun) this.#begin(pipe, batch)
        if (!begun && turn === null) this.#advance(pipe, batch.previous, batch.positions)
        begun = true
        evolution = await this.#write(pipe, steps, encoding)
        if (evolution !== null || pipe.stopped) return
        if (early !== null) this.#advance(pipe, early, batch.positions)
        if (turn !== null) {
          pipe.pass()
          point('written-ahead')
          await turn()
          this.#advance(pipe, batch.previous, batch.positions)
        }
        this.#fixed(pipe, 'COMMIT')
        this.#fixed(pipe, LOG_SQL)
        pipe.sync()
        point('batch-sent')
      })
      if (evolution === null) return outcomes
      await evolve(link, evolution)
    }
  }

  /** BEGIN and the settings. */
  #begin(pipe: Pipe, batch: Batch): void {
    const { link } = this.#options
    this.#fixed(pipe, 'BEGIN ISOLATION LEVEL READ COMMITTED')
    if (batch.flush || !link.direct) {
      const own: Record<string, string> = batch.flush ? { synchronous_commit: 'on' } : {}
      this.#fixed(pipe, transactionSettings(link, own))
    }
    this.#stages.tidy(pipe, MOST_STAGES)
  }

  /** Moves the checkpoint, which must stand at `before` and be of our epoch. */
  #advance(pipe: Pipe, before: Positions, after: Positions): void {
    const { mirror, epoch } = this.#options
    for (const [lane, position] of after) {
      const previous = before.get(lane)
      this.#fixed(pipe, `SELECT ${STATE}.advance($1, $2, $3, $4, $5, $6, $7, $8, $9)`, [
        mirror,
        lane,
        epoch.toString(),
        previous?.log ?? '',
        previous?.token ?? '',
        position.log,
        position.order.toString(),
        position.token,
        position.landmark ?? null,
      ])
    }
  }

  /** Writes steps up to the end (null) or to a schema step, which is returned. */
  async #write(
    pipe: Pipe,
    steps: AsyncGenerator<Step, undefined>,
    encoding: string,
  ): Promise<Extract<Step, { readonly kind: 'schema' }> | null> {
    for (let next = await steps.next(); next.done !== true; next = await steps.next()) {
      const step = next.value
      if (pipe.stopped) return null
      if (step.kind === 'schema') return step
      if (step.kind === 'truncate') this.#truncate(pipe, step)
      else await this.#rows(pipe, step, encoding)
      if (pipe.full) await pipe.room()
    }
    return null
  }

  /** Tables are looked up together, but not before the schema steps that stand before them. */
  async *#steps(batch: Batch): AsyncGenerator<Step, undefined> {
    for await (const { steps } of batch.parts) {
      for (let from = 0, to = 0; from < steps.length; from = to) {
        const next = steps.findIndex(({ kind }, at) => at >= from && kind === 'schema')
        to = next < 0 ? steps.length : next + 1
        await this.#load(steps.slice(from, to))
        yield* steps.slice(from, to)
      }
    }
    return undefined
  }

  async #load(steps: readonly Step[]): Promise<void> {
    const { bindings, links } = this.#options
    const tables = steps.flatMap((step): readonly Table[] => {
      if (step.kind === 'schema') return []
      return step.kind === 'truncate' ? step.tables : [step.table]
    })
    if (bindings.unknown(tables).length === 0) return
    await links.use((link) => bindings.load(link.session, tables))
  }

  #truncate(pipe: Pipe, step: Extract<Step, { readonly kind: 'truncate' }>): void {
    const bindings = step.tables.map((table) => this.#options.bindings.of(table))
    if (bindings.length === 0) return
    pipe.statement(stage.truncateSql(bindings, step.restartSequences), { label: tableOf(step) })
  }

  async #rows(
    pipe: Pipe,
    step: Extract<Step, { readonly kind: 'insert' | 'update' | 'delete' }>,
    encoding: string,
  ): Promise<void> {
    const { bindings } = this.#options
    const work: Work = {
      pipe,
      binding: bindings.of(step.table),
      recode: bindings.recode(step.table, encoding),
      encoding,
    }
    if (step.kind === 'insert') await this.#insert(work, step)
    else if (step.kind === 'update') await this.#update(work, step)
    else await this.#delete(work, step)
  }

  async #insert(work: Work, step: Extract<Step, { readonly kind: 'insert' }>): Promise<void> {
    const { pipe, binding, recode, encoding } = work
    const { packs } = binding
    const rows: Rows = { tuples: step.rows, columns: null, recode, packs }
    if (step.existing === 'overwrite' && !statements.overwritable(binding)) {
      const statement = statements.clearStatement(binding)
      await this.#each(work, { statement, step, rows: step.rows, old: null })
      await this.#insert(work, { ...step, existing: 'refuse' })
      return
    }
    const how = step.rows.length <= statements.FEW_ROWS ? 'mixed' : form(rows, encoding)
    if (how === 'mixed' || binding.columns.length === 0) {
      const statement = statements.insertStatement(binding, step.existing)
      await this.#each(work, { statement, step, rows: step.rows, old: null })
      return
    }
    const columns = statements.columnList(binding)
    const keyed = step.existing === 'overwrite' && binding.table.identity.by === 'key'
    const hopes = keyed && step.fresh === true && this.#hopes.of(binding, step.table)
    if (hopes) pipe.statement(stage.refusesSql(binding), { label: tableOf(step) })
    const merges = keyed && !hopes
    const name = merges ? this.#stages.ready(pipe, binding, 'update') : binding.name
    await stage.copyRows(pipe, { name, columns, label: step.table }, { rows, form: how })
    if (merges) pipe.statement(stage.overwriteSql(binding, name), { label: tableOf(step) })
  }

  async #update(work: Work, step: Extract<Step, { readonly kind: 'update' }>): Promise<void> {
    const { pipe, binding, recode, encoding } = work
    const { packs } = binding
    const key = statements.keyOf(binding.table.identity)
    const columns = [...new Set([...key, ...step.set])]
    const rows: Rows = { tuples: step.rows, columns, recode, packs }
    const few = step.rows.length <= statements.FEW_ROWS || step.old !== null || key.length === 0
    const always = step.set.some((i) => binding.columns[i]?.always === true && !key.includes(i))
    const how = few || always ? 'mixed' : form(rows, encoding)
    if (how === 'mixed') {
      const by = step.old === null ? 'row' : 'old'
      const statement = statements.updateStatement(binding, step.set, by)
      await this.#each(work, { statement, step, rows: step.rows, old: step.old })
      return
    }
    const name = this.#stages.ready(pipe, binding, 'update')
    const list = statements.columnList(binding, columns)
    await stage.copyRows(pipe, { name, columns: list, label: step.table }, { rows, form: how })
    const wanted = { set: step.set, rows: step.rows.length }
    stage.pinJoin(pipe, binding, wanted.rows)
    pipe.statement(stage.updateSql(binding, name, wanted), { label: tableOf(step) })
  }

  async #delete(work: Work, step: Extract<Step, { readonly kind: 'delete' }>): Promise<void> {
    const { pipe, binding, recode, encoding } = work
    const { packs } = binding
    const key = statements.keyOf(binding.table.identity)
    const rows: Rows = { tuples: step.old, columns: key, recode, packs }
    const few = step.old.length <= statements.FEW_ROWS || key.length === 0
    const how = few ? 'mixed' : form(rows, encoding)
    if (how === 'mixed') {
      const statement = statements.deleteStatement(binding, step.absent)
      await this.#each(work, { statement, step, rows: null, old: step.old })
      return
    }
    const name = this.#stages.ready(pipe, binding, 'delete')
    const columns = statements.columnList(binding, key)
    await stage.copyRows(pipe, { name, columns, label: step.table }, { rows, form: how })
    stage.pinJoin(pipe, binding, step.old.length)
    const wanted = { rows: step.old.length, absent: step.absent }
    pipe.statement(stage.deleteSql(binding, name, wanted), { label: tableOf(step) })
  }

  /** One prepared statement, bound and executed for each row. */
  async #each(
    { pipe, recode }: Work,
    work: {
      readonly statement: statements.Statement
      readonly step: Step
      readonly rows: Tuples | null
      readonly old: Tuples | null
    },
  ): Promise<void> {
    const { statement, step, rows, old } = work
    const name = this.#prepare(pipe, statement.sql, statement.types)
    const label: Written = { table: tableOf(step), params: statement.params }
    const count = (rows ?? old)?.length ?? 0
    for (let i = 0; i < count; i++) {
      const row = {
        row: rows?.at(i) ?? null,
        old: old?.at(i) ?? null,
        params: statement.params,
        recode,
      }
      bindRow(pipe, name, row)
      pipe.execute(label)
      if (pipe.full) await pipe.room()
      if (pipe.stopped) return
    }
  }

  /** Names of statements last only where one client has one backend. */
  #prepare(pipe: Pipe, sql: string, types: readonly number[] = []): string {
    if (!this.#options.link.direct) {
      pipe.parse('', sql, types)
      return ''
    }
    const known = this.#prepared.get(sql)
    if (known !== undefined) return known
    if (this.#prepared.size >= MOST_STATEMENTS) {
      this.#prepared.clear()
      pipe.statement('DEALLOCATE ALL')
    }
    const name = `hf${this.#statements++}`
    this.#prepared.set(sql, name)
    pipe.parse(name, sql, types)
    return name
  }

  #fixed(pipe: Pipe, sql: string, params: readonly Param[] = []): void {
    pipe.bind(this.#prepare(pipe, sql), params)
    pipe.execute(null, { keep: sql === LOG_SQL })
  }

  async #rollBack(): Promise<void> {
    const { session, direct } = this.#options.link
    this.#stages.rolledBack()
    this.#prepared.clear()
    if (session.lost.aborted) return
    // Statements prepared before the failure are there, later ones are not: start anew.
    await session.query(direct ? 'ROLLBACK; DEALLOCATE ALL' : 'ROLLBACK').catch(() => undefined)
  }

  async #faultOf(error: unknown): Promise<unknown> {
    if (!(error instanceof ExchangeError) && !(error instanceof MissingCell)) return error
    const { link, bindings } = this.#options
    const written = writtenBy(error instanceof ExchangeError ? error.label : null)
    const { label } = link.session
    const fault = refusal(error, { label, doing: 'applying a batch', ...written })
    if (written.table === null || link.session.lost.aborted) return fault
    return await explained(link.session, fault, bindings.placeOf(written.table))
  }
}

/** Where the log stands after the commit, and how much of it is on disk. */
const LOG_SQL =
  'SELECT pg_catalog.pg_current_wal_insert_lsn(), pg_catalog.pg_current_wal_flush_lsn()'

/** What is waited for before the checkpoint is moved; null where nothing is before it. */
type Turn = (() => Promise<void>) | null

export interface Applied {
  readonly end: bigint
  readonly flushed: bigint
}

interface Work {
  readonly pipe: Pipe
  readonly binding: Binding
  readonly recode: Rows['recode']
  readonly encoding: string
}

/** What is known of a statement from its label: a table, one and its parameters, or nothing. */
function writtenBy(label: unknown): Written {
  if (typeof label !== 'object' || label === null) return { table: null, params: [] }
  if ('identity' in label) return { table: label as Table, params: [] }
  return 'params' in label ? (label as Written) : { table: null, params: [] }
}
