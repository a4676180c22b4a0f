import type { Batch, Step } from '../../src/model/batch.ts'
import type { Checkpoint, TableState } from '../../src/model/checkpoint.ts'
import { Fault, type Finding } from '../../src/model/fault.ts'
import { advance, type Position, type Positions } from '../../src/model/position.ts'
import type { TargetReader } from '../../src/model/reader.ts'
import { type Table, tableName } from '../../src/model/table.ts'
import { type Tuple, unframe } from '../../src/model/tuple.ts'
import { Tuples } from '../../src/model/tuples.ts'
import type {
  Claim,
  ClaimRequest,
  Target,
  TargetPlan,
  TargetTraits,
} from '../../src/target/target.ts'
import { Life } from './life.ts'
import { carryOut } from './steps.ts'
import {
  emptyMirror,
  type Image,
  type Lease,
  type MemoryStore,
  type MirrorRecord,
  type StoreTransaction,
  type TableRecord,
  type Token,
} from './store.ts'

export interface MemoryTargetOptions {
  readonly store: MemoryStore
  readonly mirror: string
  readonly position: (lane: string, token: string) => Position
  readonly life?: Life
  /** Every how many questions for what is durable the store flushes; 1 unless given. */
  readonly flushEvery?: number
}

/** The memory store as a target. */
export class MemoryTarget implements Target {
  readonly traits: TargetTraits = {
    dialect: 'memory',
    transactional: true,
    transactionalDdl: true,
  }
  readonly label: string
  readonly place: string
  readonly #options: MemoryTargetOptions
  readonly #store: MemoryStore
  readonly #life: Life
  readonly #generation: number
  #epoch: bigint | null = null
  #asked = 0

  constructor(options: MemoryTargetOptions) {
    this.#options = options
    this.#store = options.store
    this.#life = options.life ?? new Life()
    this.#generation = options.store.generation
    this.place = options.store.place
    this.label = `memory ${this.place.slice(0, 8)}`
  }

