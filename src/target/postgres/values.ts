import type { Table } from '../../model/table.ts'
import { TEXT } from '../../model/tuple.ts'
import type { Type } from '../../model/value.ts'
import type { Recode } from './rows.ts'

/** bytea's hex input form. */
function hex(bytes: Buffer): Buffer {
  return Buffer.from(`\\x${bytes.toString('hex')}`, 'latin1')
}

function recodeOf(type: Type): ((bytes: Buffer, kind: number) => Buffer) | null {
  if (type.kind === 'bytes') return (bytes, kind) => (kind === TEXT ? hex(bytes) : bytes)
  return null
}

/**
 * How the cells of a table in the encoding `values` become PostgreSQL's text. The canonical forms
 * (model/value.ts) are what PostgreSQL reads, but for raw bytes.
 */
export function valuesRecode(table: Table): Recode | null {
  const recode = table.columns.map((column) => recodeOf(column.type))
  return recode.every((one) => one === null) ? null : recode
}
