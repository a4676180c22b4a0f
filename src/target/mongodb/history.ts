import { BSON, Long } from 'mongodb'
import { isoTime, wallMicros } from '../../async/clock.ts'
import type { Batch, Stretch } from '../../model/batch.ts'
import type { RowChange } from '../../model/change.ts'
import { Fault } from '../../model/fault.ts'
import type { Position, Positions } from '../../model/position.ts'
import { type Table, tableName } from '../../model/table.ts'
import type { Tuple } from '../../model/tuple.ts'
import { DUPLICATE, refusal, type Writing, write } from './commands.ts'
import { CHANGES, COMMAND_BYTES, COMMAND_DOCUMENTS, LARGEST_DOCUMENT } from './config.ts'
import type { Fields, Layout } from './layout.ts'
import type { Places } from './mirror.ts'
import { placeAfter, stampOf } from './stamp.ts'

/** Indexes of the history: the changes of a row, of a table, and of a time. */
export const historyIndexes = [
  { name: 'by_key', key: { mirror: 1, table: 1, key: 1, at: 1 } },
  { name: 'by_table', key: { mirror: 1, table: 1, at: 1 } },
  { name: 'by_time', key: { event_time: 1 } },
] as const

/** Documents of changes larger than this are looked at before they are sent. */
const LARGE = LARGEST_DOCUMENT >> 2

/** Where a change comes from. */
interface Origin {
  readonly place: Position
  readonly lane: string
  readonly committedAt: bigint | null
  readonly stamp: string
  /** Where a change is several documents: what tells them apart. */
  readonly id?: string
}

/**
 * Adds a document for each change of a batch. What has been added before has the same id and stays
 * as it is; inside of a transaction there is no such thing.
 */
export async function applyHistory(
  on: Writing,
  of: { readonly mirror: string; readonly places: Places },
  batch: Batch,
): Promise<void> {
  const work = new HistoryWork(on, of, batch.previous)
  for await (const stretch of batch.stretches) await work.take(stretch)
  await work.flush()
}

class HistoryWork {
  readonly #on: Writing
  readonly #mirror: string
  readonly #places: Places
  readonly #previous: Positions
  readonly #applied = dateOf(wallMicros())
  #waiting: Fields[] = []
  #bytes = 0

  constructor(
    on: Writing,
    of: { readonly mirror: string; readonly places: Places },
    previous: Positions,
  ) {
    this.#on = on
    this.#mirror = of.mirror
    this.#places = of.places
    this.#previous = previous
  }

