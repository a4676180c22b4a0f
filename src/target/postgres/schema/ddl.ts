import type { Session } from '../../../dialect/postgres/connect.ts'
import { ident, qualified } from '../../../dialect/postgres/quote.ts'
import type { PgIndex, PgName, PgSchema, PgTable } from '../../../dialect/postgres/schema.ts'
import type { Blueprint, Column, Table } from '../../../model/table.ts'
import type { TargetPlan } from '../../target.ts'
import { attachPartition, createTable, ownSequence } from './ddl-tables.ts'
import { createSequence, createType, ownTypes } from './ddl-types.ts'
import { type Existing, key, readExisting, textArray } from './existing.ts'
import { withMetadataColumns } from './metadata.ts'
import { createNeutralTable, neutralSql } from './neutral.ts'
import { shortened } from './plain.ts'
import { renamedSchema } from './renamed.ts'

const schemas = new WeakMap<Blueprint, PgSchema>()

/** The source's schema, when the source is a PostgreSQL, too, with the names that are used here. */
export function nativeSchema(blueprint: Blueprint): PgSchema | null {
  if (blueprint.dialect !== 'postgres') return null
  // The connector that names itself `postgres` puts nothing else there.
  const known = schemas.get(blueprint)
  if (known !== undefined) return known
  const renamed = renamedSchema(blueprint.native as PgSchema, blueprint)
  const schema = withMetadataColumns(renamed, blueprint)
  schemas.set(blueprint, schema)
  return schema
}

const tableIndexes = new WeakMap<PgSchema, ReadonlyMap<string, PgTable>>()

/** What a schema says of the table with this id; made once, since each of many tables is asked. */
export function nativeTable(schema: PgSchema | null, id: string): PgTable | undefined {
  if (schema === null) return undefined
  const known = tableIndexes.get(schema)
  const byId = known ?? new Map(schema.tables.map((table) => [table.id, table]))
  if (known === undefined) tableIndexes.set(schema, byId)
  return byId.get(id)
}

const placesByPlan = new WeakMap<TargetPlan, ReadonlyMap<string, PgName>>()

/** Where every table of the source is at the target, by id; partitioned parents too. */
export function placesOf(plan: TargetPlan): ReadonlyMap<string, PgName> {
  const known = placesByPlan.get(plan)
  if (known !== undefined) return known
  const places = new Map<string, PgName>()
  placesByPlan.set(plan, places)
  const schemas = new Map<string, string>()
  for (const { table, target } of plan.tables) {
    places.set(table.id, target)
    schemas.set(table.schema, target.schema)
  }
  for (const table of nativeSchema(plan.blueprint)?.tables ?? []) {
    if (places.has(table.id) || table.kind !== 'partitioned') continue
    places.set(table.id, { schema: schemas.get(table.schema) ?? table.schema, name: table.name })
  }
  return places
}

/** Schemas in which something of the plan is or will be. */
export function schemasOf(plan: TargetPlan): string[] {
  const schema = nativeSchema(plan.blueprint)
  const own = schema === null ? [] : [...ownTypes(schema.types), ...schema.sequences]
  return [...new Set([...placesOf(plan).values(), ...own].map((place) => place.schema))]
}

/**
 * Makes the schemas, types, sequences and tables that are missing; tables are without keys,
 * indexes and foreign keys. What exists is used as it is: preflight compared it. Runs in the
 * caller's transaction. Returns the ids of the planned tables that it made.
 */
export async function createSchema(session: Session, plan: TargetPlan): Promise<readonly string[]> {
  const existing = await readExisting(session, schemasOf(plan))
  for (const sql of schemaStatements(plan, existing, session.version)) await session.query(sql)
  const made = plan.tables.filter(({ target }) => !existing.relations.has(key(target)))
  return made.map(({ table }) => table.id)
}

/** What createSchema runs, in order. */
export function schemaStatements(plan: TargetPlan, existing: Existing, version: number): string[] {
  const schemas = schemasOf(plan)
    .filter((schema) => !existing.schemas.has(schema))
    .map((schema) => `CREATE SCHEMA ${ident(schema)}`)
  const schema = nativeSchema(plan.blueprint)
  if (schema === null) return [...schemas, ...neutralStatements(plan, existing)]
  const types = ownTypes(schema.types)
    .filter((type) => !existing.types.has(key(type)))
    .map((type) => createType(type, schema.types))
  const sequences = schema.sequences.filter(
    (sequence) => !sequence.identity && !existing.relations.has(key(sequence)),
  )
  const places = placesOf(plan)
  const owned = sequences.flatMap((sequence) => {
    const place = sequence.owner === null ? undefined : places.get(sequence.owner.table)
    if (sequence.owner === null || place === undefined) return []
    return [ownSequence(sequence, place, sequence.owner.column)]
  })
  return [
    ...schemas,
    ...types,
    ...sequences.map(createSequence),
    ...tableStatements(schema, { places, existing, version }),
    ...owned,
  ]
}

function neutralStatements(plan: TargetPlan, existing: Existing): string[] {
  return plan.tables
    .filter(({ target }) => !existing.relations.has(key(target)))
    .map(({ table, target }) => createNeutralTable(table, target, plan.blueprint))
}

interface TableStatements {
  readonly places: ReadonlyMap<string, PgName>
  readonly existing: Existing
  readonly version: number
}

