import { wallMicros } from '../async/clock.ts'
import { Changes, INSERT, OTHER } from '../model/changes.ts'
import { METADATA, type MetadataCells } from '../model/metadata.ts'
import { type Positions, shownAt } from '../model/position.ts'
import { cellsAt } from '../model/tuple.ts'

/** The cells of a tuple begin behind their number. */
const HEAD = 2

/** Puts what is known of a change behind the cells of its row. */
export class Marker {
  readonly #cells: MetadataCells

  constructor(cells: MetadataCells) {
    this.#cells = cells
  }

  /** For changes of a transaction that committed at `positions`. */
  at(positions: Positions, capturedAt: bigint | null): (changes: Changes) => Changes {
    return (changes) => {
      const about = { capturedAt, place: shownAt(positions), received: wallMicros() }
      const born = this.#cells({ ...about, op: 'c' }).subarray(HEAD)
      const changed = this.#cells({ ...about, op: 'u' }).subarray(HEAD)
      return marked(changes, { born, changed })
    }
  }
}

/** Behind the cells of a new row, and of one that was there. */
interface Tails {
  readonly born: Buffer
  readonly changed: Buffer
}

/** Rows get the tails, what finds a row stays as it is; all of it in one buffer. */
function marked(changes: Changes, { born, changed }: Tails): Changes {
  const made = Changes.empty(changes.length)
  const bytes = sizeOf(changes) + changes.length * Math.max(born.length, changed.length)
  const buffer = Buffer.allocUnsafe(bytes)
  let at = 0
  for (let i = 0; i < changes.length; i++) {
    const kind = changes.kind(i)
    if (kind === OTHER) {
      made.take(changes, i)
      continue
    }
    const [rowFrom, oldFrom] = [changes.rowFrom(i), changes.oldFrom(i)]
    const from = at
    if (rowFrom >= 0) {
      const row = changes.rowBuffer(i)
      at += row.copy(buffer, at, rowFrom, changes.rowTo(i))
      at += (kind === INSERT ? born : changed).copy(buffer, at)
      buffer.writeUInt16BE(cellsAt(row, rowFrom) + METADATA.length, from)
    }
    const to = at
    if (oldFrom >= 0) at += changes.oldBuffer(i).copy(buffer, at, oldFrom, changes.oldTo(i))
    made.add(kind, changes.table(i), {
      buffer,
      from: rowFrom < 0 ? -1 : from,
      to: rowFrom < 0 ? -1 : to,
      oldFrom: oldFrom < 0 ? -1 : to,
      oldTo: oldFrom < 0 ? -1 : at,
    })
  }
  return made
}

function sizeOf(changes: Changes): number {
  let bytes = 0
  for (let i = 0; i < changes.length; i++) {
    if (changes.kind(i) === OTHER) continue
    bytes += changes.rowTo(i) - changes.rowFrom(i) + changes.oldTo(i) - changes.oldFrom(i)
  }
  return bytes
}
