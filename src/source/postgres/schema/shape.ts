import type { Session, TextRow } from '../../../dialect/postgres/connect.ts'
import { Fault } from '../../../model/fault.ts'
import { type Table, tableName } from '../../../model/table.ts'
import { oidArray, text } from '../rows.ts'

/** A column as the catalogue has it now; those that do not travel are there, too. */
export interface ShapeColumn {
  /** pg_attribute.attnum: the only name that is never used again. */
  readonly number: number
  readonly name: string
  readonly typeOid: number
  readonly typmod: number
  readonly generated: boolean
  /**
   * Old rows are known to hold null in it as far as the catalogue tells: no default, no missing
   * value, no identity, not NOT NULL, no default of its domain.
   */
  readonly bare: boolean
}

/** What the catalogue says of a table now. */
export interface Shape {
  readonly id: string
  readonly schema: string
  readonly name: string
  /** The file that holds its rows; a rewrite makes another one. */
  readonly node: string
  /** pg_class.relreplident. */
  readonly replicaIdentity: string
  /** Attribute numbers of the key of the replica identity's index; empty without one. */
  readonly key: readonly number[]
  /** Those that the log marks as key: the columns that the index INCLUDEs, too. */
  readonly marked: readonly number[]
  readonly columns: readonly ShapeColumn[]
}

/** pg_class, pg_attribute, pg_index, pg_type; attmissingval and attgenerated are there since 12. */
const SHAPES = `
select c.oid, n.nspname as schema, c.relname as name, c.relreplident,
  coalesce(pg_relation_filenode(c.oid), 0) as node,
  (select array_to_string(i.indkey::int2[], ',') || ' ' || i.indnkeyatts from pg_index i
    where i.indrelid = c.oid and i.indisvalid and case c.relreplident
      when 'i' then i.indisreplident when 'd' then i.indisprimary else false end) as key,
  (select json_agg(json_build_array(a.attnum, a.attname, a.atttypid::int8, a.atttypmod,
      a.attgenerated <> '', not (a.atthasdef or a.atthasmissing or a.attnotnull
        or a.attidentity <> '' or t.typdefaultbin is not null or t.typnotnull))
      order by a.attnum)
    from pg_attribute a join pg_type t on t.oid = a.atttypid
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.oid = any($1::oid[])`

/** The tables with these ids that there are. */
export async function readShapes(
  session: Session,
  ids: readonly string[],
): Promise<Map<string, Shape>> {
  const rows = await session.query(SHAPES, [oidArray(ids)])
  return new Map(rows.map((row) => [text(row, 'oid'), shapeOf(row)]))
}

type ColumnCells = readonly [number, string, number, number, boolean, boolean]

function shapeOf(row: TextRow): Shape {
  const [numbers = '', size = '0'] = (row['key'] ?? '').split(' ')
  const marked = numbers.split(',').filter(Boolean).map(Number)
  const columns: readonly ColumnCells[] = JSON.parse(row['columns'] ?? '[]')
  return {
    id: text(row, 'oid'),
    schema: text(row, 'schema'),
    name: text(row, 'name'),
    node: text(row, 'node'),
    replicaIdentity: text(row, 'relreplident'),
    key: marked.slice(0, Number(size)),
    marked,
    columns: columns.map(([attnum, name, typeOid, typmod, generated, bare]) => ({
      number: attnum,
      name,
      typeOid,
      typmod,
      generated,
      bare,
    })),
  }
}

/** A mirrored column by what does not change with its name. */
export interface MarkedColumn {
  readonly number: number
  readonly typeOid: number
  readonly typmod: number
}

/** What `Table.mark` holds: file and columns at the last moment that the columns were looked at. */
export interface Mark {
  readonly node: string
  readonly columns: readonly MarkedColumn[]
}

export function writeMark(mark: Mark): string {
  const columns = mark.columns.map(({ number: n, typeOid, typmod }) => [n, typeOid, typmod])
  return JSON.stringify({ node: mark.node, columns })
}

export function readMark(table: Table): Mark | null {
  if (table.mark === undefined) return null
  const mark = parseMark(table.mark)
  if (mark !== null) return mark.columns.length === table.columns.length ? mark : null
  throw new Fault('HF-X108', {
    what: `what is known of ${tableName(table)} at its last look cannot be read`,
    side: 'target',
    table: tableName(table),
  })
}

/** Null for what `writeMark` has not written. */
function parseMark(text: string): Mark | null {
  try {
    const mark: unknown = JSON.parse(text)
    if (typeof mark !== 'object' || mark === null) return null
    if (!('node' in mark && 'columns' in mark && Array.isArray(mark.columns))) return null
    const { node } = mark
    const columns = mark.columns.flatMap((one: unknown) => {
      if (!Array.isArray(one) || one.length !== 3 || !one.every(Number.isInteger)) return []
      const [number, typeOid, typmod] = one.map(Number)
      if (number === undefined || typeOid === undefined || typmod === undefined) return []
      return [{ number, typeOid, typmod }]
    })
    if (typeof node !== 'string' || columns.length !== mark.columns.length) return null
    return { node, columns }
  } catch {
    return null
  }
}

/** The mark of a table whose columns are, by name, those of the shape; null when they are not. */
export function markOf(table: Table, shape: Shape): Mark | null {
  const byName = new Map(shape.columns.map((column) => [column.name, column]))
  const columns: MarkedColumn[] = []
  for (const { name } of table.columns) {
    const found = byName.get(name)
    if (found === undefined || found.generated) return null
    columns.push({ number: found.number, typeOid: found.typeOid, typmod: found.typmod })
  }
  return { node: shape.node, columns }
}

/** Tables with their marks, as the catalogue has them now. */
export async function marked(session: Session, tables: readonly Table[]): Promise<Table[]> {
  const shapes = await readShapes(
    session,
    tables.map(({ id }) => id),
  )
  return tables.map((table) => {
    const shape = shapes.get(table.id)
    const mark = shape === undefined ? null : markOf(table, shape)
    return mark === null ? table : { ...table, mark: writeMark(mark) }
  })
}
