import { connect, type Session } from '../../../dialect/mysql/connect.ts'
import type { Endpoint } from '../../../model/endpoint.ts'
import { Fault } from '../../../model/fault.ts'
import { inShort } from '../../../model/position.ts'
import { begunAt, FIRST } from '../log/begun.ts'
import { DomainPosition } from '../log/domains.ts'
import { Dump, eventsIn, type Start } from '../log/dump.ts'
import { type LogEvent, LogReader } from '../log/events.ts'
import { GtidSet } from '../log/gtid.ts'
import { type Landmark, lacking, type Place } from '../place.ts'
import { logEnd, logFiles, type Server } from '../server.ts'

export interface ConfirmOptions {
  readonly endpoint: Endpoint
  readonly mirror: string
  readonly control: Session
  readonly server: Server
  readonly applied: Place
  readonly landmark: Landmark | null
}

/**
 * Faults when the log is not the one in which `applied` was reached, although it reaches past it:
 * transactions that the target has are not there, or the one that came last is another one.
 */
export async function confirmLog(options: ConfirmOptions, signal: AbortSignal): Promise<void> {
  await requireTransactions(options)
  if (options.landmark === null) return
  if (options.landmark.at.position === FIRST)
    return await confirmFile(options, options.landmark, signal)
  // What was written without a name is not sent once all transactions have one.
  const named = options.server.variables.get('gtid_mode') === 'ON'
  if (options.landmark.gtid === '' && named) return
  const start = await startOf(options, options.landmark)
  if (start === null) return
  const found = await firstAt(options, start, signal)
  if (found === null || !isSame(found, options.landmark)) throw otherLog(options.landmark)
}

/** A log that was reset begins its files anew, under the names that they had before. */
async function confirmFile(
  { endpoint, mirror, control, server }: ConfirmOptions,
  { at, time }: Landmark,
  signal: AbortSignal,
): Promise<void> {
  if (at.server !== server.key) return
  const files = await logFiles(control)
  if (!files.some(({ file }) => file === at.file)) return
  const session = await connect(endpoint, { side: 'source', mirror, purpose: 'confirm' })
  const begun = await begunAt(session, at.file, signal)
  if (BigInt(begun) * 1_000_000n === time) return
  const what = `the log of the source is another one: its file ${at.file}, where the target stands, was begun at another time`
  throw new Fault('HF-L106', { what, side: 'source' })
}

/** What the target has and the source does not is named. */
async function requireTransactions({ control, server, applied }: ConfirmOptions): Promise<void> {
  const end = await logEnd(control, server)
  if (end?.passed == null || applied.passed === null) return
  const errant =
    applied.passed instanceof GtidSet
      ? lacking(applied.passed, end.passed)
      : await strange(control, applied.passed)
  if (errant.isEmpty) return
  throw new Fault('HF-L106', {
    what: `the target holds transactions that the source does not have: ${inShort(`${errant}`)}`,
    side: 'source',
    evidence: { missing: `${errant}`, applied: `${applied.passed}`, source: `${end.passed}` },
  })
}

/**
 * Numbers of a domain are counted by every server, so that only those of the server that wrote the
 * transaction tell: what each has written last is known to all that have it.
 */
async function strange(control: Session, applied: DomainPosition): Promise<DomainPosition> {
  const [row] = await control.query('SELECT @@GLOBAL.gtid_binlog_state AS s')
  const words = (row?.['s'] ?? '').split(',').filter((word) => word.trim() !== '')
  const known = words.flatMap((word) => [...DomainPosition.parse(word).gtids()])
  const missing = [...applied.gtids()].filter(
    ({ domain, server, sequence }) =>
      !known.some(
        (one) => one.domain === domain && one.server === server && one.sequence >= sequence,
      ),
  )
  return DomainPosition.of(missing)
}

/** From where the last transaction can be read once more; null where it is gone, or elsewhere. */
async function startOf(options: ConfirmOptions, landmark: Landmark): Promise<Start | null> {
  const { control, server, applied } = options
  const { file, position } = landmark.at
  if (landmark.at.server === server.key) {
    const files = await logFiles(control)
    if (!files.some((one) => one.file === file) || position > 0xffffffff) return null
    return { by: 'file', file, position: BigInt(position) }
  }
  if (!(applied.passed instanceof GtidSet) || landmark.gtid === '') return null
  const last = GtidSet.parse(landmark.gtid)
  const [row] = await control.query('SELECT @@GLOBAL.gtid_purged AS g')
  const purged = GtidSet.parse(row?.['g'] ?? '')
  return purged.contains(last) ? null : { by: 'gtid', set: applied.passed.minus(last) }
}

/** The event with which a transaction begins; null when none does there. */
async function firstAt(
  { endpoint, mirror }: ConfirmOptions,
  start: Start,
  signal: AbortSignal,
): Promise<LogEvent | null> {
  const session = await connect(endpoint, { side: 'source', mirror, purpose: 'confirm' })
  await using dump = await Dump.open(session, { start, alive: async () => false })
  const reader = new LogReader()
  try {
    for (;;) {
      for (const bytes of eventsIn(await dump.next(signal))) {
        const events: LogEvent[] = []
        if (reader.take(bytes, events) !== null) return null
        const [event] = events
        if (event !== undefined && !silent.has(event.kind)) return event
      }
    }
  } catch (error) {
    // Nothing begins there, or it is not the middle of an event.
    const isOther = error instanceof Fault && ['HF-L107', 'HF-L111'].includes(error.code)
    if (isOther && !signal.aborted) return null
    throw error
  }
}

/** What stands between transactions. */
const silent: ReadonlySet<LogEvent['kind']> = new Set([
  'format',
  'rotate',
  'gtids-before',
  'domains-before',
  'heartbeat',
  'stop',
  'statement',
])

function isSame(event: LogEvent, { gtid, time }: Landmark): boolean {
  const seconds = BigInt(event.timestamp) * 1_000_000n
  switch (event.kind) {
    case 'gtid': {
      const { origin, number, committedAt } = event.gtid
      return (gtid === '' || gtid === `${origin}:${number}`) && (committedAt ?? seconds) === time
    }
    case 'domain-gtid': {
      const { domain, server, sequence } = event.gtid
      return gtid === `${domain}-${server}-${sequence}` && seconds === time
    }
    case 'anonymous':
    case 'query':
      return gtid === '' && seconds === time
    default:
      return false
  }
}

function otherLog({ at, gtid }: Landmark): Fault {
  const name = gtid === '' ? 'the transaction' : `the transaction ${gtid}`
  const where = `${at.file}:${at.position}`
  const what = `the log of the source is another one: ${name} that the target has applied last is not at ${where}`
  return new Fault('HF-L106', { what, side: 'source' })
}