/** Parents come first in `schema.tables`, so that partitions find theirs. */
function tableStatements(
  schema: PgSchema,
  { places, existing, version }: TableStatements,
): string[] {
  return schema.tables.flatMap((table) => {
    const place = places.get(table.id)
    if (place === undefined) return []
    const parent = table.parent === null ? undefined : places.get(table.parent)
    const made = existing.relations.has(key(place))
      ? []
      : [createTable(table, place, { schema, version })]
    if (parent === undefined || table.bound === null || existing.parents.has(key(place)))
      return made
    return [...made, attachPartition(table.bound, place, parent)]
  })
}

/**
 * Builds the unique index that the table's rows are found by, as the source has it, unless an
 * equal one is there. Safe to repeat.
 */
export async function createKey(session: Session, plan: TargetPlan, table: Table): Promise<void> {
  const place = placesOf(plan).get(table.id)
  if (place === undefined || table.identity.by !== 'key') return
  const columns = table.identity.columns.flatMap((index) => table.columns[index]?.name ?? [])
  if (await hasKey(session, place, columns)) return
  const native = nativeTable(nativeSchema(plan.blueprint), table.id)
  const index = native === undefined ? undefined : identityIndex(native)
  const taken = index !== undefined && (await isTaken(session, place.schema, index.name))
  const keyed = await hasPrimaryKey(session, place)
  await session.query(
    keyStatement(place, { columns, index: keyed ? undefined : index, taken, keyed }),
  )
}

function identityIndex(table: PgTable): PgIndex | undefined {
  const { identity } = table
  return identity.by === 'key'
    ? table.indexes.find(({ name }) => name === identity.index)
    : undefined
}

function keyStatement(
  place: PgName,
  how: {
    readonly columns: readonly string[]
    readonly index: PgIndex | undefined
    /** Something has the name of the index. */
    readonly taken: boolean
    /** The table has a primary key on other columns. */
    readonly keyed: boolean
  },
): string {
  const columns = how.columns.map(ident).join(', ')
  const kind = how.keyed ? 'UNIQUE' : `${named(place)}PRIMARY KEY`
  if (how.index === undefined) return `ALTER TABLE ${qualified(place)} ADD ${kind} (${columns})`
  return indexStatement(how.index, { place, taken: how.taken })
}

/**
 * The server gives a key a name that is free; long names of two tables whose keys are made at once
 * would come to the same one.
 */
function named({ name }: PgName): string {
  const key = `${name}_pkey`
  const short = shortened(key)
  return short === key ? '' : `CONSTRAINT ${ident(short)} `
}

/**
 * Makes an index or the constraint that it stands for, under its own name where that is free.
 * One whose definition cannot be carried is made on its columns alone; without columns there is
 * nothing to make.
 */
export function indexStatement(
  index: PgIndex,
  at: { readonly place: PgName; readonly taken: boolean },
): string {
  const columns = `(${(index.columns ?? []).map(ident).join(', ')})`
  if (index.constraint !== null) {
    const kind = index.constraint.kind === 'primary' ? 'PRIMARY KEY' : 'UNIQUE'
    const name = at.taken ? '' : `CONSTRAINT ${ident(index.constraint.name)} `
    return `ALTER TABLE ${qualified(at.place)} ADD ${name}${index.sql ?? `${kind} ${columns}`}`
  }
  const name = at.taken ? '' : `${ident(index.name)} `
  const unique = index.unique ? 'UNIQUE ' : ''
  return `CREATE ${unique}INDEX ${name}ON ${qualified(at.place)} USING ${index.sql ?? `btree ${columns}`}`
}

const TAKEN = `
select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relname = $2`

/** True when something in the schema has this name. */
export async function isTaken(session: Session, schema: string, name: string): Promise<boolean> {
  return (await session.query(TAKEN, [schema, name])).length > 0
}

const PRIMARY = `
select from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relname = $2 and i.indisprimary`

async function hasPrimaryKey(session: Session, place: PgName): Promise<boolean> {
  return (await session.query(PRIMARY, [place.schema, place.name])).length > 0
}

const KEYS = `
select (select array_agg(a.attname::text order by a.attname::text collate "C")
    from pg_catalog.unnest(i.indkey::int2[]) with ordinality u(num, ord)
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.num
    where u.ord <= i.indnkeyatts)
  = (select array_agg(w order by w collate "C") from pg_catalog.unnest($3::text[]) w) as same
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relname = $2 and i.indisunique and i.indimmediate and i.indisvalid
  and i.indpred is null and i.indexprs is null`

/** True when the table has a unique index on exactly these columns that is checked at once. */
export async function hasKey(
  session: Session,
  place: PgName,
  columns: readonly string[],
): Promise<boolean> {
  const rows = await session.query(KEYS, [place.schema, place.name, textArray(columns)])
  return rows.some((row) => row['same'] === 't')
}

/** Adds a nullable column without a default. Runs in the caller's transaction. */
export async function addColumn(
  session: Session,
  place: PgName,
  column: Pick<Column, 'name' | 'native' | 'type'> & { readonly dialect: string },
): Promise<void> {
  await session.query(addColumnStatement(place, column))
}

/** For a statement of a pipeline. */
export function addColumnStatement(
  place: PgName,
  column: Pick<Column, 'name' | 'native' | 'type'> & { readonly dialect: string },
): string {
  const type = column.dialect === 'postgres' ? column.native : neutralSql(column.type)
  return `ALTER TABLE ${qualified(place)} ADD COLUMN IF NOT EXISTS ${ident(column.name)} ${type}`
}
