import type { Batch, Part, Step, Stretch } from '../model/batch.ts'
import type { Changes } from '../model/changes.ts'
import type { Checkpoint, TableState } from '../model/checkpoint.ts'
import { Fault, type Finding } from '../model/fault.ts'
import type { MemberLease } from '../model/member.ts'
import { type MetadataCells, withMetadata } from '../model/metadata.ts'
import type { Positions } from '../model/position.ts'
import type { Described, Recipe, TargetReader } from '../model/reader.ts'
import { asSource, Renames } from '../model/renames.ts'
import type { Sequence, Table, Vocabulary } from '../model/table.ts'
import type {
  Claim,
  ClaimRequest,
  Membership,
  Target,
  TargetOptions,
  TargetPlan,
  TargetTraits,
} from './target.ts'
import { joined } from './tenured.ts'

type ToTarget = (table: Table) => Table

/**
 * A target that knows tables and columns by names of its own, and that may hold columns for
 * metadata behind them. Everybody else speaks of them as the source does; what is said to the
 * target is translated table by table, never row by row.
 */
export class RenamedTarget implements Target {
  readonly #inner: Target
  #renames: Renames
  #metadata: boolean
  #known = new WeakMap<Table, Table>()

  /** What the state of the mirror says goes before what is given here. */
  constructor(inner: Target, given: Pick<TargetOptions, 'rename' | 'metadata'>) {
    this.#inner = inner
    this.#renames = new Renames(given.rename ?? [])
    this.#metadata = given.metadata === true
  }

  get traits(): TargetTraits {
    return this.#inner.traits
  }
  get label(): string {
    return this.#inner.label
  }
  get place(): string {
    return this.#inner.place
  }

