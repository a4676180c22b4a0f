import { every, monotonic } from '../../src/async/clock.ts'
import { openSession, type TestSession } from '../../testkit/servers/index.ts'
import { type Pair, peakBytes, privateBytes, processSeconds, serverSeconds } from '../machine.ts'
import { NAME } from '../stage.ts'
import type { Run } from './contest.ts'
import type { Started } from './contestants.ts'

const SAMPLE_MS = 200

/** What it takes until `work` has ended; the tool that it started goes on. */
export async function measured(
  pair: Pair,
  work: () => Promise<Started>,
): Promise<{ readonly run: Run; readonly tool: Started }> {
  await using admin = await openSession(pair.source.url())
  const temporary = await temporaryBytes(admin)
  const resting = privateBytes(pair.source)
  let peak = resting
  const look = (): void => {
    peak = Math.max(peak, privateBytes(pair.source))
  }
  const sampling = every(SAMPLE_MS, look, () => undefined)
  const before = { source: serverSeconds(pair.source), target: serverSeconds(pair.target) }
  const began = monotonic()
  const tool = await work()
  const seconds = (monotonic() - began) / 1000
  const cpu = {
    source: serverSeconds(pair.source) - before.source,
    target: serverSeconds(pair.target) - before.target,
    tool: tool.pid === null ? 0 : processSeconds(tool.pid),
  }
  const memory = tool.pid === null ? 0 : peakBytes(tool.pid)
  await sampling.stop()
  const source = {
    temporary: (await temporaryBytes(admin)) - temporary,
    memory: Math.max(0, peak - resting),
  }
  return { run: { seconds, cpu, memory, source }, tool }
}

async function temporaryBytes(session: TestSession): Promise<number> {
  const sql = `select temp_bytes from pg_stat_database where datname = '${NAME}'`
  const [row] = await session.query(sql)
  return Number(row?.['temp_bytes'] ?? 0)
}
