import type { Recipe } from '../../model/reader.ts'
import type { Table } from '../../model/table.ts'
import { digestOf, exactExpression, hashOf } from './digest.ts'
import type { Layout, LocalColumn } from './layout.ts'
import { ident, qualified } from './quote.ts'

/** Blocks of a table from which on it is worth reading with another session: 32 MB. */
const PART_BLOCKS = 4096

/**
 * Conditions on ctid that split the table into up to `width` parts that hold each row once. The
 * last one is open, since the table may have grown since it was looked at.
 */
export function parts(layout: Layout, width: number): readonly string[] {
  if (!layout.plain) return ['true']
  const count = Math.max(1, Math.min(width, Math.floor(layout.blocks / PART_BLOCKS)))
  return Array.from({ length: count }, (_, i) => {
    const from = Math.floor((layout.blocks * i) / count)
    const to = Math.floor((layout.blocks * (i + 1)) / count)
    const low = i === 0 ? '' : `t.ctid >= '(${from},0)'::tid`
    const high = i === count - 1 ? '' : `t.ctid < '(${to},0)'::tid`
    return [low, high].filter((part) => part !== '').join(' AND ') || 'true'
  })
}

/** Numbers as the elements of an array constant. */
export function bucketList(buckets: readonly number[]): string {
  return buckets.map((bucket) => String(Math.trunc(bucket))).join(',')
}

/** bucket, count, sum. OFFSET 0 keeps the planner from sorting the rows for the groups. */
export function sumsSql(recipe: Recipe, layout: Layout, range: string): string {
  const { hash, digest } = expressions(recipe, layout)
  return `SELECT bucket, count(*) AS count, sum(digest) AS sum FROM (
    SELECT ${bucketOf(hash, recipe)} AS bucket, ${digest} AS digest
    FROM ${from(layout)} WHERE ${range} OFFSET 0) s GROUP BY bucket`
}

/** hash, digest, k0 … or count; only rows of these buckets are digested. */
export function listSql(recipe: Recipe, layout: Layout, buckets: string | null): string {
  const { hash, digest, keys } = expressions(recipe, layout)
  const wanted =
    buckets === null ? 'true' : `${bucketOf(hash, recipe)} = ANY ('{${buckets}}'::int8[])`
  if (recipe.table.identity.by !== 'key') {
    return `SELECT hash, hash AS digest, count(*) AS count
      FROM (SELECT ${digest} AS hash FROM ${from(layout)} WHERE ${wanted} OFFSET 0) s
      GROUP BY hash ORDER BY hash`
  }
  const selected = [`${hash} AS hash`, `${digest} AS digest`, ...keys]
  return `SELECT ${selected.join(', ')} FROM ${from(layout)} WHERE ${wanted} ORDER BY 1`
}

/** hash, digest, k0 …, v0 …: the rows that have the keys in the parameters, an array per cell. */
export function findSql(recipe: Recipe, layout: Layout, what: 'values' | 'digests'): string {
  const { hash, digest, keys, exact } = expressions(recipe, layout)
  const values = layout.columns.map((column, i) =>
    what === 'values' && column !== null
      ? `t.${ident(column.name)} AS v${i}`
      : `${hashOf([exact[i] ?? ''])} AS v${i}`,
  )
  return `SELECT ${[`${hash} AS hash`, `${digest} AS digest`, ...keys, ...values].join(', ')}
    FROM ${matching(recipe.table, layout)}`
}

/** v0 …: the rows that have the keys in the parameters, an array per cell. */
export function someSql(table: Table, layout: Layout): string {
  const values = layout.columns.map((column, i) => `t.${ident(column?.name ?? '')} AS v${i}`)
  return `SELECT DISTINCT ON (t.tableoid, t.ctid) ${values.join(', ')} FROM ${matching(table, layout)}`
}

