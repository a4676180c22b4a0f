/**
 * What a server holds of the mirrored tables: `Blueprint.native` between two ends of this family.
 * Plain data, can be stored as JSON.
 */
export interface MysqlSchema {
  readonly dialect: 'mysql'
  readonly flavour: 'mysql' | 'mariadb'
  /** As in ServerVersion. */
  readonly version: number
  readonly tables: readonly MysqlTable[]
  /** Those whose both ends are mirrored. */
  readonly foreignKeys: readonly MysqlForeignKey[]
  /** What was selected and is left out. */
  readonly omitted: readonly MysqlOmission[]
}

export interface MysqlName {
  readonly schema: string
  readonly name: string
}

export interface MysqlTable extends MysqlName {
  /** As in Table. */
  readonly id: string
  readonly engine: string
  /** The character set and collation of columns that name none. */
  readonly charset: string
  readonly collation: string
  readonly comment: string
  readonly columns: readonly MysqlColumn[]
  readonly indexes: readonly MysqlIndex[]
}

export interface MysqlColumn {
  readonly name: string
  /** COLUMN_TYPE: `int unsigned`, `varchar(20)`, `enum('a','b')`. */
  readonly type: string
  readonly charset: string | null
  readonly collation: string | null
  readonly nullable: boolean
  /** COLUMN_DEFAULT as the server prints it: a value in MySQL, an expression in MariaDB. */
  readonly default: string | null
  /** EXTRA in lower case: `auto_increment`, `on update current_timestamp()`, `invisible`. */
  readonly extra: string
  readonly generated: { readonly stored: boolean; readonly expression: string } | null
  readonly comment: string
}

export interface MysqlIndex {
  /** `PRIMARY` is the primary key. */
  readonly name: string
  readonly unique: boolean
  /** BTREE, HASH, FULLTEXT, SPATIAL, RTREE. */
  readonly type: string
  readonly parts: readonly MysqlIndexPart[]
}

export interface MysqlIndexPart {
  /** Null for a part that is an expression. */
  readonly column: string | null
  /** Characters or bytes of the column that are indexed; null for all. */
  readonly prefix: number | null
  readonly descending: boolean
}

export interface MysqlForeignKey {
  readonly name: string
  readonly table: MysqlName
  readonly columns: readonly string[]
  readonly referenced: MysqlName
  readonly referencedColumns: readonly string[]
  /** `NO ACTION`, `RESTRICT`, `CASCADE`, `SET NULL`, `SET DEFAULT`. */
  readonly onUpdate: string
  readonly onDelete: string
}

export interface MysqlOmission extends MysqlName {
  readonly what: 'view' | 'keyless table' | 'temporary table' | 'sequence'
}
