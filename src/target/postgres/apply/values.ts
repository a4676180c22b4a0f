import type { Table } from '../../../model/table.ts'
import { TEXT } from '../../../model/tuple.ts'
import type { Type } from '../../../model/value.ts'
import type { Recode } from './rows.ts'

/** Bytes that are turned into characters at once; a string can be no longer than 512 million. */
const STRETCH = 1 << 20

/** bytea's hex input form. */
function hex(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafe(2 + 2 * bytes.length)
  out.write('\\x', 0, 'latin1')
  for (let at = 0; at < bytes.length; at += STRETCH) {
    out.write(bytes.toString('hex', at, at + STRETCH), 2 + 2 * at, 'latin1')
  }
  return out
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
