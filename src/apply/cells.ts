import { locate, type Tuple, UNCHANGED } from '../model/tuple.ts'

const offsets: number[] = []

/**
 * The cells of `columns` as a string that is equal exactly when the cells are. A stored value has
 * one representation and every change of its row carries that one, so bytes decide.
 */
export function keyOf(tuple: Tuple, columns: readonly number[]): string {
  locate(tuple, offsets)
  let key = ''
  for (const i of columns) key += tuple.toString('latin1', offsets[i], offsets[i + 1])
  return key
}

const wholeRows: (readonly number[])[] = []
const partialRows = new Map<string, readonly number[]>()
const MOST_PARTIAL = 1000

/**
 * Indexes of the cells that are not unchanged, of the tuple that begins at `from`; one array for
 * all rows of which they are equal.
 */
export function presentCells(buffer: Buffer, from = 0): readonly number[] {
  const count = locate(buffer, offsets, from)
  if (!hasUnchanged(buffer, count)) {
    const known = wholeRows[count] ?? Array.from({ length: count }, (_, i) => i)
    wholeRows[count] = known
    return known
  }
  const present: number[] = []
  for (let i = 0; i < count; i++) if (buffer[offsets[i] ?? 0] !== UNCHANGED) present.push(i)
  const shape = `${count}:${present.join()}`
  const known = partialRows.get(shape)
  if (known !== undefined) return known
  if (partialRows.size >= MOST_PARTIAL) partialRows.clear()
  partialRows.set(shape, present)
  return present
}

function hasUnchanged(buffer: Buffer, count: number): boolean {
  for (let i = 0; i < count; i++) if (buffer[offsets[i] ?? 0] === UNCHANGED) return true
  return false
}

/** True when every cell of the tuple that begins at `from` has a value. */
export function isWhole(buffer: Buffer, from: number): boolean {
  return !hasUnchanged(buffer, locate(buffer, offsets, from))
}

const baseOffsets: number[] = []

/** `over` with its unchanged cells taken from `base`. */
export function merge(base: Tuple, over: Tuple): Tuple {
  const count = locate(over, offsets)
  if (!hasUnchanged(over, count)) return over
  if (locate(base, baseOffsets) !== count) throw new RangeError('tuples of different widths')
  const pieces: Buffer[] = [over.subarray(0, 2)]
  for (let i = 0; i < count; i++) {
    const kept = over[offsets[i] ?? 0] === UNCHANGED
    const from = kept ? baseOffsets : offsets
    pieces.push((kept ? base : over).subarray(from[i], from[i + 1]))
  }
  return Buffer.concat(pieces)
}
