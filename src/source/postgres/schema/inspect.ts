import type { Session, TextRow } from '../../../dialect/postgres/connect.ts'
import { plainOf } from '../../../dialect/postgres/plain.ts'
import type {
  PgExtension,
  PgName,
  PgOmission,
  PgSchema,
  PgSequence,
  PgTable,
  PgType,
} from '../../../dialect/postgres/schema.ts'
import { typeIndex } from '../../../dialect/postgres/types.ts'
import { Fault } from '../../../model/fault.ts'
import type { Blueprint, Table } from '../../../model/table.ts'
import { noMatch, select } from '../../select.ts'
import type { Selection } from '../../source.ts'
import { optional, text, yes } from '../rows.ts'
import { tableOf } from './identity-key.ts'
import { readForeignKeys, readLeftBehind, readSequences } from './inspect-around.ts'
import { readTables, type TableReading } from './inspect-tables.ts'
import { isOwnSchema, naming } from './select.ts'

/** Tables, and what else can be taken for one; not what belongs to PostgreSQL. */
const RELATIONS = `
select c.oid, n.nspname as schema, c.relname as name, c.relkind, c.relpersistence,
  case when c.relispartition then (select i.inhparent from pg_inherits i
    where i.inhrelid = c.oid) end as parent,
  exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
    and d.deptype = 'e') as in_extension
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_'
  and n.nspname <> 'information_schema'
order by n.nspname collate "C", c.relname collate "C"`

interface Relation extends PgName {
  readonly id: string
  readonly kind: string
  readonly persistence: string
  readonly parent: string | null
  readonly inExtension: boolean
}

/** What a selection comes to at this source, before the policy for tables without identity. */
export interface Reading {
  readonly schema: PgSchema
  /** One for each table that holds rows itself, in the order of their names. */
  readonly tables: readonly Table[]
  /** Ids of tables whose rows cannot be told apart; their Table says by: 'none'. */
  readonly keyless: ReadonlySet<string>
}

/**
 * Reads the catalogue for the wanted tables. Throws HF-C104 and HF-C105 for patterns that
 * cannot be read or match nothing. Tables without an identity are left out under `exclude`;
 * under `refuse` and `append` they are there with an identity of none, and preflight decides.
 */
export async function inspectSource(
  session: Session,
  wanted: Selection | ReadonlySet<string>,
): Promise<Blueprint> {
  const { schema, tables } = await readSource(session, wanted)
  return { dialect: 'postgres', tables, native: schema, plain: plainOf(schema) }
}

/**
 * As `inspectSource`, with what preflight needs to know besides. `wanted` are patterns, or the ids of
 * tables, of which those are read that there are.
 */
export async function readSource(
  session: Session,
  wanted: Selection | ReadonlySet<string>,
): Promise<Reading> {
  await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  try {
    return await readSelected(session, wanted)
  } finally {
    await session.query('ROLLBACK').catch(() => undefined)
  }
}

async function readSelected(
  session: Session,
  wanted: Selection | ReadonlySet<string>,
): Promise<Reading> {
  const relations = (await session.query(RELATIONS)).map(relationOf)
  const { chosen, omitted } =
    'has' in wanted
      ? { chosen: relations.filter(({ id }) => wanted.has(id)), omitted: [] }
      : choose(relations, wanted)
  const whole = await readTables(
    session,
    chosen.map((relation) => relation.id),
  )
  const keyless = new Set(
    whole.tables
      .filter((table) => table.kind === 'table' && table.identity.by === 'none')
      .map((table) => table.id),
  )
  const leaves = 'keyless' in wanted && wanted.keyless === 'exclude'
  const dropped = leaves ? keyless : new Set<string>()
  const kept = whole.tables.filter((table) => !dropped.has(table.id))
  const types = typeIndex(whole.types)
  const ids = kept.map((table) => table.id)
  const sequences = await readSequences(session, kept)
  const foreignKeys = await readForeignKeys(session, ids)
  const leftBehind = await readLeftBehind(session, ids)
  const left = whole.tables.filter((table) => dropped.has(table.id)).map(keylessOmission)
  const schema: PgSchema = {
    dialect: 'postgres',
    version: session.version,
    ...surroundings(whole, kept, sequences),
    types: whole.types,
    sequences,
    tables: kept,
    foreignKeys: foreignKeys.kept,
    omitted: [...omitted, ...left, ...foreignKeys.omitted, ...leftBehind],
  }
  const tables = kept
    .filter((table) => table.kind === 'table')
    .map((table) => tableOf(table, types))
  return { schema, tables: tables.sort(byName), keyless }
}

function relationOf(row: TextRow): Relation {
  return {
    id: text(row, 'oid'),
    schema: text(row, 'schema'),
    name: text(row, 'name'),
    kind: text(row, 'relkind'),
    persistence: text(row, 'relpersistence'),
    parent: optional(row, 'parent'),
    inExtension: yes(row, 'in_extension'),
  }
}