  async take({ positions, committedAt, first, changes }: Stretch): Promise<void> {
    const place = placeAfter(positions, this.#previous)
    const [lane = ''] = positions.keys()
    let number = first
    for (const change of changes) {
      const stamp = stampOf(place, ++number)
      const origin = { place, lane, committedAt, stamp }
      if (change.kind === 'truncate') this.#truncate(change.tables, origin)
      else if (change.kind === 'schema') this.#schema(change.to, origin)
      else this.#row(change, origin)
      const full = this.#bytes >= COMMAND_BYTES || this.#waiting.length >= COMMAND_DOCUMENTS
      if (full) await this.flush()
    }
  }

  async flush(): Promise<void> {
    const documents = this.#waiting
    this.#waiting = []
    this.#bytes = 0
    if (documents.length === 0) return
    const { errors } = await write(this.#on, CHANGES, { kind: 'insert', what: documents })
    const again = this.#on.session === null
    const real = errors.find(({ code, ofId }) => !(again && code === DUPLICATE && ofId))
    if (real === undefined) return
    const table = String(documents[real.index]?.get('table') ?? '')
    throw refusal(real, { label: this.#on.label, table })
  }

  #row({ kind, table, row, old }: RowChange, origin: Origin): void {
    const { layout } = this.#places.of(table)
    const moved = row !== null && old !== null && isMoved(layout, row, old)
    const seen = row ?? old
    if (seen === null) return
    const document = this.#document(table, kind, origin)
    document.set('key', layout.key === null ? null : layout.keyFields(seen))
    if (moved) document.set('moved_from', layout.keyFields(old))
    document.set('before', old === null ? null : imageOf(layout, { kind, tuple: old, moved }))
    document.set('after', row === null ? null : layout.fields(row))
    const unchanged = row === null ? [] : unchangedOf(layout, row)
    if (unchanged.length > 0) document.set('unchanged', unchanged)
    this.#add(document, (row?.length ?? 0) + (old?.length ?? 0), table)
    if (!moved) return
    const gone = this.#document(table, 'delete', { ...origin, id: `${origin.stamp}-` })
    gone.set('key', layout.keyFields(old))
    gone.set('moved_to', layout.keyFields(row))
    gone.set('before', imageOf(layout, { kind, tuple: old, moved }))
    gone.set('after', null)
    this.#add(gone, old.length, table)
  }

  #truncate(tables: readonly Table[], origin: Origin): void {
    for (const [i, table] of tables.entries()) {
      const one = { ...origin, id: `${origin.stamp}/${i}` }
      this.#add(this.#document(table, 'truncate', one), 100, table)
    }
  }

  #schema(table: Table, origin: Origin): void {
    this.#places.reshape(table)
    const document = this.#document(table, 'schema', origin)
    const columns = table.columns.map(({ name, native }) => ({ name, type: native }))
    document.set('columns', columns)
    this.#add(document, columns.length * 50, table)
  }

  #document(table: Table, op: string, origin: Origin): Fields {
    const { place, lane, committedAt, stamp, id = stamp } = origin
    return new Map<string, unknown>([
      ['_id', `${this.#mirror}/${id}`],
      ...headOf({ mirror: this.#mirror, table, op, at: stamp }),
      ['position', { lane, log: place.log, token: place.token }],
      ['transaction', place.token],
      ['event_time', committedAt === null ? null : dateOf(committedAt)],
      ['event_micros', committedAt === null ? null : Long.fromBigInt(committedAt)],
      ['applied_time', this.#applied],
    ])
  }

  #add(document: Fields, bytes: number, table: Table): void {
    if (bytes > LARGE) refuseTooLarge(document, table)
    this.#waiting.push(document)
    this.#bytes += bytes
  }
}

function headOf(head: {
  readonly mirror: string
  readonly table: Table
  readonly op: string
  readonly at: string
}): [string, unknown][] {
  const { mirror, table, op, at } = head
  return [
    ['mirror', mirror],
    ['table', tableName(table)],
    ['op', op],
    ['at', at],
    ['version', table.version],
  ]
}

function dateOf(micros: bigint): Date {
  return new Date(isoTime(micros))
}

function isMoved(layout: Layout, row: Tuple, old: Tuple): boolean {
  return layout.key !== null && layout.place(row) !== layout.place(old)
}

/** What the source says of the row before: all of it, or, beside the key, nothing. */
function imageOf(
  layout: Layout,
  { kind, tuple, moved }: { kind: RowChange['kind']; tuple: Tuple; moved: boolean },
): Fields {
  const fields = layout.fields(tuple)
  const keyed = layout.key
  if (keyed === null || (kind === 'update' && !moved)) return fields
  const others = layout.table.columns.filter((_, i) => !keyed.includes(i))
  // A source that logs keys alone fills up with nulls what it does not know.
  if (others.some(({ name }) => (fields.get(name) ?? null) !== null)) return fields
  return layout.keyFields(tuple)
}

function unchangedOf(layout: Layout, row: Tuple): string[] {
  const there = layout.fields(row)
  return layout.table.columns.flatMap(({ name }) => (there.has(name) ? [] : [name]))
}

function refuseTooLarge(document: Fields, table: Table): void {
  if (BSON.serialize(document).length <= LARGEST_DOCUMENT) return
  throw new Fault('HF-T251', {
    what: `a change of ${tableName(table)} is larger than a document can be, ${LARGEST_DOCUMENT >> 20} MB`,
    side: 'target',
    table: tableName(table),
  })
}

/** Writes rows of the snapshot as the first entries of their table's history. */
export async function loadHistory(
  on: Writing,
  of: {
    readonly mirror: string
    readonly layout: Layout
    readonly place: Position
    /** Tells this stretch of rows from any other of the same snapshot. */
    readonly stretch: string
  },
  rows: readonly Tuple[],
): Promise<void> {
  const { mirror, layout, place, stretch } = of
  const { table } = layout
  const at = stampOf(place, 0)
  const applied = dateOf(wallMicros())
  const documents = rows.map((row, i): Fields => {
    const document: Fields = new Map<string, unknown>([
      ['_id', `${mirror}/${at}/${stretch}/${i}`],
      ...headOf({ mirror, table, op: 'copy', at }),
      ['position', { log: place.log, token: place.token }],
      ['transaction', null],
      ['event_time', null],
      ['event_micros', null],
      ['applied_time', applied],
      ['key', layout.key === null ? null : layout.keyFields(row)],
      ['before', null],
      ['after', layout.fields(row)],
    ])
    if (row.length > LARGE) refuseTooLarge(document, table)
    return document
  })
  const { errors } = await write(on, CHANGES, { kind: 'insert', what: documents })
  const [first] = errors
  if (first !== undefined) throw refusal(first, { label: on.label, table: tableName(table) })
}