  preflight(plan: TargetPlan): Promise<readonly Finding[]> {
    return this.#call('preflight', () => {
      const { tables } = this.#store.now
      const full = plan.tables.filter(({ table }) => (tables.get(table.id)?.rows.size ?? 0) > 0)
      if (plan.onExisting !== 'refuse') return []
      return full.map(({ table }) => {
        const fault = new Fault('HF-T216', { what: `${tableName(table)} holds rows already` })
        return { level: 'fail', subject: tableName(table), fault } as const
      })
    })
  }

  encodings(): { readonly stream: readonly string[]; readonly copy: readonly string[] } {
    return { stream: ['values'], copy: ['values'] }
  }

  identity(): Promise<Readonly<Record<string, string>>> {
    return this.#call('identity', () => ({ store: this.place }))
  }

  checkpoint(): Promise<Checkpoint | null> {
    return this.#call('checkpoint', () => this.#checkpointOf(this.#store.now))
  }

  mirrors(): Promise<readonly string[]> {
    return this.#call('mirrors', () => [...this.#store.now.mirrors.keys()])
  }

  claim(request: ClaimRequest): Promise<Claim> {
    return this.#call('claim', () => {
      const { mirror } = this.#options
      const held = this.#store.leases.get(mirror)
      if (held !== undefined && !held.life.dead && !held.abandoned)
        throw new Fault('HF-X101', { what: `another process holds mirror ${mirror}` })
      const checkpoint = this.#checkpointOf(this.#store.now)
      const epoch = (this.#store.now.mirrors.get(mirror)?.epoch ?? 0n) + 1n
      const settings = JSON.stringify(request.settings)
      this.#store.transact((t) => t.change(mirror, { epoch, settings }))
      this.#store.flush()
      held?.lost.abort(fenced())
      this.#epoch = epoch
      return this.#lease(epoch, checkpoint)
    })
  }

  prepare(plan: TargetPlan): Promise<void> {
    return this.#write('prepare', (t) => {
      const known = this.#record(t).tables
      const planned = plan.tables.map(({ table, target, mode }): [string, TableRecord] => {
        const there = this.#store.now.tables.has(table.id)
        if (!there || plan.onExisting === 'replace') t.rows.make(table)
        const record: TableRecord = {
          table: JSON.stringify(table),
          target,
          mode,
          state: 'pending',
          start: null,
          chunks: [],
          rowsCopied: 0,
        }
        return [table.id, known.get(table.id) ?? record]
      })
      t.change(this.#options.mirror, { tables: new Map(planned) })
    })
  }

  forget(tables: readonly Table[]): Promise<void> {
    const { mirror } = this.#options
    const gone = new Set(tables.map(({ id }) => id))
    return this.#write('forget', (t) => {
      const kept = [...this.#record(t).tables].filter(([id]) => !gone.has(id))
      t.change(mirror, { tables: new Map(kept) })
    })
  }

  begin(tables: readonly Table[], snapshot: Parameters<Target['begin']>[1]): Promise<void> {
    const { mirror } = this.#options
    return this.#write('begin', (t) => {
      const start = tokensOf(snapshot.positions)
      for (const { id } of tables) {
        const record = this.#record(t).tables.get(id)
        if (record?.state === 'copying' && record.mode !== 'merge') t.rows.empty(id)
        t.changeTable(mirror, id, { state: 'copying', start, chunks: [], rowsCopied: 0 })
      }
      const { positions, source } = this.#record(t)
      const more = start.filter(({ lane }) => !positions.some((known) => known.lane === lane))
      if (snapshot.first) t.change(mirror, { positions: start, source: snapshot.source })
      else if (more.length > 0) {
        const facts = { ...snapshot.source, ...source }
        t.change(mirror, { positions: [...positions, ...more], source: facts })
      }
    })
  }

  relocate(...[tables, to]: Parameters<Target['relocate']>): Promise<void> {
    const { mirror } = this.#options
    return this.#write('relocate', (t) => {
      for (const { id } of tables) t.changeTable(mirror, id, { start: tokensOf(to.start) })
      t.change(mirror, { positions: tokensOf(to.positions), source: to.source })
    })
  }

  async copy(...[chunk, { data }, signal]: Parameters<Target['copy']>): Promise<number> {
    const tuples: Tuple[] = []
    for await (const piece of data) tuples.push(...unframe(piece))
    signal.throwIfAborted()
    const { id } = chunk.table
    return this.#write('copy', (t) => {
      const record = this.#record(t).tables.get(id)
      if (record?.state !== 'copying') throw new Error(`${id} is not being copied`)
      if (record.chunks.includes(chunk.index)) throw new Error(`chunk ${chunk.index} is there`)
      const existing = record.mode === 'merge' ? 'overwrite' : 'refuse'
      carryOut({ kind: 'insert', table: chunk.table, rows: Tuples.of(tuples), existing }, t)
      const chunks = [...record.chunks, chunk.index]
      const rowsCopied = record.rowsCopied + tuples.length
      t.changeTable(this.#options.mirror, id, { chunks, rowsCopied })
      return tuples.length
    })
  }

  copied({ id }: Table): Promise<void> {
    return this.#write('copied', (t) => {
      t.changeTable(this.#options.mirror, id, { state: 'copied' })
    })
  }

  finish(): Promise<void> {
    return this.#write('finish', (t) => t.change(this.#options.mirror, { finished: true }))
  }

  async apply(batch: Batch): Promise<void> {
    const steps: Step[] = []
    for await (const part of batch.parts) steps.push(...part.steps)
    await this.#life.pass({ side: 'target', call: 'apply', when: 'before' })
    this.#connected()
    this.#store.transact((t) => {
      const record = this.#record(t)
      if (JSON.stringify(record.positions) !== JSON.stringify(tokensOf(batch.previous)))
        throw new Fault('HF-X107', { what: 'the checkpoint stands elsewhere' })
      for (const step of steps) this.#step(step, t)
      t.change(this.#options.mirror, { positions: tokensOf(batch.positions) })
    })
    if (batch.flush) this.#store.flush()
    await this.#life.pass({ side: 'target', call: 'apply', when: 'after' })
    this.#connected()
  }

  durable(): Promise<Positions> {
    return this.#call('durable', () => {
      if (++this.#asked % (this.#options.flushEvery ?? 1) === 0) this.#store.flush()
      return this.#positions(this.#store.flushed.mirrors.get(this.#options.mirror))
    })
  }

  learn(): ReturnType<Target['learn']> {
    return this.#write('learn', () => ({ said: [], renamed: null }))
  }
  setSequences(): Promise<void> {
    return this.#write('setSequences', () => undefined)
  }

  reader(): Promise<TargetReader> {
    throw new Error('the memory store is compared by its contents')
  }

  destroy(): Promise<readonly string[]> {
    const { mirror } = this.#options
    return this.#call('destroy', () =>
      this.#store.transact((t) => t.remove(mirror)) ? [`the state of mirror ${mirror}`] : [],
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #call<T>(call: string, effect: () => T): Promise<T> {
    return this.#life.call('target', call, () => {
      this.#connected()
      return effect()
    })
  }

  /** A transaction that asserts the epoch and is on disk when it returns. */
  #write<T>(call: string, work: (transaction: StoreTransaction) => T): Promise<T> {
    return this.#call(call, () => {
      const result = this.#store.transact((t) => {
        this.#record(t)
        return work(t)
      })
      this.#store.flush()
      return result
    })
  }

  #connected(): void {
    if (this.#generation === this.#store.generation) return
    throw new Fault('HF-T201', { what: 'the connection to the target is lost' })
  }

  #record(t: StoreTransaction): MirrorRecord {
    const record = t.mirror(this.#options.mirror) ?? emptyMirror
    if (this.#epoch === null || record.epoch !== this.#epoch) throw fenced()
    return record
  }

  #step(step: Step, t: StoreTransaction): void {
    carryOut(step, t)
    if (step.kind !== 'schema') return
    const { to } = step
    t.changeTable(this.#options.mirror, to.id, { table: JSON.stringify(to) })
  }

  #lease(epoch: bigint, checkpoint: Checkpoint | null): Claim {
    const { leases } = this.#store
    const { mirror } = this.#options
    const lease: Lease = { life: this.#life, abandoned: false, lost: new AbortController() }
    leases.set(mirror, lease)
    return {
      checkpoint,
      epoch,
      lost: lease.lost.signal,
      [Symbol.asyncDispose]: async () => {
        if (leases.get(mirror) === lease) leases.delete(mirror)
      },
    }
  }

  #checkpointOf(image: Image): Checkpoint | null {
    const { mirror } = this.#options
    const record = image.mirrors.get(mirror)
    if (record === undefined) return null
    const tables = [...record.tables.values()].map((stored): TableState => {
      const { target, mode, state, rowsCopied } = stored
      const table: Table = JSON.parse(stored.table)
      const start = stored.start === null ? null : this.#at(stored.start)
      return { table, target, mode, state, start, rowsCopied }
    })
    const { source, finished } = record
    const settings: Record<string, unknown> = JSON.parse(record.settings)
    return { mirror, source, positions: this.#positions(record), tables, settings, finished }
  }

  #positions(record: MirrorRecord | undefined): Positions {
    return this.#at(record?.positions ?? [])
  }

  #at(tokens: readonly Token[]): Positions {
    const each = tokens.map(
      ({ lane, token }) => [lane, this.#options.position(lane, token)] as const,
    )
    return advance(new Map(), new Map(each))
  }
}

function fenced(): Fault {
  return new Fault('HF-X102', { what: 'another process has claimed the mirror' })
}

function tokensOf(positions: Positions): readonly Token[] {
  return [...positions].map(([lane, { token }]) => ({ lane, token }))
}
