import type { Out } from '../../model/out.ts'
import type { Field, Shape } from './shape.ts'

/**
 * Reads the values of a record one after another in the order of its shape, from JSON or Avro.
 * Nothing is made for a value that can be written straight to where it is to stand.
 */
export interface Wire {
  /** Of an optional value: true, and past it, when it is null. */
  absent(shape: Shape): boolean

  /** A struct begins, its fields come in order, it ends. */
  open(): void
  field(field: Field, index: number): void
  close(): void
  /** Past a value that is not null. */
  skip(shape: Shape): void
  /** Calls `each` before each item of an array. */
  items(each: () => void): void
  /** Calls `each` with each key of a map, before its value. */
  pairs(shape: Shape, each: (key: string) => void): void

  boolean(): boolean
  /** Exact: a bigint beyond what a number holds. */
  whole(): number | bigint
  /** The digits of a whole number. */
  digits(out: Out): void
  double(shape: Shape): number
  /** The characters of a string as UTF-8. */
  characters(out: Out, shape: Shape): void
  string(shape: Shape): string
  /** The bytes of `bytes`. */
  octets(out: Out, shape: Shape): void
  /** The same; valid until the next call. */
  raw(shape: Shape): Buffer
  /** The text of a decimal that is written as a number; null where it is written as bytes. */
  written(): string | null

  /** The same string as mostly: its text is made anew only when it differs from the last one. */
  again(memo: Memo, shape: Shape): string
  /** The whole numbers that stand in a string. */
  runs(shape: Shape): readonly (number | bigint)[]
}

/** A string that was read, with the bytes that it was read from. */
export interface Memo {
  bytes: Buffer
  text: string
}

/** A memo of nothing. */
export function memo(): Memo {
  return { bytes: Buffer.alloc(0), text: '' }
}

/** True when the same bytes stand in the buffer again. */
export function repeats({ bytes }: Memo, buffer: Buffer, at: number): boolean {
  const { length } = bytes
  if (length === 0) return false
  for (let i = 0; i < length; i++) if (buffer[at + i] !== bytes[i]) return false
  return true
}

/** Where numbers are gathered, so that a list is made of them that is as long as it has to be. */
const found: (number | bigint)[] = []

/** The whole numbers among the bytes of a text. */
export function runsIn(buffer: Buffer, from: number, to: number): readonly (number | bigint)[] {
  let count = 0
  let start = -1
  let value = 0
  for (let at = from; at <= to; at++) {
    const digit = at < to ? (buffer[at] ?? 0) - 0x30 : -1
    if (digit >= 0 && digit <= 9) {
      if (start < 0) start = at
      value = value * 10 + digit
    } else if (start >= 0) {
      const exact = value <= Number.MAX_SAFE_INTEGER
      found[count++] = exact ? value : BigInt(buffer.toString('latin1', start, at))
      start = -1
      value = 0
    }
  }
  return found.slice(0, count)
}

/** Past a value, null or not. */
export function pass(wire: Wire, shape: Shape): void {
  if (shape.optional && wire.absent(shape)) return
  wire.skip(shape)
}

/** A string, or null. */
export function stringOrNull(wire: Wire, shape: Shape): string | null {
  return shape.optional && wire.absent(shape) ? null : wire.string(shape)
}

/** A whole number, or null. */
export function wholeOrNull(wire: Wire, shape: Shape): number | bigint | null {
  return shape.optional && wire.absent(shape) ? null : wire.whole()
}