/** Every row, for COPY's text format. */
export function rowsSql(layout: Layout): string {
  const values = layout.columns.map((column) => `t.${ident(column?.name ?? '')}`)
  return `COPY (SELECT ${values.join(', ')} FROM ${from(layout)}) TO STDOUT`
}

/** The parameters, an array per cell of the key, joined with the rows that they find. */
function matching(table: Table, layout: Layout): string {
  const local = localKey(table, layout)
  const on = local.map((column, i) => {
    const value = `t.${ident(column.name)}`
    return column.comparable
      ? `${value} = ${given(column, i)}`
      : `ROW(${value})::pg_catalog.text = ROW(${given(column, i)})::pg_catalog.text`
  })
  return `${parameters(local)} JOIN ${from(layout)} ON ${on.join(' AND ')}`
}

/** hash, digest: of the rows in the parameters, an array per column, in their order. */
export function printSql(recipe: Recipe, layout: Layout): string {
  const exact = layout.columns.map((column, i) =>
    exactExpression(given(column, i), recipe.forms[i] ?? ''),
  )
  const digest = digestOf(exact)
  const key = recipe.table.identity
  const hash = key.by === 'key' ? hashOf(key.columns.map((i) => exact[i] ?? '')) : digest
  const keys =
    key.by === 'key'
      ? key.columns.map((c, i) => `${given(layout.columns[c] ?? null, c)} AS k${i}`)
      : []
  return `SELECT ${[`${hash} AS hash`, `${digest} AS digest`, ...keys].join(', ')}
    FROM ${parameters(layout.columns)} ORDER BY u.i`
}

/**
 * Rows of the given columns, which come as arrays of texts. An array of the type itself is read by
 * the type's input function; a cast of a text may be another one (that of regclass is).
 */
function parameters(columns: readonly (LocalColumn | null)[]): string {
  const arrays = columns.map((column, i) => {
    return `$${i + 1}::${column?.inArrays === true ? column.type : 'text'}[]`
  })
  const names = columns.map((_, i) => `c${i}`)
  return `ROWS FROM (${arrays.map((array) => `unnest(${array})`).join(', ')}) WITH ORDINALITY u(${[...names, 'i'].join(', ')})`
}

/** The value of a column in a row of `parameters`. */
function given(column: LocalColumn | null, index: number): string {
  const cast = column === null || column.inArrays ? '' : `::${column.type}`
  return `u.c${index}${cast}`
}

interface Expressions {
  /** One for each column of the Table. */
  readonly exact: readonly string[]
  readonly digest: string
  /** Of what identifies the row. */
  readonly hash: string
  /** `… AS k0` and so on: the identifying columns themselves; none without a key. */
  readonly keys: readonly string[]
}

function expressions(recipe: Recipe, layout: Layout): Expressions {
  const values = layout.columns.map((column) => `t.${ident(column?.name ?? '')}`)
  const exact = values.map((value, i) => exactExpression(value, recipe.forms[i] ?? ''))
  const digest = digestOf(exact)
  const { identity } = recipe.table
  if (identity.by !== 'key') return { exact, digest, hash: digest, keys: [] }
  return {
    exact,
    digest,
    hash: hashOf(identity.columns.map((i) => exact[i] ?? '')),
    keys: identity.columns.map((c, i) => `${values[c] ?? ''} AS k${i}`),
  }
}

function localKey({ identity }: Table, layout: Layout): readonly LocalColumn[] {
  if (identity.by !== 'key') throw new RangeError('rows without a key cannot be looked up')
  return identity.columns.flatMap((i) => layout.columns[i] ?? [])
}

/** A partitioned table is read with its partitions, a plain one without what inherits from it. */
function from(layout: Layout): string {
  return `${layout.plain ? 'ONLY ' : ''}${qualified(layout)} t`
}

function bucketOf(hash: string, recipe: Recipe): string {
  return `(${hash}) & ${recipe.buckets - 1}`
}
