import { connect, type Session } from '../../../dialect/mysql/connect.ts'
import { Fault } from '../../../model/fault.ts'
import type { Positions } from '../../../model/position.ts'
import { type Table, tableName } from '../../../model/table.ts'
import type { Chunk, Snapshot } from '../../source.ts'
import { estimateTables } from '../estimate.ts'
import { begunAt, FIRST } from '../log/begun.ts'
import { Emptied } from './emptied.ts'
import { openView, type ViewOptions } from './opening.ts'
import { rangesOf } from './ranges.ts'
import { unseen, type View } from './view.ts'

/** Sessions that read tables, beside which others wait. */
const WIDTH = 4
/** Bytes of a row, where nothing is known of them. */
const USUAL_ROW = 100

export type SnapshotOptions = Omit<ViewOptions, 'purpose' | 'width'> & { readonly width?: number }

/** Opens a view of the tables for their first copy. Throws Fault. */
export async function openSnapshot(
  options: SnapshotOptions,
  signal: AbortSignal,
): Promise<Snapshot> {
  const width = options.width ?? WIDTH
  const view = await openView({ ...options, purpose: 'copy', width }, signal)
  try {
    const positions = await marked(options, view.positions, signal)
    return new MysqlSnapshot(view, positions, options)
  } catch (error) {
    await view[Symbol.asyncDispose]()
    throw error
  }
}

/** Where no transaction was read on the way, the log is recognised by the file that it stands in. */
async function marked(
  { endpoint, mirror, places }: SnapshotOptions,
  positions: Positions,
  signal: AbortSignal,
): Promise<Positions> {
  const { place, landmark } = places.in(positions)
  if (landmark !== null || place.at === null) return positions
  const session = await connect(endpoint, { side: 'source', mirror, purpose: 'landmark' })
  const time = BigInt(await begunAt(session, place.at.file, signal)) * 1_000_000n
  return places.at(place, { at: { ...place.at, position: FIRST }, gtid: '', time })
}

class MysqlSnapshot implements Snapshot {
  readonly positions: Positions
  readonly #view: View
  readonly #control: Session
  readonly #emptied: Emptied
  readonly #closed = new AbortController()

  constructor(view: View, positions: Positions, options: SnapshotOptions) {
    this.#view = view
    this.#control = options.control
    this.#emptied = new Emptied(options, positions, this.#closed.signal)
    this.positions = positions
  }

  async chunks(table: Table, bytes: number): Promise<readonly Chunk[]> {
    const [estimate] = await estimateTables(this.#control, [table])
    const rows = estimate?.rows ?? 0
    const whole = estimate?.bytes ?? rows * USUAL_ROW
    const about = { table, rows, count: Math.ceil(whole / bytes) }
    const ranges = await rangesOf(this.#view, about, never)
    const share = (all: number): number => Math.round(all / ranges.length)
    return ranges.map((range, index) => ({
      table,
      index,
      of: ranges.length,
      rows: share(rows),
      bytes: share(whole),
      range,
    }))
  }

  read(chunk: Chunk, encoding: string, signal: AbortSignal): AsyncIterable<Buffer> {
    if (encoding !== 'values') {
      throw new Fault('HF-X001', { what: `rows of MySQL are not read as ${encoding}` })
    }
    const where = typeof chunk.range === 'string' ? chunk.range : null
    const none = (): Promise<void> => this.#requireFull(chunk.table)
    return this.#view.read(chunk.table, { where, later: chunk.index === 0, none }, signal)
  }

  /** A table that is empty by now held rows at the place of the view. */
  async #requireFull(table: Table): Promise<void> {
    if (await this.#emptied.has(table)) throw unseen(tableName(table), 'it was emptied')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort()
    await this.#view[Symbol.asyncDispose]()
  }
}

const never = new AbortController().signal
