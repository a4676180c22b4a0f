/**
 * What a PostgreSQL database holds around the mirrored tables: `Blueprint.native` between two
 * PostgreSQL ends. Plain data, can be stored as JSON. OIDs are the source's.
 *
 * Every `sql` text is safe to embed: it was either put together from quoted names or checked
 * against a grammar where it was read (src/source/postgres/inspect.ts).
 */
export interface PgSchema {
  readonly dialect: 'postgres'
  /** server_version_num of the source. */
  readonly version: number
  /** Schemas that hold mirrored tables, their types or their sequences. */
  readonly schemas: readonly string[]
  /** Extensions that types, operator classes or collations come from. */
  readonly extensions: readonly PgExtension[]
  /** Collations of the source's own; a target must have them. */
  readonly collations: readonly PgName[]
  /** Every type that a mirrored column needs, built-in ones too; what a type is made of first. */
  readonly types: readonly PgType[]
  /** Identity, serial and other sequences that defaults of mirrored tables draw from. */
  readonly sequences: readonly PgSequence[]
  /** Partitioned parents before their partitions. */
  readonly tables: readonly PgTable[]
  /** Those whose both ends are mirrored. */
  readonly foreignKeys: readonly PgForeignKey[]
  /** What was selected and is left out, or is left behind at the source. */
  readonly omitted: readonly PgOmission[]
}

export interface PgName {
  readonly schema: string
  readonly name: string
}

export interface PgExtension {
  readonly name: string
  readonly schema: string
}

/** A type as a column or a part of another type uses it. */
export interface PgTypeUse {
  readonly oid: number
  readonly typmod: number
  /** Qualified, with its modifiers. */
  readonly sql: string
}

interface PgTypeFacts extends PgName {
  readonly oid: number
  /** Part of every server, with the same OID everywhere. */
  readonly builtIn: boolean
  /** The extension that brings it. */
  readonly extension: string | null
}

export type PgType = PgTypeFacts &
  (
    | {
        readonly kind: 'base'
        /** Has send and receive functions. */
        readonly binary: boolean
      }
    | { readonly kind: 'array'; readonly element: number }
    | { readonly kind: 'enum'; readonly labels: readonly string[] }
    | {
        readonly kind: 'domain'
        readonly base: PgTypeUse
        readonly notNull: boolean
        readonly collation: PgName | null
        /** A literal as SQL. */
        readonly default: string | null
        /** It has CHECK constraints, which are not carried. */
        readonly checked: boolean
      }
    | { readonly kind: 'composite'; readonly fields: readonly PgField[] }
    | {
        readonly kind: 'range'
        readonly subtype: number
        readonly opclass: PgName | null
        readonly collation: PgName | null
        /** A built-in difference function. */
        readonly subtypeDiff: string | null
        /** Canonical and difference functions of the source's own, which are not carried. */
        readonly functions: readonly string[]
        readonly multirange: PgName | null
      }
    | { readonly kind: 'multirange'; readonly range: number }
    /** The row type of a table, a pseudo-type, or one that is only a shell. */
    | { readonly kind: 'other' }
  )

export interface PgField {
  readonly name: string
  readonly type: PgTypeUse
  readonly collation: PgName | null
}

export interface PgSequence extends PgName {
  readonly type: 'smallint' | 'integer' | 'bigint'
  /** Decimal digits, as the others. */
  readonly start: string
  readonly increment: string
  readonly min: string
  readonly max: string
  readonly cache: string
  readonly cycle: boolean
  /** The column that it goes away with. */
  readonly owner: { readonly table: string; readonly column: string } | null
  /** Made by GENERATED … AS IDENTITY of its owner. */
  readonly identity: boolean
}

