import { hash } from 'node:crypto'
import type { LoggedRow, RowLine } from './decoding.ts'

type Cells = ReadonlyMap<string, string>

/** What a table holds, so that two can be compared in one glance: rows, and a sum over them. */
export interface Sum {
  readonly rows: number
  readonly sum: bigint
}

export const nothing: Sum = { rows: 0, sum: 0n }

/**
 * A row as one text: its non-null cells by name. The same text is made by `sumSql` in a server.
 */
export function textOf(cells: Cells): string {
  const names = [...cells.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const pieces = names.map((name) => {
    const value = cells.get(name) ?? ''
    return `${name}=${Buffer.byteLength(value)}:${value};`
  })
  return pieces.join('')
}

export function numberOf(text: string): bigint {
  return BigInt(`0x${hash('md5', text).slice(0, 15)}`)
}

/** A row of the model with what it adds to its table's sum. */
interface Held {
  readonly cells: Cells
  readonly number: bigint
  count: number
}

/** What one table of the source holds, followed change by change. */
export class TableModel {
  readonly #name: string
  /** Null: rows are found by all that they hold. */
  readonly #identity: readonly string[] | null
  readonly #rows = new Map<string, Held>()
  #count = 0
  #sum = 0n

  constructor(name: string, identity: readonly string[] | null) {
    this.#name = name
    this.#identity = identity
  }

  get sum(): Sum {
    return { rows: this.#count, sum: this.#sum }
  }

  /** Every row as one text, as often as it is there. */
  get texts(): readonly string[] {
    return [...this.#rows.values()].flatMap(({ cells, count }) => {
      return Array.from({ length: count }, () => textOf(cells))
    })
  }

  /** Whether an update changes what its row is found by. */
  moves({ old, row }: RowLine): boolean {
    return this.#identity !== null && old !== null && this.#keyOf(old) !== this.#keyOf(row)
  }

  take(line: RowLine): void {
    if (line.kind === 'insert') this.#add(whole(line.row, null))
    else if (line.kind === 'delete') this.#remove(line.row)
    else {
      const before = this.#remove(line.old ?? line.row)
      this.#add(whole(line.row, before))
    }
  }

  truncate(): void {
    this.#rows.clear()
    this.#count = 0
    this.#sum = 0n
  }

  #keyOf(cells: LoggedRow): string {
    if (this.#identity === null) return textOf(whole(cells, null))
    return JSON.stringify(this.#identity.map((column) => cells.get(column) ?? null))
  }

  #add(cells: Cells): void {
    const key = this.#keyOf(cells)
    const held = this.#rows.get(key)
    if (held !== undefined && this.#identity !== null) {
      throw new Error(`the log of ${this.#name} inserts a row that is there: ${key}`)
    }
    const row = held ?? { cells, number: numberOf(textOf(cells)), count: 0 }
    row.count++
    this.#rows.set(key, row)
    this.#count++
    this.#sum += row.number
  }

  #remove(by: LoggedRow): Cells {
    const key = this.#keyOf(by)
    const held = this.#rows.get(key)
    if (held === undefined) {
      throw new Error(`the log of ${this.#name} changes a row that is not there: ${key}`)
    }
    held.count--
    if (held.count === 0) this.#rows.delete(key)
    this.#count--
    this.#sum -= held.number
    return held.cells
  }
}

/** The row with large cells that the log left out taken from what it was. */
function whole(row: LoggedRow, before: Cells | null): Cells {
  const cells = new Map<string, string>()
  for (const [name, value] of row) {
    const text = value ?? before?.get(name)
    if (text === undefined) throw new Error(`the log leaves out ${name} of an unknown row`)
    cells.set(name, text)
  }
  return cells
}
