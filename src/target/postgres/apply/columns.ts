import type { Session, TextRow } from '../../../dialect/postgres/connect.ts'
import { ident, qualified } from '../../../dialect/postgres/quote.ts'
import { Fault } from '../../../model/fault.ts'
import { type Table, tableName } from '../../../model/table.ts'
import { type Pack, packsOf } from './pack/pack.ts'
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
  /** The operator by which a unique index of the column finds equal values, as SQL. */
  readonly equals: string
  /** Of a domain, a cast to what it is over (`::…`): operators of enums do not know domains. */
  readonly cast: string
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
  /** What makes their canonical texts binary; null when not all have such a form. */
  readonly packs: readonly Pack[] | null
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

/**
 * The type that is under domains, and the equality of its default order (pg_opclass, pg_amop): that
 * of an extension's type is in no search path of ours. Types that share one, such as arrays, have
 * theirs in pg_catalog.
 */
const columnsSql = `
select w.i, c.oid, c.relkind, a.attname, a.atttypid, a.attidentity, e.schema as equals_schema,
  e.name as equals_name, bn.nspname as base_schema, bt.typname as base_name, b.oid as base
from pg_catalog.json_to_recordset($1::json) as w(i int, schema text, name text)
join pg_catalog.pg_namespace n on n.nspname = w.schema
join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name
  and c.relkind in ('r', 'p')
left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join lateral (
  with recursive under(oid) as (
    select a.atttypid
    union all select t.typbasetype from under join pg_catalog.pg_type t on t.oid = under.oid
      where t.typtype = 'd')
  select under.oid from under join pg_catalog.pg_type t on t.oid = under.oid
  where t.typtype <> 'd') b on true
left join pg_catalog.pg_type bt on bt.oid = b.oid
left join pg_catalog.pg_namespace bn on bn.oid = bt.typnamespace
left join lateral (
  select n.nspname as schema, o.oprname as name
  from pg_catalog.pg_opclass oc
  join pg_catalog.pg_am m on m.oid = oc.opcmethod and m.amname = 'btree'
  join pg_catalog.pg_amop p on p.amopfamily = oc.opcfamily and p.amopstrategy = 3
    and p.amoplefttype = b.oid and p.amoprighttype = b.oid
  join pg_catalog.pg_operator o on o.oid = p.amopopr
  join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
  where oc.opcintype = b.oid and oc.opcdefault) e on true`

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
      return targetColumn(name, row)
    })
    return {
      table,
      oid: Number(first['oid']),
      name: qualified(place),
      only: first['relkind'] === 'p' ? '' : 'ONLY ',
      columns,
      packs: packsOf(columns),
      statements: new Map<string, Statement>(),
    }
  })
}

function targetColumn(name: string, row: TextRow): TargetColumn {
  const type = Number(row['atttypid'])
  const base = qualified({ schema: row['base_schema'] ?? '', name: row['base_name'] ?? '' })
  const { equals_schema: schema, equals_name: operator } = row
  const special = schema != null && operator != null && schema !== 'pg_catalog'
  return {
    name,
    type,
    exact: EXACT.has(type),
    text: TEXTS.has(type),
    always: row['attidentity'] === 'a',
    equals: special ? `OPERATOR(${ident(schema)}.${signs(operator)})` : '=',
    cast: row['base'] === row['atttypid'] ? '' : `::${base}`,
  }
}

/** The name of an operator is not quoted: it is made of signs. */
function signs(operator: string): string {
  if (/^[-+*/<>=~!@#%^&|`?]+$/.test(operator)) return operator
  throw new TypeError('the catalogue gave an operator that is none')
}

function missing(table: string, column: string | null): Fault {
  const what =
    column === null
      ? `the target has no table ${table}`
      : `the target's table ${table} has no column ${column}`
  return new Fault('HF-T218', { what, side: 'target', table })
}
