import { ident, literal, qualified } from '../../../dialect/postgres/quote.ts'
import type { PgSchema, PgTable, PgType } from '../../../dialect/postgres/schema.ts'
import { type TypeIndex, typeIndex } from '../../../dialect/postgres/types.ts'
import type { Finding, Todo } from '../../../model/fault.ts'
import { findingsAt, listed } from '../../../model/findings.ts'
import { tableName } from '../../../model/table.ts'
import type { TargetPlan } from '../../target.ts'
import { nativeSchema, placesOf } from '../schema/ddl.ts'
import { ownTypes } from '../schema/ddl-types.ts'
import { type Existing, key } from '../schema/existing.ts'
import { isCarried } from '../schema/finish.ts'
import { elementName } from './compare.ts'
import type { FoundTable, TargetFacts } from './look.ts'
import type { FoundType } from './look-types.ts'
import { neutralFindings } from './preflight-neutral.ts'

const { fail, warn } = findingsAt('target')

export interface Making {
  readonly plan: TargetPlan
  readonly facts: TargetFacts
  readonly existing: Existing
  readonly found: ReadonlyMap<string, FoundTable>
  readonly types: ReadonlyMap<string, FoundType>
}

/** What stands against making what is missing. */
export function makingFindings(making: Making): Finding[] {
  const schema = nativeSchema(making.plan.blueprint)
  if (schema === null) return neutralFindings(making.plan, making.found)
  return [
    ...extensionFindings(schema, making),
    ...collationFindings(schema, making),
    ...typeFindings(schema, making),
    ...newTableFindings(schema, making),
    ...indexFindings(schema),
    ...foreignTableFindings(schema, making),
    ...versionFindings(schema, making.facts.version),
  ]
}

function extensionFindings(schema: PgSchema, { facts }: Making): Finding[] {
  return schema.extensions.flatMap((extension) => {
    const at = facts.extensions.get(extension.name)
    if (at === extension.schema) return []
    const where = `in the schema ${extension.schema}`
    const what =
      at === undefined
        ? `the extension ${extension.name} is not at the target; it is needed ${where}`
        : `the extension ${extension.name} is in ${at} at the target; it is needed ${where}`
    return [fail('HF-T224', extension.name, { what, todo: [install(extension, at)] })]
  })
}

function install(extension: { name: string; schema: string }, at: string | undefined): Todo {
  const [name, schema] = [ident(extension.name), ident(extension.schema)]
  const making = `CREATE SCHEMA IF NOT EXISTS ${schema}; CREATE EXTENSION ${name} SCHEMA ${schema}`
  const sql = at === undefined ? making : `ALTER EXTENSION ${name} SET SCHEMA ${schema}`
  return { text: 'Install it there.', sql, at: 'target', as: 'administrator' }
}

function collationFindings(schema: PgSchema, { existing }: Making): Finding[] {
  const strict = new Map(
    schema.tables
      .flatMap(({ columns }) => columns)
      .flatMap(({ collation, loose }) => (collation === null || loose ? [] : [collation]))
      .map((collation) => [key(collation), tableName(collation)]),
  )
  const loose = [...strict].filter(([at]) => existing.looseCollations.has(at))
  return [
    ...schema.collations
      .filter((collation) => !existing.collations.has(key(collation)))
      .map((collation) => {
        const name = tableName(collation)
        return fail('HF-T225', name, { what: `the collation ${name} is not at the target` })
      }),
    ...loose.map(([, name]) =>
      fail('HF-T225', name, {
        what: `the collation ${name} takes different texts for equal at the target, and not at the source`,
      }),
    ),
  ]
}

function typeFindings(schema: PgSchema, { types, facts }: Making): Finding[] {
  const index = typeIndex(schema.types)
  const lacking = schema.types.filter(
    (type) => type.kind === 'base' && type.builtIn && !types.has(key(type)),
  )
  const own = ownTypes(schema.types).flatMap((type) => {
    const there = types.get(key(type))
    return there === undefined ? [] : differing(type, there, index)
  })
  if (lacking.length === 0) return own
  const release = Math.floor(facts.version / 10000)
  const names = listed(lacking.map(({ name }) => name))
  return [fail('HF-T227', 'types', { what: `PostgreSQL ${release} has no type ${names}` }), ...own]
}

const KINDS = { enum: 'e', domain: 'd', composite: 'c', range: 'r' } as const

function differing(type: PgType, there: FoundType, types: TypeIndex): Finding[] {
  const name = tableName(type)
  const differs = (how: string, todo?: readonly Todo[]): Finding[] => {
    const what = `the type ${name} at the target ${how}`
    return [fail('HF-T226', name, todo === undefined ? { what } : { what, todo })]
  }
  const wanted = type.kind in KINDS ? KINDS[type.kind as keyof typeof KINDS] : null
  if (wanted !== there.kind) return differs(`is not of the kind ${type.kind}`)
  switch (type.kind) {
    case 'enum': {
      const lacking = type.labels.filter((label) => !there.labels.includes(label))
      return lacking.length === 0 ? [] : differs('lacks labels', [addLabels(type, lacking)])
    }
    case 'composite': {
      const fields = type.fields.map(({ name: field, type: use }) => [
        field,
        nameOf(use.oid, types),
      ])
      const found = there.fields.map((field) => [field.name, field.type])
      return JSON.stringify(fields) === JSON.stringify(found) ? [] : differs('has other fields')
    }
    case 'domain':
      return nameOf(type.base.oid, types) === there.of ? [] : differs('is over another type')
    case 'range':
      return nameOf(type.subtype, types) === there.of ? [] : differs('is over another type')
    default:
      return []
  }
}

