import type { Change, ChangeList, StreamItem } from '../../../model/change.ts'
import type { Positions } from '../../../model/position.ts'

/** A transaction of the log, whole; without changes it is a place that was passed. */
export interface Whole {
  readonly positions: Positions
  readonly changes: readonly Change[]
}

interface Piece {
  readonly sub: string | null
  readonly changes: ChangeList
}

/** Puts the parts of transactions together, in memory: for stretches of the log that are short. */
export class Transactions {
  readonly #open = new Map<string, Piece[]>()

  /** What ended with these items, in order. */
  take(items: readonly StreamItem[]): readonly Whole[] {
    return items.flatMap((item) => this.#one(item))
  }

  #one(item: StreamItem): Whole[] {
    if (item.kind === 'progress') return [{ positions: item.positions, changes: [] }]
    if (item.kind === 'run') {
      const { run } = item
      return Array.from({ length: run.length }, (_, i) => {
        return { positions: run.places.positions(i), changes: [...run.changesOf(i)] }
      })
    }
    const { transaction } = item
    const pieces = this.#open.get(transaction) ?? []
    if (item.kind === 'part') {
      pieces.push(item)
      this.#open.set(transaction, pieces)
      return []
    }
    if (item.kind === 'discard') {
      const kept = item.sub === null ? [] : pieces.filter(({ sub }) => sub !== item.sub)
      this.#open.set(transaction, kept)
      return []
    }
    this.#open.delete(transaction)
    const { positions } = item
    return [
      { positions, changes: [...pieces.flatMap((piece) => [...piece.changes]), ...item.changes] },
    ]
  }
}

/** An estimate of what changes take in memory. */
export function sizeOf(changes: readonly Change[]): number {
  let bytes = 0
  for (const change of changes) {
    if ('row' in change) bytes += (change.row?.length ?? 0) + (change.old?.length ?? 0) + OVERHEAD
  }
  return bytes
}

const OVERHEAD = 200
