import type { Session } from '../../../dialect/mysql/connect.ts'
import { Fault } from '../../../model/fault.ts'
import type { FilePlace } from '../place.ts'
import type { Server } from '../server.ts'

/** So many same answers in a row are believed, of so many. */
const ENOUGH = 4
const MOST = 100

/**
 * Where the session's snapshot stands; null where the server does not say. MariaDB makes the answer
 * in variables that all sessions share (sql/log.cc, binlog_snapshot_position), so that who asks for
 * the server's status at the same moment, be it a monitor, gets in between: it is asked until the
 * same came several times. Throws HF-L109.
 */
export async function standingOf(session: Session, server: Server): Promise<FilePlace | null> {
  if (server.flavour !== 'mariadb') return null
  let [last, times] = ['', 0]
  for (let asked = 0; asked < MOST; asked++) {
    const { file, position } = await ask(session)
    if (file === '') return null
    const said = `${file}:${position}`
    times = said === last ? times + 1 : 1
    last = said
    if (times === ENOUGH) return { server: server.key, file, position }
  }
  throw new Fault('HF-L109', {
    what: `${session.label} says each time anew at which place of its log a snapshot stands`,
    side: 'source',
  })
}

async function ask(
  session: Session,
): Promise<{ readonly file: string; readonly position: number }> {
  const rows = await session.query("SHOW STATUS LIKE 'binlog_snapshot_%'")
  const said = new Map(rows.map((row) => [row['Variable_name']?.toLowerCase(), row['Value'] ?? '']))
  const file = said.get('binlog_snapshot_file') ?? ''
  return { file, position: Number(said.get('binlog_snapshot_position')) }
}
