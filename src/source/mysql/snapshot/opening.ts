import { every, sleep } from '../../../async/clock.ts'
import { Charsets } from '../../../dialect/mysql/charset-wide.ts'
import { connect, type Session } from '../../../dialect/mysql/connect.ts'
import { literal, qualified } from '../../../dialect/mysql/quote.ts'
import { parseNative } from '../../../dialect/mysql/types.ts'
import type { StreamItem } from '../../../model/change.ts'
import type { Endpoint } from '../../../model/endpoint.ts'
import { Fault } from '../../../model/fault.ts'
import type { Positions } from '../../../model/position.ts'
import { type Table, tableName } from '../../../model/table.ts'
import { DomainPosition } from '../log/domains.ts'
import { compareFiles, contains, type FilePlace, LANE, type Place } from '../place.ts'
import type { Places } from '../places.ts'
import { logEnd, preparedNow } from '../server.ts'
import { Overlay } from './overlay.ts'
import { openSeats } from './seats.ts'
import { sizeOf, Transactions, type Whole } from './transactions.ts'
import { type Seat, View } from './view.ts'

export interface ViewOptions {
  readonly endpoint: Endpoint
  readonly mirror: string
  /** An ordinary session for single statements. */
  readonly control: Session
  readonly places: Places
  readonly tables: readonly Table[]
  /** What the sessions of the view are for. */
  readonly purpose: string
  /** Sessions that read tables. */
  readonly width: number
  /** The log after a place, as a stream of these tables' changes; `before` as in Source.stream. */
  readonly follow: (
    after: Place,
    signal: AbortSignal,
    before?: boolean,
  ) => AsyncIterable<readonly StreamItem[]>
  /** Told, in a sentence, what is waited for. */
  readonly notice: (text: string) => void
  /** Milliseconds that prepared transactions are waited for; without an end when absent. */
  readonly patience?: number
  /** Throws when the tables are no longer what they were said to be; asked once, at the first place. */
  readonly unchanged?: () => Promise<void>
}

/** How often a view is tried of tables that change under it, and from when on they are locked. */
const TRIES = 12
const LOCK_FROM = 4
const LOCK_SECONDS = 3
/** Bytes of changes between the two places that a view lies between. */
const LIMIT = 256 << 20
const PAUSE_MS = 50
const REPORT_MS = 3000

/** Tables without a key changed while the view was opened: it does not tell which rows it holds. */
class Unclear extends Error {
  override readonly name = 'Unclear'
  readonly tables: readonly Table[]

  constructor(tables: readonly Table[]) {
    super('tables without a key changed while the view was opened')
    this.tables = tables
  }
}

/**
 * Opens sessions whose snapshots lie between two places of the log, and reads the log between
 * those: with what changed there put over their rows all of them show the tables as they are at
 * the later place. No lock is taken for it, but for moments on tables without a key that change
 * all the time. Throws Fault.
 */
export async function openView(options: ViewOptions, signal: AbortSignal): Promise<View> {
  const charsets = await charsetsOf(options)
  let held: readonly Table[] = []
  for (let attempt = 1; ; attempt++) {
    try {
      return await tryView({ ...options, held: attempt < LOCK_FROM ? [] : held, charsets }, signal)
    } catch (error) {
      signal.throwIfAborted()
      const again = error instanceof Unclear || isFault(error, 'HF-L109', 'HF-L117')
      if (!again) throw error
      if (attempt === TRIES) throw error instanceof Unclear ? tooBusy(error.tables) : error
      if (error instanceof Unclear) held = error.tables
      await sleep(PAUSE_MS, signal)
    }
  }
}

function isFault(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Fault && codes.includes(error.code)
}

function tooBusy(tables: readonly Table[]): Fault {
  const names = tables.map(tableName).join(', ')
  return new Fault('HF-L109', {
    what: `${names} has no key and changes so often that no view of it is exact`,
    side: 'source',
    todo: [
      { text: 'Give it a primary key, or leave it out with --exclude.', at: 'source' },
      { text: 'Or let the role lock it for a moment.', sql: 'GRANT LOCK TABLES', at: 'source' },
    ],
  })
}

async function charsetsOf({ control, tables }: ViewOptions): Promise<Charsets> {
  const natives = tables.flatMap(({ columns }) => columns.map(({ native }) => native))
  return await Charsets.of(
    control,
    natives.flatMap((native) => parseNative(native).charset ?? []),
  )
}

interface Attempt extends ViewOptions {
  readonly charsets: Charsets
  /** Tables that nobody may write to meanwhile. */
  readonly held: readonly Table[]
}

