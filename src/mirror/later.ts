import { anyOf } from '../async/abort.ts'
import { every, monotonic, wallMicros, within } from '../async/clock.ts'
import { point } from '../async/point.ts'
import type { Checkpoint } from '../model/checkpoint.ts'
import { Fault } from '../model/fault.ts'
import { listed } from '../model/findings.ts'
import { covers } from '../model/position.ts'
import { type Blueprint, type Table, tableName } from '../model/table.ts'
import type { Snapshot } from '../source/source.ts'
import type { TargetPlan } from '../target/target.ts'
import { copyAgain, copyMore, type Ends } from './birth.ts'
import { type Both, fitting, wishesOf } from './fitting.ts'
import type { Watch } from './options.ts'
import { anewProgress } from './progress.ts'

/** Milliseconds between two looks for tables that have come: a look asks for names alone. */
const LOOK = 5_000
/**
 * Milliseconds that the tables that are followed wait for a snapshot of those that have come, which
 * may wait for transactions that are open at the source: at first, and at most, since it doubles.
 * Between two tries they are followed for four times as long.
 */
const PATIENCE = 15_000
const MOST_PATIENCE = 120_000
const BETWEEN = 4
/** More than this many that come together are only counted: each is named once it is copied. */
const NAMED = 10

interface Sides extends Both {
  readonly watch: Watch
}

/** A look from time to time, until disposed. */
interface Lookout extends AsyncDisposable {
  /** Aborted once a table has come that may be taken in. */
  readonly found: AbortSignal
}

/**
 * Tables that come to be while a mirror goes on, and that it was told to take. What stands in the
 * way of one is said; where that is at the target it is left out until the mirror is started again.
 */
export class Latecomers {
  readonly #sides: Sides
  /** Why tables were left out, by their ids. */
  readonly #refused: Map<string, Fault>
  /** Why others are left out as long as the source has them so. */
  #refusedThere: readonly Fault[] = []
  readonly #said = new Set<string>()
  #told: string | null = null
  /** Before this moment nothing is taken in. */
  #notBefore = Number.NEGATIVE_INFINITY
  #patience = PATIENCE

  constructor(sides: Sides, refused: Map<string, Fault>) {
    this.#sides = sides
    this.#refused = refused
  }

