import { ident, qualified } from '../../../dialect/postgres/quote.ts'
import type { PgName, PgSchema, PgTable } from '../../../dialect/postgres/schema.ts'
import { typeIndex } from '../../../dialect/postgres/types.ts'
import type { TableMode } from '../../../model/checkpoint.ts'
import type { Finding, Todo } from '../../../model/fault.ts'
import { findingsAt, listed } from '../../../model/findings.ts'
import { ownColumns } from '../../../model/metadata.ts'
import { type Table, tableName } from '../../../model/table.ts'
import { key } from '../schema/existing.ts'
import { columnMismatch, generatedMismatch } from './compare.ts'
import type { FoundTable, TargetFacts } from './look.ts'

const { fail, warn } = findingsAt('target')

/** A planned table that is there already. */
export interface Planned {
  readonly table: Table
  readonly mode: TableMode
  /** The source's description; null when the source speaks another dialect. */
  readonly native: PgTable | null
  /** Where the partitioned parent is to be. */
  readonly parent: PgName | null
  readonly found: FoundTable
  /** Keys of all mirrored tables that are there. */
  readonly mirrored: ReadonlySet<string>
}

interface Context {
  readonly facts: TargetFacts
  readonly quiet: boolean
  readonly schema: PgSchema | null
}

/** What stands against using the tables that are there. */
export function tableFindings(planned: readonly Planned[], context: Context): Finding[] {
  if (planned.length === 0) return []
  const findings = [
    ...planned.flatMap((one) => differences(one, context.schema)),
    ...planned.flatMap((one) => keyFindings(one)),
    ...planned.flatMap((one) => accessFindings(one, context.facts)),
    ...reactionFindings(planned, context),
    ...planned.flatMap(outsideFindings),
    ...planned.flatMap(looseFindings),
    ...planned.flatMap(extraFindings),
  ]
  if (findings.some((finding) => finding.level === 'fail')) return findings
  const what = planned.length === 1 ? '1 is there already' : `${planned.length} are there already`
  return [{ level: 'ok', subject: 'tables', what }, ...findings]
}

function differences({ table, native, found }: Planned, schema: PgSchema | null): Finding[] {
  const types = typeIndex(schema?.types ?? [])
  const byName = new Map(found.columns.map((column) => [column.name, column]))
  const wanted = table.columns.flatMap((column) => {
    const use = native?.columns.find(({ name }) => name === column.name)?.type ?? null
    const there = byName.get(column.name)
    if (there === undefined) return [`it has no column ${column.name}`]
    return columnMismatch(column, { found: there, use, types }) ?? []
  })
  const mentioned = new Set(table.columns.map(({ name }) => name))
  const generated = new Set(
    (native?.columns ?? []).filter((c) => c.generated !== null).map((c) => c.name),
  )
  const extra = found.columns.flatMap((column) => {
    if (mentioned.has(column.name)) return []
    if (generated.has(column.name)) return generatedMismatch(column) ?? []
    return column.optional || column.generated
      ? []
      : [`its column ${column.name} is NOT NULL without a default and not at the source`]
  })
  const all = [...wanted, ...extra]
  if (all.length === 0) return []
  const what = `${tableName(found)} at the target differs: ${listed(all)}`
  return [fail('HF-T223', tableName(found), { what, table: tableName(table) })]
}

function keyNames({ identity, columns }: Table): readonly string[] {
  return identity.by === 'key' ? identity.columns.flatMap((at) => columns[at]?.name ?? []) : []
}

/** Unique indexes on exactly these columns. */
function uniqueOn(found: FoundTable, columns: readonly string[]): FoundTable['unique'] {
  const wanted = JSON.stringify([...columns].sort())
  return found.unique.filter((index) => JSON.stringify([...index.columns].sort()) === wanted)
}

function keyFindings({ table, mode, found }: Planned): Finding[] {
  if (table.identity.by !== 'key') return []
  const columns = keyNames(table)
  const same = uniqueOn(found, columns)
  if (same.some(({ immediate }) => immediate)) return []
  const names = columns.map(ident).join(', ')
  const late = same[0]
  const subject = tableName(found)
  if (late !== undefined) {
    const what = `the key ${late.name} of ${subject} at the target is deferrable`
    const sql = `ALTER TABLE ${qualified(found)} DROP CONSTRAINT ${ident(late.name)}, ADD PRIMARY KEY (${names})`
    return [fail('HF-T230', subject, { what, todo: [owners('Make it anew.', sql)] })]
  }
  // Rows that only the target holds may not be unique by it.
  if (found.owned && mode !== 'merge') return []
  const why = found.owned ? 'its rows are kept' : 'the role does not own it'
  const what = `${subject} at the target has no unique key on ${columns.join(', ')}, and ${why}`
  const sql = `ALTER TABLE ${qualified(found)} ADD UNIQUE (${names})`
  return [fail('HF-T230', subject, { what, todo: [owners('Make the key.', sql)] })]
}

function owners(text: string, sql: string): Todo {
  return { text, sql, at: 'target', as: 'owner' }
}

