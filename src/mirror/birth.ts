import { wallMicros } from '../async/clock.ts'
import { point } from '../async/point.ts'
import { Fault, type Finding } from '../model/fault.ts'
import { findingsAt, listed } from '../model/findings.ts'
import { type Table, tableName } from '../model/table.ts'
import { copyTables } from '../snapshot/copy.ts'
import type { Snapshot, Source } from '../source/source.ts'
import type { Target } from '../target/target.ts'
import type { MirrorOptions, Watch } from './options.ts'
import { planOf } from './plan.ts'
import { tableProgress } from './progress.ts'

export interface Ends {
  readonly options: MirrorOptions
  readonly source: Source
  readonly target: Target
  readonly watch: Watch
  readonly signal: AbortSignal
}

/** Everything that would stop or endanger the mirror; changes nothing at either end. */
export async function preflight(
  ends: Omit<Ends, 'signal' | 'watch'>,
  looked: { readonly fresh: boolean } = { fresh: false },
): Promise<readonly Finding[]> {
  const { source, target, options } = ends
  const findings = await source.preflight({ ...looked, target: target.place })
  const refused = findings.some(({ level }) => level === 'fail')
  const blueprint = await source.inspect().catch((error: unknown) => {
    // What keeps the tables from being read is among the findings already.
    if (refused) return null
    throw error
  })
  if (blueprint === null) return findings
  const plan = planOf(blueprint, options, source.traits)
  return [...findings, ...(await target.preflight(plan)), ...(await laneFindings(ends))]
}

/** What would come in several lanes to a target that knows one. */
async function laneFindings({
  source,
  target,
}: Pick<Ends, 'source' | 'target'>): Promise<readonly Finding[]> {
  if (source.traits.apart !== true || target.traits.oneLane !== true) return []
  const lanes = [...(await source.fence()).keys()]
  if (lanes.length < 2) return []
  const what =
    `${source.label} has ${lanes.length} lanes (${listed(lanes)}), and ${target.label} tells ` +
    `older changes from newer ones in one only`
  return [findingsAt('target').fail('HF-T254', 'lanes', { what })]
}

/** Throws the first failure of a preflight; the others are named with it. */
export function refuseFailures(findings: readonly Finding[], watch: Watch): void {
  const faults = findings.flatMap((finding) => (finding.level === 'fail' ? [finding.fault] : []))
  for (const finding of findings) {
    if (finding.level === 'warn') watch({ kind: 'notice', text: finding.fault.message })
  }
  const [first, ...others] = faults
  if (first === undefined) return
  if (others.length === 0) throw first
  const also = others.map((fault) => `${fault.code} ${fault.message}`).join('; ')
  throw new Fault(first.code, {
    ...first.detail,
    evidence: { ...first.detail.evidence, also },
  })
}

/**
 * The first copy, in the order that lets a kill at any step be told from a stranger's objects:
 * the claim stands already; then the target's tables, the publication, the log kept from the
 * snapshot on, the copy.
 */
export async function birth(ends: Ends): Promise<void> {
  const { source, target, watch, signal } = ends
  const plan = planOf(await source.inspect(), ends.options, source.traits)
  const tables = plan.tables.map(({ table }) => table)
  watch({ kind: 'tables', tables: tableProgress(plan.tables.map(pending)) })
  await target.prepare(plan)
  point('target-prepared')
  await source.prepare(tables)
  const openedAt = wallMicros()
  await using snapshot = await source.snapshot({ keep: true }, signal)
  refuseChangedTables(tables, (await source.inspect()).tables)
  const { positions } = snapshot
  const about = { positions, source: await source.identity(tables), openedAt }
  await target.begin(tables, { ...about, first: true })
  point('copy-begun')
  await copy(ends, snapshot, tables)
}

/** Copies tables anew that an earlier process did not finish; the others stay. */
export async function copyAgain(ends: Ends, tables: readonly Table[]): Promise<void> {
  const openedAt = wallMicros()
  await using snapshot = await ends.source.snapshot({ keep: false, tables }, ends.signal)
  await copyMore(ends, { snapshot, openedAt, tables })
}

/** A snapshot beside the log that is kept already, and the tables that are copied from it. */
export interface Beside {
  readonly snapshot: Snapshot
  readonly openedAt: bigint
  readonly tables: readonly Table[]
}

/** `prepare` makes them at the target, once it is known that they are what they were. */
export async function copyMore(
  ends: Ends,
  { snapshot, openedAt, tables }: Beside,
  prepare?: () => Promise<void>,
): Promise<void> {
  const { source, target } = ends
  const now = new Map((await source.inspect(tables)).tables.map((table) => [table.id, table]))
  refuseChangedTables(
    tables,
    tables.flatMap(({ id }) => now.get(id) ?? []),
  )
  await prepare?.()
  const { positions } = snapshot
  const about = { positions, source: await source.identity(), openedAt }
  await target.begin(tables, { ...about, first: false })
  point('copy-begun')
  await copy(ends, snapshot, tables)
}

async function copy(ends: Ends, snapshot: Snapshot, tables: readonly Table[]): Promise<void> {
  const { source, target, watch, signal, options } = ends
  // Labels that came since the target's types were made may stand in the snapshot.
  const { said, renamed } = await target.learn(await source.vocabularies(tables))
  for (const text of said) watch({ kind: 'notice', text })
  if (renamed !== null) throw renamed
  watch({ kind: 'phase', phase: 'snapshotting', reason: null })
  await copyTables({
    source,
    target,
    snapshot,
    tables,
    workers: options.copyWorkers,
    signal,
    expected: ({ id }, rows, bytes) => watch({ kind: 'expected', id, rows, bytes }),
    copiedRows: ({ id }, rows) => watch({ kind: 'copied-rows', id, rows }),
    copiedTable: ({ id }) => watch({ kind: 'copied-table', id }),
  })
  point('copy-finished')
}

/** Columns that changed between the look and the snapshot could lose values. */
function refuseChangedTables(planned: readonly Table[], now: readonly Table[]): void {
  const versions = new Map(now.map((table) => [table.id, table.version]))
  const changed = planned.filter((table) => versions.get(table.id) !== table.version)
  if (changed.length === 0) return
  throw new Fault('HF-D410', {
    what: `${changed.map(tableName).join(', ')} changed at the source while the copy was prepared`,
  })
}

function pending(planned: ReturnType<typeof planOf>['tables'][number]) {
  return { ...planned, state: 'pending', start: null, rowsCopied: 0 } as const
}
