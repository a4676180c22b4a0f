import type { Session } from '../../../dialect/mysql/connect.ts'
import { ident } from '../../../dialect/mysql/quote.ts'
import type { MysqlTable } from '../../../dialect/mysql/schema.ts'
import type { Finding, Todo } from '../../../model/fault.ts'
import { findingsAt, listed } from '../../../model/findings.ts'
import { tableName } from '../../../model/table.ts'
import type { PlannedTable, TargetPlan } from '../../target.ts'
import { type FoundColumn, type FoundTable, indexOn, keyNames, sameName } from '../apply/columns.ts'
import { formOf } from '../schema/fit.ts'
import { type Known, knownAs, nativeSchema, nativeTable } from '../schema/native.ts'
import { isNarrow } from '../schema/same.ts'

const { fail, warn } = findingsAt('target')

export interface Trigger {
  readonly table: string
  readonly name: string
}

interface There {
  readonly found: ReadonlyMap<string, FoundTable>
  readonly triggers: readonly Trigger[]
  readonly known: Known
}

/** Views of the session's database. */
export async function readViews(session: Session): Promise<ReadonlySet<string>> {
  const rows = await session.query(
    `SELECT table_name AS t FROM information_schema.tables
     WHERE table_schema = database() AND table_type <> 'BASE TABLE'`,
  )
  return new Set(rows.map((row) => row['t'] ?? ''))
}

export async function readTriggers(session: Session): Promise<readonly Trigger[]> {
  const rows = await session.query(
    `SELECT event_object_table AS t, trigger_name AS name FROM information_schema.triggers
     WHERE trigger_schema = database()`,
  )
  return rows.map((row) => ({ table: row['t'] ?? '', name: row['name'] ?? '' }))
}

/** What stands against using the tables that are there. */
export function tableFindings(plan: TargetPlan, there: There): Finding[] {
  const planned = plan.tables.flatMap(({ table, target }) => {
    const found = there.found.get(target.name)
    if (found === undefined) return []
    const native = nativeTable(nativeSchema(plan.blueprint), table)
    return [{ table, target, found, native }]
  })
  if (planned.length === 0) return []
  const findings = planned.flatMap((one) => [
    ...differences(one),
    ...keyFindings(one, there.known),
    ...triggerFindings(one, there.triggers),
    ...extraFindings(one),
  ])
  if (findings.some(({ level }) => level === 'fail')) return findings
  const what = planned.length === 1 ? '1 is there already' : `${planned.length} are there already`
  return [{ level: 'ok', subject: 'tables', what }, ...findings]
}

interface Planned extends Pick<PlannedTable, 'table' | 'target'> {
  readonly found: FoundTable
  /** At a source of this family. */
  readonly native: MysqlTable | null
}

function columnOf(found: FoundTable, name: string): FoundColumn | undefined {
  return found.columns.find((column) => sameName(column.name, name))
}

function differences({ table, found, native }: Planned): Finding[] {
  const wanted = table.columns.flatMap((column) => {
    const { name, type } = column
    const held = columnOf(found, name)
    if (held === undefined) return [`it has no column ${name}`]
    if (held.generated) return [`its column ${name} is generated`]
    if (formOf(column, held) === null || (native !== null && isNarrow(column.native, held))) {
      return [`its column ${name} of type ${held.full} does not hold every ${type.kind} as it is`]
    }
    return []
  })
  const extra = found.columns.flatMap(({ name, optional }) =>
    optional || table.columns.some((column) => sameName(column.name, name))
      ? []
      : [`its column ${name} is NOT NULL without a default and not at the source`],
  )
  const engine = found.engine.toLowerCase() === 'innodb' ? [] : [`its engine is ${found.engine}`]
  const all = [...engine, ...wanted, ...extra]
  if (all.length === 0) return []
  const what = `${found.name} at the target differs from ${tableName(table)}: ${listed(all)}`
  return [fail('HF-T223', tableName(table), { what, table: tableName(table) })]
}

function owners(text: string, sql: string): Todo {
  return { text, sql, at: 'target', as: 'owner' }
}

