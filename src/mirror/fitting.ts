import type { Checkpoint } from '../model/checkpoint.ts'
import { Fault, type Finding } from '../model/fault.ts'
import { type Blueprint, type Table, tableName } from '../model/table.ts'
import type { Selection, Source } from '../source/source.ts'
import type { Target, TargetPlan } from '../target/target.ts'
import type { MirrorOptions } from './options.ts'
import { planOf } from './plan.ts'

export interface Both {
  readonly source: Source
  readonly target: Target
}

/** What is planned with tables that have come, and why others of them cannot be taken. */
export interface Fitting {
  readonly plan: TargetPlan
  readonly refused: readonly { readonly table: Table; readonly why: Fault }[]
}

/** The plan with those that the target can take, behind those that stand. */
export async function fitting(
  both: Both,
  { tables: known, settings }: Checkpoint,
  come: Blueprint,
): Promise<Fitting> {
  const wishes = wishesOf(settings)
  const planWith = (more: readonly Table[]): TargetPlan => {
    const tables = [...known.map(({ table }) => table), ...more]
    const plan = planOf({ ...come, tables }, wishes, both.source.traits)
    return { ...plan, tables: plan.tables.slice(known.length) }
  }
  const { taken, refused } = await parted(come.tables, (tables) => obstacle(both, planWith(tables)))
  const plan = planWith(taken)
  const standing = known.map(({ table, target: place, mode }) => {
    return { table, target: place, mode, standing: true } as const
  })
  return { plan: { ...plan, tables: [...standing, ...plan.tables] }, refused }
}

interface Parted {
  readonly taken: readonly Table[]
  readonly refused: Fitting['refused']
}

/** They are asked for together, and in halves where something stands in the way. */
async function parted(
  tables: readonly Table[],
  obstacleTo: (tables: readonly Table[]) => Promise<Fault | null>,
): Promise<Parted> {
  const [table] = tables
  if (table === undefined) return { taken: [], refused: [] }
  const why = await obstacleTo(tables)
  if (why === null) return { taken: tables, refused: [] }
  if (tables.length === 1) return { taken: [], refused: [{ table, why }] }
  const middle = Math.ceil(tables.length / 2)
  const first = await parted(tables.slice(0, middle), obstacleTo)
  const rest = await parted(tables.slice(middle), obstacleTo)
  return { taken: [...first.taken, ...rest.taken], refused: [...first.refused, ...rest.refused] }
}

/** Why the target cannot take what is planned; null where it can. */
async function obstacle({ source, target }: Both, plan: TargetPlan): Promise<Fault | null> {
  if (source.traits.apart === true && target.traits.oneLane === true) {
    const what = `${target.label} follows one lane of a log, and another one begins`
    return new Fault('HF-T254', { what, side: 'target' })
  }
  try {
    for (const finding of await target.preflight(plan)) {
      if (finding.level === 'fail') return finding.fault
    }
    return null
  } catch (error) {
    if (error instanceof Fault && !error.transient) return error
    throw error
  }
}

/** What has come to a mirror that stands, and what is in the way of it; changes nothing. */
export async function laterFindings(
  both: Both,
  checkpoint: Checkpoint,
): Promise<readonly Finding[]> {
  const { tables, settings } = checkpoint
  const { source } = both
  if (source.later === undefined) return []
  const known = tables.map(({ table }) => table)
  const { blueprint, refused } = await source.later(wishesOf(settings).selection, known)
  const { plan, refused: unfit } = await fitting(both, checkpoint, blueprint)
  return [
    ...[...refused, ...unfit.map(({ why }) => why)].map(leftOut),
    ...plan.tables.slice(known.length).map(({ table }): Finding => {
      const what = `${tableName(table)} has come to the source, and the mirror takes it when it runs`
      return { level: 'ok', subject: LATER, what }
    }),
  ]
}

const LATER = 'tables that came later'

/** The mirror goes on without it. */
function leftOut(fault: Fault): Finding {
  return { level: 'warn', subject: LATER, fault }
}

type Wishes = Pick<MirrorOptions, 'onExisting' | 'shape'> & { readonly selection: Selection }

/** What the mirror was set up with; nothing is meant where that cannot be read. */
export function wishesOf(settings: Checkpoint['settings']): Wishes {
  const { include, exclude, keyless, onExisting, shape } = settings
  return {
    selection: {
      include: textsOf(include),
      exclude: textsOf(exclude),
      keyless: keyless === 'exclude' || keyless === 'append' ? keyless : 'refuse',
    },
    onExisting: onExisting === 'merge' || onExisting === 'replace' ? onExisting : 'refuse',
    shape: shape === 'history' ? shape : 'mirror',
  }
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : []
}
