import type { Session } from '../../dialect/postgres/connect.ts'
import { Fault } from '../../model/fault.ts'
import type { Table } from '../../model/table.ts'
import { readLeaves, refuseNewLeaf } from './check/facts.ts'
import { Relations } from './log/relations.ts'
import type { Names } from './names.ts'
import { type Publication, requirePublications } from './publication.ts'
import { requireSlot } from './slot.ts'

export interface LookOptions {
  readonly control: Session
  readonly names: Names
  readonly database: string
}

/**
 * What was seen before, so that the next look knows what changed. One look at a time; each sees
 * the columns, keys and files of the tables, the publications' membership, the partitions, and
 * the slot.
 */
export class Lookout {
  readonly #options: LookOptions
  #relations: Relations | null = null
  #stamps: string | null = null
  #leaves: ReadonlyMap<string, string> | null = null

  constructor(options: LookOptions) {
    this.#options = options
  }

  /**
   * What the source was when it was compared with the checkpoint: what changes between then and
   * the first look is a change, too.
   */
  remember(publications: readonly Publication[], leaves: ReadonlyMap<string, string>): void {
    this.#stamps ??= stampsOf(publications)
    this.#leaves ??= leaves
  }

  /** The stream's own knowledge of the tables: from here on it is what looks compare with. */
  async follow(tables: readonly Table[]): Promise<Relations> {
    const relations = await Relations.open(this.#options.control, tables, this.#relations)
    this.#relations = relations
    return relations
  }

  /** Throws the Fault that says why the tables can no longer be followed. */
  async look(tables: readonly Table[]): Promise<void> {
    const { control, names, database } = this.#options
    await requireSlot(control, names.slot, database)
    await this.#publications()
    await this.#partitions(tables)
    if (this.#relations === null) await this.follow(tables)
    else await this.#relations.look(tables)
  }

  async #publications(): Promise<void> {
    const { control, names } = this.#options
    const stamps = stampsOf(await requirePublications(control, names))
    this.#stamps ??= stamps
    if (stamps === this.#stamps) return
    throw new Fault('HF-S206', {
      what: `the publication ${names.publication} at ${control.label} was altered`,
      side: 'source',
    })
  }

  async #partitions(tables: readonly Table[]): Promise<void> {
    const ids = tables.map(({ id }) => id)
    const leaves = await readLeaves(this.#options.control, ids)
    if (this.#leaves !== null) refuseNewLeaf(this.#leaves, leaves)
    this.#leaves = leaves
  }
}

function stampsOf(publications: readonly Publication[]): string {
  return publications.map(({ name, stamp }) => `${name}:${stamp}`).join(' ')
}