export interface PgTable extends PgName {
  /** The OID as text: the id of the Table, where there is one. */
  readonly id: string
  readonly kind: 'table' | 'partitioned'
  /** All live columns in attnum order. */
  readonly columns: readonly PgColumn[]
  /** The id of the partitioned table that it is a partition of, when that is mirrored too. */
  readonly parent: string | null
  /** `FOR VALUES …` or `DEFAULT`; null without parent or when it cannot be carried. */
  readonly bound: string | null
  /** What follows PARTITION BY; null for a plain table or when it cannot be carried. */
  readonly partitionKey: string | null
  /** Why the partition key or bound cannot be carried. */
  readonly obstacle: string | null
  /** Valid indexes, those of constraints too. */
  readonly indexes: readonly PgIndex[]
  /** pg_class.relreplident: default, nothing, full, index. */
  readonly replicaIdentity: 'd' | 'n' | 'f' | 'i'
  readonly identity: PgIdentity
}

/**
 * Why the log does not say which row was changed. `generated`: a key with a generated column;
 * `whole-generated`: REPLICA IDENTITY FULL with one, which PostgreSQL 18 does not let be published.
 */
export type NoIdentity = 'no-key' | 'nothing' | 'deferrable' | 'generated' | 'whole-generated'

/** How rows of the table can be found, or why they cannot. */
export type PgIdentity =
  | { readonly by: 'key'; readonly columns: readonly string[]; readonly index: string }
  | { readonly by: 'row' }
  | { readonly by: 'none'; readonly reason: NoIdentity }

export interface PgColumn {
  readonly name: string
  /** pg_attribute.attnum. */
  readonly number: number
  readonly type: PgTypeUse
  /** Where it is not the type's own. */
  readonly collation: PgName | null
  /** Its collation takes different texts for equal. */
  readonly loose: boolean
  readonly notNull: boolean
  readonly identity: 'always' | 'by default' | null
  readonly generated: {
    readonly kind: 'stored' | 'virtual'
    /** Null when it needs something that is not built in; `obstacle` says what. */
    readonly expression: string | null
    readonly obstacle: string | null
  } | null
  /** A literal as SQL. */
  readonly default: string | null
  /** The sequence that a default of nextval() draws from. */
  readonly sequence: PgName | null
  /** It has a default that is not carried, since it is neither. */
  readonly defaultLeft: boolean
}

export interface PgIndex {
  readonly name: string
  readonly unique: boolean
  /** The constraint that it stands for. */
  readonly constraint: {
    readonly kind: 'primary' | 'unique' | 'exclusion'
    readonly name: string
    readonly deferrable: boolean
    readonly deferred: boolean
  } | null
  /** Names of the key columns; null when there is an expression among them. */
  readonly columns: readonly string[] | null
  /** All key columns are NOT NULL, nothing is partial, and it is checked at once. */
  readonly identifies: boolean
  /**
   * For a constraint what follows ADD CONSTRAINT name, else what follows USING. Null when it
   * cannot be carried; `obstacle` says why.
   */
  readonly sql: string | null
  readonly obstacle: string | null
  /** Part of an index of the partitioned parent. */
  readonly attached: boolean
}

export type PgAction = 'NO ACTION' | 'RESTRICT' | 'CASCADE' | 'SET NULL' | 'SET DEFAULT'

export interface PgForeignKey {
  readonly name: string
  /** Ids of PgTables. */
  readonly table: string
  readonly columns: readonly string[]
  readonly references: string
  readonly referencedColumns: readonly string[]
  readonly onUpdate: PgAction
  readonly onDelete: PgAction
  /** Columns that ON DELETE SET NULL or SET DEFAULT is limited to; empty for all. */
  readonly setColumns: readonly string[]
  readonly full: boolean
  readonly deferrable: boolean
  readonly deferred: boolean
  readonly validated: boolean
  readonly enforced: boolean
  /** The last column is a period (PostgreSQL 18). */
  readonly period: boolean
}

export interface PgOmission {
  readonly schema: string
  readonly name: string
  /**
   * A relation that is not mirrored, or a part that stays behind while its table is mirrored.
   */
  readonly what:
    | 'view'
    | 'materialized view'
    | 'foreign table'
    | 'unlogged table'
    | 'temporary table'
    | 'table of an extension'
    | 'keyless table'
    | 'foreign key'
    | 'inheritance'
    | 'check constraint'
  /** For people: the name of the part and why. */
  readonly detail: string
}
