import { readFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { type Major, type PostgresServer, postgres } from '../testkit/servers/index.ts'

/** Both ends get the same, and so do both contestants: their sessions inherit it. */
export interface Memory {
  /** PostgreSQL's size units. */
  readonly decoding: string
  readonly work: string
}

const shared = {
  fsync: 'on',
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  checkpoint_timeout: '30min',
  autovacuum: 'off',
  max_worker_processes: '16',
  track_commit_timestamp: 'on',
}

export interface Pair extends AsyncDisposable {
  readonly source: PostgresServer
  readonly target: PostgresServer
}

/** Two servers with the settings of a machine that is meant to work. */
export async function startPair(major: Major, memory: Memory): Promise<Pair> {
  const both = { ...shared, logical_decoding_work_mem: memory.decoding, work_mem: memory.work }
  const initdb: readonly string[] = []
  const source = await postgres(major, { initdb, settings: both })
  const target = await postgres(major, { initdb, settings: { ...both, wal_level: 'replica' } })
  return {
    source,
    target,
    [Symbol.asyncDispose]: async () => {
      await source[Symbol.asyncDispose]()
      await target[Symbol.asyncDispose]()
    },
  }
}

const TICKS = 100

function stat(pid: number): { readonly parent: number; readonly own: number; all: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const at = (i: number): number => Number(fields[i] ?? 0)
    const own = at(11) + at(12)
    return { parent: at(1), own, all: own + at(13) + at(14) }
  } catch {
    return null
  }
}

/** CPU seconds of a process with the children that it has waited for; 0 where that is not known. */
export function processSeconds(pid: number): number {
  return (stat(pid)?.all ?? 0) / TICKS
}

function serverPid(server: PostgresServer): number {
  return Number(readFileSync(`${server.dataDirectory}/postmaster.pid`, 'latin1').split('\n')[0])
}

/** CPU seconds of a whole server so far. */
export function serverSeconds(server: PostgresServer): number {
  const pid = serverPid(server)
  let ticks = stat(pid)?.all ?? 0
  for (const child of childrenOf(pid)) ticks += stat(child)?.own ?? 0
  return ticks / TICKS
}

/** Memory that the server's processes do not share, bytes, at this moment. */
export function privateBytes(server: PostgresServer): number {
  let all = 0
  for (const child of childrenOf(serverPid(server))) {
    all += statusOf(child, 'RssAnon')
  }
  return all
}

function childrenOf(pid: number): number[] {
  try {
    const list = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
    return list.split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** The highest resident size of a process, bytes; 0 where that is not known. */
export function peakBytes(pid: number): number {
  return statusOf(pid, 'VmHWM')
}

/** The resident size of a process, bytes; 0 where that is not known. */
export function residentBytes(pid: number): number {
  return statusOf(pid, 'VmRSS')
}

function statusOf(pid: number, name: string): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'latin1')
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

/** What the figures of a run depend on; `load` is how many processes wanted a core before it. */
export function machineFacts(): Readonly<Record<string, string | number>> {
  const models = cpus()
  const load = Math.round(loadavg()[0] ?? 0)
  return { cpus: models.length, cpu: models[0]?.model ?? 'unknown', node: process.version, load }
}
