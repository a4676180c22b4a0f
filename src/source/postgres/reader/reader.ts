import { monotonic } from '../../../async/clock.ts'
import { connect, type Session } from '../../../dialect/postgres/connect.ts'
import { literal } from '../../../dialect/postgres/quote.ts'
import { View } from '../../../dialect/postgres/view.ts'
import type { Endpoint } from '../../../model/endpoint.ts'
import { Fault } from '../../../model/fault.ts'
import type { Positions } from '../../../model/position.ts'
import type {
  Described,
  Found,
  LoggedTransaction,
  Print,
  Recipe,
  SourceReader,
  Sums,
} from '../../../model/reader.ts'
import type { Table } from '../../../model/table.ts'
import type { Tuple } from '../../../model/tuple.ts'
import { currentHead, emitFence } from '../log/head.ts'
import { formatLsn, type Lsn, lsnOf, parseLsn, positionsAt } from '../position.ts'
import { LogCopy } from './reader-log.ts'
import { isVisible, parseSnapshot, type Seen, settle } from './reader-snapshot.ts'

export interface SourceReaderOptions {
  readonly endpoint: Endpoint
  readonly mirror: string
  readonly tables: readonly Table[]
  /** The mirror's durable slot. */
  readonly slot: string
  readonly publications: readonly string[]
  /** The name of the log in positions. */
  readonly log: string
  /** Sessions that read tables. */
  readonly width?: number
  /** Bytes of changes that may be held against the view. */
  readonly limit?: number
}

const WIDTH = 2
const LIMIT = 256 << 20
const FLUSH_MS = 10_000

/** Nothing of ours may wait for, or be planned as, what others have set. */
export const VIEW_SETTINGS = {
  max_parallel_workers_per_gather: '0',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
}

/**
 * Opens a view of the source. The copy of the slot comes first, so that the log is known from a
 * place at which everything is in the view. Throws Fault.
 */
export async function openSourceReader(
  options: SourceReaderOptions,
  signal: AbortSignal,
): Promise<SourceReader> {
  await using opened = new AsyncDisposableStack()
  const { endpoint, mirror } = options
  const further = (purpose: string): Promise<Session> =>
    connect(endpoint, { side: 'source', mirror, purpose, settings: VIEW_SETTINGS })
  const session = async (purpose: string): Promise<Session> => opened.use(await further(purpose))
  const logSession = await session('verify-log')
  const log = await LogCopy.open(logSession, {
    slot: options.slot,
    publications: options.publications,
    tables: options.tables,
    limit: options.limit ?? LIMIT,
  })
  const running = await logSession.query('SELECT pg_current_snapshot() AS snapshot')
  const suspects = parseSnapshot(running[0]?.['snapshot'] ?? '').running
  const doubtful = await settle(logSession, suspects, signal)
  const sessions = await Promise.all(
    Array.from({ length: options.width ?? WIDTH }, () => session('verify')),
  )
  const { seen, at } = await openViews(sessions)
  await flushed(logSession, at, () => further('verify'))
  return new PostgresSourceReader(opened.move(), {
    view: new View(sessions, ({ id }) => ({ oid: id })),
    log,
    name: options.log,
    seen,
    at,
    doubtful,
    session: logSession,
  })
}

export async function openViews(
  sessions: readonly Session[],
): Promise<{ readonly seen: Seen; readonly at: Lsn }> {
  const [first, ...others] = sessions
  if (first === undefined) throw new RangeError('a view needs a session')
  const begin = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY'
  await first.query(begin)
  const [row] = await first.query(
    `SELECT pg_current_snapshot() AS snapshot, pg_export_snapshot() AS exported,
            pg_current_wal_insert_lsn() AS lsn`,
  )
  const exported = literal(row?.['exported'] ?? '')
  await Promise.all(
    others.map((session) => session.query(`${begin}; SET TRANSACTION SNAPSHOT ${exported}`)),
  )
  return { seen: parseSnapshot(row?.['snapshot'] ?? ''), at: parseLsn(row?.['lsn'] ?? '') }
}

