import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A control group that ends what needs more memory than this; removed when it is disposed. */
export interface Group extends Disposable {
  /** Where a process writes its id to enter; see cgroups(7). */
  readonly entrance: string
}

/** Where a group can be made, and the file with its limit: version 1, then version 2. */
const KINDS = [
  { root: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes' },
  { root: '/sys/fs/cgroup', limit: 'memory.max' },
]

/** Null where none can be made, as for an ordinary user. */
export function memoryGroup(bytes: number): Group | null {
  for (const { root, limit } of KINDS) {
    const path = join(root, `holdfast-${process.pid}`)
    try {
      mkdirSync(path)
    } catch {
      continue
    }
    try {
      writeFileSync(join(path, limit), String(bytes), { flag: 'r+' })
      return { entrance: join(path, 'cgroup.procs'), [Symbol.dispose]: () => rmdirSync(path) }
    } catch {
      rmdirSync(path)
    }
  }
  return null
}
