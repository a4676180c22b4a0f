import { monotonic, sleep } from '../async/clock.ts'
import type { TableState } from '../model/checkpoint.ts'
import { Fault } from '../model/fault.ts'
import { type Compare, covers, describePositions, type Positions } from '../model/position.ts'
import type { Described, SourceReader, TargetReader } from '../model/reader.ts'
import { type Table, tableName } from '../model/table.ts'
import { recipeOf } from './digest.ts'
import { type Apart, meet } from './fence.ts'
import { KeyedPending, RowsPending } from './fold.ts'
import { compareKeyed, nameColumns } from './keyed.ts'
import { compareKeyless } from './keyless.ts'
import { Findings, summarize, type TableVerification, type Verification } from './report.ts'

/** How to look at both ends. */
export interface Ends {
  /** `after`: a place that the target has passed. */
  openSource(tables: readonly Table[], signal: AbortSignal, after: Positions): Promise<SourceReader>
  openTarget(signal: AbortSignal): Promise<TargetReader>
  readonly compare: Compare
}

export interface CompareOptions {
  /** How long to wait for a target that somebody feeds, milliseconds. */
  readonly patience: number
  /** Differences of one table that are kept; all are counted. */
  readonly keep: number
  /** Tables that are compared at once. */
  readonly width: number
}

export const compareDefaults: CompareOptions = { patience: 60_000, keep: 1000, width: 2 }

/** A comparison that may have to be made at another fence, and how often. */
const ROUNDS = 3
const STEP_MS = 200
const PAUSE_MS = 200

/**
 * Compares every mirrored row of both ends at one place in the source's log, while both are
 * written to. Changes nothing at either end. Throws Fault when no answer can be given.
 */
export async function compareEnds(
  ends: Ends,
  options: CompareOptions,
  signal: AbortSignal,
): Promise<Verification> {
  const began = monotonic()
  await using target = await ends.openTarget(signal)
  using _closing = closedBy(signal, target)
  for (let round = 1; ; round++) {
    const last = round === ROUNDS
    const result = await compareOnce({ ends, target, options, last, began }, signal)
    if (result !== null) return result
    await sleep(PAUSE_MS, signal)
    await target.renew()
  }
}

/** Whatever a reader waits for, a person who stops does not. */
function closedBy(signal: AbortSignal, reader: AsyncDisposable): Disposable {
  const close = (): void => void reader[Symbol.asyncDispose]()
  signal.addEventListener('abort', close, { once: true })
  return { [Symbol.dispose]: () => signal.removeEventListener('abort', close) }
}

interface Round {
  readonly ends: Ends
  readonly target: TargetReader
  readonly options: CompareOptions
  /** There will not be another one. */
  readonly last: boolean
  readonly began: number
}

/** Null: there is a reason to look again from the start. */
async function compareOnce(round: Round, signal: AbortSignal): Promise<Verification | null> {
  const { ends, target, options } = round
  const states = target.checkpoint.tables
  if (states.every(({ state }) => state !== 'copied')) {
    return report(round, null, states.map(copying))
  }
  await using source = await ends.openSource(
    states.map(({ table }) => table),
    signal,
    target.at,
  )
  using _closing = closedBy(signal, source)
  try {
    const apart = await meet({ source, target }, { ...options, compare: ends.compare }, signal)
    if (!sameTables(states, target.checkpoint.tables)) {
      throw new Fault('HF-V105', { what: 'the mirror changed its tables while they were compared' })
    }
    const results = await compareTables(round, { source, apart }, signal)
    const differ = results.some(({ state }) => state === 'different')
    if (differ && source.unsettled !== null) {
      if (!round.last) return null
      throw new Fault('HF-V106', { what: source.unsettled, side: 'source' })
    }
    return report(round, source.at, results)
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof Fault) || round.last) throw error
    if (error.code === 'HF-V105') return null
    if (error.code !== 'HF-V103' || !(await arrived(round, source.at, signal))) throw error
    return null
  }
}

/** Waits until a target that somebody feeds has passed the fence; false when it does not come. */
async function arrived(round: Round, fence: Positions, signal: AbortSignal): Promise<boolean> {
  const { target, options, ends } = round
  const until = monotonic() + options.patience
  while (target.held && monotonic() < until) {
    if (covers(ends.compare, target.at, fence)) return true
    await sleep(STEP_MS, signal)
    await target.renew()
  }
  return false
}

function sameTables(a: readonly TableState[], b: readonly TableState[]): boolean {
  const versions = (states: readonly TableState[]): string =>
    states.map(({ table, state }) => `${table.id} ${table.version} ${state}`).join('\n')
  return versions(a) === versions(b)
}

function report(
  { began, target }: Round,
  fence: Positions | null,
  tables: readonly TableVerification[],
): Verification {
  return summarize(
    {
      mirror: target.checkpoint.mirror,
      fence: fence === null ? null : describePositions(fence),
      position: describePositions(target.at),
      seconds: (monotonic() - began) / 1000,
    },
    tables,
  )
}

