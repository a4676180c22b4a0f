import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monotonic } from '../../src/async/clock.ts'
import { holdfast } from '../child.ts'
import type { TestDatabase } from '../servers/index.ts'
import type { Bound } from './cases.ts'
import { memoryGroup } from './group.ts'
import { measured } from './measure.ts'

/** What every load must stay below, in bytes, and how much more each byte of a large row may take. */
export const LIMIT = 350 * 2 ** 20
export const ROW_FACTOR = 3

export interface Drilled {
  readonly phase: 'copy' | 'stream'
  readonly peak: number
  readonly limit: number
  readonly seconds: number
}

/**
 * Copies what the load prepared, writes the rest while nothing runs, and follows it. Where a
 * control group can be made, a mirror that needs more than the limit is killed by the kernel.
 */
export async function drill(
  bound: Bound,
  amount: number,
  ends: { readonly source: TestDatabase; readonly target: TestDatabase },
): Promise<readonly Drilled[]> {
  const { source, target } = ends
  const cwd = mkdtempSync(join(tmpdir(), 'holdfast-bounds-'))
  try {
    const limit = LIMIT + ROW_FACTOR * (bound.largestRow?.(amount) ?? 0)
    const run = async (phase: Drilled['phase']): Promise<Drilled> => {
      const words = ['run', '--name', source.name, '--source', source.url, '--target', target.url]
      const began = monotonic()
      using group = memoryGroup(limit)
      await using child = holdfast([...words, '--until', 'caught-up'], { cwd })
      // It enters after its start, so that it lives in a large machine as far as it knows.
      if (group !== null) writeFileSync(group.entrance, String(child.pid))
      const [{ peak }, ended] = await Promise.all([measured(child), child.ended])
      if (ended.code !== 0) throw new Error([ended.signal, ...child.lines.slice(-40)].join('\n'))
      return { phase, peak, limit, seconds: (monotonic() - began) / 1000 }
    }
    await bound.prepare(source, amount)
    const copied = await run('copy')
    if (bound.load === undefined) return [copied]
    await bound.load(source, amount)
    return [copied, await run('stream')]
  } finally {
    rmSync(cwd, { recursive: true })
  }
}
