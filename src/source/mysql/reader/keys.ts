import { ident, literal } from '../../../dialect/mysql/quote.ts'
import type { Column, Table } from '../../../model/table.ts'
import { locate, type Tuple } from '../../../model/tuple.ts'

/**
 * A condition that finds the rows with these keys, tuples of canonical values; others may meet it,
 * too, where the server takes different texts for equal.
 */
export function keyCondition(table: Table, keys: readonly Tuple[]): string {
  const { identity } = table
  const columns =
    identity.by === 'key' ? identity.columns.flatMap((c) => table.columns[c] ?? []) : []
  const offsets: number[] = []
  const found = keys.map((key) => {
    locate(key, offsets)
    const equal = columns.map((column, i) => {
      const bytes = key.subarray((offsets[i] ?? 0) + 5, offsets[i + 1])
      return `${ident(column.name)} = ${constantOf(column, bytes)}`
    })
    return `(${equal.join(' AND ')})`
  })
  return found.join(' OR ')
}

/** A canonical value as a constant that the server compares with the column. */
function constantOf({ type }: Column, bytes: Buffer): string {
  const text = (): string => bytes.toString('latin1')
  switch (type.kind) {
    case 'int':
    case 'decimal':
      return /^-?\d+(?:\.\d+)?$/.test(text()) ? text() : 'NULL'
    case 'float': {
      // What a column of single precision holds is not the decimal number that it is written as.
      const value = Number(text())
      const held = type.bits === 32 ? Math.fround(value) : value
      return Number.isFinite(held) ? held.toExponential() : 'NULL'
    }
    case 'bit':
      return /^[01]+$/.test(text()) ? `b'${text()}'` : 'NULL'
    case 'bytes':
      return `x'${bytes.toString('hex')}'`
    case 'timestamptz':
      return literal(text().replace(/\+00$/, ''))
    case 'date':
    case 'timestamp':
    case 'interval':
    case 'uuid':
      return literal(text())
    default:
      return `_utf8mb4 x'${bytes.toString('hex')}'`
  }
}
