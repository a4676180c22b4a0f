import type { Session } from '../../dialect/postgres/connect.ts'
import { qualified } from '../../dialect/postgres/quote.ts'
import { Fault } from '../../model/fault.ts'
import { type Table, tableName } from '../../model/table.ts'
import type { Statement } from './statements.ts'

export interface TargetColumn {
  readonly name: string
  /** OID of its type at the target. */
  readonly type: number
  /** Its `=` holds only for equal values, so that it finds exactly the row that is meant. */
  readonly exact: boolean
  /** Text, for which a collation must be named to compare its bytes. */
  readonly text: boolean
  /** GENERATED ALWAYS AS IDENTITY: an UPDATE cannot set it. */
  readonly always: boolean
}

/** A Table as it stands at the target. */
export interface Binding {
  readonly table: Table
  readonly oid: number
  /** Quoted and qualified. */
  readonly name: string
  /** `ONLY ` but for a partitioned table, which has no rows of its own. */
  readonly only: string
  /** In the order of the Table's columns. */
  readonly columns: readonly TargetColumn[]
  /** Statements made so far, by what they do. */
  readonly statements: Map<string, Statement>
}

export interface Place {
  readonly schema: string
  readonly name: string
}

/** bool bytea int8 int2 int4 text oid varchar date time timestamp timestamptz uuid */
const EXACT = new Set([16, 17, 20, 21, 23, 25, 26, 1043, 1082, 1083, 1114, 1184, 2950])
const TEXTS = new Set([25, 1043])

const columnsSql = `
select w.i, c.oid, c.relkind, a.attname, a.atttypid, a.attidentity
from pg_catalog.json_to_recordset($1::json) as w(i int, schema text, name text)
join pg_catalog.pg_namespace n on n.nspname = w.schema
join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name
  and c.relkind in ('r', 'p')
left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped`

/** Looks the tables up at the target. Faults when one or one of its columns is not there. */
export async function bind(
  session: Session,
  tables: readonly { readonly table: Table; readonly place: Place }[],
): Promise<Binding[]> {
  if (tables.length === 0) return []
  const wanted = tables.map(({ place }, i) => ({ i, schema: place.schema, name: place.name }))
  const rows = await session.query(columnsSql, [JSON.stringify(wanted)])
  const found = Map.groupBy(rows, (row) => Number(row['i']))
  return tables.map(({ table, place }, i) => {
    const attributes = found.get(i)
    const first = attributes?.[0]
    if (attributes === undefined || first === undefined) throw missing(tableName(place), null)
    const byName = new Map(attributes.map((row) => [row['attname'], row]))
    const columns = table.columns.map(({ name }) => {
      const row = byName.get(name)
      if (row === undefined) throw missing(tableName(place), name)
      return targetColumn(name, Number(row['atttypid']), row['attidentity'] === 'a')
    })
    return {
      table,
      oid: Number(first['oid']),
      name: qualified(place),
      only: first['relkind'] === 'p' ? '' : 'ONLY ',
      columns,
      statements: new Map<string, Statement>(),
    }
  })
}

export function targetColumn(name: string, type: number, always: boolean): TargetColumn {
  return { name, type, exact: EXACT.has(type), text: TEXTS.has(type), always }
}

function missing(table: string, column: string | null): Fault {
  const what =
    column === null
      ? `the target has no table ${table}`
      : `the target's table ${table} has no column ${column}`
  return new Fault('HF-T218', { what, side: 'target', table })
}
