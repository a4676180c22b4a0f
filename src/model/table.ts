import type { Type } from './value.ts'

/** A column whose value travels with the rows. */
export interface Column {
  readonly name: string
  readonly type: Type
  /** The source's own full name of the type, for a target of the same dialect. */
  readonly native: string
  readonly nullable: boolean
}

/**
 * How a row is found again.
 * `key`: by the cells of `columns` (indexes into the table's columns), which are unique and not
 * null. `row`: by all of its cells, duplicates allowed (one of them is changed). `none`: rows can
 * only be added.
 */
export type Identity =
  | { readonly by: 'key'; readonly columns: readonly number[] }
  | { readonly by: 'row' }
  | { readonly by: 'none' }

/**
 * A table as rows of one moment describe it. A change of its columns or identity makes a new
 * Table object with another `version`; rows are read with the Table that they came with.
 */
export interface Table {
  /** What the source calls it for ever, whatever it is renamed to. */
  readonly id: string
  readonly schema: string
  readonly name: string
  /** In the order of the cells of its tuples. */
  readonly columns: readonly Column[]
  readonly identity: Identity
  /** A digest of columns and identity: equal versions read alike. */
  readonly version: string
  /** What its source noted of the moment to recognise later changes by; only the source reads it. */
  readonly mark?: string
}

/** `schema.table` for people; never for SQL. */
export function tableName(table: { readonly schema: string; readonly name: string }): string {
  return `${table.schema}.${table.name}`
}

/**
 * What a source holds: the tables to mirror, and in `native` whatever else a target of the same
 * dialect can make use of to build its own (types, defaults, indexes, foreign keys, sequences).
 * Plain data: it can be stored as JSON.
 */
export interface Blueprint {
  readonly dialect: string
  readonly tables: readonly Table[]
  readonly native: unknown
}

/** A type whose values are the words of a list. */
export interface Vocabulary {
  readonly schema: string
  readonly name: string
  /** In the order that the values sort by. */
  readonly labels: readonly string[]
}

/** The value that a sequence or counter stands at. */
export interface Sequence {
  readonly schema: string
  readonly name: string
  /** Decimal digits. */
  readonly value: string
  /** True when `value` has been handed out already. */
  readonly called: boolean
}
