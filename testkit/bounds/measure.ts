import { readdirSync, readFileSync } from 'node:fs'
import { sleep } from '../../src/async/clock.ts'
import type { Child } from '../child.ts'

/** What a process has used at most and uses now. */
export interface Usage {
  /** Bytes of memory at the peak: VmHWM of proc(5). */
  readonly peak: number
  /** Open files and connections at the last look. */
  readonly handles: number
}

const LOOK_MS = 50

function usageOf(pid: number): Usage | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1')
    const peak = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
    return { peak, handles: readdirSync(`/proc/${pid}/fd`).length }
  } catch {
    return null
  }
}

/** Looks at a process until it has ended; Linux only. */
export async function measured(child: Child): Promise<Usage> {
  let last: Usage = { peak: 0, handles: 0 }
  let over = false
  const ended = child.ended.finally(() => {
    over = true
  })
  while (!over) {
    const now = usageOf(child.pid)
    if (now !== null && now.peak >= last.peak) last = now
    await Promise.race([sleep(LOOK_MS), ended])
  }
  return last
}

export { usageOf }
