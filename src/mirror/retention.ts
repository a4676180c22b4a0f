import type { LogAge, LogState } from '../source/source.ts'

/** Shares of what the source may keep of its log for the mirror at which a person is told. */
const LEVELS = [0.8, 0.5] as const
/** Below this share it is told anew. */
const CALM = 0.4

/** Says, once for each level, that the source may soon throw away what the mirror needs. */
export class Retention {
  #told = 0

  /** A sentence for people, or null when there is nothing new to say. */
  notice(log: LogState): string | null {
    const [bySize, byAge] = [shareOf(log.retainedBytes, log.limitBytes), ageOf(log)]
    if (bySize === null && byAge === null) return null
    const share = Math.max(bySize ?? 0, byAge ?? 0)
    if (share < CALM) this.#told = 0
    const level = LEVELS.find((one) => share >= one) ?? 0
    if (level <= this.#told) return null
    this.#told = level
    const percent = Math.round(share * 100)
    if (log.age !== undefined && byAge === share) return agedNotice(log.age, percent)
    const kept = Math.round((log.retainedBytes ?? 0) / 2 ** 20)
    return (
      `the source keeps ${kept} MiB of its log for this mirror, ${percent} % of what it may keep; ` +
      'beyond that it throws it away and the mirror needs a new copy'
    )
  }
}

function shareOf(kept: number | null, limit: number | null): number | null {
  return kept === null || limit === null || limit <= 0 ? null : kept / limit
}

function ageOf({ age }: LogState): number | null {
  return age === undefined ? null : shareOf(age.seconds, age.limitSeconds)
}

function agedNotice({ seconds, limitSeconds, remedy }: LogAge, percent: number): string {
  return (
    `the log that the mirror needs next was closed ${hours(seconds)} ago, ${percent} % of the ` +
    `${hours(limitSeconds)} after which the source throws it away; ` +
    `beyond that the mirror needs a new copy. To keep it for longer: ${remedy}`
  )
}

function hours(seconds: number): string {
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`
}
