import { Fault } from '../../model/fault.ts'
import { PrintedRows, type Readable } from '../../model/printed.ts'
import { VALUES } from '../../model/prints.ts'
import type { Described, Found, Print, Reader, Recipe, Sums } from '../../model/reader.ts'
import { type Column, type Table, tableName } from '../../model/table.ts'
import { frame, type Tuple } from '../../model/tuple.ts'
import type { Session, TextRow } from './connect.ts'
import { copyText } from './copy-text.ts'
import { type Layout, locate, textArray, type Whereabouts } from './layout.ts'
import {
  bucketList,
  findSql,
  listSql,
  parts,
  printSql,
  rowsSql,
  someSql,
  sumsSql,
} from './prints.ts'
import { canonicalTuple, framedValues, serverTexts } from './values.ts'

/** Rows that one FETCH brings. */
const FETCH = 5000

/**
 * Tables seen through sessions that share one snapshot. The sessions are the caller's. Rows and
 * keys go in and out as canonical values; what is digested of them is the recipe's matter.
 */
export class View implements Omit<Reader, 'at' | typeof Symbol.asyncDispose> {
  readonly #idle: Session[]
  readonly #waiting: PromiseWithResolvers<Session>[] = []
  readonly #width: number
  readonly #whereabouts: (table: Table) => Whereabouts
  readonly #layouts = new Map<string, Layout | null>()
  readonly #values: PrintedRows
  #cursors = 0

