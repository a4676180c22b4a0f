import { Printer, Totals } from './prints.ts'
import type { Found, Print, Reader, Recipe, Sums } from './reader.ts'
import type { Table } from './table.ts'
import { type Tuple, tupleOf } from './tuple.ts'

/** The rows of a view in the encoding `values`: framed tuples (tuple.ts), whole ones in a piece. */
export interface Readable {
  /** Every row once, in any order. */
  all(table: Table): AsyncIterable<Buffer>
  /** The rows with these keys, each once; others may be among them. */
  some(table: Table, keys: readonly Tuple[]): AsyncIterable<Buffer>
}

/** Prints that are held at once. */
const HELD = 200_000
/** Prints in one burst. */
const BURST = 5000

/** What a Reader says in the form `values`, for any view whose rows can be read in it. */
export class PrintedRows implements Pick<Reader, 'sums' | 'list' | 'find' | 'print'> {
  readonly #rows: Readable
  readonly #held: number

  constructor(rows: Readable, options: { readonly held?: number } = {}) {
    this.#rows = rows
    this.#held = options.held ?? HELD
  }

  async sums(recipe: Recipe): Promise<Sums> {
    const totals = new Totals(recipe.buckets)
    const printer = new Printer(recipe)
    for await (const framed of this.#rows.all(recipe.table)) {
      eachTuple(framed, (tuple) => {
        printer.take(tuple)
        totals.add(printer.bucket(recipe.buckets), printer)
      })
    }
    return totals.sums
  }

  /**
   * Rows are not in the order of their hashes, so they are read as often as it takes to hold a part
   * of them that has an upper end, and to hand it over in order.
   */
  async *list(
    recipe: Recipe,
    buckets: readonly number[] | null,
  ): AsyncGenerator<readonly Print[], void, undefined> {
    const wanted = buckets === null ? null : new Set(buckets)
    for (let from: bigint | null = 0n; from !== null; ) {
      const part: Part = new Part(from, { most: this.#held, keyed: isKeyed(recipe) })
      const printer = new Printer(recipe)
      for await (const framed of this.#rows.all(recipe.table)) {
        eachTuple(framed, (tuple) => {
          printer.take(tuple)
          if (wanted === null || wanted.has(printer.bucket(recipe.buckets))) part.add(printer)
        })
      }
      const prints = part.sorted
      for (let at = 0; at < prints.length; at += BURST) yield prints.slice(at, at + BURST)
      from = part.end
    }
  }

  async find(recipe: Recipe, keys: readonly Tuple[], what: 'values' | 'digests'): Promise<Found[]> {
    if (keys.length === 0) return []
    const wanted = new Set(keys.map((key) => key.toString('latin1')))
    const found: Found[] = []
    const printer = new Printer(recipe)
    for await (const framed of this.#rows.some(recipe.table, keys)) {
      eachTuple(framed, (tuple) => {
        printer.take(tuple)
        const { print } = printer
        if (!wanted.has(print.key.toString('latin1'))) return
        const row = what === 'values' ? Buffer.from(tuple) : tupleOf(printer.cells)
        found.push({ print, row })
      })
    }
    return found
  }

  print(recipe: Recipe, rows: readonly Tuple[]): Promise<readonly Print[]> {
    const printer = new Printer(recipe)
    return Promise.resolve(
      rows.map((row) => {
        printer.take(row)
        return printer.print
      }),
    )
  }
}

function isKeyed({ table }: Recipe): boolean {
  return table.identity.by === 'key'
}

function eachTuple(framed: Buffer, call: (tuple: Tuple) => void): void {
  for (let at = 0; at < framed.length; ) {
    const end = at + 4 + framed.readInt32BE(at)
    call(framed.subarray(at + 4, end))
    at = end
  }
}

/** The prints from one hash on, as many as may be held. */
class Part {
  /** The first hash that is not held any more; null when all are. */
  end: bigint | null = null
  readonly #from: bigint
  readonly #most: number
  readonly #keyed: boolean
  #prints: Print[] = []

  constructor(from: bigint, options: { readonly most: number; readonly keyed: boolean }) {
    this.#from = from
    this.#most = options.most
    this.#keyed = options.keyed
  }

  add(printer: Printer): void {
    const { print } = printer
    if (print.hash < this.#from || (this.end !== null && print.hash >= this.end)) return
    this.#prints.push(print)
    if (this.#prints.length >= 2 * this.#most) this.#shrink()
  }

  /** In ascending order of hash; equal rows without a key are one print. */
  get sorted(): readonly Print[] {
    const prints = this.#prints.sort((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0))
    this.#prints = this.#keyed ? prints : gathered(prints)
    return this.#prints
  }

  /** Those of one hash stay together. */
  #shrink(): void {
    const prints = this.sorted
    const end = prints[this.#most]?.hash
    if (end === undefined || end === prints[0]?.hash) return
    this.#prints = prints.filter(({ hash }) => hash < end)
    this.end = end
  }
}

function gathered(prints: readonly Print[]): Print[] {
  const all: Print[] = []
  for (const print of prints) {
    const last = all.at(-1)
    if (last?.hash !== print.hash) all.push(print)
    else all[all.length - 1] = { ...last, count: last.count + print.count }
  }
  return all
}