async function tryView(options: Attempt, signal: AbortSignal): Promise<View> {
  const { places, tables, charsets } = options
  await using opened = new AsyncDisposableStack()
  const locked = await lockTables(options, opened)
  const settled = await settledPlace(options, signal)
  // What was altered before that place is not in the log behind it.
  await options.unchanged?.()
  const seats = await openSeats(options, opened)
  const between = await boundsOf(options, settled, seats)
  const { window, positions } = await readWindow(options, between, signal)
  const overlays = new Map<string, Overlay>()
  const touched = new Map<Table, Positions>()
  for (const { changes, positions: at } of window) {
    for (const change of changes) {
      if (change.kind === 'schema') throw changed(change.from)
      const of = change.kind === 'truncate' ? change.tables : [change.table]
      for (const { id } of of) {
        const table = tables.find((one) => one.id === id)
        if (table === undefined) continue
        if (table.identity.by !== 'key') touched.set(table, at)
        const overlay = overlays.get(id) ?? new Overlay(table)
        overlays.set(id, overlay)
        if (change.kind === 'truncate') overlay.truncate()
        else if (table.identity.by === 'key') overlay.add(change)
      }
    }
  }
  requireClear(touched, { seats, locked, places })
  for (const { id } of touched.keys()) overlays.delete(id)
  await locked?.session[Symbol.asyncDispose]()
  return new View(opened.move(), {
    seats,
    overlays,
    positions,
    charsets,
    label: options.control.label,
  })
}

function changed(table: Table): Fault {
  const what = `${tableName(table)} was changed while the view was opened`
  return new Fault('HF-L109', { what, side: 'source', table: tableName(table) })
}

/**
 * A table without a key is shown exactly by a session that is known to stand behind its last
 * change: the newest one where the server says at which place of the log each stands, else none.
 */
function requireClear(
  touched: ReadonlyMap<Table, Positions>,
  about: {
    readonly seats: readonly Seat[]
    readonly locked: Locked | null
    readonly places: Places
  },
): void {
  const newest = about.seats[0]?.place ?? null
  const unclear = [...touched].filter(([table, positions]) => {
    if (about.locked?.tables.includes(table) === true) return false
    const position = positions.get(LANE)
    const at = position === undefined ? null : about.places.placeOf(position).at
    const distance = newest === null || at === null ? null : compareFiles(at, newest)
    return distance === null || distance > 0
  })
  if (unclear.length > 0) throw new Unclear(unclear.map(([table]) => table))
}

interface Locked {
  readonly session: Session
  readonly tables: readonly Table[]
}

/** Null when nothing is to be locked, or when that is not possible. */
async function lockTables(
  { held, endpoint, mirror }: Attempt,
  opened: AsyncDisposableStack,
): Promise<Locked | null> {
  if (held.length === 0) return null
  const session = opened.use(await connect(endpoint, { side: 'source', mirror, purpose: 'lock' }))
  try {
    await session.query(`SET SESSION lock_wait_timeout = ${LOCK_SECONDS}`)
    await session.query(`LOCK TABLES ${held.map((table) => `${qualified(table)} READ`).join(', ')}`)
    return { session, tables: held }
  } catch (error) {
    if (isFault(error, 'HF-S106', 'HF-S104', 'HF-S108')) return null
    throw error
  }
}

/**
 * A place before which everything is in the snapshots that are opened from now on. MySQL counts a
 * transaction as executed when its rows are there for others to see; without that count a new file
 * is begun, for which it waits until all of the old one are. MariaDB's snapshots name their places. Prepared transactions, whose rows are in the log
 * already, are waited for.
 */
async function settledPlace(options: ViewOptions, signal: AbortSignal): Promise<Place> {
  const { control, places, notice, patience = Number.POSITIVE_INFINITY } = options
  for (let waited = 0; ; waited += PAUSE_MS) {
    const low = await lowPlace(control, places)
    const prepared = await preparedNow(control)
    if (prepared === null || prepared === 0) return low
    if (waited % REPORT_MS === 0) {
      notice(
        `the first copy waits for ${prepared} prepared ${prepared === 1 ? 'transaction' : 'transactions'}: XA RECOVER names them`,
      )
    }
    if (waited >= patience) {
      const what = `${prepared} ${prepared === 1 ? 'transaction is' : 'transactions are'} prepared at the source and not ended: XA RECOVER names them`
      throw new Fault('HF-V107', { what, side: 'source' })
    }
    await sleep(PAUSE_MS, signal)
  }
}

async function lowPlace(control: Session, places: Places): Promise<Place> {
  const { server } = places
  if (server.naming === 'files' && server.flavour === 'mysql') {
    await control.query('FLUSH BINARY LOGS').catch(needsReload)
  }
  const place = await end(control, places)
  if (server.naming !== 'files' || place.at === null) return place
  return { ...place, at: { ...place.at, position: FILE_START } }
}

const FILE_START = 4

function needsReload(error: unknown): never {
  if (!isFault(error, 'HF-S106')) throw error
  throw new Fault('HF-S106', {
    what: 'the role may not begin a new file of the log, without which no view of a server without GTIDs is exact',
    side: 'source',
    todo: [
      { text: 'Grant it.', sql: 'GRANT RELOAD ON *.* TO …', at: 'source', as: 'administrator' },
      { text: 'Or set gtid_mode to ON.', at: 'source', as: 'administrator' },
    ],
  })
}

