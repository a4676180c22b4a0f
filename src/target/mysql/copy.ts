import { literal } from '../../dialect/mysql/quote.ts'
import { Fault } from '../../model/fault.ts'
import { type Table, tableName } from '../../model/table.ts'
import { Unframer } from '../../model/tuple.ts'
import { fenced } from '../holding.ts'
import type { Binding } from './apply/columns.ts'
import { insert } from './apply/steps.ts'
import { Miscounted, Refused, Writer } from './apply/writer.ts'
import { refusal } from './refusal.ts'
import type { Link } from './sessions.ts'
import { isHeld } from './state/checkpoint.ts'
import { STATE } from './state/state.ts'

export interface ChunkCopy {
  readonly link: Link
  readonly binding: Binding
  readonly mirror: string
  readonly epoch: bigint
  /** Chunks of the table. */
  readonly of: number
  /** Rows that are there already are overwritten; needs the table's key. */
  readonly overwrite: boolean
  readonly data: AsyncIterable<Buffer>
  readonly signal: AbortSignal
}

const MARK = 'mark'

/**
 * Copies a chunk and marks it in one transaction; returns the number of rows. The epoch is
 * asserted last, so that no copy holds up a claim. When it fails the connection is to be closed.
 */
export async function copyChunk(copy: ChunkCopy): Promise<number> {
  const { session } = copy.link
  try {
    await session.query('START TRANSACTION')
    const rows = await fill(copy)
    if (!(await isHeld(session, copy.mirror, copy.epoch))) throw fenced()
    await mark(copy, rows)
    await session.query('COMMIT')
    return rows
  } catch (error) {
    copy.signal.throwIfAborted()
    if (error instanceof Miscounted && error.wanted.what === MARK)
      throw notCopying(copy.binding.table)
    if (!(error instanceof Miscounted || error instanceof Refused)) throw error
    throw refusal(error, { label: session.label, doing: 'copying a table' })
  }
}

async function fill({ link, binding, overwrite, data, signal }: ChunkCopy): Promise<number> {
  const writer = new Writer(link)
  const frames = new Unframer()
  let rows = 0
  for await (const bytes of data) {
    signal.throwIfAborted()
    const tuples = frames.take(bytes)
    rows += tuples.length
    await insert({ writer, binding }, tuples, overwrite ? 'overwrite' : 'refuse')
  }
  frames.end()
  await writer.flush()
  return rows
}

async function mark({ link, binding, mirror, of }: ChunkCopy, rows: number): Promise<void> {
  const writer = new Writer(link)
  const where = `mirror = ${literal(mirror)} AND id = ${literal(binding.table.id)} AND state = 'copying'`
  const sql = `UPDATE ${STATE.tables} SET rows_copied = rows_copied + ${rows}, chunks_done = chunks_done + 1, chunks = ${of} WHERE ${where}`
  await writer.statement({ rows: 1, table: binding.table, what: MARK }, (out) => out.raw(sql))
  await writer.flush()
}

function notCopying(table: Table): Fault {
  return new Fault('HF-X107', {
    what: `${tableName(table)} is not being copied any more`,
    side: 'target',
    table: tableName(table),
  })
}
