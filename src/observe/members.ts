import { isoTime, wallMicros } from '../async/clock.ts'
import type { MemberLease } from '../model/member.ts'
import type { HalfState, Status } from './status.ts'

/** One of several processes that share a mirror, as its target knows it. */
export interface MemberStatus {
  readonly host: string
  readonly pid: number
  readonly lanes: readonly string[]
  readonly last_heartbeat: string
  /** It renewed its lease in time; the lanes of one that did not go to the others. */
  readonly recent: boolean
}

/** The status of a mirror with all processes that share it; as it is where nobody does. */
export function withMembers(status: Status, leases: readonly MemberLease[], lanes: number): Status {
  if (leases.length === 0) return status
  const members = leases.map(memberStatus)
  if (status.config.active) return { ...status, members }
  const recent = members.filter((one) => one.recent)
  if (recent.length === 0) return { ...status, members }
  const followed = recent.reduce((sum, one) => sum + one.lanes.length, 0)
  const message = `processes that share this mirror: ${recent.length}; followed: ${followed} of ${lanes} lanes`
  const half = { state: 'RUNNING' as HalfState, healthy: followed === lanes, message }
  const [heartbeat = null] = recent
    .map((one) => one.last_heartbeat)
    .toSorted()
    .toReversed()
  return {
    ...status,
    ...{ members, phase: 'streaming', reason: message, since: null, fault: null },
    overall: overallOf(status, followed === lanes),
    connector: status.connectors.length > 0 ? status.connector : { ...half, tasks: [] },
    consumer: { ...half, last_heartbeat: heartbeat, recent: true },
    config: { ...status.config, status: 'active', active: true },
  }
}

/** What belongs to the mirror and has failed, fails it. */
function overallOf({ connectors }: Status, whole: boolean): Status['overall'] {
  if (connectors.some(({ condition }) => condition === 'failed')) return 'failed'
  return whole && connectors.every(({ condition }) => condition === 'running')
    ? 'healthy'
    : 'degraded'
}

function memberStatus({ host, pid, lanes, silence, alive }: MemberLease): MemberStatus {
  const heard = wallMicros() - BigInt(Math.round(silence * 1000))
  return { host, pid, lanes, last_heartbeat: isoTime(heard), recent: alive }
}
