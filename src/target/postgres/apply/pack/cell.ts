/** Where the text of a cell stands; one object for many cells, since they come by the million. */
export interface CellText {
  bytes: Buffer
  from: number
  to: number
}

/** By hand: it runs for every value. */
export function writeInt32(out: Buffer, at: number, value: number): number {
  out[at] = value >>> 24
  out[at + 1] = (value >>> 16) & 0xff
  out[at + 2] = (value >>> 8) & 0xff
  out[at + 3] = value & 0xff
  return at + 4
}
