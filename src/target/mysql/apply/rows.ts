import { eachCell } from '../../../dialect/mysql/receive.ts'
import type { Sql } from '../../../dialect/mysql/sql.ts'
import { Fault } from '../../../model/fault.ts'
import { tableName } from '../../../model/table.ts'
import { locate, NULL, TEXT, type Tuple, UNCHANGED } from '../../../model/tuple.ts'
import { Unfit } from '../schema/forms.ts'
import { type Binding, type BoundColumn, keyNames } from './columns.ts'

const offsets: number[] = []

function columnAt(binding: Binding, index: number): BoundColumn {
  const column = binding.columns[index]
  if (column === undefined) throw new RangeError(`${binding.name} has no column number ${index}`)
  return column
}

/** Names of columns for a list. */
export function columnList(binding: Binding, columns?: readonly number[]): string {
  const all = columns ?? binding.columns.keys()
  return Array.from(all, (i) => columnAt(binding, i).name).join(', ')
}

/** The cell whose place `offsets` has, as a literal. */
function value(
  sql: Sql,
  binding: Binding,
  at: { readonly tuple: Tuple; readonly i: number },
): void {
  const { tuple, i } = at
  const from = offsets[i] ?? 0
  const kind = tuple[from]
  if (kind === NULL) {
    sql.raw('NULL')
    return
  }
  if (kind === UNCHANGED || kind === undefined) throw lacking(binding, i)
  try {
    columnAt(binding, i).form.write(sql, tuple.subarray(from + 5, offsets[i + 1]))
  } catch (error) {
    if (error instanceof Unfit) throw unfit(binding, i, error)
    throw error
  }
}

/** `(v, v, …)` of all cells. */
export function row(sql: Sql, binding: Binding, tuple: Tuple): void {
  const count = locate(tuple, offsets)
  sql.raw('(')
  for (let i = 0; i < count; i++) {
    if (i > 0) sql.raw(',')
    value(sql, binding, { tuple, i })
  }
  sql.raw(')')
}

/** `(v, v)` of some cells, or the cell alone. */
export function cellsOf(
  sql: Sql,
  binding: Binding,
  what: { tuple: Tuple; columns: readonly number[] },
): void {
  const { tuple, columns } = what
  locate(tuple, offsets)
  columns.forEach((i, at) => {
    if (at > 0) sql.raw(',')
    value(sql, binding, { tuple, i })
  })
}

/** `a = v, b = v`. */
export function assignments(
  sql: Sql,
  binding: Binding,
  what: { readonly tuple: Tuple; readonly columns: readonly number[] },
): void {
  const { tuple, columns } = what
  locate(tuple, offsets)
  columns.forEach((i, at) => {
    sql.raw(`${at > 0 ? ', ' : ''}${columnAt(binding, i).name} = `)
    value(sql, binding, { tuple, i })
  })
}

/** The condition that holds for the row that has this key. */
export function sameKey(
  sql: Sql,
  binding: Binding,
  what: { readonly tuple: Tuple; readonly key: readonly number[] },
): void {
  const { tuple, key } = what
  locate(tuple, offsets)
  key.forEach((i, at) => {
    sql.raw(`${at > 0 ? ' AND ' : ''}${columnAt(binding, i).name} = `)
    value(sql, binding, { tuple, i })
  })
}

/** The condition that holds for rows that have all these values, and only for them. */
export function sameRow(sql: Sql, binding: Binding, tuple: Tuple): void {
  const count = locate(tuple, offsets)
  for (let i = 0; i < count; i++) {
    const { name, exact, form } = columnAt(binding, i)
    sql.raw(`${i > 0 ? ' AND ' : ''}${exact} <=> `)
    value(sql, binding, { tuple, i })
    const from = offsets[i] ?? 0
    if (!form.signedZero || tuple[from] === NULL) continue
    const text = tuple.toString('latin1', from + 5, offsets[i + 1])
    if (Number(text) === 0) {
      const not = Object.is(Number(text), -0) ? '' : 'NOT '
      sql.raw(` AND concat(${name} - 0e0) ${not}LIKE '-%'`)
    }
  }
}

/** What to select so that `tupleOfRow` reads it. */
export function selected({ columns }: Binding): string {
  return columns.map(({ name, form }) => form.select(name)).join(', ')
}

/** A row that the server sent as a tuple of canonical text. */
export function tupleOfRow({ columns }: Binding, row: Buffer): Tuple {
  const head = Buffer.alloc(2)
  head.writeUInt16BE(columns.length, 0)
  const pieces: Buffer[] = [head]
  eachCell(row, (cell, i) => {
    if (cell === null) {
      pieces.push(NOTHING)
      return
    }
    const canonical = columns[i]?.form.read?.(cell) ?? cell
    const lead = Buffer.alloc(5)
    lead[0] = TEXT
    lead.writeInt32BE(canonical.length, 1)
    pieces.push(lead, canonical)
  })
  return Buffer.concat(pieces)
}

const NOTHING = Buffer.from([NULL])

function lacking(binding: Binding, index: number): Fault {
  const column = binding.table.columns[index]?.name ?? String(index)
  return new Fault('HF-X001', {
    what: `a value of ${column} of ${tableName(binding.table)} is needed where the source sent none`,
  })
}

function unfit({ table }: Binding, index: number, error: Unfit): Fault {
  const column = table.columns[index]?.name ?? String(index)
  const type = table.columns[index]?.native ?? ''
  const key = keyNames(table).join(', ')
  const found = key === '' ? '' : ` (found by ${key})`
  return new Fault('HF-D411', {
    what: `column ${column} of a row of ${tableName(table)}${found} holds a value of ${type} that the target's type does not have: ${error.message}`,
    why: 'The target knows no infinities, no numbers that are none, and no years before 1 or after 9999; MariaDB no zero with a sign.',
    side: 'target',
    table: tableName(table),
    evidence: { column, ...(key === '' ? {} : { key }) },
    todo: [
      {
        text: `Correct the value at the source, or remove the mirror and make the table at the target yourself with ${column} as longtext: such a column holds every value as the source prints it.`,
      },
    ],
  })
}
