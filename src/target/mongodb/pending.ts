import type { Tuple } from '../../model/tuple.ts'
import type { Fields, Layout } from './layout.ts'

/** What becomes of one document. */
export interface Op {
  readonly layout: Layout
  /** A row that the document is found by. */
  readonly key: Tuple
  /** Of the last change that it is made of. */
  stamp: string
  kind: 'put' | 'patch' | 'drop'
  /** The row of `put`, as long as it is the one of a change. */
  row: Tuple | null
  /** What of it is known as fields: all of a `put` without a row, some of `patch`. */
  fields: Fields | null
  /** What the source says of the row before: whether it was there. */
  readonly before: 'absent' | 'present' | 'either'
}

/** One row more or less among those without a key that look like it. */
export interface Tally {
  readonly layout: Layout
  readonly id: string
  readonly row: Tuple
  readonly steps: { readonly stamp: string; readonly add: 1 | -1 }[]
}

/** The changes of a collection that go to the server together: one for each document. */
export interface Pending {
  readonly ops: ReadonlyMap<string, Op>
  readonly tallies: ReadonlyMap<string, Tally>
}

/**
 * Gathers changes until they are sent. Of a document's changes the last state is kept, as long as
 * they follow from each other; `false` means that what is gathered must be sent first.
 */
export class Gathered implements Pending {
  readonly ops = new Map<string, Op>()
  readonly tallies = new Map<string, Tally>()
  bytes = 0

  get size(): number {
    return this.ops.size + this.tallies.size
  }

  put(change: {
    readonly layout: Layout
    readonly row: Tuple
    readonly stamp: string
    readonly before: Op['before']
  }): boolean {
    const { layout, row, stamp, before } = change
    const place = layout.place(row)
    const known = this.ops.get(place)
    if (known === undefined) {
      this.ops.set(place, { layout, key: row, stamp, kind: 'put', row, fields: null, before })
    } else {
      if (!follows(known, before)) return false
      known.kind = 'put'
      known.row = row
      known.fields = null
      known.stamp = stamp
    }
    this.bytes += row.length
    return true
  }

  /** Some cells of a row that is there. */
  patch(change: { readonly layout: Layout; readonly row: Tuple; readonly stamp: string }): boolean {
    const { layout, row, stamp } = change
    const place = layout.place(row)
    const known = this.ops.get(place)
    const fields = layout.fields(row)
    if (known === undefined) {
      const before = 'present'
      this.ops.set(place, { layout, key: row, stamp, kind: 'patch', row: null, fields, before })
    } else {
      if (known.kind === 'drop') return false
      if (known.row !== null) known.fields = layout.fields(known.row)
      known.row = null
      for (const [name, value] of fields) known.fields?.set(name, value)
      known.stamp = stamp
    }
    this.bytes += row.length
    return true
  }

  /** The document goes, which `before` says was there. */
  drop(change: {
    readonly layout: Layout
    readonly row: Tuple
    readonly stamp: string
    readonly before: 'present' | 'either'
  }): boolean {
    const { layout, row, stamp, before } = change
    const place = layout.place(row)
    const known = this.ops.get(place)
    if (known === undefined) {
      const op = { layout, key: row, stamp, row: null, fields: null, before } as const
      this.ops.set(place, { ...op, kind: 'drop' })
    } else {
      if (known.kind === 'drop') return before === 'either'
      known.kind = 'drop'
      known.row = null
      known.fields = null
      known.stamp = stamp
    }
    this.bytes += 50
    return true
  }

  tally(change: {
    readonly layout: Layout
    readonly row: Tuple
    readonly stamp: string
    readonly add: 1 | -1
  }): void {
    const { layout, row, stamp, add } = change
    const id = layout.place(row)
    const known = this.tallies.get(id)
    if (known !== undefined) known.steps.push({ stamp, add })
    else this.tallies.set(id, { layout, id, row, steps: [{ stamp, add }] })
    this.bytes += known === undefined ? row.length : 50
  }
}

/** An insert follows a delete, an update follows a row. */
function follows({ kind }: Op, before: Op['before']): boolean {
  if (before === 'either') return true
  return (before === 'absent') === (kind === 'drop')
}