function accessFindings({ table, found }: Planned, facts: TargetFacts): Finding[] {
  const subject = tableName(found)
  const role = ident(facts.role)
  const findings: Finding[] = []
  if (!found.owned && ownColumns(table) < table.columns.length) {
    const what = `columns for metadata need the owner of ${subject} at the target, and ${facts.role} is not`
    const sql = `ALTER TABLE ${qualified(found)} OWNER TO ${role}`
    findings.push(fail('HF-T232', subject, { what, todo: [owners('Let it own the table.', sql)] }))
  }
  if (found.lacks.length > 0) {
    const what = `${facts.role} lacks ${found.lacks.join(', ')} on ${subject} at the target`
    const sql = `GRANT ${found.lacks.join(', ')} ON ${qualified(found)} TO ${role}`
    findings.push(fail('HF-T232', subject, { what, todo: [owners('Grant it.', sql)] }))
  }
  if (found.guarded && !facts.bypassesRowSecurity) {
    const what = `row security of ${subject} at the target applies to ${facts.role}`
    const sql = `ALTER ROLE ${role} BYPASSRLS`
    const todo: Todo = { text: 'Let the role pass.', sql, at: 'target', as: 'administrator' }
    findings.push(fail('HF-T234', subject, { what, todo: [todo] }))
  }
  return findings
}

/** Triggers, rules and foreign keys that a session of the mirror would set off. */
function reactionFindings(planned: readonly Planned[], { facts, quiet }: Context): Finding[] {
  const names = planned.flatMap(({ found }) => [
    ...found.reactions
      .filter(({ always }) => always || !quiet)
      .map(({ name }) => `${name} of ${tableName(found)}`),
    ...(quiet ? [] : found.strictForeignKeys.map((name) => `${name} of ${tableName(found)}`)),
  ])
  if (names.length === 0) return []
  const what = `these would act at the target, too: ${listed(names)}`
  const todo = quiet ? silenceAlways(planned) : [allowReplica(facts)]
  return [fail('HF-T228', 'triggers', { what, todo })]
}

function silenceAlways(planned: readonly Planned[]): Todo[] {
  const statements = planned.flatMap(({ found }) =>
    found.reactions
      .filter(({ always }) => always)
      .map(({ name }) => `ALTER TABLE ${qualified(found)} ENABLE TRIGGER ${ident(name)}`),
  )
  const text = 'Let them act only in sessions of your application, not in those that replicate.'
  return [owners(text, statements.join('; '))]
}

/** Before PostgreSQL 15 only a superuser may set it. */
export function allowReplica({ role, version }: Pick<TargetFacts, 'role' | 'version'>): Todo {
  if (version >= 150000) {
    const sql = `GRANT SET ON PARAMETER session_replication_role TO ${ident(role)}`
    return { text: 'Let the role silence them.', sql, at: 'target', as: 'administrator' }
  }
  return {
    text: 'Disable them, make foreign keys DEFERRABLE INITIALLY DEFERRED with NO ACTION, or let the mirror enter as a superuser.',
  }
}

function outsideFindings({ found, mirrored }: Planned): Finding[] {
  const outside = found.pointedAtBy.filter(({ table }) => !mirrored.has(key(table)))
  if (outside.length === 0) return []
  const names = outside.map(({ table, name }) => `${name} of ${tableName(table)}`)
  const what = `${tableName(found)} at the target is pointed at by ${listed(names)}`
  const sql = outside
    .map(({ table, name }) => `ALTER TABLE ${qualified(table)} DROP CONSTRAINT ${ident(name)}`)
    .join('; ')
  return [fail('HF-T229', tableName(found), { what, todo: [owners('Drop the foreign key.', sql)] })]
}

/**
 * Columns of unique keys that take different texts for equal only at the target: rows that the
 * source tells apart would be one there.
 */
function looseFindings({ table, native, found }: Planned): Finding[] {
  // Whatever another dialect takes for equal, its texts are told apart by their bytes here.
  const columns = native === null ? table.columns : native.columns.filter((c) => !c.loose)
  const strict = new Set(columns.map(({ name }) => name))
  const loose = found.columns.filter(({ name, loose: is }) => is && strict.has(name))
  const key = keyNames(table)
  const subject = tableName(found)
  return loose.flatMap(({ name, sql }) => {
    const what = `${name} of ${subject} takes different texts for equal at the target, and not at the source`
    const mend = `ALTER TABLE ${qualified(found)} ALTER COLUMN ${ident(name)} TYPE ${sql} COLLATE pg_catalog."default"`
    const todo = [owners('Give it a collation that does not.', mend)]
    if (key.includes(name)) {
      return [fail('HF-T223', subject, { what, todo, table: tableName(table) })]
    }
    const unique = found.unique.filter(({ columns }) => columns.includes(name))
    if (unique.length === 0) return []
    const indexes = listed(unique.map((index) => index.name))
    return [warn('HF-T231', subject, { what: `${what}, and is unique by ${indexes}`, todo })]
  })
}

/** Rules of the target that rows of the source need not keep. */
function extraFindings({ table, native, found }: Planned): Finding[] {
  const kept = (native?.indexes ?? [])
    .filter(({ unique }) => unique)
    .flatMap(({ columns }) => (columns === null ? [] : [columns]))
  const known = new Set(
    [...kept, keyNames(table)].map((names) => JSON.stringify([...names].sort())),
  )
  const unique = found.unique
    .filter(({ columns }) => !known.has(JSON.stringify([...columns].sort())))
    .map(({ name }) => `unique index ${name}`)
  const checks = found.checks.map((name) => `constraint ${name}`)
  const byName = new Map(found.columns.map((column) => [column.name, column]))
  const narrow = table.columns
    .filter(({ name, nullable }) => nullable && byName.get(name)?.notNull === true)
    .map(({ name }) => `NOT NULL of ${name}`)
  const all = [...unique, ...checks, ...narrow]
  if (all.length === 0) return []
  const what = `${tableName(found)} at the target has ${listed(all)}`
  return [warn('HF-T231', tableName(found), { what })]
}
