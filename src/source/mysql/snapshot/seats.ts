import { connect, type Session } from '../../../dialect/mysql/connect.ts'
import type { Endpoint } from '../../../model/endpoint.ts'
import { compareFiles } from '../place.ts'
import type { Places } from '../places.ts'
import { RawSession } from './raw.ts'
import { standingOf } from './standing.ts'
import type { Seat } from './view.ts'

export interface SeatOptions {
  readonly endpoint: Endpoint
  readonly mirror: string
  readonly places: Places
  /** What the sessions are for. */
  readonly purpose: string
  readonly width: number
}

/** The session whose snapshot is the newest comes first. */
export async function openSeats(
  options: SeatOptions,
  opened: AsyncDisposableStack,
): Promise<Seat[]> {
  const { endpoint, mirror, purpose, width } = options
  const sessions = await Promise.all(
    Array.from({ length: width }, async () => {
      const session = await connect(endpoint, { side: 'source', mirror, purpose })
      opened.defer(() => void session.socket.destroy())
      for (const sql of settingsOf(session)) await session.query(sql)
      return session
    }),
  )
  const begin = 'START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY'
  await Promise.all(sessions.map((session) => session.query(begin)))
  const seats: Seat[] = []
  for (const session of sessions) {
    const place = await standingOf(session, options.places.server)
    seats.push({ raw: opened.use(new RawSession(session)), place })
  }
  const newer = (a: Seat, b: Seat): number =>
    a.place === null || b.place === null ? 0 : (compareFiles(b.place, a.place) ?? 0)
  return seats.sort(newer)
}

/** Nothing that was set for all sessions ends or changes what is read. */
function settingsOf({ version: { flavour, number } }: Session): readonly string[] {
  const limit =
    flavour === 'mariadb'
      ? [
          'SET SESSION max_statement_time = 0',
          'SET SESSION idle_transaction_timeout = 0',
          'SET SESSION idle_readonly_transaction_timeout = 0',
        ]
      : number >= 50708
        ? ['SET SESSION max_execution_time = 0']
        : []
  return [
    'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ',
    'SET SESSION sql_select_limit = DEFAULT, sql_big_selects = 1, character_set_results = NULL',
    ...limit,
  ]
}
