import type { Type } from '../../../model/value.ts'

/** Bytes of all columns of a key (InnoDB, pages of 16 KB, ROW_FORMAT=DYNAMIC). */
export const KEY_BYTES = 3072
/** Characters of a column of text in a key, if there is room. */
const MOST_CHARACTERS = 768
const BYTES_PER_CHARACTER = 4

const INTEGERS = { 8: 'tinyint', 16: 'smallint', 24: 'mediumint', 32: 'int', 64: 'bigint' } as const
const ASCII = 'CHARACTER SET ascii COLLATE ascii_bin'

/** DECIMAL(65,30) is the largest that the server has. */
function isHeldDecimal({ precision, scale }: Extract<Type, { kind: 'decimal' }>): boolean {
  if (precision === null || scale === null) return false
  return precision <= 65 && scale >= 0 && scale <= 30 && scale <= precision
}

/** The type of a column that is no text; null for one that is kept as its canonical text. */
function ownType(type: Type): { readonly sql: string; readonly bytes: number } | null {
  switch (type.kind) {
    case 'bool':
      return { sql: 'tinyint(1)', bytes: 1 }
    case 'int':
      return {
        sql: `${INTEGERS[type.bits]}${type.unsigned ? ' unsigned' : ''}`,
        bytes: type.bits / 8,
      }
    case 'decimal':
      if (!isHeldDecimal(type)) return null
      return { sql: `decimal(${type.precision},${type.scale})`, bytes: 32 }
    case 'float':
      return type.bits === 32 ? { sql: 'float', bytes: 4 } : { sql: 'double', bytes: 8 }
    case 'uuid':
      return { sql: `char(36) ${ASCII}`, bytes: 36 }
    case 'date':
      return { sql: 'date', bytes: 3 }
    case 'time':
      return { sql: `time(${type.precision})`, bytes: 6 }
    case 'timestamp':
    case 'timestamptz':
      return { sql: `datetime(${type.precision})`, bytes: 8 }
    case 'bit':
      if (type.varying || type.length === null || type.length < 1 || type.length > 64) return null
      return { sql: `bit(${type.length})`, bytes: 8 }
    default:
      return null
  }
}

/**
 * Kept as text although the type is none: only its text is the value everywhere. What is text at the
 * source anyway is not among them.
 */
export function isKeptAsText(type: Type): boolean {
  if (type.kind === 'text' || type.kind === 'enum' || type.kind === 'json') return false
  return type.kind !== 'bytes' && ownType(type) === null
}

/** Characters that each open column of a key should have room for at least. */
const LEAST_CHARACTERS = 16

/** True when columns of these types can be the key of a table. */
export function keyRoom(keyed: readonly Type[]): boolean {
  const open = keyed.filter((type) => ownType(type) === null).length
  return shareOf(keyed) >= (open === 0 ? 0 : LEAST_CHARACTERS * BYTES_PER_CHARACTER)
}

/** Bytes of an index that each column without a length of its own gets. */
function shareOf(keyed: readonly Type[]): number {
  const fixed = keyed.reduce((sum, type) => sum + (ownType(type)?.bytes ?? 0), 0)
  const open = keyed.filter((type) => ownType(type) === null).length
  return Math.floor((KEY_BYTES - fixed) / Math.max(1, open))
}

export interface Typing {
  readonly types: readonly Type[]
  readonly key: readonly number[]
  /** Tells apart all texts that differ. */
  readonly collation: string
  /** The most characters or bytes of columns that a unique index is to be over, by their numbers. */
  readonly bounds?: ReadonlyMap<number, number>
}

/**
 * The types of columns such that every canonical value fits or is refused by name. Those of a key
 * share the bytes that an index may have.
 */
export function columnTypes({ types, key, collation, bounds }: Typing): readonly string[] {
  const keyed = key.flatMap((i) => types[i] ?? [])
  const share = shareOf(keyed)
  const characters = Math.min(MOST_CHARACTERS, Math.floor(share / BYTES_PER_CHARACTER))
  const utf8 = `CHARACTER SET utf8mb4 COLLATE ${collation}`
  return types.map((type, i) => {
    const own = ownType(type)
    if (own !== null) return own.sql
    const bound = key.includes(i) ? undefined : bounds?.get(i)
    if (type.kind === 'bytes') {
      if (bound !== undefined) return `varbinary(${bound})`
      return key.includes(i) ? `varbinary(${share})` : 'longblob'
    }
    if (bound !== undefined) return `varchar(${bound}) ${utf8}`
    return `${key.includes(i) ? `varchar(${characters})` : 'longtext'} ${utf8}`
  })
}

/** Bytes that a column takes in an index; null where it cannot be in one as a whole. */
export function indexBytes(type: Type, length: number | null): number | null {
  const own = ownType(type)
  if (own !== null) return own.bytes
  if (length === null || length === 0) return null
  if (type.kind === 'bytes') return length
  return type.kind === 'text' || type.kind === 'enum' ? length * BYTES_PER_CHARACTER : null
}
