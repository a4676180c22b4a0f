import type { Session } from '../../dialect/postgres/connect.ts'
import { Fault } from '../../model/fault.ts'
import type { Table } from '../../model/table.ts'
import { firstOf } from '../newcomers.ts'
import { readLeaves, refuseNewLeaf } from './check/facts.ts'
import { Relations } from './log/relations.ts'
import type { Names } from './names.ts'
import { type Publication, requirePublications, requireSince, stampsOf } from './publication.ts'
import { requireSlot } from './slot.ts'

export interface LookOptions {
  readonly control: Session
  readonly names: Names
  readonly database: string
}

/**
 * What was seen before, so that the next look knows what changed. One look at a time; each sees
 * the columns, keys and files of the tables, the publications' membership, the partitions of the
 * first copy's tables, and the slot.
 */
export class Lookout {
  readonly #options: LookOptions
  #relations: Relations | null = null
  #stamps: { readonly of: readonly Table[] | null; readonly value: string } | null = null
  #leaves: ReadonlyMap<string, string> | null = null

  constructor(options: LookOptions) {
    this.#options = options
  }

  /**
   * What the source was when it was compared with the checkpoint: what changes between then and
   * the first look is a change, too.
   */
  remember(seen: {
    readonly tables: readonly Table[] | null
    readonly publications: readonly Publication[]
    readonly leaves: ReadonlyMap<string, string>
  }): void {
    const { tables, publications, leaves } = seen
    this.#stamps ??= { of: tables, value: stampsOf(publications, tables) }
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
    await this.#publications(tables)
    await this.#partitions(tables)
    if (this.#relations === null) await this.follow(tables)
    else await this.#relations.look(tables)
  }

  async #publications(tables: readonly Table[]): Promise<void> {
    const { control, names } = this.#options
    const publications = await requirePublications(control, names)
    await requireSince(control, publications, tables)
    const known = this.#stamps
    if (known === null || known.value === stampsOf(publications, known.of)) {
      this.#stamps = { of: tables, value: stampsOf(publications, tables) }
      return
    }
    throw new Fault('HF-S206', {
      what: `the publication ${names.publication} at ${control.label} was altered`,
      side: 'source',
    })
  }

  async #partitions(tables: readonly Table[]): Promise<void> {
    const ids = firstOf(tables).map(({ id }) => id)
    const leaves = await readLeaves(this.#options.control, ids)
    if (this.#leaves !== null) refuseNewLeaf(this.#leaves, leaves)
    this.#leaves = leaves
  }
}
