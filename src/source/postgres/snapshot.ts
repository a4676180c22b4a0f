import { orAborted } from '../../async/abort.ts'
import { every } from '../../async/clock.ts'
import { point } from '../../async/point.ts'
import { connect, type Session, type TextRow } from '../../dialect/postgres/connect.ts'
import { sqlstateOf } from '../../dialect/postgres/errors.ts'
import { ident, literal, qualified } from '../../dialect/postgres/quote.ts'
import type { Endpoint } from '../../model/endpoint.ts'
import { asFault, Fault } from '../../model/fault.ts'
import type { Positions } from '../../model/position.ts'
import { type Table, tableName } from '../../model/table.ts'
import type { Chunk, Snapshot } from '../source.ts'
import { copyOut } from './copy-out.ts'
import { estimateTables } from './estimate.ts'
import { type Lsn, parseLsn } from './position.ts'
import { number, text } from './rows.ts'
import { framedValues } from './values.ts'
import { streamFault } from './walsender.ts'

export interface SnapshotOptions {
  readonly endpoint: Endpoint
  readonly mirror: string
  /** An ordinary session, to look at what the new slot waits for. */
  readonly control: Session
  readonly slot: string
  /** Lives as long as the snapshot only. */
  readonly temporary: boolean
  readonly positions: (lsn: Lsn) => Positions
  /** Told, in a sentence, what is waited for. */
  readonly notice: (text: string) => void
}

/** Which blocks of the table's file, up to the end without `to`. */
interface Blocks {
  readonly node: string
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
    const row = await createSlot(holder, options, signal)
    if (!options.temporary) point('slot-made')
    return new ExportedSnapshot(holder, {
      ...options,
      lsn: parseLsn(text(row, 'consistent_point')),
      name: text(row, 'snapshot_name'),
    })
  } catch (error) {
    // A slot that is still waiting for its start goes away with its session.
    holder.client.connection.stream.destroy()
    throw streamFault(error, { slot, label: holder.label })
  }
}

const WAIT_REPORT_MS = 3_000

/**
 * The slot waits for every transaction that is open now, in any database (P98): who does not
 * commit is named, so that a person can.
 */
async function createSlot(
  holder: Session,
  options: SnapshotOptions,
  signal: AbortSignal,
): Promise<TextRow> {
  const kind = options.temporary ? ' TEMPORARY' : ''
  const sql = `CREATE_REPLICATION_SLOT ${ident(options.slot)}${kind} LOGICAL pgoutput EXPORT_SNAPSHOT`
  const report = async (): Promise<void> => {
    const waited = await waitedFor(options.control, holder.pid)
    if (waited !== null) options.notice(waited)
  }
  using _reports = every(WAIT_REPORT_MS, report, () => undefined)
  const [row] = await orAborted(holder.query(sql), signal)
  if (row === undefined) throw new Fault('HF-X001', { what: 'the source made no slot' })
  return row
}

const OPEN_TRANSACTIONS = `
select pid, usename, coalesce(nullif(application_name, ''), backend_type) as application, datname,
  extract(epoch from clock_timestamp() - xact_start)::int as seconds
from pg_stat_activity
where backend_xid is not null and pid <> $1::int
order by xact_start limit 1`

async function waitedFor(control: Session, pid: number): Promise<string | null> {
  const [row] = await control.query(OPEN_TRANSACTIONS, [String(pid)])
  if (row === undefined) return null
  const who = `process ${text(row, 'pid')} of ${row['usename'] ?? 'nobody'} (${row['application'] ?? ''})`
  const where = `database ${row['datname'] ?? 'none'}`
  return `the snapshot waits for a transaction that is open for ${row['seconds'] ?? '?'} s: ${who} in ${where}`
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
    const node = text(row, 'node')
    return Array.from({ length: of }, (_, index) => {
      const range: Blocks = {
        node,
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
      throw this.#named(error)
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
   * Opens a transaction in the snapshot. A rewrite that older snapshots cannot see through
   * (TRUNCATE, ALTER TABLE) gives the table another file, which is looked at under a lock that
   * only such statements wait for.
   */
  async #enter(session: Session, { table, range }: Chunk): Promise<void> {
    await session.query(
      `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT ${literal(this.#name)}`,
    )
    await session.query(`LOCK TABLE ONLY ${qualified(table)} IN ACCESS SHARE MODE`)
    const { node } = await nodeOf(session, table)
    if (node === (range as Blocks).node) return
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

  #named(error: unknown): Fault {
    const fault = asFault(error)
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
select pg_relation_filenode(c.oid) as node,
  pg_table_size(c.oid) as bytes,
  pg_relation_size(c.oid) / current_setting('block_size')::int as blocks
from pg_class c where c.oid = $1::oid`

async function nodeOf(session: Session, table: Table): Promise<{ readonly node: string }> {
  const [row] = await session.query('select pg_relation_filenode($1::oid) as node', [table.id])
  if (row?.['node'] == null) throw gone(table)
  return { node: row['node'] }
}

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
  return encoding === 'values' ? framedValues(table, copied) : copied
}
