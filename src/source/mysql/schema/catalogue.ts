import type { Session, TextRow } from '../../../dialect/mysql/connect.ts'
import { literal } from '../../../dialect/mysql/quote.ts'
import type {
  MysqlColumn,
  MysqlForeignKey,
  MysqlIndex,
  MysqlName,
  MysqlTable,
} from '../../../dialect/mysql/schema.ts'
import { columnType } from '../../../dialect/mysql/types.ts'
import { tableId } from '../names.ts'

/** Something that can be taken for a table. */
export interface Relation extends MysqlName {
  /** BASE TABLE, VIEW, SYSTEM VERSIONED, SEQUENCE, TEMPORARY. */
  readonly kind: string
  readonly engine: string
  readonly charset: string
  readonly collation: string
  readonly comment: string
}

const RELATIONS = `
select t.table_schema as s, t.table_name as n, t.table_type as kind, t.engine as engine,
  t.table_collation as collation, c.character_set_name as charset, t.table_comment as comment
from information_schema.tables t
left join information_schema.collation_character_set_applicability c
  on c.collation_name = t.table_collation
where t.table_schema not in ('mysql', 'information_schema', 'performance_schema', 'sys')`

/** All relations of the server, or of one database, in the order of their names. */
export async function readRelations(session: Session, home: string | null): Promise<Relation[]> {
  const where = home === null ? '' : ` and t.table_schema = ${literal(home)}`
  const rows = await session.query(`${RELATIONS}${where}`)
  return rows.map((row) => ({ ...nameOf(row), ...factsOf(row) })).sort(byName)
}

function factsOf(row: TextRow): Omit<Relation, keyof MysqlName> {
  return {
    kind: text(row, 'kind'),
    engine: text(row, 'engine'),
    charset: text(row, 'charset'),
    collation: text(row, 'collation'),
    comment: text(row, 'comment'),
  }
}

function byName(a: MysqlName, b: MysqlName): number {
  const [left, right] = [`${a.schema}\0${a.name}`, `${b.schema}\0${b.name}`]
  return left < right ? -1 : left > right ? 1 : 0
}

function nameOf(row: TextRow): MysqlName {
  return { schema: text(row, 's'), name: text(row, 'n') }
}

function text(row: TextRow, name: string): string {
  return row[name] ?? ''
}

/** Databases in one statement; a server with thousands gets several. */
const AT_ONCE = 200

/** Rows of a query over `information_schema`, by the table that they are of. */
async function byTable(
  session: Session,
  schemas: readonly string[],
  sql: (where: (column: string) => string) => string,
): Promise<ReadonlyMap<string, TextRow[]>> {
  const rows: TextRow[] = []
  for (let at = 0; at < schemas.length; at += AT_ONCE) {
    const list = schemas
      .slice(at, at + AT_ONCE)
      .map(literal)
      .join(', ')
    rows.push(...(await session.query(sql((column) => `${column} in (${list})`))))
  }
  return Map.groupBy(rows, (row) => tableId(nameOf(row)))
}

/** The chosen tables with their columns and indexes. */
export async function readTables(
  session: Session,
  chosen: readonly Relation[],
): Promise<MysqlTable[]> {
  const schemas = [...new Set(chosen.map(({ schema }) => schema))]
  const mariadb = session.version.flavour === 'mariadb'
  const old = !mariadb && session.version.number < 50700
  const generated = old ? `'' as expression` : 'generation_expression as expression'
  const columns = await byTable(
    session,
    schemas,
    (where) => `
select table_schema as s, table_name as n, column_name as c, column_type as t,
  character_set_name as charset, collation_name as collation, is_nullable as nullable,
  column_default as d, extra as extra, column_comment as comment, column_key as k, ${generated}
from information_schema.columns where ${where('table_schema')}
order by table_schema, table_name, ordinal_position`,
  )
  const expression = !mariadb && session.version.number >= 80013 ? 'expression' : 'null'
  const indexes = await byTable(
    session,
    schemas,
    (where) => `
select table_schema as s, table_name as n, index_name as i, non_unique as nu, column_name as c,
  sub_part as prefix, collation as way, index_type as kind, ${expression} as expression
from information_schema.statistics where ${where('table_schema')}
order by table_schema, table_name, index_name, seq_in_index`,
  )
  return chosen.map(({ kind: _, ...relation }) => {
    const id = tableId(relation)
    const own = columns.get(id) ?? []
    const promoted = new Set(own.filter((row) => row['k'] === 'PRI').map((row) => text(row, 'c')))
    return {
      ...relation,
      id,
      columns: own.map(columnOf),
      indexes: byRank(indexesOf(indexes.get(id) ?? []), promoted),
    }
  })
}