function nameOf(oid: number, types: TypeIndex): string {
  const { name, array } = elementName(oid, types)
  return name === null ? '' : `${key(name)}${array ? '[]' : ''}`
}

function addLabels(type: PgType, labels: readonly string[]): Todo {
  const name = `${ident(type.schema)}.${ident(type.name)}`
  const sql = labels.map((label) => `ALTER TYPE ${name} ADD VALUE ${literal(label)}`).join('; ')
  return { text: 'Add them.', sql, at: 'target', as: 'owner' }
}

/** Tables that are not there, and cannot be made. */
function newTableFindings(schema: PgSchema, { plan, found, existing, facts }: Making): Finding[] {
  const places = placesOf(plan)
  return schema.tables.flatMap((table) => {
    const place = places.get(table.id)
    if (place === undefined) return []
    if (found.has(key(place))) return partitionFindings(table, { places, existing })
    const name = tableName(table)
    const parent = table.parent === null ? undefined : places.get(table.parent)
    const over = parent === undefined ? undefined : found.get(key(parent))
    if (over !== undefined && !over.owned) return [foreignParent(name, over, facts)]
    const columns = table.columns.filter((column) => column.generated?.expression === null)
    const generated = columns.map(({ name: column, generated: how }) =>
      fail('HF-D421', name, { what: `${name}.${column} cannot be made: ${how?.obstacle ?? ''}` }),
    )
    if (table.obstacle === null) return generated
    return [
      fail('HF-D422', name, { what: `${name} cannot be made: ${table.obstacle}` }),
      ...generated,
    ]
  })
}

function foreignParent(name: string, parent: FoundTable, { role }: TargetFacts): Finding {
  const what = `${name} cannot become a partition of ${tableName(parent)}, which ${role} does not own`
  const sql = `ALTER TABLE ${qualified(parent)} OWNER TO ${ident(role)}`
  const todo: Todo = { text: 'Hand the table over.', sql, at: 'target', as: 'owner' }
  return fail('HF-T232', name, { what, todo: [todo] })
}

/** A table that is there must already be the partition that it is to be. */
function partitionFindings(
  table: PgTable,
  at: {
    readonly places: ReadonlyMap<string, { readonly schema: string; readonly name: string }>
    readonly existing: Existing
  },
): Finding[] {
  const place = at.places.get(table.id)
  const parent = table.parent === null ? undefined : at.places.get(table.parent)
  if (place === undefined) return []
  const name = tableName(place)
  const isPartitioned = at.existing.relations.get(key(place)) === 'p'
  if (table.kind === 'partitioned' && !isPartitioned) {
    return [fail('HF-T223', name, { what: `${name} is not partitioned at the target` })]
  }
  if (parent === undefined || at.existing.parents.get(key(place)) === key(parent)) return []
  const what = `${name} at the target is not a partition of ${tableName(parent)}`
  return [fail('HF-T223', name, { what })]
}

function indexFindings(schema: PgSchema): Finding[] {
  const left = schema.tables.flatMap((table) =>
    table.indexes
      .filter((index) => !isCarried(index))
      .map(({ name, obstacle }) => `${name} of ${tableName(table)} (${obstacle ?? 'it excludes'})`),
  )
  if (left.length === 0) return []
  return [warn('HF-D423', 'indexes', { what: `these indexes are not made: ${listed(left)}` })]
}

/** Tables of somebody else get no indexes and foreign keys from us. */
function foreignTableFindings(schema: PgSchema, { plan, found }: Making): Finding[] {
  const places = placesOf(plan)
  const foreign = schema.tables.flatMap((table) => {
    const place = places.get(table.id)
    const there = place === undefined ? undefined : found.get(key(place))
    return there === undefined || there.owned ? [] : [tableName(there)]
  })
  if (foreign.length === 0) return []
  const what = `the role does not own ${listed(foreign)}: their indexes and foreign keys stay as they are`
  return [warn('HF-D424', 'indexes', { what })]
}

/** Words of definitions that older servers do not know. */
const SINCE = [
  { words: /\bNULLS NOT DISTINCT\b/u, major: 15, name: 'NULLS NOT DISTINCT' },
  { words: /\bWITHOUT OVERLAPS\b/u, major: 18, name: 'WITHOUT OVERLAPS' },
] as const

function versionFindings(schema: PgSchema, version: number): Finding[] {
  const indexes = schema.tables.flatMap((table) =>
    table.indexes.flatMap(({ name, sql }) => {
      const bare = (sql ?? '').replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"/gsu, '')
      return SINCE.filter(({ words, major }) => version < major * 10000 && words.test(bare)).map(
        (feature) => `${feature.name} of ${name} (since ${feature.major})`,
      )
    }),
  )
  const foreignKeys = schema.foreignKeys.flatMap(({ name, setColumns, period }) => [
    ...(setColumns.length > 0 && version < 150000 ? [`SET of columns of ${name} (since 15)`] : []),
    ...(period && version < 180000 ? [`PERIOD of ${name} (since 18)`] : []),
  ])
  const all = [...indexes, ...foreignKeys]
  if (all.length === 0) return []
  const release = Math.floor(version / 10000)
  const what = `PostgreSQL ${release} does not know ${listed(all)}`
  return [fail('HF-T227', 'version', { what })]
}
