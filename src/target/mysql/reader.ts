import type { Session } from '../../dialect/mysql/connect.ts'
import { faultOf } from '../../dialect/mysql/errors.ts'
import { literal } from '../../dialect/mysql/quote.ts'
import { receive } from '../../dialect/mysql/receive.ts'
import { Sql } from '../../dialect/mysql/sql.ts'
import type { Checkpoint } from '../../model/checkpoint.ts'
import type { Endpoint } from '../../model/endpoint.ts'
import { Fault } from '../../model/fault.ts'
import type { Positions } from '../../model/position.ts'
import { PrintedRows } from '../../model/printed.ts'
import { VALUES } from '../../model/prints.ts'
import type { Described, Found, Print, Recipe, Sums, TargetReader } from '../../model/reader.ts'
import type { Table } from '../../model/table.ts'
import { frame, type Tuple } from '../../model/tuple.ts'
import { type Binding, bind, type FoundTable, findTables, sameName } from './apply/columns.ts'
import { sameKey, selected, tupleOfRow } from './apply/rows.ts'
import { formOf } from './schema/fit.ts'
import { openLink } from './sessions.ts'
import { checkpointWithin, isUnknownTable } from './state/checkpoint.ts'
import { STATE } from './state/state.ts'

/** A lease that was renewed as lately as this, by the target's clock, is held by somebody. */
const HELD = `renewed_at > utc_timestamp(6) - INTERVAL 3 SECOND`
/** Keys of one SELECT. */
const MOST_KEYS = 500
/** The table was changed since the view was opened. */
const CHANGED = '1412'

/** Opens a view of the target at the present. Throws Fault. */
export async function openTargetReader(options: {
  readonly endpoint: Endpoint
  readonly mirror: string
}): Promise<TargetReader> {
  const link = await openLink(options, 'verify')
  const reader = new MysqlTargetReader(link.session, options.mirror, link.collation)
  try {
    await reader.open()
  } catch (error) {
    await reader[Symbol.asyncDispose]()
    throw error
  }
  return reader
}

/** What one moment of the target shows. */
interface Moment {
  readonly checkpoint: Checkpoint
  readonly held: boolean
  readonly found: ReadonlyMap<string, FoundTable>
}

class MysqlTargetReader implements TargetReader {
  readonly #session: Session
  readonly #mirror: string
  readonly #collation: string
  readonly #rows: PrintedRows
  #now: Moment | null = null

