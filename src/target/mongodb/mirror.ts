import type { Document } from 'mongodb'
import { Bson } from '../../dialect/mongodb/bson.ts'
import { faultOf } from '../../dialect/mongodb/errors.ts'
import type { Batch, Stretch } from '../../model/batch.ts'
import type { RowChange } from '../../model/change.ts'
import type { TableMode } from '../../model/checkpoint.ts'
import { Fault } from '../../model/fault.ts'
import type { Positions } from '../../model/position.ts'
import { type Table, tableName } from '../../model/table.ts'
import type { Tuple } from '../../model/tuple.ts'
import { type Writing, write } from './commands.ts'
import { COMMAND_BYTES, COMMAND_DOCUMENTS, MARK } from './config.ts'
import { raw } from './fold.ts'
import { completed, type Layout } from './layout.ts'
import { Gathered } from './pending.ts'
import { BESIDE, documentOf, olderThan } from './send.ts'
import { Sending } from './sending.ts'
import { placeAfter, stampsOf } from './stamp.ts'

/** Where a table's documents are, and how its rows become one. */
export interface Place {
  readonly collection: string
  readonly mode: TableMode
  readonly layout: Layout
}

/** Finds a table's place; learns of tables that read differently from now on. */
export interface Places {
  of(table: Table): Place
  reshape(to: Table): void
}

/** Documents that are found before they are deleted, many times if need be. */
const SWEEP = 5000

/** Brings the changes of a batch to documents that are what the rows are. */
export async function applyRows(on: Writing, places: Places, batch: Batch): Promise<void> {
  const sending = new Sending(on, { alone: !batch.collapsed })
  const work = new RowWork(on, places, { sending, previous: batch.previous })
  try {
    for await (const stretch of batch.stretches) await work.take(stretch)
    await work.flush()
  } finally {
    // Nothing of a batch may land after the next one has begun.
    await sending.ended()
  }
}

class RowWork {
  readonly #on: Writing
  readonly #places: Places
  readonly #sending: Sending
  readonly #previous: Positions
  readonly #gathered = new Map<string, Gathered>()

  constructor(
    on: Writing,
    places: Places,
    how: { readonly sending: Sending; readonly previous: Positions },
  ) {
    this.#on = on
    this.#places = places
    this.#sending = how.sending
    this.#previous = how.previous
  }

  async take({ positions, first, changes }: Stretch): Promise<void> {
    const stamps = stampsOf(placeAfter(positions, this.#previous))
    let i = 0
    for (const change of changes) {
      // Number 0 is the snapshot's.
      const stamp = stamps(first + ++i)
      if (change.kind === 'truncate') await this.#truncate(change.tables, stamp)
      else if (change.kind === 'schema') {
        await this.flush()
        this.#places.reshape(change.to)
      } else {
        const sent = this.#row(change, stamp)
        if (sent !== undefined) await sent
      }
    }
  }

  /** Everything that was gathered stands at the target. */
  async flush(): Promise<void> {
    for (const collection of this.#gathered.keys()) await this.#send(collection)
    await this.#sending.landed()
  }

  /** Waits only where something has to be sent, or to be asked, first. */
  #row(change: RowChange, stamp: string): Promise<void> | undefined {
    const place = this.#places.of(change.table)
    const asking =
      place.layout.key === null
        ? this.#tally(place, change, stamp)
        : this.#keyed(place, change, stamp)
    if (asking !== undefined) return asking
    const gathered = this.#of(place)
    if (gathered.size < COMMAND_DOCUMENTS && gathered.bytes < COMMAND_BYTES) return undefined
    return this.#send(place.collection)
  }

  #of({ collection }: Place): Gathered {
    const known = this.#gathered.get(collection)
    if (known !== undefined) return known
    const fresh = new Gathered()
    this.#gathered.set(collection, fresh)
    return fresh
  }

  async #send(collection: string): Promise<void> {
    const gathered = this.#gathered.get(collection)
    if (gathered === undefined || gathered.size === 0) return
    this.#gathered.set(collection, new Gathered())
    await this.#sending.send(collection, gathered)
  }

