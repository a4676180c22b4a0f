import { monotonic, sleep } from '../../../async/clock.ts'
import type { Session } from '../../../dialect/postgres/connect.ts'
import { sqlstateOf } from '../../../dialect/postgres/errors.ts'
import { type Lsn, parseLsn } from '../position.ts'

const HEAD = `select case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
  else pg_current_wal_flush_lsn() end as lsn`

/** The newest place that a crash of the source can no longer take back. */
export async function currentHead(session: Session): Promise<Lsn> {
  const [row] = await session.query(HEAD)
  return parseLsn(row?.['lsn'] ?? '')
}

/** A transaction of nothing but a message; it waits for its own disk, never for a standby. */
const MESSAGE = `BEGIN; SET LOCAL synchronous_commit = local;
SELECT pg_logical_emit_message(true, 'holdfast', ''); COMMIT`

/**
 * Writes a message whose prefix is the word, which other readers of the log than ours tell of, too.
 * It is in the log behind every commit that is visible now.
 */
export async function emitWord(session: Session, word: string): Promise<void> {
  try {
    await session.query('BEGIN; SET LOCAL synchronous_commit = local')
    await session.query(`SELECT pg_logical_emit_message(true, $1, '')`, [word])
    await session.query('COMMIT')
  } catch (error) {
    await session.query('ROLLBACK').catch(() => undefined)
    throw error
  }
}

const FLUSH_MS = 2_000
const LOOK_AGAIN_MS = 10

/**
 * A place at or after every commit that is visible now. The message is written behind it and
 * flushed, so that an idle server's stream passes it, too; where none can be written (a standby,
 * a missing right) what is visible is waited for to reach the disk by itself.
 */
export async function emitFence(session: Session): Promise<Lsn> {
  const [state] = await session.query(
    `select pg_is_in_recovery() as standby,
       case when not pg_is_in_recovery() then pg_current_wal_insert_lsn() end as lsn`,
  )
  if (state?.['standby'] === 't') return await currentHead(session)
  const fence = parseLsn(state?.['lsn'] ?? '')
  try {
    await session.query(MESSAGE)
  } catch (error) {
    await session.query('ROLLBACK')
    if (sqlstateOf(error) === null) throw error
    return await flushedUpTo(session, fence)
  }
  return fence
}

async function flushedUpTo(session: Session, wanted: Lsn): Promise<Lsn> {
  const until = monotonic() + FLUSH_MS
  for (;;) {
    const head = await currentHead(session)
    if (head >= wanted || monotonic() > until) return head
    await sleep(LOOK_AGAIN_MS)
  }
}
