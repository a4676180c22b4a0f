import type { Batch } from '../model/batch.ts'
import type { Checkpoint, Identities } from '../model/checkpoint.ts'
import { Fault } from '../model/fault.ts'
import type { Positions } from '../model/position.ts'
import type { Sequence, Table, Vocabulary } from '../model/table.ts'
import type { Claim, ClaimRequest, Membership, Target, TargetPlan } from './target.ts'

/** What a claim allows: the half of a target that writes. */
export interface Tenure
  extends AsyncDisposable,
    Pick<Target, 'prepare' | 'forget' | 'begin' | 'copy' | 'copied' | 'finish' | 'apply'> {
  readonly lost: AbortSignal
  readonly durable: Positions
  /** Left out where one batch is written after the other. */
  ahead?(...of: Parameters<NonNullable<Target['ahead']>>): Promise<boolean>
  /** Left out where one lane is followed; asking for it is a mistake there. */
  relocate?(...to: Parameters<Target['relocate']>): Promise<void>
  /** Left out where there is nothing that hands out numbers. */
  setSequences?(sequences: readonly Sequence[]): Promise<void>
  /** Left out where a label is a text, whatever the list it is from. */
  learn?(vocabularies: readonly Vocabulary[]): ReturnType<Target['learn']>
}

/** The plan without these tables. */
export function without(plan: TargetPlan, tables: readonly Table[]): TargetPlan {
  const gone = new Set(tables.map(({ id }) => id))
  return { ...plan, tables: plan.tables.filter(({ table }) => !gone.has(table.id)) }
}

/** Becomes one of several processes at a target whose traits say that it takes them. */
export function joined(
  target: Target,
  request: ClaimRequest,
  signal: AbortSignal,
): Promise<Membership> {
  if (target.join !== undefined) return target.join(request, signal)
  throw new Fault('HF-X001', { what: `${target.label} was joined, and takes one process` })
}

/** Hands what writes to the tenure of the claim; without one it is refused. */
export class Tenured<T extends Tenure> implements AsyncDisposable {
  #held: T | null = null

  get held(): T | null {
    return this.#held
  }

  protected get tenure(): T {
    if (this.#held !== null) return this.#held
    throw new Fault('HF-X001', { what: 'the target was written to without a claim' })
  }

  /** The claim that this tenure is; it ends with it. */
  protected hold(tenure: T, of: Pick<Claim, 'epoch'> & { checkpoint: Checkpoint | null }): Claim {
    this.#held = tenure
    return {
      ...of,
      lost: tenure.lost,
      [Symbol.asyncDispose]: async () => {
        if (this.#held === tenure) this.#held = null
        await tenure[Symbol.asyncDispose]()
      },
    }
  }

  prepare(plan: TargetPlan): Promise<void> {
    return this.tenure.prepare(plan)
  }
  forget(tables: readonly Table[]): Promise<void> {
    return this.tenure.forget(tables)
  }
  begin(
    tables: readonly Table[],
    snapshot: {
      readonly positions: Positions
      readonly source: Identities
      readonly first: boolean
    },
  ): Promise<void> {
    return this.tenure.begin(tables, snapshot)
  }
  async relocate(...to: Parameters<Target['relocate']>): Promise<void> {
    const { tenure } = this
    if (tenure.relocate === undefined) throw new TypeError('this target cannot go on elsewhere')
    await tenure.relocate(...to)
  }
  copy(...[chunk, rows, signal]: Parameters<Target['copy']>): Promise<number> {
    return this.tenure.copy(chunk, rows, signal)
  }
  copied(table: Table): Promise<void> {
    return this.tenure.copied(table)
  }
  finish(): Promise<void> {
    return this.tenure.finish()
  }
  apply(batch: Batch, encoding: string): Promise<void> {
    return this.tenure.apply(batch, encoding)
  }
  async ahead(...of: Parameters<NonNullable<Target['ahead']>>): Promise<boolean> {
    return (await this.tenure.ahead?.(...of)) ?? false
  }
  durable(): Promise<Positions> {
    return Promise.resolve(this.tenure.durable)
  }
  async setSequences(sequences: readonly Sequence[]): Promise<void> {
    await this.tenure.setSequences?.(sequences)
  }
  async learn(vocabularies: readonly Vocabulary[]): ReturnType<Target['learn']> {
    return (await this.tenure.learn?.(vocabularies)) ?? { said: [], renamed: null }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held?.[Symbol.asyncDispose]()
  }
}
