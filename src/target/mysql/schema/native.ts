import type { Session } from '../../../dialect/mysql/connect.ts'
import { literal } from '../../../dialect/mysql/quote.ts'
import type {
  MysqlColumn,
  MysqlIndex,
  MysqlSchema,
  MysqlTable,
} from '../../../dialect/mysql/schema.ts'
import { type NativeType, parseNative } from '../../../dialect/mysql/types.ts'
import type { Blueprint, Table } from '../../../model/table.ts'
import { renamedSchema } from './renamed.ts'

const schemas = new WeakMap<Blueprint, MysqlSchema>()

/** What a source of the same family says of its tables, with the names here; null for another one. */
export function nativeSchema(blueprint: Blueprint): MysqlSchema | null {
  if (blueprint.dialect !== 'mysql') return null
  const schema = schemas.get(blueprint) ?? renamedSchema(blueprint.native as MysqlSchema, blueprint)
  schemas.set(blueprint, schema)
  return schema
}

export function nativeTable(schema: MysqlSchema | null, { id }: Table): MysqlTable | null {
  return schema?.tables.find((table) => table.id === id) ?? null
}

/** What the server of the target has. */
export interface Known {
  readonly flavour: 'mysql' | 'mariadb'
  readonly version: number
  readonly collations: ReadonlySet<string>
  /** The collation that tells apart all texts that differ. */
  readonly exact: string
}

export async function readKnown(session: Session, exact: string): Promise<Known> {
  const rows = await session.query(
    'SELECT collation_name AS name FROM information_schema.collations',
  )
  const collations = new Set(rows.map((row) => row['name'] ?? ''))
  const { flavour, number } = session.version
  return { flavour, version: number, collations, exact }
}

const NUMBERS = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'decimal', 'bit'])
const MOMENTS = new Set(['date', 'datetime', 'timestamp', 'time', 'year'])
const FLOATS = new Set(['float', 'double'])
const TEXTS = new Set(['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext'])
const BYTES = new Set(['binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob'])
/** Types of MariaDB, and since which version it has them. */
const MARIADB: Readonly<Record<string, number>> = { uuid: 100_700, inet4: 101_000, inet6: 100_500 }

/**
 * The type that a column of the source has here, with its character set and collation; null where
 * the server has none that holds every value and prints it alike. Documents are kept as the text
 * that the source prints, which a column of JSON would write anew; shapes as the source's bytes.
 */
export function nativeType(
  column: Pick<MysqlColumn, 'type' | 'charset' | 'collation'>,
  known: Known,
): string | null {
  const type = parseNative(column.type)
  const { base, labels } = type
  if (NUMBERS.has(base) || MOMENTS.has(base)) {
    const sign = signOf(column.type)
    return (sign.endsWith('zerofill') ? inBrackets(type) : sized(type)) + sign
  }
  // Digits that a column of FLOAT(M,D) rounds to were rounded at the source.
  if (FLOATS.has(base)) return base + signOf(column.type)
  if (BYTES.has(base)) return sized(type)
  const since = MARIADB[base]
  if (since !== undefined)
    return known.flavour === 'mariadb' && known.version >= since ? base : null
  const how = textOf(column, known)
  if (how === null) return null
  if (TEXTS.has(base)) return `${sized(type)} ${how}`
  if (base !== 'enum' && base !== 'set') return null
  return `${base}(${labels.map(literal).join(',')}) ${how}`
}

function inBrackets({ base, numbers }: NativeType): string {
  return numbers.length === 0 ? base : `${base}(${numbers.join(',')})`
}

/** Widths of integers say nothing of values, but for the one that means a truth. */
function sized(type: NativeType): string {
  const { base, numbers } = type
  const isInteger = base === 'int' || (base.endsWith('int') && base !== 'tinyint')
  const width = isInteger || base === 'year' || (base === 'tinyint' && numbers[0] !== 1)
  return width ? base : inBrackets(type)
}

function signOf(type: string): string {
  if (/\bzerofill\b/i.test(type)) return ' unsigned zerofill'
  return /\bunsigned\b/i.test(type) ? ' unsigned' : ''
}