/** Collations in which texts are equal only when they are the same to the last blank. */
const EXACT = new Set(['utf8mb4_0900_bin', 'utf8mb4_nopad_bin'])

/** The key compares as it does at the source, so that no two of its rows are one here. */
function comparesAlike({ table, native }: Planned, held: FoundColumn, known: Known): boolean {
  const column = table.columns.find(({ name }) => sameName(name, held.name))
  const own = native?.columns.find(({ name }) => name === column?.name)?.collation ?? null
  return own !== null && held.collation !== null && knownAs(own, known) === held.collation
}

function isLoose({ table, found }: Planned, at: number): boolean {
  const column = table.columns[at]
  const held = column === undefined ? undefined : columnOf(found, column.name)
  if (column === undefined || held?.charset == null) return false
  if (EXACT.has(held.collation ?? '')) return false
  // What ends with no blank needs no more than to be told apart by case.
  const plain = column.type.kind === 'uuid' || held.type === 'enum'
  return !(plain && (held.collation ?? '').endsWith('_bin'))
}

function keyFindings(planned: Planned, known: Known): Finding[] {
  const { table, found } = planned
  if (table.identity.by !== 'key') return []
  const names = keyNames(table)
  const subject = tableName(table)
  const key = names.map(ident).join(', ')
  if (indexOn(found, names) === null) {
    const what = `${found.name} at the target has no unique key on ${names.join(', ')}`
    const sql = `ALTER TABLE ${ident(found.name)} ADD UNIQUE (${key})`
    return [fail('HF-T230', subject, { what, todo: [owners('Make the key.', sql)] })]
  }
  const loose = table.identity.columns.filter((at) => {
    const held = columnOf(found, table.columns[at]?.name ?? '')
    if (held !== undefined && comparesAlike(planned, held, known)) return false
    return isLoose(planned, at)
  })
  return loose.flatMap((at) => {
    const held = columnOf(found, table.columns[at]?.name ?? '')
    if (held === undefined) return []
    const what = `${held.name} of ${found.name} takes different texts for equal at the target, and is of its key`
    const type = `${held.full} CHARACTER SET utf8mb4 COLLATE ${known.exact} NOT NULL`
    const sql = `ALTER TABLE ${ident(found.name)} MODIFY ${ident(held.name)} ${type}`
    const todo = [owners('Give it a collation that does not.', sql)]
    return [fail('HF-T223', subject, { what, todo, table: subject })]
  })
}

/** No session can silence a trigger here. */
function triggerFindings({ table, found }: Planned, triggers: readonly Trigger[]): Finding[] {
  const own = triggers.filter((trigger) => sameName(trigger.table, found.name))
  if (own.length === 0) return []
  const names = listed(own.map(({ name }) => name))
  const what = `these would act at the target, too: ${names} of ${found.name}`
  const sql = own.map(({ name }) => `DROP TRIGGER ${ident(name)}`).join('; ')
  const why =
    'What they do at the source arrives as changes of its own, and no session can silence a trigger of this server.'
  return [fail('HF-T228', tableName(table), { what, why, todo: [owners('Drop them.', sql)] })]
}

/** Rules of the target that rows of the source need not keep. */
function extraFindings({ table, found, native }: Planned): Finding[] {
  const key = indexOn(found, keyNames(table))
  const theirs = (native?.indexes ?? []).flatMap(({ unique: is, parts }) =>
    is && parts.every(({ prefix }) => prefix === null) ? [parts.map(({ column }) => column)] : [],
  )
  const unique = found.unique
    .filter((index) => index !== key)
    .filter(({ columns }) => !theirs.some((names) => String(names) === String(columns)))
    .map(({ name }) => `unique index ${name}`)
  const narrow = table.columns
    .filter(({ name, nullable }) => nullable && columnOf(found, name)?.nullable === false)
    .map(({ name }) => `NOT NULL of ${name}`)
  const all = [...unique, ...narrow]
  if (all.length === 0) return []
  const what = `${found.name} at the target has ${listed(all)}`
  return [warn('HF-T231', tableName(table), { what })]
}
