import type { MysqlTable } from '../../../dialect/mysql/schema.ts'
import type { Finding } from '../../../model/fault.ts'
import { findingsAt, listed } from '../../../model/findings.ts'
import { type Table, tableName } from '../../../model/table.ts'
import type { PlannedTable, TargetPlan } from '../../target.ts'
import { type FoundTable, sameName } from '../apply/columns.ts'
import { isCounter } from '../schema/ddl.ts'
import { restOf } from '../schema/finish.ts'
import {
  defaultOf,
  type Known,
  keyIndex,
  nativeSchema,
  nativeTable,
  nativeTypes,
} from '../schema/native.ts'
import { plainDefault } from '../schema/plain.ts'
import { isKeptAsText, keyRoom } from '../schema/types.ts'
import { STATE } from '../state/state.ts'

const { fail, warn } = findingsAt('target')

/** Characters of a name, columns of a table (InnoDB) and of a key. */
const MOST = { name: 64, columns: 1017, key: 16 } as const

interface There {
  readonly known: Known
  readonly folds: boolean
  readonly needsKeys: boolean
  readonly found: ReadonlyMap<string, FoundTable>
  readonly views: ReadonlySet<string>
}

/** What stands against making what is missing. */
export function makingFindings(plan: TargetPlan, there: There): Finding[] {
  return [
    ...plan.tables.flatMap((table) => nameFindings(table, there)),
    ...twinFindings(plan, there),
    ...plan.tables.flatMap((table) => shapeFindings(plan, table, there)),
    ...textFindings(plan, there),
    ...restFindings(plan, there),
  ]
}

/** The table at a source of this family, and the types that it is made with here. */
function nativeOf(plan: TargetPlan, table: Table, { known }: There): NativeTable {
  const native = nativeTable(nativeSchema(plan.blueprint), table)
  return { native, types: nativeTypes(native, table, known) }
}

interface NativeTable {
  readonly native: MysqlTable | null
  readonly types: readonly (string | null)[]
}

function restFindings(plan: TargetPlan, there: There): Finding[] {
  const { left } = restOf(plan, there.known)
  const parts = plan.tables.flatMap(({ table, target }) =>
    there.found.has(target.name) ? [] : partsLeft(plan, table, there),
  )
  return [
    ...(left.length === 0
      ? []
      : [warn('HF-D423', 'indexes', { what: `these are not made: ${listed(left)}` })]),
    ...(parts.length === 0
      ? []
      : [warn('HF-D425', 'columns', { what: `these are not carried over: ${listed(parts)}` })]),
  ]
}

/** Of a source of another kind: what is said of this table. */
function plainLeft({ blueprint }: TargetPlan, table: Table): string[] {
  const of = ` of ${tableName(table)}`
  const left = (blueprint.plain?.left ?? []).filter(
    (words) => words.endsWith(of) || words.includes(`${of}.`),
  )
  const lost = table.columns.flatMap(({ name }, i) =>
    (blueprint.plain?.defaults ?? []).some(
      (one) => one.table === table.id && one.column === name,
    ) && plainDefault(blueprint, table, i) === null
      ? [`the default${of}.${name}`]
      : [],
  )
  return [...left, ...lost]
}

/** What a column of the source does by itself and that of the target will not. */
function partsLeft(plan: TargetPlan, table: Table, there: There): string[] {
  const { native, types } = nativeOf(plan, table, there)
  if (native === null) return plainLeft(plan, table)
  const flavour = nativeSchema(plan.blueprint)?.flavour ?? 'mysql'
  return table.columns.flatMap(({ name }, i) => {
    const column = native.columns.find((one) => one.name === name)
    if (column === undefined) return []
    const subject = `${tableName(table)}.${name}`
    if (column.generated !== null) return [`the expression of ${subject}`]
    const counts = column.extra.includes('auto_increment')
    if (counts && !isCounter(table, i, native)) return [`AUTO_INCREMENT of ${subject}`]
    const given = types[i] === null && !counts ? column.default : defaultOf(column, flavour)
    const lost = given === undefined || (types[i] === null && given !== null && given !== 'NULL')
    return lost ? [`the default of ${subject}`] : []
  })
}

