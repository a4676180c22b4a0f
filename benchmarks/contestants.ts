import assert from 'node:assert/strict'
import { monotonic } from '../src/async/clock.ts'
import { openSession, type TestSession } from '../testkit/servers/index.ts'
import { peakBytes, processSeconds, serverSeconds } from './machine.ts'
import {
  contents,
  dropSlot,
  NAME,
  PATIENCE,
  reset,
  runOf,
  SLOT,
  type Stage,
  start,
  untilMarked,
} from './stage.ts'

export type Contestant = 'native' | 'holdfast'

/** What one run took. */
export interface Run {
  /** From the command until the backlog's last row can be seen at the target. */
  readonly seconds: number
  /** CPU seconds. */
  readonly cpu: { readonly source: number; readonly target: number; readonly tool: number }
  /** Highest resident size of the tool, bytes; 0 for native, which is the target itself. */
  readonly memory: number
  /** Bytes that the source wrote to temporary files, and spilled while decoding. */
  readonly temporary: number
}

/** Replays a stage's backlog from a copy of one slot. Fails unless both ends are equal after it. */
export async function replay(stage: Stage, contestant: Contestant): Promise<Run> {
  const { pair, source } = stage
  const slot = contestant === 'native' ? 'native' : SLOT
  const into = await reset(stage, slot)
  await using target = await openSession(pair.target.url(into))
  const before = await temporaryBytes(source)
  const cpu = { source: serverSeconds(pair.source), target: serverSeconds(pair.target) }
  const run = contestant === 'native' ? await native(stage, target) : await ours(stage, target)
  const after = { source: serverSeconds(pair.source), target: serverSeconds(pair.target) }
  await run.stop()
  const actual = await contents(target, stage.workload)
  assert.equal(actual, stage.expected, `${contestant}, ${stage.workload.name}`)
  await dropSlot(source, slot)
  const { seconds, tool, memory } = run
  return {
    seconds,
    cpu: { source: after.source - cpu.source, target: after.target - cpu.target, tool },
    memory,
    temporary: (await temporaryBytes(source)) - before,
  }
}

interface Running {
  readonly seconds: number
  readonly tool: number
  readonly memory: number
  readonly stop: () => Promise<void>
}

async function native({ pair, publications }: Stage, target: TestSession): Promise<Running> {
  const from = new URL(pair.source.url(NAME))
  const connection = `host=${from.hostname} port=${from.port} user=postgres dbname=${NAME}`
  const began = monotonic()
  await target.query(`create subscription s connection '${connection}'
    publication ${publications.join(', ')}
    with (create_slot = false, slot_name = 'native', copy_data = false)`)
  await untilMarked(target)
  const seconds = (monotonic() - began) / 1000
  const stop = async (): Promise<void> => {
    await target.query('alter subscription s disable')
    await target.query('alter subscription s set (slot_name = none)')
    await target.query('drop subscription s')
  }
  return { seconds, tool: 0, memory: 0, stop }
}

async function ours({ pair, folder }: Stage, target: TestSession): Promise<Running> {
  const marked = untilMarked(target)
  const began = monotonic()
  const child = start([...runOf(pair, 'run'), '--json'], folder)
  await Promise.race([
    marked,
    child.ended.then(({ code }) => assert.fail(`ended with ${code}\n${child.lines.join('\n')}`)),
  ])
  const seconds = (monotonic() - began) / 1000
  const [tool, memory] = [processSeconds(child.pid), peakBytes(child.pid)]
  const stop = async (): Promise<void> => {
    child.signal('SIGTERM')
    const { code } = await child.end({ within: PATIENCE })
    assert.equal(code, 0, child.lines.join('\n'))
    if (process.env['HOLDFAST_BENCH_LINES'] !== undefined) console.error(child.lines.join('\n'))
  }
  return { seconds, tool, memory, stop }
}

async function temporaryBytes(source: TestSession): Promise<number> {
  const [row] = await source.query(
    'select temp_bytes from pg_stat_database where datname = current_database()',
  )
  return Number(row?.['temp_bytes'] ?? 0)
}
