import { ident, literal } from '../../../dialect/postgres/quote.ts'
import { ownColumns } from '../../../model/metadata.ts'
import { type Identity, tableName } from '../../../model/table.ts'
import { STATE } from '../state/state.ts'
import type { Binding, TargetColumn } from './columns.ts'
import type { Source } from './rows.ts'

/** A statement that is bound once for each row. */
export interface Statement {
  readonly sql: string
  readonly types: readonly number[]
  readonly params: readonly Source[]
}

/** Up to this many rows of a step go one by one; more of them by COPY. */
export const FEW_ROWS = 64

class Params {
  readonly types: number[] = []
  readonly sources: Source[] = []
  readonly #binding: Binding

  constructor(binding: Binding) {
    this.#binding = binding
  }
  add(of: 'row' | 'old', column: number): string {
    this.types.push(this.#binding.columns[column]?.type ?? 0)
    this.sources.push({ of, column })
    return `$${this.types.length}`
  }
}

function remember(binding: Binding, key: string, make: (params: Params) => string): Statement {
  const known = binding.statements.get(key)
  if (known !== undefined) return known
  const params = new Params(binding)
  const sql = make(params)
  const made = { sql, types: params.types, params: params.sources }
  binding.statements.set(key, made)
  return made
}

export function columnList(binding: Binding, columns?: readonly number[]): string {
  const wanted = columns ?? binding.columns.keys()
  return Array.from(wanted, (i) => ident(columnAt(binding, i).name)).join(', ')
}

export function columnAt(binding: Binding, index: number): TargetColumn {
  const column = binding.columns[index]
  if (column === undefined) throw new RangeError(`${binding.name} has no column number ${index}`)
  return column
}

/** The indexes of the key's columns; none for a table that has no key. */
export function keyOf(identity: Identity): readonly number[] {
  return identity.by === 'key' ? identity.columns : []
}

/**
 * Wraps a statement with RETURNING so that the server itself raises when it did not touch
 * `rows` rows. `before` are further parts of the WITH clause, which `sql` may refer to.
 */
export function counted(
  sql: string,
  wanted: { readonly rows: number; readonly what: string; readonly before?: string },
): string {
  const { rows, what, before = '' } = wanted
  return (
    `WITH ${before}hf AS (${sql}) ` +
    `SELECT ${STATE}.expect((SELECT count(*) FROM hf), ${rows}, ${literal(what)})`
  )
}

export function insertStatement(binding: Binding, existing: 'refuse' | 'overwrite'): Statement {
  return remember(binding, existing, (params) => {
    if (binding.columns.length === 0) return `INSERT INTO ${binding.name} DEFAULT VALUES`
    const values = binding.columns.map((_, i) => params.add('row', i)).join(', ')
    return (
      `INSERT INTO ${binding.name} (${columnList(binding)}) OVERRIDING SYSTEM VALUE ` +
      `VALUES (${values})${existing === 'overwrite' ? onConflict(binding) : ''}`
    )
  })
}

/**
 * False when rows of the table cannot be overwritten by ON CONFLICT, since an UPDATE may not set
 * one of its columns.
 */
export function overwritable(binding: Binding): boolean {
  const key = keyOf(binding.table.identity)
  return key.length === 0 || !binding.columns.some((c, i) => c.always && !key.includes(i))
}

/** Takes a row away where it is there. */
export function clearStatement(binding: Binding): Statement {
  return remember(binding, 'clear', (params) => {
    return `DELETE FROM ${binding.only}${binding.name} AS t WHERE ${found(binding, params, 'row')}`
  })
}

/** What makes an INSERT into a table with a key overwrite the row that is there. */
export function onConflict(binding: Binding, given?: readonly number[]): string {
  const key = keyOf(binding.table.identity)
  if (key.length === 0) return ''
  const rest = binding.columns.flatMap((column, i) => {
    if (key.includes(i) || column.always) return []
    const name = ident(column.name)
    return [`${name} = ${given?.includes(i) === false ? 'DEFAULT' : `excluded.${name}`}`]
  })
  const action = rest.length === 0 ? 'DO NOTHING' : `DO UPDATE SET ${rest.join(', ')}`
  return ` ON CONFLICT (${columnList(binding, key)}) ${action}`
}

/** The columns of `set` that an update must write: keys only change with an old tuple. */
export function written(binding: Binding, set: readonly number[], moved: boolean): number[] {
  const key = moved ? [] : keyOf(binding.table.identity)
  return set.filter((i) => !key.includes(i))
}

export function updateStatement(
  binding: Binding,
  set: readonly number[],
  by: 'row' | 'old',
): Statement {
  return remember(binding, `update ${by} ${set.join()}`, (params) => {
    const columns = written(binding, set, by === 'old')
    const what = `update of ${tableName(binding.table)}`
    if (columns.some((i) => columnAt(binding, i).always)) {
      return replaceSql(binding, columns, { params, by })
    }
    const assigned = columns.map(
      (i) => `${ident(columnAt(binding, i).name)} = ${params.add('row', i)}`,
    )
    const sets = assigned.length === 0 ? [selfAssigned(binding)] : assigned
    const where = found(binding, params, by)
    const sql = `UPDATE ${binding.only}${binding.name} AS t SET ${sets.join(', ')} WHERE ${where} RETURNING 1`
    return counted(sql, { rows: 1, what })
  })
}

/** An assignment that changes nothing, for an update that only has to find its row. */
export function selfAssigned(binding: Binding): string {
  const key = keyOf(binding.table.identity)
  const column = binding.columns.find((c, i) => !c.always && !key.includes(i))
  const name = ident((column ?? columnAt(binding, key[0] ?? 0)).name)
  return `${name} = t.${name}`
}

/**
 * An update that sets a GENERATED ALWAYS identity column, which SQL only allows for a new row: the
 * row is taken away and written anew.
 */
function replaceSql(
  binding: Binding,
  columns: readonly number[],
  { params, by }: { readonly params: Params; readonly by: 'row' | 'old' },
): string {
  const values = binding.columns.map((column, i) =>
    columns.includes(i) ? params.add('row', i) : `d.${ident(column.name)}`,
  )
  const where = found(binding, params, by)
  const gone = `DELETE FROM ${binding.only}${binding.name} AS t WHERE ${where} RETURNING t.*`
  const born =
    `INSERT INTO ${binding.name} (${columnList(binding)}) OVERRIDING SYSTEM VALUE ` +
    `SELECT ${values.join(', ')} FROM d RETURNING 1`
  const what = `update of ${tableName(binding.table)}`
  return counted(born, { rows: 1, what, before: `d AS (${gone}), ` })
}

export function deleteStatement(binding: Binding, absent?: 'pass'): Statement {
  return remember(binding, `delete ${absent ?? ''}`, (params) => {
    const where = found(binding, params, 'old')
    const sql = `DELETE FROM ${binding.only}${binding.name} AS t WHERE ${where}`
    if (absent === 'pass') return sql
    return counted(`${sql} RETURNING 1`, {
      rows: 1,
      what: `delete from ${tableName(binding.table)}`,
    })
  })
}

/** The condition that holds for the one row that the tuple identifies. */
function found(binding: Binding, params: Params, of: 'row' | 'old'): string {
  const key = keyOf(binding.table.identity)
  if (key.length > 0) {
    return key.map((i) => sameKey(columnAt(binding, i), params.add(of, i))).join(' AND ')
  }
  const own = binding.columns.slice(0, ownColumns(binding.table))
  const same = own.map((column, i) => sameValue(column, params.add(of, i)))
  const where = same.length === 0 ? 'true' : same.join(' AND ')
  return `t.ctid = (SELECT ctid FROM ${binding.only}${binding.name} AS s WHERE ${where} LIMIT 1)`
}

/** Holds when the column of `t` and `other`, of the same type, are one key. */
export function sameKey({ name, equals, cast }: TargetColumn, other: string): string {
  return `t.${ident(name)}${cast} ${equals} ${other}${cast}`
}

/**
 * Holds exactly when the column of `s` and the parameter are the same value or both null. Where
 * `=` is missing or holds for values that differ (1.0 and 1.00), their texts are compared, as the
 * output functions write them: a cast to text takes the padding of bpchar away, for one.
 */
function sameValue(column: TargetColumn, param: string): string {
  const name = `s.${ident(column.name)}`
  if (!column.exact) {
    return `ROW(${name})::text COLLATE pg_catalog."C" = ROW(${param})::text`
  }
  const collate = column.text ? ' COLLATE pg_catalog."C"' : ''
  return `${name}${collate} IS NOT DISTINCT FROM ${param}`
}
