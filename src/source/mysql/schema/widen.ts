import { type NativeType, neutralType, parseNative } from '../../../dialect/mysql/types.ts'

/** Texts of growing room, by the bytes that they hold. */
const TEXTS = ['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext'] as const
const BLOBS = ['varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob'] as const

/** More than any row of VARCHARs has. */
const ROOM: Readonly<Record<string, number>> = {
  tinytext: 255,
  text: 65_535,
  mediumtext: 0xffffff,
  longtext: 0xffffffff,
  tinyblob: 255,
  blob: 65_535,
  mediumblob: 0xffffff,
  longblob: 0xffffffff,
}

/** Whole numbers show the same however wide they are to be shown. */
const INTEGERS = ['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'year']

/**
 * True when a column of the type `from` keeps all its values, as they are, when it becomes one of the
 * type `to`, and both read alike in neutral types. `strict`: labels that are the same to the server
 * were refused.
 */
export function widens(from: string, to: string, strict: boolean): boolean {
  const [a, b] = [parseNative(from), parseNative(to)]
  if (inFamily(a, TEXTS) && inFamily(b, TEXTS)) return keepsCharset(a, b) && grows(a, b, TEXTS)
  if (inFamily(a, BLOBS) && inFamily(b, BLOBS)) return grows(a, b, BLOBS)
  if (a.base !== b.base) return false
  if (a.base === 'enum') return keepsCharset(a, b) && keepsLabels(a, b, strict)
  if (a.base === 'set') return keepsCharset(a, b) && keepsMembers(a, b, strict)
  // Zeros behind the second say nothing.
  if (a.base === 'time') return (withSize(a)[0] ?? 0) <= (withSize(b)[0] ?? 0)
  // Digits that a value is rounded to, or a sign that it may not have.
  const alike = inFamily(a, INTEGERS) || sameNumbers(a, b)
  return alike && a.unsigned === b.unsigned && sameType(from, to)
}

/** A row keeps its label wherever that stands in the list. */
function keepsLabels(a: NativeType, b: NativeType, strict: boolean): boolean {
  const kept = a.labels.every((label) => b.labels.includes(label))
  return kept && (strict || (startsAlike(a, b) && bytesOfLabels(a) === bytesOfLabels(b)))
}

/** A SET shows its members in the order of their list. */
function keepsMembers(a: NativeType, b: NativeType, strict: boolean): boolean {
  return startsAlike(a, b) && (strict || bytesOfMembers(a) === bytesOfMembers(b))
}

function startsAlike(a: NativeType, b: NativeType): boolean {
  return a.labels.every((label, i) => label === b.labels[i])
}

/** What a value takes in a row: where that changes, rows are written anew by their labels. */
function bytesOfLabels({ labels }: NativeType): number {
  return labels.length < 256 ? 1 : 2
}

function bytesOfMembers({ labels }: NativeType): number {
  const bytes = Math.ceil(labels.length / 8)
  return bytes > 4 ? 8 : bytes
}

function sameNumbers(a: NativeType, b: NativeType): boolean {
  const [some, others] = [withSize(a), withSize(b)]
  return some.length === others.length && some.every((number, i) => number === others[i])
}

/** Numbers that are meant when none are said. */
const SIZES: Readonly<Record<string, readonly number[]>> = {
  bit: [1],
  binary: [1],
  decimal: [10, 0],
  time: [0],
  datetime: [0],
  timestamp: [0],
}

function withSize({ base, numbers }: NativeType): readonly number[] {
  return [...numbers, ...(SIZES[base] ?? []).slice(numbers.length)]
}

/**
 * True when CONVERT TO leaves texts of one character set the same in another, whatever room they need
 * there. Of labels the servers keep the bytes and not the characters.
 */
export function converts(from: string, to: string): boolean {
  const [a, b] = [parseNative(from), parseNative(to)]
  if (!keepsCharset(a, b)) return false
  const sameBytes = a.charset === b.charset || /^utf8/.test(a.charset ?? '')
  const plain = a.labels.every((label) => /^[\x20-\x7e]*$/.test(label))
  return sameBytes || a.labels.length === 0 || (plain && !/^(?:ucs2|utf)/.test(a.charset ?? ''))
}

function inFamily({ base }: NativeType, family: readonly string[]): boolean {
  return family.includes(base)
}

function sameType(from: string, to: string): boolean {
  try {
    return JSON.stringify(neutralType(from)) === JSON.stringify(neutralType(to))
  } catch {
    return false
  }
}

function keepsCharset(a: NativeType, b: NativeType): boolean {
  const [one, other] = [a, b].map(({ charset }) => (charset === 'utf8' ? 'utf8mb3' : charset))
  return one === other || (other === 'utf8mb4' && one !== 'binary')
}

function size({ numbers }: NativeType): number {
  return numbers[0] ?? 1
}

function grows(a: NativeType, b: NativeType, family: readonly string[]): boolean {
  const fixed = (type: NativeType): boolean => ROOM[type.base] === undefined
  if (fixed(a) && fixed(b)) {
    // CHAR drops spaces at its end.
    if (b.base === 'char' && a.base !== 'char') return false
    return size(b) >= size(a)
  }
  if (fixed(b)) return false
  // A character takes up to four bytes.
  if (fixed(a)) return (ROOM[b.base] ?? 0) >= Math.min(size(a) * 4, 65_535)
  return family.indexOf(b.base) >= family.indexOf(a.base) && keepsBytes(a, b)
}

/** The same room holds less where characters take more bytes. */
function keepsBytes(a: NativeType, b: NativeType): boolean {
  return a.base !== b.base || a.charset === b.charset || a.base === 'longtext'
}
