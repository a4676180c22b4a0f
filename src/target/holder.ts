import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'

/** A process as others can recognise it. */
export interface Holder {
  readonly host: string
  /**
   * The boot and the process namespace that `pid` belongs to: only who shares them can tell
   * whether the process is gone. Null where that cannot be known.
   */
  readonly space: string | null
  readonly pid: number
  /** When the process started, in the kernel's ticks; tells a reused pid apart. */
  readonly started: string | null
}

async function orNull(text: Promise<string>): Promise<string | null> {
  try {
    return (await text).trim()
  } catch {
    return null
  }
}

/**
 * Field 22 of /proc/PID/stat (proc(5)); the name before it may hold blanks and parentheses. Null
 * for a process that has ended, be it only that nobody has asked for its exit code yet.
 */
async function startOf(pid: number): Promise<string | null> {
  const stat = await orNull(readFile(`/proc/${pid}/stat`, 'utf8'))
  const [state = 'X', ...rest] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? []
  return /[ZX]/.test(state) ? null : (rest[18] ?? null)
}

async function space(): Promise<string | null> {
  const boot = await orNull(readFile('/proc/sys/kernel/random/boot_id', 'utf8'))
  const namespace = await orNull(readlink('/proc/self/ns/pid'))
  return boot === null || namespace === null ? null : `${boot} ${namespace}`
}

export async function thisProcess(): Promise<Holder> {
  const { pid } = process
  return { host: hostname(), space: await space(), pid, started: await startOf(pid) }
}

/** True when it is certain that the process has ended. */
export async function isGone(holder: Holder): Promise<boolean> {
  if (holder.space === null || holder.started === null) return false
  if (holder.space !== (await space())) return false
  return (await startOf(holder.pid)) !== holder.started
}