  /** What is gathered stands at the target, and so does what was sent before. */
  async #settle({ collection }: Place): Promise<void> {
    await this.#send(collection)
    await this.#sending.landed()
  }

  /** What does not follow from what is gathered goes after it. */
  #after(place: Place, gather: (gathered: Gathered) => boolean): Promise<void> | undefined {
    if (gather(this.#of(place))) return undefined
    return this.#send(place.collection).then(() => {
      gather(this.#of(place))
    })
  }

  #keyed(place: Place, { kind, row, old }: RowChange, stamp: string): Promise<void> | undefined {
    const { layout, mode } = place
    const puts = mode === 'merge' || mode === 'put'
    if (kind === 'delete') {
      if (old === null || mode === 'merge') return undefined
      const before = puts ? 'either' : 'present'
      return this.#after(place, (on) => on.drop({ layout, row: old, stamp, before }))
    }
    if (row === null) return undefined
    if (kind === 'insert') {
      const before = puts ? 'either' : 'absent'
      return this.#after(place, (on) => on.put({ layout, row, stamp, before }))
    }
    if (old !== null && layout.place(old) !== layout.place(row)) {
      return this.#move(place, { row, old, stamp })
    }
    if (!layout.isWhole(row)) return this.#after(place, (on) => on.patch({ layout, row, stamp }))
    const before = puts ? 'either' : 'present'
    return this.#after(place, (on) => on.put({ layout, row, stamp, before }))
  }

  /** The document of the new key, made of what the change says and of what the old one holds. */
  async #move(
    place: Place,
    { row, old, stamp }: { readonly row: Tuple; readonly old: Tuple; readonly stamp: string },
  ): Promise<void> {
    const { layout } = place
    let whole = row
    if (!layout.isWhole(row)) {
      await this.#settle(place)
      const found = await this.#find(place, old, stamp)
      // Without transactions the move may have been made before, and more after it.
      if (found === null) return
      whole = completed(found, row)
    }
    const before = place.mode === 'merge' ? 'either' : 'absent'
    await this.#after(place, (on) => on.put({ layout, row: whole, stamp, before }))
    // Nothing of the old key may be lost before the new one has it.
    if (this.#on.session === null) await this.#settle(place)
    await this.#after(place, (on) => on.drop({ layout, row: old, stamp, before: 'present' }))
  }

  async #find({ collection, layout }: Place, row: Tuple, stamp: string): Promise<Tuple | null> {
    const { db, session, label } = this.#on
    const which = { _id: layout.id(row), ...(session === null ? olderThan(stamp) : {}) } as Document
    try {
      const options = session === null ? raw : { ...raw, session }
      const found = await db.collection(collection).findOne(which, options)
      if (found !== null) return layout.tuple(found)
    } catch (error) {
      throw faultOf(error, { doing: 'reading', label, table: tableName(layout.table) })
    }
    if (session === null) return null
    throw new Fault('HF-D201', {
      what: `a row of ${tableName(layout.table)} that the source gave another key is not at ${label}`,
      side: 'target',
      table: tableName(layout.table),
    })
  }

  #tally(place: Place, { kind, row, old }: RowChange, stamp: string): undefined {
    const { layout, mode } = place
    const gathered = this.#of(place)
    const now = kind === 'update' && row !== null && old !== null ? completed(old, row) : row
    if (kind === 'update' && old !== null && now !== null) {
      if (layout.place(old) === layout.place(now)) return
    }
    if (kind !== 'insert' && old !== null && mode !== 'merge') {
      gathered.tally({ layout, row: old, stamp, add: -1 })
    }
    if (kind !== 'delete' && now !== null) gathered.tally({ layout, row: now, stamp, add: 1 })
  }

  async #truncate(tables: readonly Table[], stamp: string): Promise<void> {
    await this.flush()
    for (const table of tables) {
      const { collection, mode } = this.#places.of(table)
      if (mode === 'merge') continue
      await sweep(this.#on, collection, this.#on.session === null ? olderThan(stamp) : {})
    }
  }
}

