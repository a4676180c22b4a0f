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
  /**
   * How the log came to carry it, where that was later than with the tables of the first copy; only
   * the source reads it.
   */
  readonly since?: string
  /** What the source calls it, where the target has other names or further columns for it. */
  readonly called?: {
    readonly schema: string
    readonly name: string
    /** Of each column that comes from there; what is behind them is the target's (metadata.ts). */
    readonly columns: readonly string[]
  }
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
  /** The same for a target of another dialect, as far as every kind of database has it. */
  readonly plain?: Plain
}

/** What a table has beside rows and key that means the same everywhere. */
export interface Plain {
  readonly indexes: readonly PlainIndex[]
  readonly defaults: readonly PlainDefault[]
  /** What is not among them, in words for people. */
  readonly left: readonly string[]
}

/** An index over whole columns; rows with a null in it are never equal. */
export interface PlainIndex {
  /** Table.id. */
  readonly table: string
  readonly name: string
  readonly unique: boolean
  readonly columns: readonly {
    readonly name: string
    /** The most characters or bytes of its values; null for no bound, 0 for what is neither. */
    readonly length: number | null
  }[]
}

/** What a new row has in a column that it does not mention. */
export interface PlainDefault {
  readonly table: string
  readonly column: string
  /** Canonical text of the column's type. */
  readonly value: string
}

/** The indexes of a table beside the one on its key. */
export function furtherIndexes(blueprint: Blueprint, table: Table): readonly PlainIndex[] {
  const key = identityNames(table).toSorted()
  return (blueprint.plain?.indexes ?? []).filter(({ table: id, unique, columns }) => {
    const names = columns.map(({ name }) => name).toSorted()
    return id === table.id && !(unique && String(names) === String(key))
  })
}

function identityNames({ identity, columns }: Table): string[] {
  if (identity.by !== 'key') return []
  return identity.columns.map((at) => columns[at]?.name ?? '')
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