  constructor(sessions: readonly Session[], whereabouts: (table: Table) => Whereabouts) {
    this.#idle = [...sessions]
    this.#values = new PrintedRows({
      all: (table) => this.#all(table),
      some: (table, keys) => this.#some(table, keys),
    } satisfies Readable)
    this.#width = sessions.length
    this.#whereabouts = whereabouts
  }

  /** Forgets what it knew of the tables: the view was moved. */
  forget(): void {
    this.#layouts.clear()
  }

  async describe(tables: readonly Table[]): Promise<readonly Described[]> {
    const asked = tables.map((table) => ({ table, at: this.#whereabouts(table) }))
    const located = await this.#with((session) => locate(session, asked))
    for (const [i, { layout }] of located.entries()) {
      this.#layouts.set(tables[i]?.id ?? '', layout)
    }
    return located.map(({ described }) => described)
  }

  async sums(recipe: Recipe): Promise<Sums> {
    if (isValues(recipe)) return await this.#values.sums(recipe)
    const layout = await this.#layout(recipe.table)
    const ranges = parts(layout, this.#width)
    const results = await Promise.all(
      ranges.map((range) => this.#with((session) => session.query(sumsSql(recipe, layout, range)))),
    )
    const total = new Map<number, { count: bigint; sum: bigint }>()
    for (const row of results.flat()) {
      const bucket = Number(row['bucket'])
      const known = total.get(bucket) ?? { count: 0n, sum: 0n }
      known.count += BigInt(row['count'] ?? 0)
      known.sum += BigInt(row['sum'] ?? 0)
      total.set(bucket, known)
    }
    return total
  }

  async *list(
    recipe: Recipe,
    buckets: readonly number[] | null,
  ): AsyncGenerator<readonly Print[], void, undefined> {
    if (isValues(recipe)) {
      yield* this.#values.list(recipe, buckets)
      return
    }
    const layout = await this.#layout(recipe.table)
    const session = await this.#take()
    const cursor = `holdfast_${++this.#cursors}`
    try {
      const sql = listSql(recipe, layout, buckets === null ? null : bucketList(buckets))
      await session.query(`DECLARE ${cursor} NO SCROLL CURSOR FOR ${sql}`)
      for (;;) {
        const rows = await session.query(`FETCH ${FETCH} FROM ${cursor}`)
        if (rows.length > 0) yield rows.map((row) => printOf(recipe.table, row))
        if (rows.length < FETCH) break
      }
      await session.query(`CLOSE ${cursor}`)
    } finally {
      this.#give(session)
    }
  }

  async find(recipe: Recipe, keys: readonly Tuple[], what: 'values' | 'digests'): Promise<Found[]> {
    if (keys.length === 0) return []
    if (isValues(recipe)) return await this.#values.find(recipe, keys, what)
    const { table } = recipe
    const layout = await this.#layout(table)
    const sql = findSql(recipe, layout, what)
    const params = columnArrays(keys, keyColumns(table))
    const rows = await this.#with((session) => session.query(sql, params))
    const columns = what === 'values' ? table.columns : []
    return rows.map((row) => ({
      print: printOf(table, row),
      row: canonicalTuple(
        table.columns.map((_, i) => row[`v${i}`]),
        columns,
      ),
    }))
  }

  async print(recipe: Recipe, rows: readonly Tuple[]): Promise<readonly Print[]> {
    if (rows.length === 0) return []
    if (isValues(recipe)) return await this.#values.print(recipe, rows)
    const layout = await this.#layout(recipe.table)
    const sql = printSql(recipe, layout)
    const params = columnArrays(rows, recipe.table.columns)
    const digests = await this.#with((session) => session.query(sql, params))
    return digests.map((row) => printOf(recipe.table, row))
  }

  /**
   * TRUNCATE and ALTER TABLE put a new file in place of the rows, which older snapshots find empty
   * (documentation, "Caveats" of concurrency control). pg_class is read as the view sees it, the
   * function looks at the present.
   */
  async intact(table: Table): Promise<boolean> {
    const layout = await this.#layout(table)
    if (!layout.plain) return true
    const [row] = await this.#with((session) =>
      session.query(
        `SELECT relfilenode = pg_relation_filenode(oid) AS intact FROM pg_class WHERE oid = $1`,
        [layout.oid],
      ),
    )
    return row?.['intact'] === 't'
  }

  async *#all(table: Table): AsyncGenerator<Buffer, void, undefined> {
    const layout = await this.#layout(table)
    const session = await this.#take()
    try {
      yield* framedValues(table, copyText(session, rowsSql(layout)))
    } finally {
      this.#give(session)
    }
  }

  async *#some(table: Table, keys: readonly Tuple[]): AsyncGenerator<Buffer, void, undefined> {
    const layout = await this.#layout(table)
    const sql = someSql(table, layout)
    const params = columnArrays(keys, keyColumns(table))
    const rows = await this.#with((session) => session.query(sql, params))
    const texts = rows.map((row) => table.columns.map((_, i) => row[`v${i}`]))
    yield frame(texts.map((row) => canonicalTuple(row, table.columns)))
  }

  async #layout(table: Table): Promise<Layout> {
    if (!this.#layouts.has(table.id)) await this.describe([table])
    const layout = this.#layouts.get(table.id) ?? null
    if (layout === null || layout.columns.includes(null)) {
      throw new Fault('HF-X001', { what: `${tableName(table)} cannot be read as it was described` })
    }
    return layout
  }

  async #with<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.#take()
    try {
      return await work(session)
    } finally {
      this.#give(session)
    }
  }

  #take(): Promise<Session> {
    const session = this.#idle.pop()
    if (session !== undefined) return Promise.resolve(session)
    const turn = Promise.withResolvers<Session>()
    this.#waiting.push(turn)
    return turn.promise
  }

  #give(session: Session): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#idle.push(session)
    else next.resolve(session)
  }
}

/** A recipe has this form for all of its columns or for none. */
function isValues({ forms }: Recipe): boolean {
  return forms.length > 0 && forms.every((form) => form === VALUES)
}

function keyColumns({ columns, identity }: Table): readonly Column[] {
  return identity.by === 'key' ? identity.columns.flatMap((c) => columns[c] ?? []) : []
}

function printOf(table: Table, row: TextRow): Print {
  const key = keyColumns(table)
  return {
    hash: BigInt(row['hash'] ?? 0),
    digest: BigInt(row['digest'] ?? 0),
    key: canonicalTuple(
      key.map((_, i) => row[`k${i}`]),
      key,
    ),
    count: Number(row['count'] ?? 1),
  }
}

/** One text array for each of these columns. */
function columnArrays(tuples: readonly Tuple[], columns: readonly Column[]): string[] {
  const rows = tuples.map((tuple) => serverTexts(tuple, columns))
  return columns.map((_, i) => textArray(rows.map((row) => row[i] ?? null)))
}