  /** Those that have come, without those that were refused; null for none. */
  async come({ tables, settings }: Checkpoint): Promise<Blueprint | null> {
    const { source } = this.#sides
    if (source.later === undefined) return null
    const { selection } = wishesOf(settings)
    const known = tables.map(({ table }) => table)
    const { blueprint, refused } = await source.later(selection, known)
    const end = source.admit === undefined ? UNTIL_RESTART : UNTIL_MENDED
    for (const fault of refused) this.#say(fault, end)
    this.#refusedThere = refused
    this.#tell()
    const come = blueprint.tables.filter(({ id }) => !this.#refused.has(id))
    return come.length === 0 ? null : { ...blueprint, tables: come }
  }

  /** Looks while the mirror goes on. What fails then is done the next time. */
  lookout(checkpoint: Checkpoint): Lookout {
    const found = new AbortController()
    const look = async (): Promise<void> => {
      const come = await this.come(checkpoint)
      if (come !== null && (await this.#mayBegin(come))) found.abort()
    }
    const ticker = every(LOOK, look, () => undefined)
    return { found: found.signal, [Symbol.asyncDispose]: () => ticker.stop() }
  }

  /** What is still to be built for the tables that are there is planned with what surrounds them. */
  async #mayBegin({ native, plain }: Blueprint): Promise<boolean> {
    if (monotonic() < this.#notBefore) return false
    if (native === null && plain === undefined) return true
    return (await this.#sides.target.checkpoint())?.finished === true
  }

  /** True where every table has passed its start. */
  #stands({ tables, positions }: Checkpoint): boolean {
    const { compare } = this.#sides.source
    return tables.every(({ state, start }) => {
      return state === 'copied' && (start === null || covers(compare, positions, start))
    })
  }

  /**
   * Takes in what has come: a snapshot of them, then they themselves at the target, then their
   * rows. A kill leaves either nothing of them that is recorded, or tables that are not copied, which
   * the next start goes on with. True when any was recorded.
   */
  async admit(ends: Ends, checkpoint: Checkpoint): Promise<boolean> {
    const come = await this.come(checkpoint).catch((error: unknown) => {
      if (!(error instanceof Fault) || error.transient) throw error
      this.#say(error, ': tables that may have come are left out')
      return null
    })
    if (come === null) return false
    if (!checkpoint.finished && this.#stands(checkpoint)) await this.#sides.target.finish()
    if (!(await this.#mayBegin(come))) return false
    const { plan, refused } = await fitting(this.#sides, checkpoint, come)
    for (const { table, why } of refused) this.#refuse([table], why)
    const added = plan.tables.filter(({ standing }) => standing !== true)
    if (added.length === 0) return false
    return await this.#take(ends, plan)
  }

  async #take(ends: Ends, fit: TargetPlan): Promise<boolean> {
    const { target } = this.#sides
    let tables = newOf(fit)
    let recorded = false
    try {
      const plan = await this.#admitted(fit)
      if (plan === null) return this.#waits(tables)
      tables = newOf(plan)
      const openedAt = wallMicros()
      await using snapshot = await this.#snapshot(tables, ends.signal)
      if (snapshot === null) return this.#waits(tables)
      await copyMore(ends, { snapshot, openedAt, tables }, async () => {
        await target.prepare(plan)
        recorded = true
        await this.#show()
        point('target-prepared')
      })
      this.#welcome(tables)
    } catch (error) {
      const why = this.#ownFault(ends, error)
      if (recorded) await this.#halve(ends, tables, why)
      else this.#refuse(tables, why)
    }
    return recorded
  }

  /** Goes on with tables that came, where their copies are not whole. */
  async goOn(ends: Ends, tables: readonly Table[]): Promise<void> {
    const copied = await this.#show()
    const rest = tables.filter(({ id }) => !copied.has(id))
    try {
      if (rest.length > 0) await copyAgain(ends, rest)
      this.#welcome(tables)
    } catch (error) {
      await this.#halve(ends, rest, this.#ownFault(ends, error))
    }
  }

  /** One table whose rows cannot be had is left out, and keeps no other from being taken. */
  async #halve(ends: Ends, tables: readonly Table[], why: Fault): Promise<void> {
    if (tables.length > 1) {
      const middle = Math.ceil(tables.length / 2)
      await this.goOn(ends, tables.slice(0, middle))
      await this.goOn(ends, tables.slice(middle))
      return
    }
    await this.#sides.target.forget(tables)
    await this.#show()
    this.#refuse(tables, why)
  }

  /** The fault that lies in tables that have come, which is no reason to end; any other is thrown. */
  #ownFault({ signal }: Ends, error: unknown): Fault {
    signal.throwIfAborted()
    if (this.#sides.source.admit === undefined || !(error instanceof Fault)) throw error
    if (error.transient || isOfMirror(error)) throw error
    return error
  }

  /** The source makes sure that the log carries them, before anything of them is recorded. */
  async #admitted(plan: TargetPlan): Promise<TargetPlan | null> {
    const { source } = this.#sides
    const come = newOf(plan)
    const admitted = source.admit === undefined ? come : await source.admit(come)
    if (admitted === null) return null
    const now = new Map(admitted.map((table) => [table.id, table]))
    const of = (table: Table): Table => now.get(table.id) ?? table
    const { blueprint } = plan
    return {
      ...plan,
      blueprint: { ...blueprint, tables: blueprint.tables.map(of) },
      tables: plan.tables.map((planned) => ({ ...planned, table: of(planned.table) })),
    }
  }

  /** Null where it would keep the others waiting for too long. */
  async #snapshot(tables: readonly Table[], signal: AbortSignal): Promise<Snapshot | null> {
    const { source } = this.#sides
    const late = new AbortController()
    const opening = source.snapshot({ keep: false, tables }, anyOf(signal, late.signal))
    opening.catch(() => undefined)
    if (source.admit !== undefined)
      await within(this.#patience, settled(opening), () => late.abort())
    try {
      return await opening
    } catch (error) {
      if (!late.signal.aborted || signal.aborted) throw error
      return null
    }
  }

  /** False: others go on first, and these are tried again. */
  #waits(tables: readonly Table[]): false {
    this.#notBefore = monotonic() + BETWEEN * this.#patience
    this.#patience = Math.min(2 * this.#patience, MOST_PATIENCE)
    const names = listed(tables.map(tableName))
    const text = `${names} came and cannot be copied yet: transactions that are open at the source have to end first`
    if (!this.#said.has(text)) this.#sides.watch({ kind: 'notice', text })
    this.#said.add(text)
    return false
  }

  #welcome(tables: readonly Table[]): void {
    const { watch } = this.#sides
    if (tables.length > NAMED) {
      const text = `${tables.length} tables have come, and are mirrored from now on`
      watch({ kind: 'notice', text })
      return
    }
    for (const table of tables) {
      const text = `${tableName(table)} has come, and is mirrored from now on`
      watch({ kind: 'notice', text })
    }
  }

  /** Tells what the mirror consists of now; returns the ids of those that are copied. */
  async #show(): Promise<ReadonlySet<string>> {
    const { target, watch } = this.#sides
    const tables = (await target.checkpoint())?.tables ?? []
    watch({ kind: 'tables', tables: anewProgress(tables) })
    return new Set(tables.flatMap(({ table, state }) => (state === 'copied' ? [table.id] : [])))
  }

  /**
   * A table that came later and went again: it is followed no more, and its rows at the target stay.
   * False for what else may have happened.
   */
  async lost(error: unknown, { tables }: Checkpoint): Promise<boolean> {
    if (!(error instanceof Fault) || error.code !== 'HF-D406') return false
    const { table: name } = error.detail
    const gone = tables.filter(
      ({ table }) => table.since !== undefined && tableName(table) === name,
    )
    if (gone.length === 0) return false
    const { target, watch } = this.#sides
    await target.forget(gone.map(({ table }) => table))
    const text = `${error.code} ${error.message}: it is mirrored no more, and its rows at the target stay as they are`
    watch({ kind: 'notice', text })
    await this.#show()
    return true
  }

  /** Refuses all that has come, for as long as this process lives. */
  async refuse(checkpoint: Checkpoint, why: Fault): Promise<void> {
    const come = await this.come(checkpoint)
    if (come !== null) this.#refuse(come.tables, why)
  }

  #refuse(tables: readonly Table[], why: Fault): void {
    // What is no more, or is otherwise, is looked at again.
    if (PASSING.has(why.code)) return
    for (const { id } of tables) this.#refused.set(id, why)
    this.#say(why, UNTIL_RESTART)
    this.#tell()
  }

  #say({ code, message }: Fault, end: string): void {
    const text = `${code} ${message}${end}`
    if (!this.#said.has(text)) this.#sides.watch({ kind: 'notice', text })
    this.#said.add(text)
  }

  #tell(): void {
    const faults = [...new Set([...this.#refusedThere, ...this.#refused.values()])]
    const told = faults.map(({ message }) => message).join()
    if (told !== this.#told) this.#sides.watch({ kind: 'left-out', faults })
    this.#told = told
  }
}

const UNTIL_MENDED = ': it is left out as long as that is so; holdfast status says what to do'
const UNTIL_RESTART =
  ': what has come is left out until the mirror is started again; holdfast status says what to do'

/** Codes of what is no more, or is otherwise, when it is looked at again. */
const PASSING: ReadonlySet<string> = new Set(['HF-D406', 'HF-D410'])

/** The right to write is lost, or the log is not what it was. */
function isOfMirror({ code, entry }: Fault): boolean {
  return entry.class === 'internal' || /^HF-[XL]/.test(code)
}

function newOf({ tables }: TargetPlan): readonly Table[] {
  return tables.filter(({ standing }) => standing !== true).map(({ table }) => table)
}

async function settled(work: Promise<unknown>): Promise<void> {
  await work.catch(() => undefined)
}