/** Two places of the log: all that is before the first one is in each snapshot, nothing behind the other. */
interface Bounds {
  readonly low: Place
  readonly high: Place
  /** Nothing lies between them. */
  readonly quiet: boolean
}

/**
 * Where servers name the places of their snapshots the log is read from before the oldest of those
 * on, too: what was prepared just before would end in it without having begun. But a transaction
 * that was in the log already may not be in the snapshots yet, for as long as a replica takes to
 * confirm it (MariaDB's rpl_semi_sync_master_wait_point).
 */
async function boundsOf(
  { control, places }: ViewOptions,
  settled: Place,
  seats: readonly Seat[],
): Promise<Bounds> {
  const [newest, oldest] = [seats[0]?.place ?? null, seats.at(-1)?.place ?? null]
  const low = settled.passed === null ? settled : { ...settled, at: null }
  if (newest !== null && oldest !== null) {
    const high = await domainsAt(control, places, newest)
    const ahead = settled.at === null ? 0 : (compareFiles(settled.at, oldest) ?? 0)
    const quiet = ahead >= 0 && compareFiles(oldest, newest) === 0
    if (ahead <= 0) return { low, high, quiet }
    return { low: { ...(await domainsAt(control, places, oldest)), at: null }, high, quiet }
  }
  const high = await end(control, places)
  if (settled.passed === null) return { low, high, quiet: false }
  const still = await stillEnd(control, places)
  const quiet = still?.passed != null && contains(settled.passed, still.passed)
  return { low, high: quiet ? still : high, quiet }
}

async function end(control: Session, { server }: Places): Promise<Place> {
  const place = await logEnd(control, server)
  if (place !== null) return place
  throw new Fault('HF-S107', { what: 'the source writes no binary log', side: 'source' })
}

/**
 * MariaDB's own name of a place in its files. The server reads the file for that, and gives up at an
 * event that is larger than `max_allowed_packet`.
 */
async function domainsAt(control: Session, places: Places, at: FilePlace): Promise<Place> {
  const sql = `SELECT BINLOG_GTID_POS(${literal(at.file)}, ${at.position}) AS g`
  const [row] = await control.query(sql)
  const name = row?.['g'] ?? null
  if (name !== null) return { passed: DomainPosition.parse(name), at, from: null }
  const before = await end(control, places)
  const after = await end(control, places)
  // The name was asked for between two looks at the end, which stood there both times.
  const still = [before, after].every((one) => one.at !== null && compareFiles(one.at, at) === 0)
  if (still && after.passed !== null) return { passed: after.passed, at, from: null }
  throw new Fault('HF-S110', {
    what: `the source cannot name the place ${at.file}:${at.position} of a snapshot`,
    side: 'source',
  })
}

/**
 * The end of the log when nothing is on its way there: no transaction has a name and is not yet
 * executed, and none was logged meanwhile. Null when that is not so.
 */
async function stillEnd(control: Session, places: Places): Promise<Place | null> {
  const before = await end(control, places)
  const [owned] = await control.query('SELECT @@GLOBAL.gtid_owned AS g')
  const after = await end(control, places)
  const same = before.at !== null && after.at !== null && compareFiles(before.at, after.at) === 0
  return owned?.['g'] === '' && same ? after : null
}

/** What the log holds after the first place, up to where it has passed the other one. */
async function readWindow(
  { follow, places }: ViewOptions,
  { low, high, quiet }: Bounds,
  signal: AbortSignal,
): Promise<{ readonly window: readonly Whole[]; readonly positions: Positions }> {
  if (quiet) return { window: [], positions: places.at(high) }
  const wanted = places.position(high)
  const stop = new AbortController()
  let moved = true
  const stalled = (): void => {
    if (!moved) stop.abort()
    moved = false
  }
  using _watch = every(STALLED_MS, stalled, () => undefined)
  const transactions = new Transactions()
  const window: Whole[] = []
  let bytes = 0
  try {
    for await (const items of follow(low, AbortSignal.any([signal, stop.signal]), true)) {
      moved = true
      for (const whole of transactions.take(items)) {
        bytes += sizeOf(whole.changes)
        if (whole.changes.length > 0) window.push(whole)
        const position = whole.positions.get(LANE)
        const how = position === undefined ? 'before' : places.compare(position, wanted)
        if (how === 'after' || how === 'equal') return { window, positions: whole.positions }
      }
      if (bytes > LIMIT) throw tooMuch(bytes)
    }
  } finally {
    stop.abort()
  }
  signal.throwIfAborted()
  const what = 'the log did not bring what was committed while the view was opened'
  throw new Fault('HF-L109', { what, side: 'source' })
}

/** Silence of the log before what should come. */
const STALLED_MS = 3000

function tooMuch(bytes: number): Fault {
  const what = `${Math.round(bytes / 1e6)} MB of changes came while the view was opened`
  return new Fault('HF-L109', { what, side: 'source' })
}
