import { createHash } from 'node:crypto'
import { ident, literal, qualified } from '../../../dialect/postgres/quote.ts'
import {
  type Blueprint,
  furtherIndexes,
  type PlainIndex,
  type Table,
  tableName,
} from '../../../model/table.ts'
import type { PlannedTable, TargetPlan } from '../../target.ts'

/** Bytes of one entry of a B-tree (a third of a page), with what stands around the values. */
const ENTRY = 2600
const BYTES_PER_CHARACTER = 4
/** What no value of another type takes more of. */
const OTHER = 40
/** NAMEDATALEN */
const LONGEST = 63

/** An index of a table of another kind of server, or why there is none. */
export interface Plainly {
  readonly name: string
  readonly sql: string
}

export function plainIndexes(
  plan: TargetPlan,
  planned: PlannedTable,
): readonly (Plainly | string)[] {
  return furtherIndexes(plan.blueprint, planned.table).map((index) => indexOf(planned, index))
}

function indexOf({ table, target }: PlannedTable, index: PlainIndex): Plainly | string {
  const bytes = index.columns.map(({ name, length }) => bytesOf(table, name, length))
  if (bytes.includes(null) || bytes.reduce<number>((sum, one) => sum + (one ?? 0), 0) > ENTRY) {
    return `index ${index.name} of ${tableName(table)} (its values may be too long for one)`
  }
  // Indexes of all tables share their names here.
  const name = shortened(`${target.name}_${index.name}`)
  const columns = index.columns.map((column) => ident(column.name)).join(', ')
  const kind = index.unique ? 'UNIQUE INDEX' : 'INDEX'
  return { name, sql: `CREATE ${kind} ${ident(name)} ON ${qualified(target)} (${columns})` }
}

function bytesOf(table: Table, name: string, length: number | null): number | null {
  const type = table.columns.find((column) => column.name === name)?.type
  if (type === undefined || length === null || type.kind === 'json') return null
  if (type.kind === 'bytes') return length
  return length === 0 ? OTHER : length * BYTES_PER_CHARACTER
}

/** A name that the server does not cut off; two long ones stay two. */
export function shortened(name: string): string {
  if (Buffer.byteLength(name) <= LONGEST) return name
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 8)
  let kept = name
  while (Buffer.byteLength(kept) > LONGEST - 9) kept = [...kept].slice(0, -1).join('')
  return `${kept}_${digest}`
}

/** ` DEFAULT …`, or nothing. */
export function plainDefault(blueprint: Blueprint, table: Table, i: number): string {
  const column = table.columns[i]
  const found = blueprint.plain?.defaults.find(
    (one) => one.table === table.id && one.column === column?.name,
  )
  const kinds = ['int', 'decimal', 'bool', 'date', 'text', 'enum']
  if (found === undefined || !kinds.includes(column?.type.kind ?? '')) return ''
  return ` DEFAULT ${literal(found.value)}`
}
