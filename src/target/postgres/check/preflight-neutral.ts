import type { Finding } from '../../../model/fault.ts'
import { findingsAt, listed } from '../../../model/findings.ts'
import { tableName } from '../../../model/table.ts'
import type { PlannedTable, TargetPlan } from '../../target.ts'
import { key } from '../schema/existing.ts'
import { plainIndexes } from '../schema/plain.ts'
import type { FoundTable } from './look.ts'

const { fail, warn } = findingsAt('target')

/** What stands against tables of another dialect, made from their neutral types. */
export function neutralFindings(
  plan: TargetPlan,
  found: ReadonlyMap<string, FoundTable>,
): Finding[] {
  const made = plan.tables.filter(({ target }) => !found.has(key(target)))
  return [
    ...plan.tables.flatMap((planned) => typeFindings(planned)),
    ...made.flatMap(nameFindings),
    ...schemaFindings(made),
    ...leftFindings(plan, made),
  ]
}

/** NAMEDATALEN: what is longer is cut off without an error. */
const LONGEST = 63

/** Columns that every table has (pg_attribute.attnum below 0). */
const SYSTEM = new Set(['tableoid', 'cmax', 'xmax', 'cmin', 'xmin', 'ctid'])

function isLong(name: string): boolean {
  return Buffer.byteLength(name) > LONGEST
}

function nameFindings({ table, target }: PlannedTable): Finding[] {
  const name = tableName(table)
  const long = table.columns.filter((column) => isLong(column.name)).map((c) => c.name)
  const taken = table.columns.filter((column) => SYSTEM.has(column.name)).map((c) => c.name)
  const whats = [
    ...(isLong(target.name) ? [`${name}: its name has more than ${LONGEST} bytes`] : []),
    ...(long.length > 0
      ? [`${name} has names of more than ${LONGEST} bytes: ${listed(long)}`]
      : []),
    ...(taken.length > 0 ? [`${name} has columns whose names are taken: ${listed(taken)}`] : []),
  ]
  return whats.map((what) => fail('HF-T238', name, { what, table: name }))
}

function schemaFindings(made: readonly PlannedTable[]): Finding[] {
  const schemas = [...new Set(made.map(({ target }) => target.schema))]
  return schemas.flatMap((schema) => {
    if (!isLong(schema) && !schema.startsWith('pg_')) return []
    const why = isLong(schema) ? `has more than ${LONGEST} bytes` : 'begins with pg_'
    return [fail('HF-T238', schema, { what: `the name of the schema ${schema} ${why}` })]
  })
}

function typeFindings({ table }: PlannedTable): Finding[] {
  const name = tableName(table)
  return table.columns.flatMap(({ name: column, type, native }) => {
    if (type.kind !== 'opaque') return []
    const what = `${name}.${column} is ${native}, which PostgreSQL has nothing for`
    return [fail('HF-D405', name, { what, table: name })]
  })
}

/** Said once, so that nobody looks for them later. */
function leftFindings(plan: TargetPlan, made: readonly PlannedTable[]): Finding[] {
  if (made.length === 0) return []
  const indexes = made.flatMap((planned) =>
    plainIndexes(plan, planned).filter((one) => typeof one === 'string'),
  )
  const left = [...(plan.blueprint.plain?.left ?? []), ...indexes]
  if (left.length === 0) return []
  return [warn('HF-D423', 'indexes', { what: `these are not carried over: ${listed(left)}` })]
}