  constructor(session: Session, mirror: string, collation: string) {
    this.#session = session
    this.#mirror = mirror
    this.#collation = collation
    this.#rows = new PrintedRows({
      all: (table) => this.#all(table),
      some: (table, keys) => this.#some(table, keys),
    })
  }

  get #moment(): Moment {
    if (this.#now === null) throw new Fault('HF-X001', { what: 'the view is not open' })
    return this.#now
  }
  get checkpoint(): Checkpoint {
    return this.#moment.checkpoint
  }
  get held(): boolean {
    return this.#moment.held
  }
  get at(): Positions {
    return this.#moment.checkpoint.positions
  }

  async renew(): Promise<void> {
    await this.#session.query('ROLLBACK')
    await this.open()
  }

  async open(): Promise<void> {
    const session = this.#session
    await session.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ')
    await session.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY')
    const checkpoint = await checkpointWithin(session, this.#mirror).catch((error: unknown) => {
      if (isUnknownTable(error)) return null
      throw error
    })
    if (checkpoint === null) {
      throw new Fault('HF-C112', {
        what: `the target at ${session.label} knows no mirror ${this.#mirror}`,
      })
    }
    const held = await session.query(
      `SELECT 1 AS held FROM ${STATE.leases} WHERE mirror = ${literal(this.#mirror)} AND ${HELD}`,
    )
    const names = checkpoint.tables.map(({ target }) => target.name)
    this.#now = { checkpoint, held: held.length > 0, found: await findTables(session, names) }
  }

  #found(table: Table): FoundTable | undefined {
    const { checkpoint, found } = this.#moment
    const state = checkpoint.tables.find((one) => one.table.id === table.id)
    return found.get(state?.target.name ?? table.name)
  }
  #binding(table: Table): Binding {
    return bind(table, this.#found(table), {
      collation: this.#collation,
      others: false,
      alike: false,
    })
  }

  async describe(tables: readonly Table[]): Promise<readonly Described[]> {
    const rows = await this.#estimates()
    return tables.map((table) => {
      const found = this.#found(table)
      const forms = table.columns.map((column) => {
        const held = found?.columns.find((one) => sameName(one.name, column.name))
        return held === undefined || formOf(column, held) === null ? [] : [VALUES]
      })
      return {
        exists: found !== undefined,
        lacking: table.columns.flatMap(({ name }, i) => (forms[i]?.length === 0 ? [name] : [])),
        forms,
        rows: rows.get(found?.name ?? '') ?? 0,
      }
    })
  }

  async #estimates(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#session.query(
      `SELECT table_name AS t, table_rows AS n FROM information_schema.tables
       WHERE table_schema = database()`,
    )
    return new Map(rows.map((row) => [row['t'] ?? '', Number(row['n'] ?? 0)]))
  }

  sums(recipe: Recipe): Promise<Sums> {
    return this.#rows.sums(recipe)
  }
  list(recipe: Recipe, buckets: readonly number[] | null): AsyncIterable<readonly Print[]> {
    return this.#rows.list(recipe, buckets)
  }
  find(recipe: Recipe, keys: readonly Tuple[], what: 'values' | 'digests'): Promise<Found[]> {
    return this.#rows.find(recipe, keys, what)
  }
  print(recipe: Recipe, rows: readonly Tuple[]): Promise<readonly Print[]> {
    return this.#rows.print(recipe, rows)
  }

  /** The server says so itself when a table that is read was changed meanwhile. */
  async intact(table: Table): Promise<boolean> {
    const found = this.#found(table)
    if (found === undefined) return true
    try {
      await this.#session.query(`SELECT 1 AS one FROM ${this.#binding(table).name} LIMIT 1`)
      return true
    } catch (error) {
      if (error instanceof Fault && error.detail.evidence?.['errno'] === CHANGED) return false
      throw error
    }
  }

  #all(table: Table): AsyncIterable<Buffer> {
    const binding = this.#binding(table)
    const sql = new Sql()
    sql.raw(`SELECT ${selected(binding)} FROM ${binding.name}`)
    return this.#read(binding, sql)
  }

  async *#some(table: Table, keys: readonly Tuple[]): AsyncGenerator<Buffer, void, undefined> {
    const binding = this.#binding(table)
    const { identity } = table
    if (identity.by !== 'key') throw new RangeError('rows without a key cannot be looked up')
    // The cells of a key tuple are the key's columns, in its order.
    const columns = identity.columns.flatMap((i) => binding.columns[i] ?? [])
    const keyed: Binding = { ...binding, columns }
    const key = columns.map((_, i) => i)
    for (let from = 0; from < keys.length; from += MOST_KEYS) {
      const sql = new Sql()
      const on = `${binding.name} FORCE INDEX (${binding.index})`
      sql.raw(`SELECT ${selected(binding)} FROM ${on} WHERE `)
      for (const [at, tuple] of keys.slice(from, from + MOST_KEYS).entries()) {
        sql.raw(at === 0 ? '(' : ' OR (')
        sameKey(sql, keyed, { tuple, key })
        sql.raw(')')
      }
      yield* this.#read(binding, sql)
    }
  }

  async *#read(binding: Binding, sql: Sql): AsyncGenerator<Buffer, void, undefined> {
    const session = this.#session
    try {
      for await (const rows of receive(session, sql)) {
        yield frame(rows.map((row) => tupleOfRow(binding, row)))
      }
    } catch (error) {
      throw faultOf(error, { side: 'target', doing: 'reading a table', label: session.label })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]()
  }
}