interface Met {
  readonly source: SourceReader
  readonly apart: ReadonlyMap<string, Apart>
}

async function compareTables(
  round: Round,
  met: Met,
  signal: AbortSignal,
): Promise<TableVerification[]> {
  const { target, options } = round
  const states = target.checkpoint.tables
  const tables = states.map(({ table }) => table)
  const [ours, theirs] = await Promise.all([met.source.describe(tables), target.describe(tables)])
  const results: TableVerification[] = []
  let next = 0
  const work = async (): Promise<void> => {
    for (let i = next++; i < states.length; i = next++) {
      signal.throwIfAborted()
      const [state, source, there] = [states[i], ours[i], theirs[i]]
      if (state === undefined || source === undefined || there === undefined) continue
      results[i] = await compareTable(round, met, { state, source, target: there })
    }
  }
  await Promise.all(Array.from({ length: options.width }, work))
  return results
}

interface TableAtBothEnds {
  readonly state: TableState
  readonly source: Described
  readonly target: Described
}

async function compareTable(
  { target, options }: Round,
  { source, apart }: Met,
  about: TableAtBothEnds,
): Promise<TableVerification> {
  const { state } = about
  const { table } = state
  if (state.state !== 'copied') return copying(state)
  const obstacle = obstacleOf(about)
  const recipe = recipeOf(table, about.source, about.target)
  const pending = apart.get(table.id)
  if (obstacle !== null || recipe === null || pending === undefined) {
    return {
      ...blank(state),
      state: 'different',
      note: obstacle ?? 'its columns cannot be compared',
    }
  }
  const findings = new Findings(table, {
    keep: options.keep,
    extraAllowed: state.mode === 'merge',
  })
  const rows = await compareRows(recipe, { source, target, pending }, findings)
  await requireIntact(state, { source, target, pending })
  const differ = findings.any
  return {
    ...blank(state),
    state: differ ? 'different' : 'equal',
    rows,
    missing: findings.missing,
    extra: findings.extra,
    changed: findings.changed,
    folded: pending.source.size + pending.target.size,
    kept: findings.keptRows,
    differences: findings.differences,
    note: differ ? noteOf(state) : null,
  }
}

interface Sides {
  readonly source: SourceReader
  readonly target: TargetReader
  readonly pending: Apart
}

/** An end that was not read, since its rows are going to be gone anyway, may be empty already. */
async function requireIntact({ table }: TableState, sides: Sides): Promise<void> {
  for (const end of ['source', 'target'] as const) {
    if (sides.pending[end].truncated || (await sides[end].intact(table))) continue
    throw new Fault('HF-V105', {
      what: `${tableName(table)} was emptied or rewritten at the ${end} while it was compared`,
      table: tableName(table),
      side: end,
    })
  }
}

async function compareRows(
  recipe: NonNullable<ReturnType<typeof recipeOf>>,
  ends: Sides,
  findings: Findings,
): Promise<number> {
  const { source, target, pending } = ends
  if (pending.source instanceof KeyedPending && pending.target instanceof KeyedPending) {
    const sides = {
      source: { reader: source, pending: pending.source },
      target: { reader: target, pending: pending.target },
    }
    const rows = await compareKeyed(recipe, sides, findings)
    await nameColumns(recipe, { source, target }, findings)
    return rows
  }
  if (pending.source instanceof RowsPending && pending.target instanceof RowsPending) {
    const sides = {
      source: { reader: source, pending: pending.source },
      target: { reader: target, pending: pending.target },
    }
    return await compareKeyless(recipe, sides, findings)
  }
  throw new TypeError('both ends of a table have the same identity')
}

function blank({ table, target }: TableState): TableVerification {
  return {
    table: tableName(table),
    target: tableName(target),
    state: 'equal',
    rows: 0,
    missing: 0,
    extra: 0,
    changed: 0,
    folded: 0,
    kept: 0,
    differences: [],
    note: null,
  }
}

function copying(state: TableState): TableVerification {
  return { ...blank(state), state: 'copying', note: 'its first copy is not complete' }
}

/** Why rows cannot be compared, when the table is not there as it should be. */
function obstacleOf({ state, source, target }: TableAtBothEnds): string | null {
  for (const [end, described] of [
    ['source', source],
    ['target', target],
  ] as const) {
    const name = tableName(end === 'source' ? state.table : state.target)
    if (!described.exists) return `there is no table ${name} at the ${end}`
    const [first, ...more] = described.lacking
    if (first !== undefined) {
      return `${name} has no column ${[first, ...more].join(', ')} at the ${end}`
    }
  }
  return null
}

function noteOf({ mode }: TableState): string | null {
  if (mode !== 'append') return null
  return 'the table has no identity, so updates and deletes at the source do not reach the target'
}
