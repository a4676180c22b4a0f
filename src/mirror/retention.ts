import type { LogState } from '../source/source.ts'

/** Shares of what the source may keep of its log for the mirror at which a person is told. */
const LEVELS = [0.8, 0.5] as const
/** Below this share it is told anew. */
const CALM = 0.4

/** Says, once for each level, that the source may soon throw away what the mirror needs. */
export class Retention {
  #told = 0

  /** A sentence for people, or null when there is nothing new to say. */
  notice({ retainedBytes, limitBytes }: LogState): string | null {
    if (retainedBytes === null || limitBytes === null || limitBytes <= 0) return null
    const share = retainedBytes / limitBytes
    if (share < CALM) this.#told = 0
    const level = LEVELS.find((one) => share >= one) ?? 0
    if (level <= this.#told) return null
    this.#told = level
    const [kept, percent] = [Math.round(retainedBytes / 2 ** 20), Math.round(share * 100)]
    return (
      `the source keeps ${kept} MiB of its log for this mirror, ${percent} % of what it may keep; ` +
      'beyond that it throws it away and the mirror needs a new copy'
    )
  }
}
