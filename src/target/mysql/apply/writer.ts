import { type Done, SendError, send } from '../../../dialect/mysql/send.ts'
import { Sql } from '../../../dialect/mysql/sql.ts'
import { Fault } from '../../../model/fault.ts'
import { type Table, tableName } from '../../../model/table.ts'
import type { Link } from '../sessions.ts'

/** Bytes of statements that are sent together. */
const TOGETHER = 1 << 20
/** What the server counts of a packet besides the statement. */
const SPARE = 1024

/** What a statement must have done. */
export interface Expectation {
  /** Rows found or added; null where it does not matter. */
  readonly rows: number | null
  readonly table: Table | null
  /** For people: `update`. */
  readonly what: string
}

/** Carried out, it found another number of rows than it must. */
export class Miscounted extends Error {
  override readonly name = 'Miscounted'
  readonly wanted: Expectation
  readonly rows: number

  constructor(wanted: Expectation, rows: number) {
    super(`${wanted.what}: ${rows} rows instead of ${wanted.rows}`)
    this.wanted = wanted
    this.rows = rows
  }
}

/** The server refused a statement. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly of: Expectation | null
  declare readonly cause: unknown

  constructor(cause: unknown, of: Expectation | null) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.of = of
  }
}

/** Statements of the form `head item, item … tail`. */
export interface List<T> {
  readonly head: string
  readonly separator: string
  readonly tail: string
  /** Items of one statement at most. */
  readonly most: number
  readonly expected: Omit<Expectation, 'rows'> & { readonly counted: boolean }
  readonly item: (sql: Sql, item: T) => void
}

/** Gathers statements, sends many in one packet, and holds each to what it must do. */
export class Writer {
  readonly sql = new Sql()
  readonly #link: Link
  readonly #limit: number
  #expected: Expectation[] = []
  /** Where the open statement begins. */
  #start = 0

  constructor(link: Link) {
    this.#link = link
    this.#limit = Math.min(TOGETHER, link.packet - SPARE)
  }

  /** Writes a statement; `write` may be called twice. */
  async statement(expected: Expectation, write: (sql: Sql) => void): Promise<void> {
    this.#open()
    write(this.sql)
    if (this.sql.length > this.#limit && this.#start > 0) {
      this.sql.cut(this.#start)
      await this.flush()
      write(this.sql)
    }
    await this.#close(expected)
  }

  /**
   * Writes as few of these statements as there is room for; each is expected to do something to as
   * many rows as it has items where `expected` counts rows.
   */
  async list<T>(items: Iterable<T>, how: List<T>): Promise<void> {
    const { sql } = this
    const { expected, item } = how
    let rows = 0
    const end = async (): Promise<void> => {
      sql.raw(how.tail)
      const { table, what } = expected
      await this.#close({ rows: expected.counted ? rows : null, table, what })
      rows = 0
    }
    for (const one of items) {
      if (rows >= how.most) await end()
      if (rows === 0) this.#begin(how.head)
      const mark = sql.length
      if (rows > 0) sql.raw(how.separator)
      item(sql, one)
      if (sql.length > this.#limit && (rows > 0 || this.#start > 0)) {
        sql.cut(rows > 0 ? mark : this.#start)
        if (rows > 0) await end()
        await this.flush()
        this.#begin(how.head)
        item(sql, one)
      }
      rows++
    }
    if (rows > 0) await end()
  }

  /** Sends what is there and waits for it. Throws Refused and Miscounted. */
  async flush(): Promise<void> {
    const expected = this.#expected
    if (expected.length === 0) return
    this.#expected = []
    let done: readonly Done[] = []
    let failed: SendError | null = null
    try {
      done = await send(this.#link.session, this.sql)
    } catch (error) {
      if (!(error instanceof SendError)) throw error
      failed = error
      done = error.done
    } finally {
      this.#reset()
    }
    // What went wrong first is told, though the server saw nothing in it.
    for (const [i, { rows }] of done.entries()) {
      const wanted = expected[i]
      if (wanted !== undefined && wanted.rows !== null && wanted.rows !== rows) {
        throw new Miscounted(wanted, rows)
      }
    }
    if (failed !== null) throw new Refused(failed.cause, expected[done.length] ?? null)
  }

  /** Forgets what was not sent. */
  forget(): void {
    this.#expected = []
    this.#reset()
  }

  #reset(): void {
    this.sql.clear()
    this.#start = 0
  }
  #begin(head: string): void {
    this.#open()
    this.sql.raw(head)
  }
  #open(): void {
    if (this.#expected.length > 0 && this.sql.length > 0) this.sql.raw(';')
    this.#start = this.#expected.length > 0 ? this.sql.length : 0
  }

  async #close(expected: Expectation): Promise<void> {
    if (this.sql.length > this.#link.packet - SPARE) throw this.#tooLarge(expected)
    this.#expected.push(expected)
    if (this.sql.length >= this.#limit) await this.flush()
  }

  #tooLarge({ table }: Expectation): Fault {
    const name = table === null ? 'a mirrored table' : tableName(table)
    const { length } = this.sql
    const server = this.#link.packet
    return new Fault('HF-T205', {
      what: `a row of ${name} needs a packet of ${length} bytes; max_allowed_packet of the target is ${server}`,
      side: 'target',
      ...(table === null ? {} : { table: tableName(table) }),
      todo: [
        {
          text: 'Raise it; the mirror then goes on where it stands.',
          sql: `SET GLOBAL max_allowed_packet = ${Math.min(1 << 30, 2 ** Math.ceil(Math.log2(2 * length)))}`,
          at: 'target',
          as: 'administrator',
        },
      ],
    })
  }
}
