import type { StreamItem, TransactionId } from '../model/change.ts'
import { Changes } from '../model/changes.ts'
import { Fault } from '../model/fault.ts'
import type { Positions } from '../model/position.ts'
import { Run } from '../model/run.ts'
import { Spill } from '../spool/spill.ts'
import { Growth } from './growth.ts'

/** Committed transactions with all that they changed, rolled back sub-transactions left out. */
export interface Assembled {
  /** Without the changes of what was spilled, which is one transaction. */
  readonly run: Run
  readonly spill: Spill | null
  /** Given for a transaction whose end has not been read; then nothing else here is known. */
  readonly growth: Growth | null
  readonly count: number
  readonly bytes: number
}

/** What is known of a transaction that has not committed yet. */
interface Open {
  /** Those that are in memory, with their bytes; the count is of all. */
  segments: { readonly sub: string | null; readonly changes: Changes }[]
  bytes: number
  count: number
  spill: Spill | null
  growth: Growth | null
}

export interface AssembleOptions {
  /** Bytes of uncommitted transactions in memory before the largest goes to disk. */
  readonly memory: number
  readonly directory: string
  /** True when a large transaction that committed past this place may be handed on as it comes. */
  readonly early?: (committed: Positions) => boolean
}

/**
 * Puts transactions together that arrive in parts, maybe several at once. Memory stays bounded:
 * past the limit the largest one moves to a spill (promise 8).
 */
export class Assembler implements AsyncDisposable {
  readonly #options: AssembleOptions
  readonly #open = new Map<TransactionId, Open>()
  /** Bytes of the transactions that are in memory. */
  #bytes = 0
  #spills = 0

  constructor(options: AssembleOptions) {
    this.#options = options
  }

  /**
   * Takes in an item; returns what it completes. Whole transactions, the common case, need no
   * waiting and get none.
   */
  take(item: StreamItem): Assembled | null | Promise<Assembled | null> {
    switch (item.kind) {
      case 'run':
        return whole(item.run)
      case 'part':
        return this.#grow(item)
      case 'discard':
        return this.#discard(item.transaction, item.sub)
      case 'commit': {
        const open = this.#open.size === 0 ? undefined : this.#open.get(item.transaction)
        return open === undefined ? whole(Run.of(item)) : this.#complete(item, open)
      }
      case 'progress':
        return null
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { spill } of this.#open.values()) await spill?.[Symbol.asyncDispose]()
    this.#open.clear()
  }

  async #grow({ transaction, sub, changes: list, committed }: Part): Promise<Assembled | null> {
    let open = this.#open.get(transaction)
    if (open === undefined) {
      open = { segments: [], bytes: 0, count: 0, spill: null, growth: null }
      this.#open.set(transaction, open)
    }
    const changes = Changes.of(list)
    open.count += changes.length
    if (open.spill !== null) {
      await open.spill.add(sub, changes)
      return null
    }
    open.segments.push({ sub, changes })
    open.bytes += changes.bytes
    this.#bytes += changes.bytes
    while (this.#bytes > this.#options.memory) await this.#spillLargest()
    return committed === undefined ? null : handedOn(open, this.#options.early?.(committed))
  }

  async #spillLargest(): Promise<void> {
    let largest: Open | null = null
    for (const open of this.#open.values()) {
      if (largest === null || open.bytes > largest.bytes) largest = open
    }
    if (largest !== null) await this.#toDisk(largest)
  }

  async #toDisk(open: Open): Promise<void> {
    const name = `${process.pid}-${this.#spills++}.spill`
    open.spill ??= await Spill.create(this.#options.directory, name)
    for (const { sub, changes } of open.segments) await open.spill.add(sub, changes)
    this.#forget(open, open.segments)
    open.segments = []
  }

  async #discard(transaction: TransactionId, sub: string | null): Promise<null> {
    const open = this.#open.get(transaction)
    if (open === undefined) return null
    if (open.growth !== null) throw takenBack(transaction)
    if (sub === null) {
      this.#open.delete(transaction)
      this.#forget(open, open.segments)
      await open.spill?.[Symbol.asyncDispose]()
      return null
    }
    this.#forget(
      open,
      open.segments.filter((segment) => segment.sub === sub),
    )
    open.segments = open.segments.filter((segment) => segment.sub !== sub)
    open.spill?.discard(sub)
    return null
  }

  async #complete(item: Commit, open: Open): Promise<Assembled | null> {
    const { transaction, changes: last, positions, committedAt } = item
    if (last.length > 0) await this.#grow({ transaction, sub: null, changes: last })
    this.#open.delete(transaction)
    const { spill, growth, count } = open
    const bytes = spill?.bytes ?? open.bytes
    if (growth !== null) {
      await growth.end({ positions, committedAt, count, bytes })
      return null
    }
    await spill?.finish()
    this.#forget(open, open.segments)
    const changes = Changes.joined(open.segments.map((segment) => segment.changes))
    return { run: Run.of({ ...item, changes }), spill, growth, count, bytes }
  }

  /** These are not held by the assembler any more. */
  #forget(open: Open, segments: Open['segments']): void {
    for (const { changes } of segments) {
      open.bytes -= changes.bytes
      this.#bytes -= changes.bytes
    }
  }
}

type Commit = Extract<StreamItem, { kind: 'commit' }>
type Part = Omit<Extract<StreamItem, { kind: 'part' }>, 'kind'>

/** The transaction, the first time that it may be handed on; only what went to disk grows. */
function handedOn(open: Open, early: boolean | undefined): Assembled | null {
  const { spill } = open
  if (early !== true || spill === null || open.growth !== null) return null
  const growth = new Growth(spill)
  open.growth = growth
  const places = {
    length: 1,
    positions: () => growth.whole?.positions ?? new Map(),
    committedAt: () => growth.whole?.committedAt ?? null,
  }
  return { run: new Run(Changes.empty(), [0], places), spill, growth, count: 0, bytes: 0 }
}

function takenBack(transaction: TransactionId): Fault {
  return new Fault('HF-L119', {
    what: `transaction ${transaction} of the source was not read to its end`,
    side: 'source',
  })
}

function whole(run: Run): Assembled {
  return { run, spill: null, growth: null, count: run.changes.length, bytes: run.bytes }
}
