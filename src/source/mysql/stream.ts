import { connect, type Session } from '../../dialect/mysql/connect.ts'
import type { StreamItem } from '../../model/change.ts'
import type { Endpoint } from '../../model/endpoint.ts'
import { Fault } from '../../model/fault.ts'
import type { Table } from '../../model/table.ts'
import { type LastWord, lastWord } from './last-word.ts'
import { DomainPosition } from './log/domains.ts'
import { type Arrived, Dump, type Start } from './log/dump.ts'
import { type LogEvent, LogReader } from './log/events.ts'
import { GtidSet } from './log/gtid.ts'
import type { FilePlace, Landmark, Place } from './place.ts'
import type { Places } from './places.ts'
import { Reading } from './reading.ts'
import { SchemaInForce } from './schema/force.ts'
import { logEnd, preparedNames } from './server.ts'

export interface StreamOptions {
  readonly endpoint: Endpoint
  readonly mirror: string
  /** An ordinary session, for what the log does not say. */
  readonly control: Session
  readonly places: Places
  readonly tables: readonly Table[]
  /** Updates bring the row before, also where the key stays. */
  readonly before?: boolean
  readonly after: Place
  readonly landmark: Landmark | null
  /** A place before which everything is in what it has passed; null while that cannot be said. */
  readonly head: () => Promise<Place | null>
  readonly folded: boolean
  readonly logsCascades: boolean
  readonly notice?: (text: string) => void
  /** Milliseconds of silence after which the server is asked whether it knows the connection. */
  readonly silence?: number
}

/** A dump begins at no place beyond this; what comes before is passed over. */
const FARTHEST = 0xffffffff

type Items = readonly StreamItem[]

/**
 * The changes after a place, in bursts of what has arrived. What came before a Fault is yielded
 * before it is thrown. Ends when the signal aborts.
 */
export async function* streamLog(
  options: StreamOptions,
  signal: AbortSignal,
): AsyncIterable<Items> {
  const { places, control, tables, folded, logsCascades, landmark, before = false } = options
  const start = reachable(options.after)
  const force = await SchemaInForce.open({ session: control, tables, folded, logsCascades })
  const notice = options.notice ?? (() => undefined)
  const lastSaid = (xid: string, before: FilePlace): Promise<LastWord | null> =>
    lastWord({ control, another: () => another(options, 'look'), xid, before }, signal)
  const common = { places, force, start, landmark, before, notice }
  const reading = new Reading({ ...common, lastWord: lastSaid })
  await using dump = await open(options, start)
  const reader = new LogReader()
  let head: Place | null = null
  let [looks, idle] = [true, true]
  const doubt = new Doubt(control, places)
  while (!signal.aborted) {
    if (reading.prepared.doubtful) await doubt.settle(reading)
    // The server does not say what it passes over.
    if (looks && idle) head ??= await options.head()
    if (head !== null && reading.covers(head)) {
      reading.reached(head)
      head = null
      looks = false
    }
    reading.progress()
    const reached = reading.drain()
    if (reached.length > 0) yield reached
    const arrived = await next(dump, signal)
    idle = true
    for await (const items of bursts(arrived, reader, reading)) {
      idle = false
      yield items
    }
  }
}

/** A file of more than 4 GiB is read from its beginning. */
function reachable(place: Place): Place {
  const { passed, at, from } = place
  if (passed !== null || at === null) return place
  const begin = from?.at ?? at
  if (begin.position <= FARTHEST && from === null) return place
  const position = begin.position <= FARTHEST ? begin.position : 4
  return { ...place, from: { passed: null, at: { ...begin, position } } }
}

async function open(options: StreamOptions, start: Place): Promise<Dump> {
  const { silence } = options
  const session = await another(options, 'stream')
  return await Dump.open(session, {
    start: startOf(start),
    alive: () => stillThere(options, session),
    ...(silence === undefined ? {} : { silence }),
  })
}

function startOf({ passed, at, from }: Place): Start {
  const begin = from?.passed ?? passed
  if (begin instanceof GtidSet) return { by: 'gtid', set: begin }
  if (begin instanceof DomainPosition) return { by: 'domains', position: begin }
  const place = from?.at ?? at
  if (place !== null) {
    return { by: 'file', file: place.file, position: BigInt(place.position) }
  }
  throw new Fault('HF-L107', { what: 'a log position cannot be read', side: 'source' })
}

async function next(dump: Dump, signal: AbortSignal): Promise<readonly Arrived[]> {
  try {
    return await dump.next(signal)
  } catch (error) {
    if (signal.aborted) return []
    throw error
  }
}

async function* bursts(
  arrived: readonly Arrived[],
  reader: LogReader,
  reading: Reading,
): AsyncGenerator<Items> {
  const events: LogEvent[] = []
  try {
    for (const some of arrived) {
      for (let i = 0; 2 * i < some.places.length; i++) {
        events.length = 0
        const more = reader.takeAt(some, i, events)
        const asking = takeAll(events, reading)
        if (asking !== undefined) await asking
        if (more === null) continue
        for await (const piece of more) {
          await takeAll(piece, reading)
          const items = reading.drain()
          if (items.length > 0) yield items
        }
      }
    }
    reading.progress()
  } catch (error) {
    const items = reading.drain()
    if (items.length > 0) yield items
    throw error
  }
  const items = reading.drain()
  if (items.length > 0) yield items
}

/** Waits only where something has to be asked. */
function takeAll(
  events: readonly LogEvent[],
  reading: Reading,
  from = 0,
): Promise<void> | undefined {
  for (let i = from; i < events.length; i++) {
    const event = events[i]
    const asking = event === undefined ? undefined : reading.take(event)
    if (asking !== undefined) return asking.then(() => takeAll(events, reading, i + 1))
  }
  return undefined
}

/** Asks over another connection whether the server still has this one. */
async function stillThere(options: StreamOptions, dumping: Session): Promise<boolean> {
  await using session = await another(options, 'ping')
  const rows = await session.query('SHOW PROCESSLIST')
  return rows.some((row) => row['Id'] === String(dumping.thread))
}

async function another({ endpoint, mirror }: StreamOptions, purpose: string): Promise<Session> {
  return await connect(endpoint, { side: 'source', mirror, purpose })
}

/** What a server said that it has prepared; null where it does not tell. */
interface Asked {
  readonly there: ReadonlySet<string> | null
  /** Where its log ended then. */
  readonly end: FilePlace
}

/**
 * Asks a server that was killed what it still has prepared, once, and waits until all is read that
 * was logged by then: what it had not then, and did not end, it has lost.
 */
class Doubt {
  readonly #control: Session
  readonly #places: Places
  #asked: Asked | null = null

  constructor(control: Session, places: Places) {
    this.#control = control
    this.#places = places
  }

  async settle(reading: Reading): Promise<void> {
    this.#asked ??= await this.#ask()
    if (this.#asked === null || !reading.hasReached(this.#asked.end)) return
    reading.prepared.settle(this.#asked.there)
    this.#asked = null
  }

  async #ask(): Promise<Asked | null> {
    const there = await preparedNames(this.#control)
    const end = await logEnd(this.#control, this.#places.server)
    return end?.at == null ? null : { there, end: end.at }
  }
}
