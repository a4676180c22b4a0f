import type { Session } from '../../dialect/mysql/connect.ts'
import { Fault } from '../../model/fault.ts'
import { controlOf, xidText } from './control.ts'
import { FIRST } from './log/begun.ts'
import { Dump, eventsIn } from './log/dump.ts'
import { type LogEvent, LogReader } from './log/events.ts'
import type { FilePlace } from './place.ts'
import { logFiles, preparedNow } from './server.ts'

/** What a log says last of an XA transaction before a place. */
export interface LastWord {
  readonly said: 'prepared' | 'committed' | 'rolled back'
  /** The server was killed between it and the place. */
  readonly killed: boolean
}

interface Looking {
  readonly control: Session
  /** Another session, to be given up. */
  readonly another: () => Promise<Session>
  readonly xid: string
  readonly before: FilePlace
}

/**
 * Reads the log once more, one file after the other from this place back, for what it says of a
 * transaction. Null where it says nothing, or cannot be read as far. Throws Fault where that may
 * pass.
 */
export async function lastWord(looking: Looking, signal: AbortSignal): Promise<LastWord | null> {
  const { control, before } = looking
  // Then no copy has waited for it either: what was said before may not have been carried.
  if ((await preparedNow(control)) === null) return null
  const files = (await logFiles(control)).map(({ file }) => file)
  const here = files.indexOf(before.file)
  let killed = false
  try {
    for (let at = here; at >= 0; at--) {
      const file = files[at] ?? ''
      const { said, closed } = await readFile(looking, file, signal)
      if (at < here && !closed) killed = true
      if (said !== null) return { said, killed }
    }
  } catch (error) {
    if (!(error instanceof Fault) || error.transient) throw error
  }
  return null
}

interface FileRead {
  readonly said: LastWord['said'] | null
  /** The server ended it by itself. */
  readonly closed: boolean
}

async function readFile(
  { another, xid, before }: Looking,
  file: string,
  signal: AbortSignal,
): Promise<FileRead> {
  const start = { by: 'file', file, position: BigInt(FIRST) } as const
  // What is asked for is there already: a server that stays silent does not know the connection.
  await using dump = await Dump.open(await another(), { start, alive: async () => false })
  const reader = new LogReader()
  let said: LastWord['said'] | null = null
  let closed = false
  for (;;) {
    for (const bytes of eventsIn(await dump.next(signal))) {
      const events: LogEvent[] = []
      const more = reader.take(bytes, events)
      if (more !== null) for await (const piece of more) events.push(...piece)
      for (const event of events) {
        if (event.kind === 'rotate' && event.file !== file) {
          return { said, closed: closed || event.timestamp > 0 }
        }
        if (file === before.file && event.end > before.position) return { said, closed }
        if (event.kind === 'stop') closed = true
        said = wordOf(event, xid) ?? said
      }
    }
  }
}

function wordOf(event: LogEvent, xid: string): LastWord['said'] | null {
  if (event.kind === 'xa-prepare') {
    const { prepared } = event
    if (xidText(prepared.xid) !== xid) return null
    return prepared.onePhase ? 'committed' : 'prepared'
  }
  if (event.kind !== 'query') return null
  const control = controlOf(event.query)
  if (control?.kind === 'xa-commit' && control.xid === xid) return 'committed'
  return control?.kind === 'xa-rollback' && control.xid === xid ? 'rolled back' : null
}
