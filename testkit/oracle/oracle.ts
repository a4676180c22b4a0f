import type { PostgresServer } from '../servers/index.ts'
import type { Plan, PlannedFault, Script, Wishes } from './plan.ts'
import { type Stage, Trial } from './trial.ts'

export interface OracleOptions extends Wishes {
  readonly source: PostgresServer
  readonly target: PostgresServer
  /** Faults to inflict; one for every 60 transactions unless given. */
  readonly least?: number
  /** The launcher of the product that is tried. */
  readonly program?: string
  readonly env?: Readonly<Record<string, string>>
  readonly say?: (line: string) => void
  /** What happens instead of faults, while the load goes on. */
  readonly course?: (stage: Stage) => Promise<void>
  /** Milliseconds that the mirror has to get over a fault. */
  readonly patience?: number
  /** Without a verification at the end, which takes a process of its own. */
  readonly quick?: boolean
  /** Keep what was written, for the outcome. */
  readonly record?: boolean
}

/** What a seed was: figures, and why it failed. */
export interface Outcome {
  readonly seed: number
  readonly plan: Plan
  readonly transactions: number
  readonly changes: number
  readonly rolledBack: number
  readonly looks: number
  /** How many of each kind met something. */
  readonly faults: Readonly<Record<string, number>>
  /** Those that the machine or the servers do not allow here. */
  readonly leftOut: readonly string[]
  readonly kills: number
  /** Processes that ended themselves, by the named point. */
  readonly deaths: Readonly<Record<string, number>>
  readonly starts: number
  readonly verifications: number
  readonly seconds: number
  readonly failure: string | null
  /** The faults, so that they can be planned. */
  readonly inflicted: readonly PlannedFault[]
  readonly script: { readonly before: Script; readonly after: Script } | null
}

/** One seed, from two empty databases to its verdict. Does not throw for what the mirror does. */
export async function runOracle(options: OracleOptions): Promise<Outcome> {
  const trial = new Trial(options)
  try {
    await trial.run()
    return trial.outcome(null)
  } catch (error) {
    return trial.outcome(error instanceof Error ? (error.stack ?? error.message) : String(error))
  } finally {
    await trial[Symbol.asyncDispose]()
  }
}
