import { type NativeType, parseNative } from '../../../dialect/mysql/types.ts'
import type { Column } from '../../../model/table.ts'
import {
  bytes,
  decimal,
  type Form,
  type Held,
  integer,
  span,
  text,
  Unfit,
  withoutPadding,
} from './forms.ts'

/** The column's type as a server of this family writes it; null for one of another. */
function nativeOf(native: string): NativeType | null {
  try {
    return parseNative(native)
  } catch {
    return null
  }
}

/** `text` for what the test accepts. */
function only(fits: (value: string) => boolean, why: string, form: Form = text): Form {
  return {
    ...form,
    write(sql, canonical) {
      if (!fits(canonical.toString('utf8'))) throw new Unfit(why)
      form.write(sql, canonical)
    },
  }
}

const plain = (charset: string | null): string => (charset ?? '').replace(/^utf8mb3$/, 'utf8')

/** Numbers that a YEAR is; others would be taken for one of two digits. */
const YEARS = /^(?:0|19(?!00)\d\d|20\d\d|21[0-4]\d|215[0-5])$/

/**
 * How values go into a column of the very type that they have at a source of this family; null
 * when it is another one, or narrower.
 */
export function sameForm(
  { type, native }: Pick<Column, 'type' | 'native'>,
  held: Held,
): Form | null {
  const theirs = nativeOf(native)
  if (theirs === null) return null
  const [first] = theirs.numbers
  switch (held.type) {
    case 'decimal': {
      const [precision, scale] = [held.precision ?? 0, held.scale ?? 0]
      const fits = precision >= (first ?? 10) && scale === (theirs.numbers[1] ?? 0)
      return theirs.base === 'decimal' && theirs.unsigned && held.unsigned && fits ? decimal : null
    }
    case 'year': {
      const form = { ...integer, read: withoutPadding }
      const fits = (value: string): boolean => YEARS.test(value)
      return theirs.base === 'year' ? only(fits, 'no year', form) : null
    }
    case 'time':
      return theirs.base === 'time' && (held.fraction ?? 0) >= (first ?? 0) ? span : null
    case 'binary':
      return theirs.base === 'binary' && held.length === (first ?? 1) ? filling(first ?? 1) : null
    case 'inet4':
    case 'inet6':
      return theirs.base === held.type ? text : null
    default:
      return type.kind === 'text' || type.kind === 'enum' ? textForm(theirs, held) : null
  }
}

/** Bytes that fill the column; fewer would be padded. */
function filling(length: number): Form {
  return {
    ...bytes,
    write(sql, canonical) {
      if (canonical.length !== length) throw new Unfit('of another length')
      bytes.write(sql, canonical)
    },
  }
}

function textForm(theirs: NativeType, held: Held): Form | null {
  const same = plain(theirs.charset) === plain(held.charset) || held.charset === 'utf8mb4'
  if (!same || theirs.charset === null) return null
  if (held.type === 'enum' || held.type === 'set') {
    return theirs.base === held.type ? labelled(theirs.labels, held) : null
  }
  if (held.type !== 'char') return OPEN.has(theirs.base) && OPEN.has(held.type) ? text : null
  if (theirs.base !== 'char' || (held.length ?? 0) < (theirs.numbers[0] ?? 1)) return null
  return only((value) => !value.endsWith(' '), 'a text that ends with a blank')
}

const OPEN = new Set(['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext'])

function labelled(labels: readonly string[], held: Held): Form | null {
  const there = new Set(parseNative(held.full).labels)
  if (!labels.every((label) => there.has(label))) return null
  if (held.type === 'enum') return only((value) => there.has(value), 'none of its labels')
  const fits = (value: string): boolean =>
    value === '' || value.split(',').every((label) => there.has(label))
  return only(fits, 'none of its labels')
}

/** Types of growing room; within the first two by their length. */
const ROOM: readonly (readonly string[])[] = [
  ['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext'],
  ['binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob'],
]

/** The column has less room than the source's, or a character set that not all its texts are in. */
export function isNarrow(native: string, held: Held): boolean {
  const type = nativeOf(native)
  if (type === null) return false
  const { base, numbers, charset } = type
  for (const family of ROOM) {
    const [wanted, has] = [family.indexOf(base), family.indexOf(held.type)]
    if (wanted < 0 || has < 0) continue
    if (charset === 'utf8mb4' && held.charset !== 'utf8mb4') return true
    if (has !== wanted && (has > 1 || wanted > 1)) return has < wanted
    return wanted <= 1 && (held.length ?? 0) < (numbers[0] ?? 1)
  }
  return false
}