/**
 * The primary key first, then the index that the server takes for it where there is none: it says
 * of its columns that they are a primary key's.
 */
function byRank(indexes: readonly MysqlIndex[], promoted: ReadonlySet<string>): MysqlIndex[] {
  const rank = ({ name, unique, parts }: MysqlIndex): number => {
    if (name === 'PRIMARY') return 0
    const same = parts.every(({ column }) => column !== null && promoted.has(column))
    return unique && same && parts.length === promoted.size ? 1 : 2
  }
  return indexes.toSorted((a, b) => rank(a) - rank(b))
}

function columnOf(row: TextRow): MysqlColumn {
  const extra = text(row, 'extra').toLowerCase()
  const expression = text(row, 'expression')
  const stored = /\b(?:stored|persistent)\b/.test(extra)
  return {
    name: text(row, 'c'),
    type: columnType(text(row, 't')),
    charset: row['charset'] ?? null,
    collation: row['collation'] ?? null,
    nullable: row['nullable'] === 'YES',
    default: row['d'] ?? null,
    extra,
    generated: expression === '' ? null : { stored, expression },
    comment: text(row, 'comment'),
  }
}

function indexesOf(rows: readonly TextRow[]): MysqlIndex[] {
  const byIndex = Map.groupBy(rows, (row) => text(row, 'i'))
  return [...byIndex].map(([name, parts]) => ({
    name,
    unique: parts[0]?.['nu'] === '0',
    type: text(parts[0] ?? {}, 'kind'),
    parts: parts.map((part) => ({
      column: part['expression'] == null ? (part['c'] ?? null) : null,
      prefix: part['prefix'] == null ? null : Number(part['prefix']),
      descending: part['way'] === 'D',
    })),
  }))
}

const FOREIGN_KEYS = `
select k.constraint_schema as s, k.table_name as n, k.constraint_name as name,
  k.column_name as c, k.referenced_table_schema as rs, k.referenced_table_name as rn,
  k.referenced_column_name as rc, r.update_rule as u, r.delete_rule as d
from information_schema.key_column_usage k
join information_schema.referential_constraints r
  on r.constraint_schema = k.constraint_schema and r.constraint_name = k.constraint_name
  and r.table_name = k.table_name
where k.referenced_table_name is not null`

/** The foreign keys of tables in these databases. */
export async function readForeignKeys(
  session: Session,
  schemas: readonly string[],
): Promise<MysqlForeignKey[]> {
  const rows = await byTable(
    session,
    schemas,
    (where) => `${FOREIGN_KEYS} and ${where('k.constraint_schema')}
order by k.constraint_schema, k.table_name, k.constraint_name, k.ordinal_position`,
  )
  return [...rows.values()].flatMap((ofTable) => {
    const byKey = Map.groupBy(ofTable, (row) => text(row, 'name'))
    return [...byKey].map(([name, parts]) => foreignKeyOf(name, parts))
  })
}

function foreignKeyOf(name: string, parts: readonly TextRow[]): MysqlForeignKey {
  const first = parts[0] ?? {}
  return {
    name,
    table: nameOf(first),
    columns: parts.map((part) => text(part, 'c')),
    referenced: { schema: text(first, 'rs'), name: text(first, 'rn') },
    referencedColumns: parts.map((part) => text(part, 'rc')),
    onUpdate: text(first, 'u'),
    onDelete: text(first, 'd'),
  }
}