/** Deletes what fits the filter, in commands that each end in time. */
export async function sweep(on: Writing, collection: string, which: Document): Promise<void> {
  const { db, session, label } = on
  for (;;) {
    const options = session === null ? {} : { session }
    const ids = await db
      .collection(collection)
      .find(which, { ...options, projection: { _id: 1 }, promoteValues: false })
      .limit(SWEEP)
      .toArray()
      .catch((error: unknown) => {
        throw faultOf(error, { doing: 'reading', label, table: collection })
      })
    if (ids.length === 0) return
    const q = { _id: { $in: ids.map(({ _id }) => _id) } }
    await write(on, collection, { kind: 'delete', what: [{ q, limit: 0 }] })
  }
}

/** Where rows of a copy are put: all of them new, or over what is there. */
export interface Loading {
  readonly place: Place
  readonly stamp: string
}

/** Writes rows of the snapshot; nothing of the same place in the log is there before. */
export async function load(
  on: Writing,
  { place, stamp }: Loading,
  rows: readonly Tuple[],
): Promise<void> {
  const { layout, collection, mode } = place
  if (layout.key !== null && mode !== 'merge') {
    const what = new Bson(rows.reduce((room, row) => room + BESIDE + row.length, 0))
    for (const row of rows) layout.put(what, { row, stamp })
    const { errors } = await write(on, collection, { kind: 'insert', what })
    const [first] = errors
    if (first !== undefined) throw refusedCopy(on, layout.table, first.code)
    return
  }
  const updates = layout.key === null ? counted(layout, rows, stamp) : merged(layout, rows, stamp)
  const { errors } = await write(on, collection, { kind: 'update', what: updates })
  // Two workers made the document of equal rows at the same time: the loser counts on.
  const again = errors.filter(({ code, ofId }) => code === 11000 && ofId)
  const [real] = errors.filter((error) => !again.includes(error))
  if (real !== undefined) throw refusedCopy(on, layout.table, real.code)
  const left = again.flatMap(({ index }) => updates[index] ?? [])
  if (left.length === 0) return
  const second = await write(on, collection, { kind: 'update', what: left })
  const [still] = second.errors
  if (still !== undefined) throw refusedCopy(on, layout.table, still.code)
}

function merged(layout: Layout, rows: readonly Tuple[], stamp: string): Document[] {
  const last = new Map(rows.map((row) => [layout.place(row), row]))
  return [...last.values()].map((row) => {
    const id = layout.id(row)
    const u = documentOf(id, { at: stamp }, layout.nested(layout.fields(row)))
    return { q: { _id: id }, u, upsert: true }
  })
}

function counted(layout: Layout, rows: readonly Tuple[], stamp: string): Document[] {
  const alike = new Map<string, { readonly row: Tuple; count: number }>()
  for (const row of rows) {
    const id = layout.place(row)
    const known = alike.get(id)
    if (known === undefined) alike.set(id, { row, count: 1 })
    else known.count++
  }
  return [...alike].map(([id, { row, count }]) => ({
    q: { _id: id },
    u: {
      $inc: { [`${MARK}.count`]: count },
      $set: new Map<string, unknown>([...layout.fields(row), [`${MARK}.at`, stamp]]),
    },
    upsert: true,
  }))
}

function refusedCopy(on: Writing, table: Table, code: number): Fault {
  const why = code === 11000 ? 'there is one with its key already' : `error ${code}`
  return new Fault('HF-T205', {
    what: `the target at ${on.label} refuses a row of ${tableName(table)}: ${why}`,
    side: 'target',
    table: tableName(table),
  })
}
