import type { ChangeList, StreamItem, TransactionId } from '../model/change.ts'
import { Changes } from '../model/changes.ts'
import { Run } from '../model/run.ts'
import { Spill } from '../spool/spill.ts'

/** Committed transactions with all that they changed, rolled back sub-transactions left out. */
export interface Assembled {
  /** Without the changes of what was spilled, which is one transaction. */
  readonly run: Run
  readonly spill: Spill | null
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
}

export interface AssembleOptions {
  /** Bytes of uncommitted transactions in memory before the largest goes to disk. */
  readonly memory: number
  readonly directory: string
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
        return this.#grow(item.transaction, item.sub, item.changes)
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

  async #grow(transaction: TransactionId, sub: string | null, list: ChangeList): Promise<null> {
    let open = this.#open.get(transaction)
    if (open === undefined) {
      open = { segments: [], bytes: 0, count: 0, spill: null }
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
    return null
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

  async #complete(item: Commit, open: Open): Promise<Assembled> {
    if (item.changes.length > 0) await this.#grow(item.transaction, null, item.changes)
    this.#open.delete(item.transaction)
    const bytes = open.spill?.bytes ?? open.bytes
    this.#forget(open, open.segments)
    const changes = Changes.joined(open.segments.map((segment) => segment.changes))
    return { run: Run.of({ ...item, changes }), spill: open.spill, count: open.count, bytes }
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

function whole(run: Run): Assembled {
  return { run, spill: null, count: run.changes.length, bytes: run.bytes }
}
