import { Fault } from '../../../model/fault.ts'
import { describePositions, inShort, type Positions } from '../../../model/position.ts'
import { PrintedRows } from '../../../model/printed.ts'
import { VALUES } from '../../../model/prints.ts'
import type {
  Described,
  Found,
  LoggedTransaction,
  Print,
  Recipe,
  SourceReader,
  Sums,
} from '../../../model/reader.ts'
import { type Table, tableName } from '../../../model/table.ts'
import type { Tuple } from '../../../model/tuple.ts'
import { estimateTables } from '../estimate.ts'
import { LANE } from '../place.ts'
import { declaredNow } from '../schema/declared.ts'
import { logEnd, logStart } from '../server.ts'
import { Emptied } from '../snapshot/emptied.ts'
import { openView, type ViewOptions } from '../snapshot/opening.ts'
import { sizeOf, Transactions } from '../snapshot/transactions.ts'
import type { View } from '../snapshot/view.ts'
import { keyCondition } from './keys.ts'

const WIDTH = 2
/** Meanwhile the target may stand still, and the mirror with it. */
const PATIENCE_MS = 20_000
/** Bytes of changes that may be held against the view. */
const LIMIT = 256 << 20

export type SourceReaderOptions = Omit<ViewOptions, 'purpose' | 'width'> & {
  readonly width?: number
  readonly limit?: number
}

/** Opens a view of the source, and its log from as far back as the server has it. Throws Fault. */
export async function openSourceReader(
  options: SourceReaderOptions,
  signal: AbortSignal,
): Promise<SourceReader> {
  const { control, places } = options
  const start = await logStart(control, places.server)
  if (start === null) throw new Fault('HF-S107', { what: 'the source writes no binary log' })
  const from = places.at(start.passed === null ? start : { ...start, at: null })
  const view = await openView(
    { patience: PATIENCE_MS, ...options, purpose: 'verify', width: options.width ?? WIDTH },
    signal,
  )
  return new MysqlSourceReader(view, from, options)
}

class MysqlSourceReader implements SourceReader {
  readonly at: Positions
  readonly from: Positions
  readonly gap = 'HF-L111'
  readonly unsettled = null
  readonly #view: View
  readonly #options: SourceReaderOptions
  readonly #rows: PrintedRows
  readonly #closed = new AbortController()
  readonly #emptied: Emptied
  /** How far the log was read, the first time from where the target stands. */
  #reached: Positions | null = null
  #spent = 0

  constructor(view: View, from: Positions, options: SourceReaderOptions) {
    this.at = view.positions
    this.from = from
    this.#emptied = new Emptied(options, view.positions, this.#closed.signal)
    this.#view = view
    this.#options = options
    const read = (table: Table, where: string | null): AsyncIterable<Buffer> =>
      this.#read(table, where)
    this.#rows = new PrintedRows({
      all: (table) => read(table, null),
      some: (table, keys) => read(table, keyCondition(table, keys)),
    })
  }

  async describe(tables: readonly Table[]): Promise<readonly Described[]> {
    const { control } = this.#options
    const estimates = await estimateTables(control, tables)
    const described: Described[] = []
    for (const [i, table] of tables.entries()) {
      const names = new Set((await declaredNow(control, table)).map(({ name }) => name))
      const has = table.columns.map(({ name }) => names.has(name))
      described.push({
        exists: names.size > 0,
        lacking: table.columns.filter((_, at) => !has[at]).map(({ name }) => name),
        forms: has.map((there) => (there ? [VALUES] : [])),
        rows: estimates[i]?.rows ?? 0,
      })
    }
    return described
  }

  sums(recipe: Recipe): Promise<Sums> {
    return this.#rows.sums(recipe)
  }
  list(recipe: Recipe, buckets: readonly number[] | null): AsyncIterable<readonly Print[]> {
    return this.#rows.list(recipe, buckets)
  }
  find(recipe: Recipe, keys: readonly Tuple[], what: 'values' | 'digests'): Promise<Found[]> {
    return this.#rows.find(recipe, keys, what)
  }
  print(recipe: Recipe, rows: readonly Tuple[]): Promise<readonly Print[]> {
    return this.#rows.print(recipe, rows)
  }

  async intact(table: Table): Promise<boolean> {
    return !(await this.#emptied.has(table))
  }

  async *changes(
    range: { readonly through: Positions; readonly known: Positions },
    signal: AbortSignal,
  ): AsyncGenerator<readonly LoggedTransaction[], void, undefined> {
    await this.#refuseBeyond(range.through)
    const start = this.#reached ?? (this.#isAt(this.at, range.known) ? range.known : this.at)
    if (this.#isAt(start, range.through)) return
    const stop = new AbortController()
    const transactions = new Transactions()
    try {
      const until = AbortSignal.any([signal, stop.signal])
      for await (const items of this.#options.follow(this.#placeOf(start), until)) {
        const read: LoggedTransaction[] = []
        for (const { positions, changes } of transactions.take(items)) {
          this.#spend(sizeOf(changes))
          this.#reached = positions
          read.push({ positions, visible: this.#isAt(this.at, positions), changes })
        }
        if (read.length > 0) yield read
        if (this.#reached !== null && this.#isAt(this.#reached, range.through)) return
      }
    } finally {
      stop.abort()
    }
    signal.throwIfAborted()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort()
    await this.#view[Symbol.asyncDispose]()
  }

  async *#read(table: Table, where: string | null): AsyncGenerator<Buffer, void> {
    try {
      yield* this.#view.read(table, { where, later: true }, this.#closed.signal)
    } catch (error) {
      if (
        !(error instanceof Fault) ||
        error.code !== 'HF-L109' ||
        error.detail.table === undefined
      ) {
        throw error
      }
      const name = tableName(table)
      const what = `${name} was emptied or rewritten at the source while it was compared`
      throw new Fault('HF-V105', { what, table: name, side: 'source', cause: error })
    }
  }

  /** True when `reached` is at or past `wanted`. */
  #isAt(reached: Positions, wanted: Positions): boolean {
    const [a, b] = [reached.get(LANE), wanted.get(LANE)]
    if (a === undefined || b === undefined) return false
    const how = this.#options.places.compare(a, b)
    return how === 'after' || how === 'equal'
  }

  #placeOf(positions: Positions): ReturnType<ViewOptions['places']['placeOf']> {
    const position = positions.get(LANE)
    if (position === undefined) throw new Fault('HF-X001', { what: 'a position has no lane' })
    return this.#options.places.placeOf(position)
  }

  #spend(bytes: number): void {
    this.#spent += bytes
    const limit = this.#options.limit ?? LIMIT
    if (this.#spent <= limit) return
    throw new Fault('HF-V103', {
      what: `more than ${Math.round(limit / 1e6)} MB of changes lie between the target and the source`,
      side: 'target',
    })
  }

  /** What was applied was in the source's log before. */
  async #refuseBeyond(through: Positions): Promise<void> {
    const { control, places } = this.#options
    const end = await logEnd(control, places.server)
    if (end !== null && this.#isAt(places.at(end), through)) return
    const applied = describePositions(through)
    throw new Fault('HF-L106', {
      what: `the target has applied up to ${inShort(applied)}, which the log of the source does not hold`,
      side: 'source',
      evidence: { applied },
    })
  }
}
