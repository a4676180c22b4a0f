import { points } from '../../src/async/point.ts'
import { type FaultKind, faultKinds } from './faults.ts'
import { Random } from './random.ts'
import type { Mix } from './session.ts'

/** Statements of transactions, each from its beginning to its end, as one session sends them. */
export type Script = readonly (readonly string[])[]

/** A fault that is to come when so many transactions have begun. */
export interface PlannedFault {
  readonly kind: FaultKind
  readonly seed: number
  readonly after: number
}

/** All that decides about a run before it begins; what is not given is drawn from the seed. */
export interface Plan {
  readonly seed: number
  /** Not fewer than these; more while faults are still to come. */
  readonly transactions: number
  /** 1 to 16. */
  readonly sessions: number
  readonly mix: Mix
  readonly memory: string
  readonly batchRows: number
  /** Transactions in a second, about. */
  readonly rate: number
  /** Transactions that may begin before the first copy is over. */
  readonly early: number
  /** Milliseconds between two looks at the target. */
  readonly every: number
  /** Where the first process ends itself, as HOLDFAST_KILL_AT takes it. */
  readonly killAt: string | null
  /** How the first process reads the log, as HOLDFAST_CATCHUP takes it; null: as it likes. */
  readonly path: string | null
  /** Which faults are drawn, by how often; none of them with an empty object. */
  readonly faults: Partial<Readonly<Record<FaultKind, number>>>
  /** Instead of faults that are drawn. */
  readonly planned: readonly PlannedFault[] | null
  /** What is written, instead of transactions that are drawn: before the mirror is, and after. */
  readonly script: { readonly before: Script; readonly after: Script } | null
  /** Nothing is applied after the first copy before all is written. */
  readonly held: boolean
}

export type Wishes = Partial<Plan> & Pick<Plan, 'seed' | 'transactions'>

function mixOf(random: Random): Mix {
  return {
    transaction: {
      plain: 60,
      prepared: random.pick([0, 3, 8]),
      large: random.pick([1, 3, 6]),
      truncate: random.pick([1, 2, 4]),
      evolve: random.pick([0, 0.5, 1]),
      back: 4,
    },
    statements: random.pick([2, 4, 8]),
    rows: random.pick([300, 2000, 5000]),
    hot: 0.3,
  }
}

/** Named points that the first process passes more than once. */
const repeated: ReadonlySet<string> = new Set(
  points.filter((name) => /^(?:chunk|table|batch|acknowledged)/.test(name)),
)

/** Faults that a run can meet: the way of reading changes only where it is chosen at random. */
function faultsOf(path: string | null): Plan['faults'] {
  const { 'reading path changed': changed, ...rest } = faultKinds
  return path === 'random' ? { ...rest, 'reading path changed': changed } : rest
}

/** What the seed says, where the wishes leave it open. */
export function planOf(wishes: Wishes): Plan {
  const random = new Random(wishes.seed).fork('plan')
  const path = wishes.path ?? null
  const faults = wishes.faults ?? faultsOf(path)
  const calm = Object.keys(faults).length === 0
  // Most seeds lose their first process somewhere on its way.
  const killed = random.chance(0.7)
  const point = random.pick(points)
  const killAt = `${point}:${repeated.has(point) ? random.between(1, 3) : 1}`
  const drawn: Plan = {
    seed: wishes.seed,
    transactions: wishes.transactions,
    sessions: random.between(1, 16),
    mix: mixOf(random),
    batchRows: random.pick([1, 20, 100_000]),
    memory: random.pick(['16KiB', '1MiB', '64MiB']),
    rate: random.pick([20, 50, 150]),
    early: Math.ceil(wishes.transactions / 4),
    every: random.pick([10, 50, 200]),
    killAt: calm || !killed ? null : killAt,
    planned: null,
    script: null,
    held: false,
    path,
    faults,
  }
  const given = Object.entries(wishes).filter(([name]) => name in drawn)
  return { ...drawn, ...Object.fromEntries(given) }
}
