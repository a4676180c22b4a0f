import { Fault } from '../model/fault.ts'
import type { Holder } from './holder.ts'
import type { ClaimRequest } from './target.ts'

/** A lease that was not renewed for this long, by the target's clock, may be taken over. */
export const LEASE_MS = 3000
export const RENEW_MS = 1000
/** A renewal that has no answer for this long means that the connection is dead. */
export const RENEW_ANSWER_MS = 10_000
/** How long giving a lease back may take; it runs out by itself, too. */
export const GOODBYE_MS = 2000
/** How often a claim looks again at a lease that is held. */
export const LOOK_AGAIN_MS = 100

interface Contest {
  readonly mirror: string
  readonly label: string
  readonly request: ClaimRequest
}

/** Somebody who lives has the mirror. */
export function held(contest: Contest, holder: Holder): Fault {
  const { mirror, label, request } = contest
  return new Fault('HF-X101', {
    what: `mirror ${mirror} at ${label} is held by process ${holder.pid} on host ${holder.host}, which was still alive after ${request.patience / 1000} s`,
    side: 'mirror',
    evidence: { host: holder.host, pid: String(holder.pid) },
    todo: [
      {
        text: `Stop the other one first (on ${holder.host}), or use another name for this mirror.`,
        run: `kill ${holder.pid}`,
      },
    ],
  })
}

/** Somebody else has claimed the mirror since. */
export function fenced(): Fault {
  return new Fault('HF-X102', {
    what: 'another process has claimed the mirror; this one writes no more',
    side: 'mirror',
  })
}
