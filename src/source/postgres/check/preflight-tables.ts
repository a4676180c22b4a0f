import { qualified } from '../../../dialect/postgres/quote.ts'
import type { PgOmission, PgSchema, PgTable } from '../../../dialect/postgres/schema.ts'
import {
  holds,
  isReference,
  type TypeIndex,
  typeIndex,
  unsupported,
} from '../../../dialect/postgres/types.ts'
import type { Finding, Todo } from '../../../model/fault.ts'
import { findingsAt, listed, listedTables } from '../../../model/findings.ts'
import { tableName } from '../../../model/table.ts'
import type { Selection } from '../../source.ts'
import { publishesWhole } from '../schema/identity-key.ts'
import type { Reading } from '../schema/inspect.ts'
import type { ServerFacts } from './server.ts'

const { fail, warn } = findingsAt('source')

const REASONS = {
  'no-key': 'no primary key',
  nothing: 'REPLICA IDENTITY NOTHING',
  deferrable: 'a key that is deferrable or not usable as an identity',
  generated: 'a key with a generated column',
  'whole-generated': 'REPLICA IDENTITY FULL with a generated column',
} as const

/** Tables whose rows cannot be told apart, unless the user chose what becomes of them. */
export function keylessFindings(reading: Reading, policy: Selection['keyless']): Finding[] {
  const keyless = reading.schema.tables.filter(({ id }) => reading.keyless.has(id))
  if (keyless.length === 0) return []
  if (policy === 'append') {
    const what = `only inserts and truncates of ${listedTables(keyless)} are mirrored`
    return [{ level: 'ok', subject: 'tables without identity', what }]
  }
  if (policy === 'exclude') return []
  const reasons = keyless.map((table) => `${tableName(table)} (${reasonOf(table)})`)
  const what = `published, UPDATE and DELETE of your application would fail on ${listed(reasons)}`
  return [
    fail('HF-S203', 'tables without identity', {
      what,
      tables: keyless.map(tableName),
      todo: keylessTodo(keyless, reading.schema),
    }),
  ]
}

function reasonOf({ identity }: PgTable): string {
  return identity.by === 'none' ? REASONS[identity.reason] : 'a key'
}

function keylessTodo(keyless: readonly PgTable[], { version }: PgSchema): Todo[] {
  const sql = keyless.flatMap((table) => {
    const identity = remedy(table, version)
    return identity === null ? [] : [`ALTER TABLE ${qualified(table)} REPLICA IDENTITY ${identity}`]
  })
  const text = 'Give them a primary key, or let the log hold whole rows of them.'
  const change: Todo = { text, sql: sql.join('; '), at: 'source', as: 'owner' }
  return [
    ...(sql.length === 0 ? [] : [change]),
    { text: 'Or leave them out.', run: 'holdfast run --keyless exclude' },
    {
      text: 'Or mirror only their inserts and truncates; verify then shows what was missed.',
      run: 'holdfast run --keyless append',
    },
  ]
}

/** The replica identity that would do; null where only another key helps. */
function remedy(table: PgTable, version: number): 'FULL' | 'DEFAULT' | null {
  if (publishesWhole(table, version)) return 'FULL'
  const generated = new Set(table.columns.filter((c) => c.generated !== null).map((c) => c.name))
  const primary = table.indexes.find(({ constraint }) => constraint?.kind === 'primary')
  if (primary === undefined || !primary.identifies) return null
  return primary.columns?.some((name) => generated.has(name)) === false ? 'DEFAULT' : null
}

/** Types that cannot be mirrored, and those whose values mean something only at the source. */
export function typeFindings({ schema, tables }: Reading, server: ServerFacts): Finding[] {
  const types = typeIndex(schema.types)
  const mirrored = new Set(tables.map(({ id }) => id))
  const columns = schema.tables
    .filter(({ id }) => mirrored.has(id))
    .flatMap((table) =>
      table.columns.map((column) => ({
        column,
        table: tableName(table),
        of: `${tableName(table)}.${column.name}`,
      })),
    )
  const refused = columns.flatMap(({ column, table, of }) => {
    const reason = unsupported(column.type.oid, types) ?? bent(column.type.oid, types, server)
    return reason === null ? [] : [{ table, words: `${of} (${reason})` }]
  })
  const references = columns.filter(({ column }) => {
    const type = types.get(column.type.oid)
    return type !== undefined && isReference(type)
  })
  const findings: Finding[] = []
  if (refused.length > 0) {
    const words = listed(refused.map((column) => column.words))
    const what = `these columns have a type that cannot be mirrored: ${words}`
    findings.push(fail('HF-D405', 'types', { what, tables: tablesOf(refused) }))
  }
  if (references.length > 0) {
    const words = listed(references.map(({ of }) => of))
    const what = `values of ${words} name objects of the source`
    findings.push(warn('HF-S302', 'types', { what, tables: tablesOf(references) }))
  }
  if (server.largeObjects) {
    const what = 'the source database holds large objects, which are not mirrored'
    findings.push(warn('HF-S301', 'large objects', { what }))
  }
  return findings
}

function tablesOf(columns: readonly { readonly table: string }[]): string[] {
  return [...new Set(columns.map(({ table }) => table))]
}

/**
 * Before PostgreSQL 16 the text of a "char" is its bare byte, which outside UTF8 is converted like a
 * letter and becomes two (charout).
 */
function bent(oid: number, types: TypeIndex, { version, encoding }: ServerFacts): string | null {
  if (version >= 160000 || encoding === 'UTF8') return null
  const char = holds(oid, types, ({ builtIn, name }) => builtIn && name === 'char')
  return char ? `bytes of "char" in a database of the encoding ${encoding}` : null
}

/** What stays behind, one finding for each kind. */
export function omissionFindings(schema: PgSchema): Finding[] {
  const kinds = Map.groupBy(schema.omitted, ({ what }) => what)
  const findings = [...kinds].map(([kind, found]) =>
    warn('HF-S304', kind, { what: `not mirrored, ${kind}: ${listed(found.map(describe))}` }),
  )
  const defaults = schema.tables.flatMap((table) =>
    table.columns
      .filter(({ defaultLeft }) => defaultLeft)
      .map(({ name }) => ({ table: tableName(table), name })),
  )
  if (defaults.length === 0) return findings
  const words = listed(defaults.map(({ table, name }) => `${table}.${name}`))
  const what = `not mirrored, defaults that are evaluated: ${words}`
  return [...findings, warn('HF-S304', 'defaults', { what, tables: tablesOf(defaults) })]
}

function describe(omission: PgOmission): string {
  return `${tableName(omission)} (${omission.detail})`
}
