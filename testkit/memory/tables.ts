import { createHash } from 'node:crypto'
import { keyOf } from '../../src/apply/cells.ts'
import type { Column, Identity, Table } from '../../src/model/table.ts'
import { type Tuple, textsOf, tupleOf } from '../../src/model/tuple.ts'

export type Row = readonly (string | null)[]

const text = (name: string): Column => ({
  name,
  type: { kind: 'text' },
  native: 'text',
  nullable: true,
})

export interface TableShape {
  readonly id: string
  readonly name?: string
  readonly columns: readonly string[]
  readonly identity: Identity
}

/** A table of text columns; the version is a digest of columns and identity. */
export function textTable({ id, name = `t${id}`, columns, identity }: TableShape): Table {
  const version = createHash('sha256')
    .update(JSON.stringify([columns, identity]))
    .digest('hex')
  return { id, schema: 'public', name, columns: columns.map(text), identity, version }
}

/** What a row is kept under: its key, or all of its cells. */
export function placeOf(table: Table, tuple: Tuple): string {
  const { identity } = table
  return identity.by === 'key' ? keyOf(tuple, identity.columns) : tuple.toString('latin1')
}

/** `tuple` with a null for each column that `table` has more. */
export function widened(tuple: Tuple, table: Table): Tuple {
  const cells = textsOf(tuple)
  if (cells.length === table.columns.length) return tuple
  return tupleOf(table.columns.map((_, i) => (i < cells.length ? cells[i] : null)))
}

/** Rows of a table in an order of their own, for comparing. */
export function sorted(tuples: Iterable<Tuple>): readonly string[] {
  return [...tuples].map((tuple) => JSON.stringify(textsOf(tuple))).sort()
}
