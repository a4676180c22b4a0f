import { ident, literal } from '../../dialect/postgres/quote.ts'
import { METADATA, type Metadata, type MetadataCells, ownColumns } from '../../model/metadata.ts'
import { tupleOf } from '../../model/tuple.ts'
import type { Binding } from './apply/columns.ts'
import { columnAt } from './apply/statements.ts'
import { BINARY_STREAM } from './config.ts'

/** Microseconds from 1970 to 2000, from where timestamptz counts. */
const EPOCH_2000 = 946_684_800_000_000n

/** A timestamptz in its binary form. */
function momentBytes(micros: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(micros - EPOCH_2000)
  return bytes
}

/** The same as text, which is its canonical form, too. */
function momentText(micros: bigint): string {
  const millis = micros >= 0n ? micros / 1000n : (micros - 999n) / 1000n
  const [day = '', time = ''] = new Date(Number(millis)).toISOString().split('T')
  const rest = String(micros - millis * 1000n).padStart(3, '0')
  return `${day} ${time.slice(0, -1)}${rest}+00`
}

/** Cells in a form that the other cells of a row have, so that all of it can be copied. */
export function metadataCells(encoding: string): MetadataCells {
  if (encoding === BINARY_STREAM) {
    return (about) =>
      tupleOf(valuesOf(about, { moment: momentBytes, word: (text) => Buffer.from(text) }))
  }
  return (about) => tupleOf(valuesOf(about, { moment: momentText, word: (text) => text }))
}

function valuesOf<Value>(
  { capturedAt, place, op, received }: Metadata,
  as: { readonly moment: (micros: bigint) => Value; readonly word: (text: string) => Value },
): (Value | null)[] {
  const captured = capturedAt === null ? null : as.moment(capturedAt)
  return [captured, as.word(place), as.word(op), as.moment(received)]
}

/** The indexes of the columns that the source has. */
export function ownIndexes({ table, columns }: Binding): readonly number[] | undefined {
  const own = ownColumns(table)
  return own === columns.length ? undefined : Array.from({ length: own }, (_, i) => i)
}

/** Gives rows of a copy their metadata: a copy brings the columns of the source only. */
export function defaultsSql(binding: Binding, about: Omit<Metadata, 'received'>): string | null {
  const of = { moment: momentText, word: (text: string) => text }
  const [captured, place, op] = valuesOf({ ...about, received: 0n }, of).map((value) =>
    value === null ? 'NULL' : literal(value),
  )
  const values = [captured, place, op, 'pg_catalog.clock_timestamp()']
  return alterSql(binding, (i) => `SET DEFAULT ${values[i] ?? 'NULL'}`)
}

/** Takes that back, so that a row that somebody else writes is told from one of the mirror. */
export function noDefaultsSql(binding: Binding): string | null {
  return alterSql(binding, () => 'DROP DEFAULT')
}

function alterSql(binding: Binding, how: (index: number) => string): string | null {
  const own = ownColumns(binding.table)
  if (own === binding.columns.length) return null
  const actions = METADATA.map((_, i) => {
    return `ALTER COLUMN ${ident(columnAt(binding, own + i).name)} ${how(i)}`
  })
  return `ALTER TABLE ${binding.only}${binding.name} ${actions.join(', ')}`
}
