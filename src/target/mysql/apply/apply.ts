import { point } from '../../../async/point.ts'
import type { Session } from '../../../dialect/mysql/connect.ts'
import { literal } from '../../../dialect/mysql/quote.ts'
import type { Batch, Step } from '../../../model/batch.ts'
import { Fault } from '../../../model/fault.ts'
import type { Position } from '../../../model/position.ts'
import type { Table } from '../../../model/table.ts'
import { fenced } from '../../holding.ts'
import type { Links } from '../../links.ts'
import { refusal } from '../refusal.ts'
import type { Link } from '../sessions.ts'
import { STATE } from '../state/state.ts'
import type { Bindings } from './bindings.ts'
import { deleteRows, empty, insert, update, type Work } from './steps.ts'
import { Miscounted, Refused, Writer } from './writer.ts'

type SchemaStep = Extract<Step, { readonly kind: 'schema' }>

export interface ApplierOptions {
  readonly link: Link
  /** Where tables are looked up meanwhile. */
  readonly links: Links<Link>
  readonly bindings: Bindings
  readonly mirror: string
  readonly epoch: bigint
  /** Gives the target's table the columns that it lacks; commits by itself. */
  readonly evolve: (step: SchemaStep) => Promise<void>
}

/** A table of the target has not the columns yet that rows of the batch have. */
class Unready extends Error {
  override readonly name = 'Unready'
  readonly step: SchemaStep

  constructor(step: SchemaStep) {
    super('the table is to be changed first')
    this.step = step
  }
}

const CHECKPOINT = 'checkpoint'

/** Writes batches, each as one transaction. */
export class Applier {
  readonly #options: ApplierOptions
  readonly #writer: Writer

  constructor(options: ApplierOptions) {
    this.#options = options
    this.#writer = new Writer(options.link)
  }

  /**
   * Promise 2. A change of a table commits by itself here, whatever stands before it: the batch is
   * taken back, the table changed as a step of its own, and the batch begun anew. New columns hold
   * null, so that whoever reads between the two sees no row that is not the source's.
   */
  async apply(batch: Batch): Promise<void> {
    for (;;) {
      point('batch-begun')
      try {
        await this.#attempt(batch)
        point('batch-applied')
        return
      } catch (error) {
        await this.#rollBack()
        if (!(error instanceof Unready)) throw await this.#faultOf(error)
        await this.#options.evolve(error.step)
      }
    }
  }

  async #attempt(batch: Batch): Promise<void> {
    const writer = this.#writer
    writer.forget()
    await this.#begin(batch)
    for await (const { steps } of batch.parts) {
      for (const step of steps) await this.#carryOut(step)
    }
    await writer.flush()
    const statement = { rows: null, table: null, what: 'commit' }
    await writer.statement(statement, (sql) => sql.raw('COMMIT'))
    const committed = writer.flush()
    point('batch-sent')
    await committed
  }

  /** The checkpoint with epoch and previous position asserted. */
  async #begin(batch: Batch): Promise<void> {
    const writer = this.#writer
    await writer.statement({ rows: null, table: null, what: 'begin' }, (sql) =>
      sql.raw('START TRANSACTION'),
    )
    for (const [lane, position] of batch.positions) {
      const statement = this.#advance(lane, batch.previous.get(lane), position)
      await writer.statement({ rows: 1, table: null, what: CHECKPOINT }, (sql) =>
        sql.raw(statement),
      )
    }
  }

  #advance(lane: string, previous: Position | undefined, next: Position): string {
    const { mirror, epoch } = this.#options
    const landmark = next.landmark === undefined ? 'NULL' : literal(next.landmark)
    return `UPDATE ${STATE.lanes} SET log = ${literal(next.log)}, place = '${next.order}', token = ${literal(next.token)}, landmark = ${landmark} WHERE mirror = ${literal(mirror)} AND lane = ${literal(lane)} AND epoch = ${epoch} AND log = ${literal(previous?.log ?? '')} AND token = ${literal(previous?.token ?? '')}`
  }

  async #carryOut(step: Step): Promise<void> {
    switch (step.kind) {
      case 'schema':
        await this.#schema(step)
        return
      case 'truncate':
        await this.#load(step.tables)
        for (const table of step.tables) await empty(this.#work(table))
        return
      case 'insert':
        await this.#load([step.table])
        await insert(this.#work(step.table), step.rows, step.existing)
        return
      case 'update':
        await this.#load([step.table])
        await update(this.#work(step.table), step)
        return
      case 'delete':
        await this.#load([step.table])
        await deleteRows(this.#work(step.table), step)
    }
  }

  #work(table: Table): Work {
    return { writer: this.#writer, binding: this.#options.bindings.of(table) }
  }

  async #load(tables: readonly Table[]): Promise<void> {
    const { bindings, links } = this.#options
    if (bindings.unknown(tables).length === 0) return
    await links.use((link) => bindings.load(link.session, tables))
  }

  async #schema(step: SchemaStep): Promise<void> {
    const { mirror } = this.#options
    try {
      await this.#load([step.to])
    } catch (error) {
      if (error instanceof Fault && error.code === 'HF-T218') throw new Unready(step)
      throw error
    }
    const definition = literal(JSON.stringify(step.to))
    const where = `mirror = ${literal(mirror)} AND id = ${literal(step.to.id)}`
    const statement = `UPDATE ${STATE.tables} SET definition = ${definition} WHERE ${where}`
    await this.#writer.statement({ rows: 1, table: step.to, what: 'schema' }, (sql) =>
      sql.raw(statement),
    )
  }

  async #rollBack(): Promise<void> {
    const { session } = this.#options.link
    this.#writer.forget()
    if (!session.lost.aborted) await session.query('ROLLBACK').catch(() => undefined)
  }

  async #faultOf(error: unknown): Promise<unknown> {
    const { session } = this.#options.link
    if (error instanceof Miscounted && error.wanted.what === CHECKPOINT) {
      return await this.#wrongPlace(session)
    }
    if (!(error instanceof Miscounted || error instanceof Refused)) return error
    return refusal(error, { label: session.label, doing: 'applying a batch' })
  }

  async #wrongPlace(session: Session): Promise<Fault> {
    const { mirror, epoch } = this.#options
    const [row] = await session.query(
      `SELECT epoch FROM ${STATE.mirrors} WHERE name = ${literal(mirror)}`,
    )
    if (row?.['epoch'] !== epoch.toString()) return fenced()
    return new Fault('HF-X107', {
      what: 'the checkpoint stands elsewhere than the batch begins',
      side: 'target',
    })
  }
}