/** `utf8` is what servers of all versions take for `utf8mb3`. */
function sameCharset(name: string): string {
  return name.replace(/^utf8mb3(?=_|$)/, 'utf8')
}

function textOf(
  { type, charset, collation }: Pick<MysqlColumn, 'type' | 'charset' | 'collation'>,
  known: Known,
): string | null {
  const named = charset ?? parseNative(type).charset
  if (named === null || named === 'binary') return null
  if (collation === null) return `CHARACTER SET ${sameCharset(named)}`
  const found = knownAs(collation, known)
  if (found !== null) return `CHARACTER SET ${sameCharset(named)} COLLATE ${found}`
  if (named === 'utf8mb4') return `CHARACTER SET utf8mb4 COLLATE ${known.exact}`
  const plain = knownAs(`${named}_bin`, known)
  return plain === null ? null : `CHARACTER SET ${sameCharset(named)} COLLATE ${plain}`
}

/** The name that the server has for a collation; null when it has none of the kind. */
export function knownAs(collation: string, { collations }: Known): string | null {
  const names = [
    collation,
    collation.replace(/^utf8_/, 'utf8mb3_'),
    collation.replace(/^utf8mb3_/, 'utf8_'),
  ]
  const found = names.find((name) => collations.has(name))
  if (found !== undefined) return found
  // MariaDB lists those that fit several character sets without one.
  const bare = /^[^_]+_(uca1400_.*)$/.exec(collation)?.[1]
  return bare !== undefined && collations.has(bare) ? collation : null
}

/** The table's index that the mirror takes for the key. */
export function keyIndex(native: MysqlTable, { identity, columns }: Table): MysqlIndex | null {
  if (identity.by !== 'key') return null
  const names = identity.columns.map((at) => columns[at]?.name)
  const fits = ({ unique, parts }: MysqlIndex): boolean =>
    unique && parts.length === names.length && parts.every(({ column }, i) => column === names[i])
  return native.indexes.find(fits) ?? null
}

/**
 * What the columns of a table are made as, by their order; null for those that are made of their
 * neutral types. A key is made natively as a whole or not at all, since its columns share a length.
 */
export function nativeTypes(
  native: MysqlTable | null,
  table: Table,
  known: Known,
): readonly (string | null)[] {
  if (native === null) return table.columns.map(() => null)
  const index = keyIndex(native, table)
  const key = table.identity.by === 'key' ? table.identity.columns : []
  const types = table.columns.map(({ name, native: type }) => {
    const column = native.columns.find((one) => one.name === name)
    const { charset } = parseNative(type)
    const same = column !== undefined && column.charset === charset
    return nativeType({ type, charset, collation: same ? column.collation : null }, known)
  })
  const whole = (at: number): boolean => {
    const open = /^(?:tiny|medium|long)?(?:text|blob)\b/.test(types[at] ?? 'text')
    const part = index?.parts.find(({ column }) => column === table.columns[at]?.name)
    return !open && part?.prefix === null
  }
  const keyed = key.every(whole)
  return types.map((type, at) => (key.includes(at) && !keyed ? null : type))
}

/** What is said after DEFAULT; null for none, undefined for one that is not carried. */
export function defaultOf(
  { default: given, extra, generated, type }: MysqlColumn,
  flavour: 'mysql' | 'mariadb',
): string | null | undefined {
  if (generated !== null || given === null) return null
  if (flavour === 'mariadb' && given === 'NULL') return null
  const { base } = parseNative(type)
  const now = /^current_timestamp(?:\((\d?)\))?$/i.exec(given)
  if (now !== null && (base === 'datetime' || base === 'timestamp')) {
    return `CURRENT_TIMESTAMP(${now[1] === undefined || now[1] === '' ? 0 : now[1]})`
  }
  if (/\bdefault_generated\b/.test(extra) || BYTES.has(base)) return undefined
  if (base === 'bit') return /^b'[01]+'$/.test(given) ? given : undefined
  if (flavour === 'mysql') return literal(given)
  if (/^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(given)) return given
  // The quote is doubled, and what a backslash stands for is not said.
  return /^'(?:[^'\\]|'')*'$/.test(given) ? given : undefined
}
