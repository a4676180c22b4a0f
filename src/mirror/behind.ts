import { randomUUID } from 'node:crypto'
import { anyOf, orAborted } from '../async/abort.ts'
import { monotonic, within } from '../async/clock.ts'
import type { Change, ChangeList, StreamItem } from '../model/change.ts'
import { Fault } from '../model/fault.ts'
import { advance, covers, type Positions } from '../model/position.ts'
import type {
  Described,
  Found,
  LoggedTransaction,
  Present,
  Print,
  Recipe,
  SourceReader,
  Sums,
} from '../model/reader.ts'
import { type Table, tableName } from '../model/table.ts'
import type { Tuple } from '../model/tuple.ts'
import type { Hearing, Source } from '../source/source.ts'

export interface BehindOptions {
  /** Where the log comes from. */
  readonly source: Source
  /** The database that it is the log of. */
  readonly database: Source
  /** Where the target stands, which the log is known from. */
  readonly after: Positions
  readonly tables: readonly Table[]
  /** Milliseconds to wait for what was committed to come. */
  readonly patience: number
}

/** Bytes of changes that may be held against the view. */
const LIMIT = 256 << 20
/** What a change costs beside its tuples. */
const OVERHEAD = 200
/** Words one after another between which nothing has come that was told before the first one. */
const CALM = 2

/**
 * The rows of a database whose log comes through another source, as one view with that log around
 * it. The place of the target is known before the view is opened, so that whatever changed since
 * is in the log from there on; and words are signed behind the view until one comes out of the log
 * with nothing left on its way that the view holds. Throws Fault.
 */
export async function openBehind(
  options: BehindOptions,
  signal: AbortSignal,
): Promise<SourceReader> {
  const { source, database, tables } = options
  if (source.hear === undefined || database.present === undefined || database.sign === undefined) {
    const what = `${source.label} cannot be compared by way of ${database.label}`
    throw new Fault('HF-K112', { what, side: 'source' })
  }
  const hearing = await source.hear()
  const present = await database.present(tables, signal)
  try {
    const until = monotonic() + options.patience
    for (let calm = 0; calm < CALM; ) {
      const word = `holdfast-${randomUUID()}`
      await database.sign(word)
      calm = (await comes(hearing, word, { ...options, until, signal })) ? calm + 1 : 0
    }
    return new BehindReader(options, present, await source.fence())
  } catch (error) {
    await present[Symbol.asyncDispose]()
    throw error
  }
}

/** Waits until the word has come; true when nothing older came with it. Throws HF-K114. */
async function comes(
  hearing: Hearing,
  word: string,
  how: BehindOptions & { readonly until: number; readonly signal: AbortSignal },
): Promise<boolean> {
  const { source, database, patience, until, signal } = how
  const late = new AbortController()
  const what = `${source.label} does not tell within ${patience / 1000} s of all that was written at ${database.label}`
  const heard = hearing.heard(word, anyOf(signal, late.signal))
  return await within(Math.max(until - monotonic(), 0), heard, () => {
    late.abort()
    throw new Fault('HF-K114', { what, side: 'source' })
  })
}

class BehindReader implements SourceReader {
  readonly from: Positions
  readonly at: Positions
  readonly #options: BehindOptions
  readonly #present: Present
  #reached: Positions
  #spent = 0

  constructor(options: BehindOptions, present: Present, at: Positions) {
    this.from = options.after
    this.#reached = options.after
    this.at = at
    this.#options = options
    this.#present = present
  }

  get unsettled(): string | null {
    return this.#present.unsettled
  }

  describe(tables: readonly Table[]): Promise<readonly Described[]> {
    return this.#present.describe(tables)
  }
  sums(recipe: Recipe): Promise<Sums> {
    return this.#present.sums(recipe)
  }
  list(recipe: Recipe, buckets: readonly number[] | null): AsyncIterable<readonly Print[]> {
    return this.#present.list(recipe, buckets)
  }
  find(recipe: Recipe, keys: readonly Tuple[], what: 'values' | 'digests'): Promise<Found[]> {
    return this.#present.find(recipe, keys, what)
  }
  intact(table: Table): Promise<boolean> {
    return this.#present.intact(table)
  }
  print(recipe: Recipe, rows: readonly Tuple[]): Promise<readonly Print[]> {
    return this.#present.print(recipe, rows)
  }

  /** The view may hold any of them: each says what becomes of its rows, and the last one holds. */
  async *changes(
    { through }: { readonly through: Positions },
    signal: AbortSignal,
  ): AsyncGenerator<readonly LoggedTransaction[], void, undefined> {
    const { source, tables, patience } = this.#options
    const enough = new AbortController()
    const open = new Map<string, Change[]>()
    const stop = anyOf(signal, enough.signal)
    const log = source.stream(this.#reached, { tables, encoding: 'values' }, stop)
    const bursts = log[Symbol.asyncIterator]()
    try {
      while (!covers(source.compare, this.#reached, through)) {
        const next = await within(patience, orAborted(bursts.next(), signal), () => {
          const what = `${source.label} does not bring what it holds within ${patience / 1000} s`
          throw new Fault('HF-K114', { what, side: 'source' })
        })
        if (next.done === true) break
        yield next.value.flatMap((item) => this.#taken(item, open))
      }
    } finally {
      enough.abort()
      await bursts.return?.()
    }
  }

  #taken(item: StreamItem, open: Map<string, Change[]>): LoggedTransaction[] {
    switch (item.kind) {
      case 'part': {
        const known = open.get(item.transaction) ?? []
        known.push(...this.#listed(item.changes))
        open.set(item.transaction, known)
        return []
      }
      case 'discard':
        open.delete(item.transaction)
        return []
      case 'commit': {
        const changes = [...(open.get(item.transaction) ?? []), ...this.#listed(item.changes)]
        open.delete(item.transaction)
        return [this.#logged(item.positions, changes)]
      }
      case 'run':
        return Array.from({ length: item.run.length }, (_, i) =>
          this.#logged(item.run.places.positions(i), this.#listed(item.run.changesOf(i))),
        )
      case 'progress':
        this.#reached = advance(this.#reached, item.positions)
        return []
    }
  }

  #logged(positions: Positions, changes: readonly Change[]): LoggedTransaction {
    this.#reached = advance(this.#reached, positions)
    return { positions, visible: null, changes }
  }

  #listed(list: ChangeList): readonly Change[] {
    const changes = [...list]
    for (const change of changes) {
      if (change.kind === 'schema') throw reshaped(change.to)
      this.#spent += OVERHEAD
      if (change.kind !== 'truncate') {
        this.#spent += (change.row?.length ?? 0) + (change.old?.length ?? 0)
      }
    }
    if (this.#spent <= LIMIT) return changes
    const what = `more than ${Math.round(LIMIT / 1e6)} MB of changes lie between the target and the topics’ end`
    throw new Fault('HF-V103', { what, side: 'target' })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#present[Symbol.asyncDispose]()
  }
}

function reshaped(table: Table): Fault {
  const what = `columns of ${tableName(table)} change between the target and the source`
  return new Fault('HF-V105', { what, table: tableName(table) })
}
