import { every } from '../async/clock.ts'
import { point } from '../async/point.ts'
import type { Checkpoint } from '../model/checkpoint.ts'
import { Fault } from '../model/fault.ts'
import { type Blueprint, type Table, tableName } from '../model/table.ts'
import type { Selection, Source } from '../source/source.ts'
import type { Target, TargetPlan } from '../target/target.ts'
import { copyAgain, type Ends } from './birth.ts'
import type { MirrorOptions, Watch } from './options.ts'
import { planOf } from './plan.ts'
import { tableProgress } from './progress.ts'

/** Milliseconds between two looks for tables that have come. */
const LOOK = 5_000

interface Sides {
  readonly source: Source
  readonly target: Target
  readonly watch: Watch
}

/** A look from time to time, until disposed. */
interface Lookout extends AsyncDisposable {
  /** Aborted once a table has come that may be taken in. */
  readonly found: AbortSignal
}

/**
 * Tables that come to be while a mirror goes on, and that it was told to take. What stands in the
 * way of one is said once; it is left out until the mirror is started again.
 */
export class Latecomers {
  readonly #sides: Sides
  readonly #refused: Set<string>
  readonly #said = new Set<string>()

  /** `refused` keeps the ids of tables that were left out. */
  constructor(sides: Sides, refused: Set<string>) {
    this.#sides = sides
    this.#refused = refused
  }

  /** Those that have come, without those that were refused; null for none. */
  async come({ tables, settings }: Checkpoint): Promise<Blueprint | null> {
    const { source } = this.#sides
    const { selection } = wishesOf(settings)
    if (source.later === undefined || selection.include.length === 0) return null
    const known = tables.map(({ table }) => table)
    const { blueprint, refused } = await source.later(selection, known)
    for (const fault of refused) this.#say(fault)
    const come = blueprint.tables.filter(({ id }) => !this.#refused.has(id))
    return come.length === 0 ? null : { ...blueprint, tables: come }
  }

  /** Looks while the mirror goes on. What fails then is done the next time. */
  lookout(checkpoint: Checkpoint): Lookout {
    const found = new AbortController()
    const look = async (): Promise<void> => {
      if ((await this.come(checkpoint)) !== null) found.abort()
    }
    const ticker = every(LOOK, look, () => undefined)
    return { found: found.signal, [Symbol.asyncDispose]: () => ticker.stop() }
  }

  /**
   * Takes in what has come: tables at the target, then the lanes that they begin in. A kill at any
   * step leaves tables that are not copied, which the next start goes on with. True when any was.
   */
  async admit(ends: Ends, checkpoint: Checkpoint): Promise<boolean> {
    const come = await this.come(checkpoint)
    if (come === null) return false
    const plan = await this.#fitting(checkpoint, come)
    const known = new Set(checkpoint.tables.map(({ table }) => table.id))
    const added = plan.tables.filter(({ table }) => !known.has(table.id))
    if (added.length === 0) return false
    const { source, target, watch } = this.#sides
    const pending = added.map(
      (planned) => ({ ...planned, state: 'pending', start: null, rowsCopied: 0 }) as const,
    )
    watch({ kind: 'tables', tables: tableProgress([...checkpoint.tables, ...pending]) })
    await target.prepare(plan)
    point('target-prepared')
    const tables = added.map(({ table }) => table)
    await source.prepare(tables)
    await copyAgain(ends, tables)
    for (const table of tables) {
      watch({ kind: 'notice', text: `${tableName(table)} has come, and is mirrored from now on` })
    }
    return true
  }

  /** Refuses all that has come, for as long as this process lives. */
  async refuse(checkpoint: Checkpoint, why: Fault): Promise<void> {
    const come = await this.come(checkpoint)
    for (const table of come?.tables ?? []) this.#refuse(table, why)
  }

  /** The plan with those that the target can take. */
  async #fitting(checkpoint: Checkpoint, come: Blueprint): Promise<TargetPlan> {
    const { source, target } = this.#sides
    const wishes = wishesOf(checkpoint.settings)
    const { tables: known } = checkpoint
    let taken: readonly Table[] = known.map(({ table }) => table)
    for (const table of come.tables) {
      const tables = [...taken, table]
      const plan = planOf({ ...come, tables }, wishes, source.traits)
      const alone = { ...plan, tables: plan.tables.filter((one) => one.table.id === table.id) }
      const why = await obstacle(target, alone)
      if (why === null) taken = tables
      else this.#refuse(table, why)
    }
    const plan = planOf({ ...come, tables: taken }, wishes, source.traits)
    const standing = known.map(({ table, target: place, mode }) => ({ table, target: place, mode }))
    return { ...plan, tables: [...standing, ...plan.tables.slice(known.length)] }
  }

  #refuse(table: Table, why: Fault): void {
    this.#refused.add(table.id)
    this.#say(why)
  }

  #say({ code, message }: Fault): void {
    const text = `${code} ${message}: what has come is left out until the mirror is started again`
    if (!this.#said.has(text)) this.#sides.watch({ kind: 'notice', text })
    this.#said.add(text)
  }
}

/** Why the target cannot take what is planned; null where it can. */
async function obstacle(target: Target, plan: TargetPlan): Promise<Fault | null> {
  if (target.traits.oneLane === true) {
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

type Wishes = Pick<MirrorOptions, 'onExisting' | 'shape'> & { readonly selection: Selection }

/** What the mirror was set up with; nothing is meant where that cannot be read. */
function wishesOf(settings: Checkpoint['settings']): Wishes {
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
