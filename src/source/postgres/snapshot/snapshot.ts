import { point } from '../../../async/point.ts'
import { connect, type Session, type TextRow } from '../../../dialect/postgres/connect.ts'
import { sqlstateOf } from '../../../dialect/postgres/errors.ts'
import { ident, literal, qualified } from '../../../dialect/postgres/quote.ts'
import { framedValues } from '../../../dialect/postgres/values.ts'
import { asFault, Fault } from '../../../model/fault.ts'
import type { Positions } from '../../../model/position.ts'
import { type Table, tableName } from '../../../model/table.ts'
import type { Chunk, Snapshot } from '../../source.ts'
import { streamFault } from '../log/walsender.ts'
import type { Lsn } from '../position.ts'
import { number } from '../rows.ts'
import { compareShape } from '../schema/drift.ts'
import { readMark, readShapes } from '../schema/shape.ts'
import { copyOut } from './copy-out.ts'
import { bodiesOf } from './copy-runs.ts'
import { estimateTables } from './estimate.ts'
import { endFromOutside, type MakingOptions, makeSlot } from './making.ts'

export interface SnapshotOptions extends MakingOptions {
  readonly positions: (lsn: Lsn) => Positions
}

/** Which blocks of the table's file, up to the end without `to`. */
interface Blocks {
  readonly from: number
  readonly to: number | null
}

/**
 * Creates the slot and holds the session that exports its snapshot: the two show exactly the same
 * commits. Throws Fault.
 */
export async function openSnapshot(
  options: SnapshotOptions,
  signal: AbortSignal,
): Promise<Snapshot> {
  const { endpoint, mirror, slot } = options
  const holder = await connect(endpoint, {
    side: 'source',
    mirror,
    purpose: 'snapshot',
    replication: true,
  })
  try {
    const made = await makeSlot(holder, options, signal)
    if (!options.temporary) point('slot-made')
    return new ExportedSnapshot(holder, { ...options, lsn: made.lsn, name: made.snapshot })
  } catch (error) {
    await endFromOutside(holder, options.control)
    throw streamFault(error, { slot, label: holder.label })
  }
}

class ExportedSnapshot implements Snapshot {
  readonly positions: Positions
  readonly #holder: Session
  readonly #options: SnapshotOptions
  readonly #name: string
  /** Sessions that no chunk is read with at the moment. */
  readonly #idle: Session[] = []
  #closed = false

  constructor(
    holder: Session,
    options: SnapshotOptions & { readonly lsn: Lsn; readonly name: string },
  ) {
    this.#holder = holder
    this.#options = options
    this.#name = options.name
    this.positions = options.positions(options.lsn)
  }