function byName(a: PgName, b: PgName): number {
  const [left, right] = [`${a.schema}\0${a.name}`, `${b.schema}\0${b.name}`]
  return left < right ? -1 : left > right ? 1 : 0
}

interface Choice {
  readonly chosen: readonly Relation[]
  readonly omitted: readonly PgOmission[]
}

function choose(relations: readonly Relation[], selection: Selection): Choice {
  const { chosen: matched, unmatched } = select(relations, selection, naming)
  if (unmatched.length > 0) throw noMatch(unmatched, relations, naming)
  const chosen = withPartitions(matched, relations, selection)
  const tables = chosen.filter((relation) => omission(relation) === null)
  if (tables.length === 0) throw nothing(relations)
  const omitted = chosen.map(omission).filter((found) => found !== null)
  return { chosen: tables, omitted }
}

/** Partitions come with the table that they are part of, unless they are excluded by name. */
function withPartitions(
  matched: readonly Relation[],
  relations: readonly Relation[],
  selection: Selection,
): Relation[] {
  const inside = new Set(matched.map((relation) => relation.id))
  const allowed = new Set(
    select(relations, { include: [], exclude: selection.exclude }, naming).chosen.map(
      ({ id }) => id,
    ),
  )
  for (let grown = -1; grown !== inside.size; ) {
    grown = inside.size
    for (const { id, parent } of relations) {
      if (parent !== null && inside.has(parent) && allowed.has(id)) inside.add(id)
    }
  }
  return relations.filter((relation) => inside.has(relation.id))
}

const KINDS: Readonly<Record<string, PgOmission['what']>> = {
  v: 'view',
  m: 'materialized view',
  f: 'foreign table',
}

/** Why a selected relation is not mirrored; null when it is. */
function omission(relation: Relation): PgOmission | null {
  const { schema, name } = relation
  const kind = KINDS[relation.kind]
  if (kind !== undefined) return { schema, name, what: kind, detail: 'it holds no rows itself' }
  if (relation.persistence === 'u') {
    const detail = 'its changes are not in the log'
    return { schema, name, what: 'unlogged table', detail }
  }
  if (relation.persistence === 't') {
    return { schema, name, what: 'temporary table', detail: 'it belongs to one session' }
  }
  if (!relation.inExtension) return null
  const detail = 'the extension makes it at the target'
  return { schema, name, what: 'table of an extension', detail }
}

function keylessOmission(table: PgTable): PgOmission {
  const { schema, name } = table
  return { schema, name, what: 'keyless table', detail: 'its rows cannot be told apart' }
}

function nothing(relations: readonly Relation[]): Fault {
  const any = relations.some((relation) => !isOwnSchema(relation.schema))
  const what = any ? 'the selection leaves no table to mirror' : 'the source has no tables'
  return new Fault('HF-C105', { what, side: 'source' })
}

/** Collations that every server has; others of pg_catalog come from its operating system. */
const EVERYWHERE = new Set(['default', 'C', 'POSIX', 'ucs_basic'])

/** The schemas, extensions and collations that the kept tables need. */
function surroundings(
  reading: TableReading,
  kept: readonly PgTable[],
  sequences: readonly PgSequence[],
): Pick<PgSchema, 'schemas' | 'extensions' | 'collations'> {
  const own = reading.types.filter((type) => !type.builtIn && type.extension === null)
  const schemas = [...kept, ...sequences, ...own].map(({ schema }) => schema)
  const typed: PgExtension[] = reading.types
    .filter((type) => type.extension !== null)
    .map((type) => ({ name: type.extension ?? '', schema: type.schema }))
  const extensions = new Map(
    [...typed, ...reading.extensions].map((extension) => [extension.name, extension]),
  )
  const collations = new Map(
    [...reading.collations, ...columnCollations(kept), ...typeCollations(own)]
      .filter(({ schema, name }) => schema !== 'pg_catalog' || !EVERYWHERE.has(name))
      .map((collation) => [JSON.stringify(collation), collation]),
  )
  return {
    schemas: [...new Set(schemas)].filter((schema) => !isOwnSchema(schema)).sort(),
    extensions: [...extensions.values()],
    collations: [...collations.values()],
  }
}

function columnCollations(tables: readonly PgTable[]): PgName[] {
  return tables.flatMap((table) =>
    table.columns.map((column) => column.collation).filter((name) => name !== null),
  )
}

function typeCollations(types: readonly PgType[]): PgName[] {
  const names = types.flatMap((type) => {
    if (type.kind === 'composite') return type.fields.map((field) => field.collation)
    return type.kind === 'domain' || type.kind === 'range' ? [type.collation] : []
  })
  return names.filter((name) => name !== null)
}
