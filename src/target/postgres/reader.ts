import { within } from '../../async/clock.ts'
import { connect, type Session } from '../../dialect/postgres/connect.ts'
import { literal } from '../../dialect/postgres/quote.ts'
import { pinLocally } from '../../dialect/postgres/settings.ts'
import { View } from '../../dialect/postgres/view.ts'
import type { Checkpoint } from '../../model/checkpoint.ts'
import type { Endpoint } from '../../model/endpoint.ts'
import { Fault } from '../../model/fault.ts'
import type { Positions } from '../../model/position.ts'
import type { Described, Found, Print, Recipe, Sums, TargetReader } from '../../model/reader.ts'
import type { Table } from '../../model/table.ts'
import type { Tuple } from '../../model/tuple.ts'
import { readCheckpoint } from './state/checkpoint.ts'
import { STATE } from './state/state.ts'

export interface TargetReaderOptions {
  readonly endpoint: Endpoint
  readonly mirror: string
  /** Sessions that read tables; fewer when a pooler gives no more. */
  readonly width?: number
}

const WIDTH = 2
/** How long a further session may take to open its view. */
const FURTHER_MS = 2000

const BEGIN = [
  'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY',
  pinLocally(),
  'SET LOCAL max_parallel_workers_per_gather = 0',
  'SET LOCAL enable_hashjoin = off',
  'SET LOCAL enable_mergejoin = off',
].join('; ')

/** A lease that was renewed as lately as this, by the target's clock, is held by somebody. */
const HELD = `SELECT 1 AS held FROM ${STATE}.leases
  WHERE mirror = $1 AND renewed_at > now() - interval '3 s'`

/** Opens a view of the target at the present. Throws Fault. */
export async function openTargetReader(options: TargetReaderOptions): Promise<TargetReader> {
  await using opened = new AsyncDisposableStack()
  const { endpoint, mirror } = options
  const sessions: Session[] = []
  for (let i = 0; i < (options.width ?? WIDTH); i++) {
    sessions.push(
      opened.use(await connect(endpoint, { side: 'target', mirror, purpose: 'verify' })),
    )
  }
  const reader = new PostgresTargetReader(opened.move(), sessions, mirror)
  try {
    await reader.open()
  } catch (error) {
    await reader[Symbol.asyncDispose]()
    throw error
  }
  return reader
}

/** What one moment of the target shows. */
interface Moment {
  readonly view: View
  readonly checkpoint: Checkpoint
  readonly held: boolean
}

class PostgresTargetReader implements TargetReader {
  readonly #resources: AsyncDisposableStack
  #sessions: readonly Session[]
  readonly #mirror: string
  #now: Moment | null = null

  constructor(resources: AsyncDisposableStack, sessions: readonly Session[], mirror: string) {
    this.#resources = resources
    this.#sessions = sessions
    this.#mirror = mirror
  }

  get #moment(): Moment {
    if (this.#now === null) throw new Fault('HF-X001', { what: 'the view is not open' })
    return this.#now
  }
  get checkpoint(): Checkpoint {
    return this.#moment.checkpoint
  }
  get held(): boolean {
    return this.#moment.held
  }
  get at(): Positions {
    return this.#moment.checkpoint.positions
  }

  async renew(): Promise<void> {
    await Promise.all(this.#sessions.map((session) => session.query('ROLLBACK')))
    await this.open()
  }

  /** Begins one transaction for each session, all with the snapshot of the first one. */
  async open(): Promise<void> {
    const [first, ...others] = this.#sessions
    if (first === undefined) throw new RangeError('a view needs a session')
    await first.query(BEGIN)
    const checkpoint = await readCheckpoint(first, this.#mirror)
    if (checkpoint === null) {
      throw new Fault('HF-C112', {
        what: `the target at ${first.label} knows no mirror ${this.#mirror}`,
      })
    }
    const held = await first.query(HELD, [this.#mirror])
    const ready = await this.#join(first, others)
    this.#sessions = [first, ...ready]
    const places = new Map(checkpoint.tables.map(({ table, target }) => [table.id, target]))
    const view = new View([first, ...ready], (table) => places.get(table.id) ?? table)
    this.#now = { view, checkpoint, held: held.length > 0 }
  }

  async #join(first: Session, others: readonly Session[]): Promise<Session[]> {
    if (others.length === 0) return []
    const [row] = await first.query('SELECT pg_export_snapshot() AS exported')
    const join = `${BEGIN}; SET TRANSACTION SNAPSHOT ${literal(row?.['exported'] ?? '')}`
    const joined = await Promise.all(
      others.map(async (session) => {
        const begun = session.query(join).then(() => true)
        if (await within(FURTHER_MS, begun, () => false)) return [session]
        begun.catch(() => undefined)
        await session[Symbol.asyncDispose]()
        return []
      }),
    )
    return joined.flat()
  }

  describe(tables: readonly Table[]): Promise<readonly Described[]> {
    return this.#moment.view.describe(tables)
  }
  sums(recipe: Recipe): Promise<Sums> {
    return this.#moment.view.sums(recipe)
  }
  list(recipe: Recipe, buckets: readonly number[] | null): AsyncIterable<readonly Print[]> {
    return this.#moment.view.list(recipe, buckets)
  }
  find(recipe: Recipe, keys: readonly Tuple[], what: 'values' | 'digests'): Promise<Found[]> {
    return this.#moment.view.find(recipe, keys, what)
  }
  intact(table: Table): Promise<boolean> {
    return this.#moment.view.intact(table)
  }
  print(recipe: Recipe, rows: readonly Tuple[]): Promise<readonly Print[]> {
    return this.#moment.view.print(recipe, rows)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
  }
}
