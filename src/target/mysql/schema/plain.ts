import { ident, literal } from '../../../dialect/mysql/quote.ts'
import {
  type Blueprint,
  furtherIndexes,
  type PlainIndex,
  type Table,
  tableName,
} from '../../../model/table.ts'
import type { PlannedTable, TargetPlan } from '../../target.ts'
import type { Build, Rest } from './finish.ts'
import { indexBytes, KEY_BYTES } from './types.ts'

/** Characters of a text that an index begins with which is only there to find rows by. */
const PREFIX = 191

/** What a table of another kind of server has beside rows and keys. */
export function plainRest(plan: TargetPlan): Rest {
  const made = plan.tables.flatMap((planned) =>
    furtherIndexes(plan.blueprint, planned.table).map((index) => ({
      id: planned.table.id,
      index,
      built: buildOf(planned, index),
    })),
  )
  const built = made.filter(({ built: one }) => typeof one !== 'string')
  const standing = new Set(
    plan.tables.flatMap((planned) => (planned.standing ? [planned.table.id] : [])),
  )
  return {
    builds: made
      .filter(({ id }) => !standing.has(id))
      .map((one) => one.built)
      .filter((one) => typeof one !== 'string'),
    left: made.map((one) => one.built).filter((one) => typeof one === 'string'),
    unique: new Set(built.filter(({ index }) => index.unique).map(({ id }) => id)),
  }
}

function buildOf({ table, target, mode }: PlannedTable, index: PlainIndex): Build | string {
  const left = `index ${index.name} of ${tableName(table)} (its columns have no bound)`
  if (index.unique && !fits(table, index)) return left
  const parts: string[] = []
  for (const { name, length } of index.columns) {
    const type = table.columns.find((column) => column.name === name)?.type
    if (type === undefined) return left
    const whole = index.unique || indexBytes(type, 0) !== null
    const cut = type.kind === 'text' || type.kind === 'enum' || type.kind === 'bytes'
    if (!whole && !cut) return left
    parts.push(whole ? ident(name) : `${ident(name)}(${Math.min(length ?? PREFIX, PREFIX)})`)
  }
  const kind = index.unique ? 'UNIQUE INDEX' : 'INDEX'
  const sql = `ALTER TABLE ${ident(target.name)} ADD ${kind} ${ident(index.name)} (${parts.join(', ')})`
  const foreignRows = mode === 'merge'
  return { table: target.name, kind: 'index', name: index.name, sql, foreignRows }
}

/** A unique index is over whole values, and they have to have room in it. */
function fits(table: Table, { columns }: PlainIndex): boolean {
  let bytes = 0
  for (const { name, length } of columns) {
    const type = table.columns.find((column) => column.name === name)?.type
    const own = type === undefined ? null : indexBytes(type, length)
    if (own === null) return false
    bytes += own
  }
  return bytes <= KEY_BYTES
}

/** The bounds of columns that a unique index is to be over, by their numbers. */
export function boundsOf(blueprint: Blueprint, table: Table): ReadonlyMap<number, number> {
  const bounds = new Map<number, number>()
  for (const index of furtherIndexes(blueprint, table)) {
    if (!index.unique || !fits(table, index)) continue
    for (const { name, length } of index.columns) {
      const at = table.columns.findIndex((column) => column.name === name)
      if (length !== null && length > 0) bounds.set(at, length)
    }
  }
  return bounds
}

/** A text of a key, or of a unique index, has a length. */
function isBounded(blueprint: Blueprint, table: Table, i: number): boolean {
  const keyed = table.identity.by === 'key' && table.identity.columns.includes(i)
  return keyed || boundsOf(blueprint, table).has(i)
}

/** What is said after DEFAULT; null for none, or one that is not carried. */
export function plainDefault(blueprint: Blueprint, table: Table, i: number): string | null {
  const column = table.columns[i]
  const found = blueprint.plain?.defaults.find(
    (one) => one.table === table.id && one.column === column?.name,
  )
  if (found === undefined) return null
  switch (column?.type.kind) {
    case 'int':
    case 'decimal':
      return /^-?\d+(?:\.\d+)?$/.test(found.value) ? found.value : null
    case 'bool':
      return found.value === 't' ? '1' : '0'
    case 'date':
      return literal(found.value)
    case 'text':
    case 'enum':
      if (isBounded(blueprint, table, i)) return literal(found.value)
      // A long text has an expression as its default, which MySQL keeps with quotes of its own.
      return /['\\\\]/.test(found.value) ? null : `(${literal(found.value)})`
    default:
      return null
  }
}