  async chunks(table: Table, bytes: number): Promise<readonly Chunk[]> {
    const row = await this.#sizeOf(table)
    const [blocks, whole] = [number(row, 'blocks'), number(row, 'bytes')]
    const [estimate] = await estimateTables(this.#options.control, [table])
    const rows = estimate?.rows ?? 0
    const of = Math.max(1, Math.min(Math.ceil(whole / bytes), blocks))
    return Array.from({ length: of }, (_, index) => {
      const range: Blocks = {
        from: Math.floor((blocks * index) / of),
        to: index === of - 1 ? null : Math.floor((blocks * (index + 1)) / of),
      }
      const share = (all: number): number => Math.round(all / of)
      return { table, index, of, rows: share(rows), bytes: share(whole), range }
    })
  }

  async *read(chunk: Chunk, encoding: string, signal: AbortSignal): AsyncIterable<Buffer> {
    const session = await this.#reader()
    let whole = false
    try {
      await this.#enter(session, chunk)
      yield* encoded(chunk.table, encoding, copyOut(session, copySql(chunk, encoding), signal))
      await session.query('COMMIT')
      whole = true
    } catch (error) {
      signal.throwIfAborted()
      throw this.#named(error, chunk.table)
    } finally {
      if (whole && !this.#closed) this.#idle.push(session)
      else await session[Symbol.asyncDispose]()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    const sessions = this.#idle.splice(0)
    await Promise.all([this.#holder, ...sessions].map((session) => session[Symbol.asyncDispose]()))
  }

  async #reader(): Promise<Session> {
    if (this.#closed) throw new Fault('HF-L109', { what: 'the snapshot is closed' })
    if (this.#holder.lost.aborted) throw this.#named(this.#holder.lost.reason)
    const { endpoint, mirror } = this.#options
    return (
      this.#idle.pop() ?? (await connect(endpoint, { side: 'source', mirror, purpose: 'copy' }))
    )
  }

  /**
   * Opens a transaction in the snapshot. Under a lock that ALTER TABLE and TRUNCATE wait for it is
   * seen that the table is what it was: COPY takes columns by the names of today, and a rewrite
   * that older snapshots cannot see through gives the table another file. The shape is asked for
   * outside the snapshot, in which the catalogue is the old one, and the old file inside.
   */
  async #enter(session: Session, { table }: Chunk): Promise<void> {
    await session.query(
      `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT ${literal(this.#name)}`,
    )
    await session.query(`LOCK TABLE ONLY ${qualified(table)} IN ACCESS SHARE MODE`)
    const shape = (await readShapes(this.#options.control, [table.id])).get(table.id)
    const mark = readMark(table)
    if (mark !== null) compareShape(table, mark, shape)
    const [seen] = await session.query('select relfilenode from pg_class where oid = $1::oid', [
      table.id,
    ])
    if (shape !== undefined && shape.node === seen?.['relfilenode']) return
    throw new Fault('HF-L109', {
      what: `${tableName(table)} was truncated or written anew while it was copied`,
      side: 'source',
      table: tableName(table),
    })
  }

  async #sizeOf(table: Table): Promise<TextRow> {
    const [row] = await this.#options.control.query(SIZE, [table.id])
    if (row !== undefined) return row
    throw gone(table)
  }

  #named(error: unknown, table?: Table): Fault {
    const fault = asFault(error)
    if (table !== undefined && sqlstateOf(fault) === '42P01') return gone(table)
    const holder = this.#holder.lost.aborted
    if (!holder && sqlstateOf(fault) !== '22023' && sqlstateOf(fault) !== '42704') return fault
    return new Fault('HF-L109', {
      what: `the snapshot at ${this.#holder.label} ended: ${fault.message}`,
      side: 'source',
      ...(fault.detail.evidence === undefined ? {} : { evidence: fault.detail.evidence }),
    })
  }
}

const SIZE = `
select pg_table_size(c.oid) as bytes,
  pg_relation_size(c.oid) / current_setting('block_size')::int as blocks
from pg_class c where c.oid = $1::oid`

function gone(table: Table): Fault {
  return new Fault('HF-D406', {
    what: `${tableName(table)}: it was dropped`,
    side: 'source',
    table: tableName(table),
  })
}

function copySql({ table, range }: Chunk, encoding: string): string {
  const { from, to } = range as Blocks
  const columns = table.columns.map(({ name }) => ident(name)).join(', ')
  const format = encoding === 'pg-copy-binary' ? 'binary' : 'text'
  const where = [
    ...(from === 0 ? [] : [`ctid >= '(${from},0)'`]),
    ...(to === null ? [] : [`ctid < '(${to},0)'`]),
  ]
  const rows =
    where.length === 0 && table.columns.length > 0
      ? `${qualified(table)} (${columns})`
      : `(SELECT ${columns} FROM ONLY ${qualified(table)} ${where.length === 0 ? '' : 'WHERE '}${where.join(' AND ')})`
  return `COPY ${rows} TO STDOUT (FORMAT ${format})`
}

function encoded(
  table: Table,
  encoding: string,
  copied: AsyncIterable<Buffer>,
): AsyncIterable<Buffer> {
  return encoding === 'values' ? framedValues(table, bodies(copied)) : copied
}

async function* bodies(copied: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  for await (const messages of copied) yield bodiesOf(messages)
}
