import type { Session } from '../../../dialect/mysql/connect.ts'
import { Fault } from '../../../model/fault.ts'
import type { Positions } from '../../../model/position.ts'
import type { Table } from '../../../model/table.ts'
import type { Chunk, Snapshot } from '../../source.ts'
import { estimateTables } from '../estimate.ts'
import { openView, type ViewOptions } from './opening.ts'
import { rangesOf } from './ranges.ts'
import type { View } from './view.ts'

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
  return new MysqlSnapshot(view, options.control)
}

class MysqlSnapshot implements Snapshot {
  readonly positions: Positions
  readonly #view: View
  readonly #control: Session

  constructor(view: View, control: Session) {
    this.#view = view
    this.#control = control
    this.positions = view.positions
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
    return this.#view.read(chunk.table, { where, later: chunk.index === 0 }, signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#view[Symbol.asyncDispose]()
  }
}

const never = new AbortController().signal
