import type { Lane } from './position.ts'

/** One of the processes that share a mirror, as its lease at the target says. */
export interface MemberLease {
  readonly host: string
  readonly pid: number
  /** Those that are its own to write. */
  readonly lanes: readonly Lane[]
  /** Since it renewed its lease, by the target's clock; milliseconds. */
  readonly silence: number
  /** It renewed its lease in time. */
  readonly alive: boolean
}