/** Why the servers of this family cannot have the name; null when they can. */
function obstacle(name: string): string | null {
  if ([...name].length > MOST.name) return `has more than ${MOST.name} characters`
  if (name.endsWith(' ')) return 'ends with a blank'
  if (/[\u{10000}-\u{10ffff}\0]/u.test(name)) return 'holds a character beyond U+FFFF'
  return null
}

function nameFindings({ table, target }: PlannedTable, { views }: There): Finding[] {
  const name = tableName(table)
  const findings: Finding[] = []
  const own = Object.values(STATE).some((one) => sameName(one, target.name))
  if (views.has(target.name) || own) {
    const is = own ? 'a table of the mirror itself' : 'a view'
    findings.push(fail('HF-T236', name, { what: `${target.name} is ${is} at the target` }))
  }
  const named = [target.name, ...table.columns.map((column) => column.name)]
  for (const one of named) {
    const why = obstacle(one)
    if (why === null) continue
    const what = `the name ${one} in ${name} ${why}`
    findings.push(fail('HF-T238', name, { what, table: name }))
  }
  return findings
}

/** Tables of several schemas that would be one at the target. */
function twinFindings(plan: TargetPlan, { folds }: There): Finding[] {
  const byName = new Map<string, string[]>()
  for (const { table, target } of plan.tables) {
    const name = folds ? target.name.toLowerCase() : target.name
    byName.set(name, [...(byName.get(name) ?? []), tableName(table)])
  }
  return [...byName].flatMap(([name, tables]) => {
    if (tables.length < 2) return []
    const what = `${tables.join(' and ')} would both be ${name} at the target, where all tables stand in one database`
    const todo = [
      { text: 'Mirror each schema to a database of its own, by a mirror of its own name.' },
    ]
    return [fail('HF-T261', name, { what, todo })]
  })
}

function shapeFindings(plan: TargetPlan, { table, target }: PlannedTable, there: There): Finding[] {
  const name = tableName(table)
  const { columns, identity } = table
  const refuse = (what: string): Finding[] => [fail('HF-T261', name, { what, table: name })]
  if (columns.length === 0) return refuse(`${name} has no columns`)
  if (columns.length > MOST.columns) {
    return refuse(`${name} has ${columns.length} columns; ${MOST.columns} is the most`)
  }
  const twins = columns.filter((column, i) =>
    columns.slice(0, i).some((before) => sameName(before.name, column.name)),
  )
  if (twins.length > 0) {
    return refuse(`${name} has columns whose names differ in case only: ${twins[0]?.name ?? ''}`)
  }
  if (there.found.has(target.name)) return []
  const { native, types } = nativeOf(plan, table, there)
  const index = native === null ? null : keyIndex(native, table)
  if (there.needsKeys && (identity.by !== 'key' || (index !== null && index.name !== 'PRIMARY'))) {
    return refuse(`${name} has no primary key, and the target lets no table be made without one`)
  }
  if (identity.by !== 'key') return []
  if (identity.columns.length > MOST.key) {
    return refuse(
      `the key of ${name} has ${identity.columns.length} columns; ${MOST.key} is the most`,
    )
  }
  if (identity.columns.every((i) => types[i] !== null)) return []
  const keyed = identity.columns.flatMap((i) => columns[i]?.type ?? [])
  return keyRoom(keyed) ? [] : refuse(`the key of ${name} is longer than an index of the target`)
}

function textFindings(plan: TargetPlan, there: There): Finding[] {
  const kept = plan.tables.flatMap(({ table, target }) => {
    if (there.found.has(target.name)) return []
    const { types } = nativeOf(plan, table, there)
    return table.columns.flatMap(({ name, type, native }, i) =>
      types[i] === null && isKeptAsText(type) ? [`${tableName(table)}.${name} (${native})`] : [],
    )
  })
  if (kept.length === 0) return []
  return [warn('HF-T262', 'types', { what: `kept as text at the target: ${listed(kept)}` })]
}