  get #same(): boolean {
    return this.#renames.isEmpty && !this.#metadata
  }

  readonly #of: ToTarget = (table) => {
    if (this.#same) return table
    const known = this.#known.get(table)
    if (known !== undefined) return known
    const named = this.#renames.of(table)
    const made = this.#metadata ? withMetadata(named) : named
    this.#known.set(table, made)
    return made
  }

  /** The same without what is no column of the source: what is compared. */
  readonly #compared: ToTarget = (table) => this.#renames.of(table)

  #read<T extends Checkpoint | null>(checkpoint: T): T {
    if (checkpoint === null) return checkpoint
    const texts = checkpoint.settings['rename']
    if (isTexts(texts) && String(texts) !== String(this.#renames.texts)) {
      this.#renames = new Renames(texts)
      this.#known = new WeakMap()
    }
    const metadata = checkpoint.settings['metadata']
    if (typeof metadata === 'boolean' && metadata !== this.#metadata) {
      this.#metadata = metadata
      this.#known = new WeakMap()
    }
    return asSourceSays(checkpoint)
  }

  #planned(plan: TargetPlan): TargetPlan {
    const { blueprint } = plan
    this.#renames.refuse(blueprint.tables)
    if (this.#same) return plan
    const tables = plan.tables.map((planned) => {
      const table = this.#of(planned.table)
      return { ...planned, table, target: { schema: table.schema, name: table.name } }
    })
    const columns = new Map(
      blueprint.tables.map((table) => [table.id, new Names(table, this.#of(table))]),
    )
    const to = (table: string, column: string): string => columns.get(table)?.of(column) ?? column
    const plain = blueprint.plain === undefined ? {} : { plain: renamedPlain(blueprint.plain, to) }
    const named = { ...blueprint, ...plain, tables: blueprint.tables.map(this.#of) }
    return { ...plan, blueprint: named, tables }
  }

  preflight(plan: TargetPlan): Promise<readonly Finding[]> {
    return this.#inner.preflight(this.#planned(plan))
  }
  encodings(table: Table): {
    readonly stream: readonly string[]
    readonly copy: readonly string[]
  } {
    return this.#inner.encodings(this.#of(table))
  }
  metadata(encoding: string): MetadataCells {
    const cells = this.#inner.metadata?.(encoding)
    if (cells !== undefined) return cells
    throw new Fault('HF-T254', {
      what: `apply.metadata_columns is true, and ${this.label} has no columns for metadata`,
      side: 'target',
    })
  }
  identity(): Promise<Readonly<Record<string, string>>> {
    return this.#inner.identity()
  }
  async checkpoint(): Promise<Checkpoint | null> {
    return this.#read(await this.#inner.checkpoint())
  }
  mirrors(): Promise<readonly string[]> {
    return this.#inner.mirrors()
  }
  async claim(request: ClaimRequest, signal: AbortSignal): Promise<Claim> {
    const claim = await this.#inner.claim(request, signal)
    return {
      checkpoint: this.#read(claim.checkpoint),
      epoch: claim.epoch,
      lost: claim.lost,
      [Symbol.asyncDispose]: () => claim[Symbol.asyncDispose](),
    }
  }
  async join(request: ClaimRequest, signal: AbortSignal): Promise<Membership> {
    const membership = await joined(this.#inner, request, signal)
    return {
      checkpoint: this.#read(membership.checkpoint),
      epoch: membership.epoch,
      lost: membership.lost,
      settle: async (wanted) => {
        const held = await membership.settle(wanted)
        return { ...held, checkpoint: this.#read(held.checkpoint) }
      },
      unsettled: () => membership.unsettled(),
      [Symbol.asyncDispose]: () => membership[Symbol.asyncDispose](),
    }
  }
  async members(): Promise<readonly MemberLease[]> {
    return (await this.#inner.members?.()) ?? []
  }
  prepare(plan: TargetPlan): Promise<void> {
    return this.#inner.prepare(this.#planned(plan))
  }
  begin(...[tables, snapshot]: Parameters<Target['begin']>): Promise<void> {
    return this.#inner.begin(tables.map(this.#of), snapshot)
  }
  forget(tables: readonly Table[]): Promise<void> {
    return this.#inner.forget(tables.map(this.#of))
  }
  relocate(...[tables, to]: Parameters<Target['relocate']>): Promise<void> {
    return this.#inner.relocate(tables.map(this.#of), to)
  }
  copy(...[chunk, rows, signal]: Parameters<Target['copy']>): Promise<number> {
    return this.#inner.copy({ ...chunk, table: this.#of(chunk.table) }, rows, signal)
  }
  copied(table: Table): Promise<void> {
    return this.#inner.copied(this.#of(table))
  }
  finish(): Promise<void> {
    return this.#inner.finish()
  }
  apply(batch: Batch, encoding: string): Promise<void> {
    return this.#inner.apply(this.#named(batch), encoding)
  }
  async ahead(batch: Batch, encoding: string, before: Promise<void>): Promise<boolean> {
    return (await this.#inner.ahead?.(this.#named(batch), encoding, before)) ?? false
  }
  #named(batch: Batch): Batch {
    return this.#same ? batch : new RenamedBatch(batch, this.#of)
  }
  durable(): Promise<Positions> {
    return this.#inner.durable()
  }
  setSequences(sequences: readonly Sequence[]): Promise<void> {
    // A counter has the name of its table where it belongs to one.
    return this.#inner.setSequences(sequences.map((one) => this.#renames.place(one)))
  }
  learn(
    vocabularies: readonly Vocabulary[],
  ): Promise<{ readonly said: readonly string[]; readonly renamed: Fault | null }> {
    return this.#inner.learn(vocabularies)
  }
  async reader(tables: readonly TableState[], signal: AbortSignal): Promise<TargetReader> {
    const named = tables.map((state) => ({ ...state, table: this.#compared(state.table) }))
    return new RenamedReader(await this.#inner.reader(named, signal), this.#compared)
  }
  destroy(): Promise<readonly string[]> {
    return this.#inner.destroy()
  }
  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#inner[Symbol.asyncDispose]()
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

function asSourceSays<T extends Checkpoint>(checkpoint: T): T {
  if (checkpoint.tables.every(({ table }) => table.called === undefined)) return checkpoint
  const tables = checkpoint.tables.map((state) => ({ ...state, table: asSource(state.table) }))
  return { ...checkpoint, tables }
}

/** The columns of a table at both ends. */
class Names {
  readonly #to: ReadonlyMap<string, string>

  constructor(from: Table, to: Table) {
    this.#to = new Map(from.columns.map(({ name }, i) => [name, to.columns[i]?.name ?? name]))
  }

  of(column: string): string {
    return this.#to.get(column) ?? column
  }
}

type PlainOf = NonNullable<TargetPlan['blueprint']['plain']>

function renamedPlain(plain: PlainOf, to: (table: string, column: string) => string): PlainOf {
  return {
    ...plain,
    indexes: plain.indexes.map((index) => ({
      ...index,
      columns: index.columns.map((one) => ({ ...one, name: to(index.table, one.name) })),
    })),
    defaults: plain.defaults.map((one) => ({ ...one, column: to(one.table, one.column) })),
  }
}

/** The same batch with the target's tables in it. */
class RenamedBatch implements Batch {
  readonly #batch: Batch
  readonly #to: ToTarget

  constructor(batch: Batch, to: ToTarget) {
    this.#batch = batch
    this.#to = to
  }

  get growing(): boolean {
    return this.#batch.growing
  }
  grown(): Promise<void> {
    return this.#batch.grown()
  }
  get previous(): Positions {
    return this.#batch.previous
  }
  get positions(): Positions {
    return this.#batch.positions
  }
  get parts(): Batch['parts'] {
    const step = (one: Step): Step => renamedStep(one, this.#to)
    return each(this.#batch.parts, ({ steps }: Part) => ({ steps: steps.map(step) }))
  }
  get stretches(): Batch['stretches'] {
    return each(this.#batch.stretches, (stretch: Stretch) => ({
      ...stretch,
      changes: renamedChanges(stretch.changes, this.#to),
    }))
  }
  get additive(): boolean {
    return this.#batch.additive
  }
  get collapsed(): boolean {
    return this.#batch.collapsed
  }
  inOrder(): Batch {
    return new RenamedBatch(this.#batch.inOrder(), this.#to)
  }
  halves(): readonly [Batch, Batch] | null {
    const halves = this.#batch.halves()
    if (halves === null) return null
    return [new RenamedBatch(halves[0], this.#to), new RenamedBatch(halves[1], this.#to)]
  }
  get newest(): Positions {
    return this.#batch.newest
  }
  get transactions(): number {
    return this.#batch.transactions
  }
  get changes(): number {
    return this.#batch.changes
  }
  get bytes(): number {
    return this.#batch.bytes
  }
  get committedAt(): bigint | null {
    return this.#batch.committedAt
  }
  get flush(): boolean {
    return this.#batch.flush
  }
}

function each<T>(
  all: Iterable<T> | AsyncIterable<T>,
  change: (one: T) => T,
): Iterable<T> | AsyncIterable<T> {
  return Symbol.asyncIterator in all ? eachInTime(all, change) : eachAtOnce(all, change)
}

function* eachAtOnce<T>(all: Iterable<T>, change: (one: T) => T): Generator<T, void, undefined> {
  for (const one of all) yield change(one)
}

async function* eachInTime<T>(
  all: AsyncIterable<T>,
  change: (one: T) => T,
): AsyncGenerator<T, void, undefined> {
  for await (const one of all) yield change(one)
}

function renamedStep(step: Step, to: ToTarget): Step {
  if (step.kind === 'truncate') return { ...step, tables: step.tables.map(to) }
  if (step.kind === 'schema') return { ...step, from: to(step.from), to: to(step.to) }
  return { ...step, table: to(step.table) }
}

function renamedChanges(changes: Changes, to: ToTarget): Changes {
  return changes.speakingOf(to)
}

/** The target's view, asked for tables as the source calls them. */
class RenamedReader implements TargetReader {
  readonly #inner: TargetReader
  readonly #to: ToTarget

  constructor(inner: TargetReader, to: ToTarget) {
    this.#inner = inner
    this.#to = to
  }

  get at(): Positions {
    return this.#inner.at
  }
  get checkpoint(): Checkpoint {
    return asSourceSays(this.#inner.checkpoint)
  }
  get held(): boolean {
    return this.#inner.held
  }
  renew(): Promise<void> {
    return this.#inner.renew()
  }

  async describe(tables: readonly Table[]): Promise<readonly Described[]> {
    return await this.#inner.describe(tables.map(this.#to))
  }
  sums(recipe: Recipe): ReturnType<TargetReader['sums']> {
    return this.#inner.sums(this.#recipe(recipe))
  }
  list(...[recipe, buckets]: Parameters<TargetReader['list']>): ReturnType<TargetReader['list']> {
    return this.#inner.list(this.#recipe(recipe), buckets)
  }
  find(
    ...[recipe, keys, what]: Parameters<TargetReader['find']>
  ): ReturnType<TargetReader['find']> {
    return this.#inner.find(this.#recipe(recipe), keys, what)
  }
  intact(table: Table): Promise<boolean> {
    return this.#inner.intact(this.#to(table))
  }
  print(...[recipe, rows]: Parameters<TargetReader['print']>): ReturnType<TargetReader['print']> {
    return this.#inner.print(this.#recipe(recipe), rows)
  }
  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#inner[Symbol.asyncDispose]()
  }

  #recipe(recipe: Recipe): Recipe {
    return { ...recipe, table: this.#to(recipe.table) }
  }
}
