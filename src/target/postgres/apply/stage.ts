import type { Pipe } from '../../../dialect/postgres/pipe.ts'
import { ident } from '../../../dialect/postgres/quote.ts'
import { tableName } from '../../../model/table.ts'
import type { Binding } from './columns.ts'
import { type CopyForm, type Rows, writeCopy } from './rows.ts'
import {
  columnAt,
  columnList,
  counted,
  keyOf,
  onConflict,
  sameKey,
  selfAssigned,
  written,
} from './statements.ts'

/** Temporary tables that rows are copied into before one statement merges them. */
export class Stages {
  /** They last as long as the session, emptied by every commit; else as long as a transaction. */
  readonly #lasting: boolean
  #made = new Set<string>()
  /** Before the transaction that runs. */
  #before = new Set<string>()
  #used = new Set<string>()

  constructor(lasting: boolean) {
    this.#lasting = lasting
  }

  begun(): void {
    this.#before = new Set(this.#made)
    this.#used = new Set()
  }
  committed(): void {
    if (!this.#lasting) this.#made = new Set()
  }
  rolledBack(): void {
    this.#made = this.#before
  }
  /** Drops what is there when it has become much: each commit empties all of it. */
  tidy(pipe: Pipe, most: number): void {
    if (this.#made.size <= most) return
    pipe.statement(`DROP TABLE ${[...this.#made].join(', ')}`)
    this.#made = new Set()
  }

  nameOf(binding: Binding, use: 'update' | 'delete'): string {
    const { oid, table } = binding
    return `pg_temp.${ident(`hf_${use}_${oid}_${table.version}`.slice(0, 63))}`
  }

  /** Writes what makes the stage stand empty; returns its name in SQL. */
  ready(pipe: Pipe, binding: Binding, use: 'update' | 'delete'): string {
    const name = this.nameOf(binding, use)
    if (!this.#made.has(name)) {
      const columns =
        use === 'delete' ? columnList(binding, keyOf(binding.table.identity)) : columnList(binding)
      const lasts = this.#lasting ? 'DELETE ROWS' : 'DROP'
      pipe.statement(
        `CREATE TEMP TABLE ${name} ON COMMIT ${lasts} AS SELECT ${columns} FROM ${binding.name} WITH NO DATA`,
        { label: binding.table },
      )
      this.#made.add(name)
    } else if (this.#used.has(name)) {
      pipe.statement(`TRUNCATE ${name}`, { label: binding.table })
    }
    this.#used.add(name)
    return name
  }
}

/** COPY into a table or stage, with the data; from a row that cannot be packed on as text. */
export async function copyRows(
  pipe: Pipe,
  into: { readonly name: string; readonly columns: string; readonly label: unknown },
  { rows, form }: { readonly rows: Rows; readonly form: CopyForm },
): Promise<void> {
  const { name, columns, label } = into
  const copy = (how: { readonly form: CopyForm; readonly first: number }): Promise<number> => {
    const format = how.form === 'text' ? 'text' : 'binary'
    pipe.statement(copySql(name, columns, { form: format, frozen: false }), { label })
    return writeCopy(pipe, rows, how)
  }
  const first = await copy({ form, first: 0 })
  if (first < rows.tuples.length) await copy({ form: 'text', first })
}

export function copySql(
  name: string,
  columns: string,
  how: { readonly form: 'binary' | 'text'; readonly frozen: boolean },
): string {
  const list = columns === '' ? '' : ` (${columns})`
  const freeze = how.frozen ? ', FREEZE' : ''
  return `COPY ${name}${list} FROM STDIN (FORMAT ${how.form}, ENCODING 'UTF8'${freeze})`
}

/** Merges a stage of whole rows into the table; columns that are not given get their defaults. */
export function overwriteSql(binding: Binding, stage: string, given?: readonly number[]): string {
  const columns = columnList(binding, given)
  return (
    `INSERT INTO ${binding.name} (${columns}) OVERRIDING SYSTEM VALUE ` +
    `SELECT ${columns} FROM ${stage}${onConflict(binding, given)}`
  )
}

/**
 * Changes nothing, and fails like a merge where no index of the table refuses a second row of one
 * key.
 */
export function refusesSql(binding: Binding): string {
  const columns = columnList(binding)
  return (
    `INSERT INTO ${binding.name} (${columns}) OVERRIDING SYSTEM VALUE ` +
    `SELECT ${columns} FROM ${binding.name} WHERE false${onConflict(binding)}`
  )
}

/**
 * Bytes of table for each staged row up to which the whole of it is read once in the order of its
 * key (a page of 8 kB for eight rows); above, each row is looked for.
 */
const DENSE = 1024

/**
 * Pins the way in which a stage meets its table. What the planner would believe of a stage, or of a
 * table that was just filled, is a guess.
 */
export function pinJoin(pipe: Pipe, binding: Binding, rows: number): void {
  const most = binding.only === '' ? -1 : rows * DENSE
  const dense = `pg_catalog.pg_relation_size(${binding.oid}::pg_catalog.oid) <= ${most}`
  pipe.statement(
    `SELECT pg_catalog.set_config('enable_mergejoin', CASE WHEN dense THEN 'on' ELSE 'off' END, true), ` +
      `pg_catalog.set_config('enable_nestloop', CASE WHEN dense THEN 'off' ELSE 'on' END, true) ` +
      `FROM (SELECT ${dense} AS dense) AS s`,
    { label: binding.table },
  )
}

/** The staged rows in the order of the key, so that neighbours are found beside one another. */
function sorted(binding: Binding, stage: string, columns: readonly number[]): string {
  const order = columnList(binding, keyOf(binding.table.identity))
  return `(SELECT ${columnList(binding, columns)} FROM ${stage} ORDER BY ${order}) AS s`
}

export function updateSql(
  binding: Binding,
  stage: string,
  wanted: { readonly set: readonly number[]; readonly rows: number },
): string {
  const set = written(binding, wanted.set, false)
  const columns = set.map((i) => ident(columnAt(binding, i).name))
  const sets = columns.length === 0 ? [selfAssigned(binding)] : columns.map((c) => `${c} = s.${c}`)
  const from = sorted(binding, stage, [...keyOf(binding.table.identity), ...set])
  const sql =
    `UPDATE ${binding.only}${binding.name} AS t SET ${sets.join(', ')} ` +
    `FROM ${from} WHERE ${sameKeys(binding)} RETURNING 1`
  return counted(sql, { rows: wanted.rows, what: `update of ${tableName(binding.table)}` })
}

export function deleteSql(
  binding: Binding,
  stage: string,
  wanted: { readonly rows: number; readonly absent: 'pass' | undefined },
): string {
  const from = sorted(binding, stage, keyOf(binding.table.identity))
  const sql = `DELETE FROM ${binding.only}${binding.name} AS t USING ${from} WHERE ${sameKeys(binding)}`
  if (wanted.absent === 'pass') return sql
  const { rows } = wanted
  return counted(`${sql} RETURNING 1`, { rows, what: `delete from ${tableName(binding.table)}` })
}

function sameKeys(binding: Binding): string {
  return keyOf(binding.table.identity)
    .map((i) => columnAt(binding, i))
    .map((column) => sameKey(column, `s.${ident(column.name)}`))
    .join(' AND ')
}

export function truncateSql(bindings: readonly Binding[], restartSequences: boolean): string {
  const names = bindings.map((binding) => `${binding.only}${binding.name}`).join(', ')
  return `TRUNCATE ${names}${restartSequences ? ' RESTART IDENTITY' : ''}`
}
