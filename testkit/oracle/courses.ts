import { eventually } from '../eventually.ts'
import { openSession, type PostgresServer } from '../servers/index.ts'
import type { OracleOptions } from './oracle.ts'
import type { Mix } from './session.ts'
import type { Stage } from './trial.ts'

/** Many of everything: whatever is broken shows within few transactions. */
const rich: Mix = {
  transaction: { plain: 70, prepared: 3, large: 6, truncate: 8, evolve: 2, back: 3 },
  statements: 6,
  rows: 1500,
  hot: 0.5,
}

type Wanted = Omit<OracleOptions, 'seed' | 'source' | 'target'>

const usual: Wanted = {
  transactions: 320,
  sessions: 5,
  mix: rich,
  memory: '16KiB',
  batchRows: 100_000,
  rate: 60,
  faults: {},
}

/** The mirror dies between its commit and the word to the source, three times. */
async function dieUnheard({ mirror, recovered }: Stage): Promise<void> {
  for (let round = 0; round < 3; round++) {
    await mirror.kill({ at: 'batch-applied:2' })
    await recovered('a death after a commit')
  }
}

/** Nothing can be applied while the source goes on; then the mirror dies. */
async function holdBack(stage: Stage): Promise<void> {
  const { mirror, source, target, truth, loading, recovered } = stage
  for (let round = 0; round < 2; round++) {
    await using session = await openSession(target.url)
    await session.query('begin; lock table oracle.marker in share mode')
    const before = truth.commits
    await eventually('the source goes on', () => !loading() || truth.commits > before + 15)
    await using writer = await openSession(source.url)
    // The server says how far it has read whenever it has nothing more to send.
    for (let i = 0; i < 40; i++) {
      await writer.query(`select pg_logical_emit_message(false, 'oracle', 'on')`)
      await writer.query('select pg_sleep(0.02)')
    }
    await mirror.kill()
    await session.query('rollback')
    await recovered('work that was held back')
  }
}

/** The target crashes when much of what it committed is not on its disk. */
async function crash({ target, truth, reader, loading, recovered }: Stage): Promise<void> {
  const { server } = target
  await flushing(server, '10s')
  try {
    for (let round = 0; round < 3; round++) {
      const before = truth.commits
      await eventually(
        'the target goes on',
        () => !loading() || truth.commitsAt(reader.position) > before + 12,
      )
      await server.restart('immediate')
      await recovered('a crash of the target')
    }
  } finally {
    await flushing(server, '300ms')
  }
}

async function flushing(server: PostgresServer, delay: string): Promise<void> {
  await using session = await openSession(server.url())
  await session.query(`alter system set wal_writer_delay = '${delay}'`)
  await session.query('select pg_reload_conf()')
}

/** Short ways through the life of a mirror, the same every time but for the load. */
export const courses = {
  calm: usual,
  'in windows': { ...usual, path: 'always', course: holdBack },
  resumed: { ...usual, course: dieUnheard },
  held: { ...usual, course: holdBack },
  crashed: { ...usual, course: crash },
  'copied anew': { ...usual, transactions: 700, early: 600, killAt: 'table-copied:9' },
} satisfies Readonly<Record<string, Wanted>>

export type CourseName = keyof typeof courses
