import { orAborted } from '../../../async/abort.ts'
import { every } from '../../../async/clock.ts'
import { point } from '../../../async/point.ts'
import { connect, type Session, type TextRow } from '../../../dialect/postgres/connect.ts'
import { sqlstateOf } from '../../../dialect/postgres/errors.ts'
import { ident, literal, qualified } from '../../../dialect/postgres/quote.ts'
import { framedValues } from '../../../dialect/postgres/values.ts'
import type { Endpoint } from '../../../model/endpoint.ts'
import { asFault, Fault } from '../../../model/fault.ts'
import type { Positions } from '../../../model/position.ts'
import { type Table, tableName } from '../../../model/table.ts'
import type { Chunk, Snapshot } from '../../source.ts'
import { streamFault } from '../log/walsender.ts'
import { type Lsn, parseLsn } from '../position.ts'
import { number, text } from '../rows.ts'
import { compareShape } from '../schema/drift.ts'
import { readMark, readShapes } from '../schema/shape.ts'
import { copyOut } from './copy-out.ts'
import { bodiesOf } from './copy-runs.ts'
import { estimateTables } from './estimate.ts'

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
    await giveUp(holder, options.control)
    throw streamFault(error, { slot, label: holder.label })
  }
}

/**
 * A slot that waits for its start goes away with its session, and a session that waits for a lock
 * does not see that its client has gone: it is ended from outside.
 */
async function giveUp(holder: Session, control: Session): Promise<void> {
  holder.client.connection.stream.destroy()
  const end = control.query('select pg_terminate_backend($1::int)', [String(holder.pid)])
  await end.catch(() => undefined)
}

const WAIT_REPORT_MS = 3_000

/**
 * The slot waits for every transaction that is open now, in any database: who does not commit is
 * named, so that a person can.
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

/**
 * Who holds the lock of the transaction number that the slot's walsender waits for: a session, or
 * a transaction that was prepared and belongs to none (snapbuild.c, SnapBuildWaitSnapshot).
 */
const WAITED_FOR = `
select w.transactionid as xid, a.pid, a.usename, a.datname, p.gid, p.owner, p.database,
  coalesce(nullif(a.application_name, ''), a.backend_type) as application,
  to_char(coalesce(a.xact_start, p.prepared), 'YYYY-MM-DD HH24:MI:SS TZ') as since
from pg_locks w
left join pg_locks h on h.locktype = 'transactionid' and h.transactionid = w.transactionid
  and h.granted and h.mode = 'ExclusiveLock'
left join pg_stat_activity a on a.pid = h.pid
left join pg_prepared_xacts p on p.transaction = w.transactionid
where w.pid = $1::int and w.locktype = 'transactionid' and not w.granted limit 1`

async function waitedFor(control: Session, pid: number): Promise<string | null> {
  const [row] = await control.query(WAITED_FOR, [String(pid)])
  if (row === undefined) return null
  const cell = (name: string): string => row[name] ?? 'unknown'
  const what = `the first copy waits for transaction ${cell('xid')}, open since ${cell('since')}`
  if (row['gid'] != null) {
    const gid = literal(row['gid'])
    const how = `COMMIT PREPARED ${gid} or ROLLBACK PREPARED ${gid} lets it go on`
    return `${what}: prepared as ${gid} by ${cell('owner')} in database ${cell('database')}; ${how}`
  }
  const [who, where] = [`process ${cell('pid')} of ${cell('usename')}`, cell('datname')]
  return `${what}: ${who} (${cell('application')}) in database ${where}`
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
