import type { Positions } from '../../model/position.ts'
import type { Table } from '../../model/table.ts'
import type { Chunk, Snapshot } from '../source.ts'

/**
 * The view before the first record that topics hold: every table is empty there. What a topic holds
 * of its table, the snapshot of the connector first of all, comes with the stream.
 */
export class EmptySnapshot implements Snapshot {
  readonly positions: Positions

  constructor(positions: Positions) {
    this.positions = positions
  }

  async chunks(table: Table): Promise<readonly Chunk[]> {
    return [{ table, index: 0, of: 1, rows: 0, bytes: 0, range: null }]
  }

  async *read(): AsyncIterable<Buffer> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}
