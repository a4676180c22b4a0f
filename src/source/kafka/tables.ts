import type { RowEvent } from '../../dialect/debezium/event.ts'
import type { Loss } from '../../dialect/debezium/losses.ts'
import type { Keeping, PlaceOffset, Topic } from '../../dialect/kafka/cluster.ts'
import { Fault } from '../../model/fault.ts'
import type { Table } from '../../model/table.ts'
import { type Beginning, newestRows, newestSnapshot, type Stretch } from './beginning.ts'
import { type Decoding, decoderOf, tableDecoderOf } from './declared.ts'
import { Shapes } from './shapes.ts'
import { type Logs, recordsBetween } from './topics.ts'

/** A topic, where the first copy of its table begins, and what the first row from there on says. */
export interface TopicTable {
  readonly topic: Topic
  readonly keeping: Keeping
  readonly begins: readonly PlaceOffset[]
  /** Why rows of the table may be missing from there on; null where none can be. */
  readonly lacking: string | null
  /** Records before, which a snapshot has made needless. */
  readonly skipped: bigint
  /** Null for a topic that holds no row. */
  readonly table: Table | null
  readonly first: RowEvent | null
  /** What the connector lost of its columns. */
  readonly losses: readonly Loss[]
}

export type Reach = Logs & Decoding

/**
 * What the topic holds. It is read from its oldest record on, unless older ones were thrown away or
 * rows have come to be of another shape: then from the newest snapshot of the connector on. A
 * compacted topic keeps the newest record of each row. Throws Fault.
 */
export async function describeTable(
  reach: Reach,
  topic: Topic,
  signal: AbortSignal,
): Promise<TopicTable> {
  const { cluster } = reach
  const oldest = await cluster.offsets([topic], 'begin')
  const ends = await cluster.offsets([topic], 'end')
  const cut = new Set(oldest.flatMap((one) => (one.offset > 0n ? [one.partition] : [])))
  const decoder = decoderOf(reach)
  const stretch: Stretch = { topic, decoder, from: oldest, ends, cut }
  const oldestRow = await firstReadable(reach, stretch, signal)
  const first = oldestRow instanceof Fault ? null : oldestRow
  const losses = decoder.losses(topic.name)
  const described = { topic, keeping: await cluster.keeping(topic.name), losses, skipped: 0n }
  const table = first?.table ?? null
  const known = { ...described, begins: oldest, lacking: null, table, first }
  const rows = await newestRows(reach, stretch, signal)
  const fits = [...rows.values()].every((row) => leadsTo(table, row.table))
  if (cut.size === 0 && fits && !(oldestRow instanceof Fault)) return known
  const { found, lacking } = await newestSnapshot(reach, stretch, signal)
  if (found !== null)
    return { ...known, ...startOf(found, oldest), losses: decoder.losses(topic.name) }
  if (oldestRow instanceof Fault)
    return await unread(reach, { stretch, known, why: oldestRow }, signal)
  return { ...known, lacking: cut.size === 0 ? null : lackingOf(stretch, lacking) }
}

function startOf({ first, places }: Beginning, oldest: readonly PlaceOffset[]) {
  const skipped = places.reduce(
    (sum, { offset }, i) => sum + offset - (oldest[i]?.offset ?? 0n),
    0n,
  )
  return { first, table: first.table, begins: places, skipped }
}

/** A topic whose rows are those of a table that has been altered since, perhaps. Throws Fault. */
async function unread(
  reach: Reach,
  of: { readonly stretch: Stretch; readonly known: TopicTable; readonly why: Fault },
  signal: AbortSignal,
): Promise<TopicTable> {
  const first = await firstRow(reach, { ...of.stretch, decoder: tableDecoderOf(reach) }, signal)
  if (first === null) throw of.why
  return { ...of.known, first, table: first.table, lacking: of.why.message }
}

/** The first row; a Fault where its table was another one when it was written, perhaps. */
async function firstReadable(
  logs: Logs,
  stretch: Stretch,
  signal: AbortSignal,
): Promise<RowEvent | Fault | null> {
  try {
    return await firstRow(logs, stretch, signal)
  } catch (error) {
    if (error instanceof Fault && error.code === 'HF-K307') return error
    throw error
  }
}

/** The first row of the stretch; null where it holds none. */
export async function firstRow(
  logs: Logs,
  stretch: Stretch,
  signal: AbortSignal,
): Promise<RowEvent | null> {
  const { decoder } = stretch
  for await (const messages of recordsBetween(logs, stretch, signal)) {
    await decoder.prepare(messages, signal)
    for (const message of messages) {
      const event = decoder.decode(message)
      // Only a record with its key shows how rows are found.
      if (event.kind === 'row') return event
      if (event.kind === 'transaction' || event.kind === 'ddl') return null
    }
  }
  return null
}

/** True when rows of the one shape can come after rows of the other, or all in their place. */
export function leadsTo(from: Table | null, to: Table, how: { all?: boolean } = {}): boolean {
  if (from === null) return true
  try {
    const shapes = new Shapes(from)
    if (shapes.of(to) === null) shapes.grow(to, how)
    return true
  } catch (error) {
    if (error instanceof Fault && error.code === 'HF-K110') return false
    throw error
  }
}

function lackingOf({ topic, from, cut }: Stretch, lacking: string | null): string {
  const first = from.find(({ partition }) => cut.has(partition))
  const begins = `the topic ${topic.name} begins at offset ${first?.offset} of partition ${first?.partition}`
  if (lacking === null) return `${begins} and holds no snapshot`
  return `${begins}, and its newest snapshot may not be whole: ${lacking}`
}
