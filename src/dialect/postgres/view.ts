import { Fault } from '../../model/fault.ts'
import type { Described, Found, Print, Recipe, Sums } from '../../model/reader.ts'
import { type Table, tableName } from '../../model/table.ts'
import { cells, type Tuple, textsOf, tupleOf } from '../../model/tuple.ts'
import type { Session, TextRow } from './connect.ts'
import { type Layout, locate, textArray, type Whereabouts } from './layout.ts'
import { bucketList, findSql, listSql, parts, printSql, sumsSql } from './prints.ts'

/** Rows that one FETCH brings. */
const FETCH = 5000

/** Tables seen through sessions that share one snapshot. The sessions are the caller's. */
export class View {
  readonly #idle: Session[]
  readonly #waiting: PromiseWithResolvers<Session>[] = []
  readonly #width: number
  readonly #whereabouts: (table: Table) => Whereabouts
  readonly #layouts = new Map<string, Layout | null>()
  #cursors = 0

  constructor(sessions: readonly Session[], whereabouts: (table: Table) => Whereabouts) {
    this.#idle = [...sessions]
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
    const layout = await this.#layout(recipe.table)
    const sql = findSql(recipe, layout, what)
    const rows = await this.#with((session) => session.query(sql, columnArrays(keys)))
    return rows.map((row) => ({
      print: printOf(recipe.table, row),
      row: tupleOf(recipe.table.columns.map((_, i) => row[`v${i}`] ?? null)),
    }))
  }

  async print(recipe: Recipe, rows: readonly Tuple[]): Promise<readonly Print[]> {
    if (rows.length === 0) return []
    const layout = await this.#layout(recipe.table)
    const sql = printSql(recipe, layout)
    const digests = await this.#with((session) => session.query(sql, columnArrays(rows)))
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

function printOf(table: Table, row: TextRow): Print {
  const key = table.identity.by === 'key' ? table.identity.columns : []
  return {
    hash: BigInt(row['hash'] ?? 0),
    digest: BigInt(row['digest'] ?? 0),
    key: tupleOf(key.map((_, i) => row[`k${i}`] ?? null)),
    count: Number(row['count'] ?? 1),
  }
}

/** One text array for each cell of these tuples, which are alike in width. */
function columnArrays(tuples: readonly Tuple[]): string[] {
  const rows = tuples.map(textsOf)
  const width = tuples[0] === undefined ? 0 : cells(tuples[0])
  return Array.from({ length: width }, (_, i) => textArray(rows.map((row) => row[i] ?? null)))
}
