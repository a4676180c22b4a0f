import type { Session } from '../../../dialect/mysql/connect.ts'
import { Dump, eventsIn } from './dump.ts'
import { type LogEvent, LogReader } from './events.ts'

/** Where the first event of every file stands. */
export const FIRST = 4

/** When a file of the log was begun, in seconds since 1970 by the server's clock; gives the session up. */
export async function begunAt(
  session: Session,
  file: string,
  signal: AbortSignal,
): Promise<number> {
  const start = { by: 'file', file, position: BigInt(FIRST) } as const
  // What is asked for is there already: a server that stays silent does not know the connection.
  await using dump = await Dump.open(session, { start, alive: async () => false })
  const reader = new LogReader()
  for (;;) {
    const events: LogEvent[] = []
    for (const bytes of eventsIn(await dump.next(signal))) {
      if (reader.take(bytes, events) !== null) break
    }
    const begun = events.find(({ kind, timestamp }) => kind === 'format' && timestamp > 0)
    if (begun !== undefined) return begun.timestamp
  }
}