/**
 * Commits that are in the view may not be on disk yet, and the log is read only as far as it is.
 * The log's own session stays out of what could fail: an error would end its copy of the slot.
 */
async function flushed(log: Session, at: Lsn, further: () => Promise<Session>): Promise<void> {
  if ((await currentHead(log)) >= at) return
  await using session = await further()
  const until = monotonic() + FLUSH_MS
  while ((await emitFence(session)) < at || (await currentHead(log)) < at) {
    if (monotonic() < until) continue
    throw new Fault('HF-S108', {
      what: 'the source does not write its log to disk',
      side: 'source',
    })
  }
}

interface Opened {
  readonly view: View
  readonly log: LogCopy
  readonly name: string
  readonly seen: Seen
  readonly at: Lsn
  /** Transactions that may be in the log before it is known, and that the view does not hold. */
  readonly doubtful: ReadonlySet<number>
  readonly session: Session
}

class PostgresSourceReader implements SourceReader {
  readonly at: Positions
  readonly from: Positions
  readonly #resources: AsyncDisposableStack
  readonly #opened: Opened
  readonly #doubtful: Set<number>

  constructor(resources: AsyncDisposableStack, opened: Opened) {
    this.#resources = resources
    this.#opened = opened
    this.at = positionsAt(opened.name, opened.at)
    this.from = positionsAt(opened.name, opened.log.from)
    this.#doubtful = new Set([...opened.doubtful].filter((xid) => !isVisible(opened.seen, xid)))
  }

  /** One that was met in the known part of the log is not in doubt. */
  get unsettled(): string | null {
    if (this.#doubtful.size === 0) return null
    return `transactions ${[...this.#doubtful].join(', ')} may wait for a synchronous standby`
  }

  describe(tables: readonly Table[]): Promise<readonly Described[]> {
    return this.#opened.view.describe(tables)
  }
  sums(recipe: Recipe): Promise<Sums> {
    return this.#opened.view.sums(recipe)
  }
  list(recipe: Recipe, buckets: readonly number[] | null): AsyncIterable<readonly Print[]> {
    return this.#opened.view.list(recipe, buckets)
  }
  find(recipe: Recipe, keys: readonly Tuple[], what: 'values' | 'digests'): Promise<Found[]> {
    return this.#opened.view.find(recipe, keys, what)
  }
  intact(table: Table): Promise<boolean> {
    return this.#opened.view.intact(table)
  }
  print(recipe: Recipe, rows: readonly Tuple[]): Promise<readonly Print[]> {
    return this.#opened.view.print(recipe, rows)
  }

  async *changes(
    range: { readonly through: Positions; readonly known: Positions },
    signal: AbortSignal,
  ): AsyncGenerator<readonly LoggedTransaction[], void, undefined> {
    const { log, name, seen } = this.#opened
    const known = lsnOf(range.known, name)
    const through = lsnOf(range.through, name)
    await this.#refuseBeyond(through)
    const commits = log.read(through, {
      visible: (xid) => isVisible(seen, xid),
      skip: (visible, commitLsn) => visible && commitLsn < known,
    })
    for await (const burst of commits) {
      signal.throwIfAborted()
      for (const { xid } of burst) this.#doubtful.delete(xid)
      yield burst.map(({ endLsn, visible, changes }) => ({
        positions: positionsAt(name, endLsn),
        visible,
        changes,
      }))
    }
  }

  /** What was applied was on the source's disk before. */
  async #refuseBeyond(through: Lsn): Promise<void> {
    const { session } = this.#opened
    const end = await currentHead(session)
    if (end >= through) return
    throw new Fault('HF-L106', {
      what: `the target has applied up to ${formatLsn(through)}, but the log of the source ends at ${formatLsn(end)}`,
      side: 'source',
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
  }
}
