import { openSession, type TestSession, type TextRow } from '../servers/index.ts'
import { parseLine } from './decoding.ts'
import { nothing, type Sum, TableModel } from './state.ts'

/** A byte address of the log as a number. */
export function lsnOf(text: string): bigint {
  const [high = '0', low = '0'] = text.split('/')
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`)
}

export function lsnText(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffffffffn).toString(16)}`.toUpperCase()
}

/** Every session of the oracle reads values as these settings write them. */
export const pinned = `set datestyle = 'iso'; set intervalstyle = 'postgres'; set timezone = 'UTC';
set extra_float_digits = 3; set bytea_output = 'hex'; set lc_monetary = 'C'; set search_path = '';
set statement_timeout = '60s'`

const identitySql = `
select format('%I.%I', n.nspname, c.relname) as name,
  case when i.indexrelid is null then null else
    (select json_agg(quote_ident(a.attname)) from pg_attribute a
     where a.attrelid = c.oid and a.attnum = any(i.indkey)) end as columns
from pg_class c join pg_namespace n on n.oid = c.relnamespace
left join pg_index i on i.indrelid = c.oid
  and (c.relreplident = 'i' and i.indisreplident or c.relreplident <> 'i' and i.indisprimary)
where n.nspname = 'oracle' and c.relkind = 'r'`

const placeSql = `
select pg_current_wal_flush_lsn() as lsn,
  (select confirmed_flush_lsn from pg_replication_slots
   where database = current_database() and slot_name = 'holdfast_oracle') as confirmed`

interface Change {
  /** How many transactions had committed when it came about. */
  readonly at: number
  readonly sum: Sum
}

/**
 * What the source held after each of its transactions, in the order of their commits: read from a
 * slot of our own through `test_decoding`, so that no line of the product takes part in it.
 */
export class Truth implements AsyncDisposable {
  readonly #url: string
  readonly #slot: string
  readonly #models: ReadonlyMap<string, TableModel>
  readonly #history = new Map<string, Change[]>()
  /** Ends of the commits, in their order. */
  readonly #ends: bigint[] = []
  /** Changes of all commits up to each. */
  readonly #sums: number[] = []
  #session: TestSession | null = null
  #reached = 0n
  #changes = 0
  #confirmed = 0n
  #reading: Promise<void> = Promise.resolve()

  private constructor(url: string, slot: string, models: ReadonlyMap<string, TableModel>) {
    this.#url = url
    this.#slot = slot
    this.#models = models
    for (const name of models.keys()) this.#history.set(name, [{ at: 0, sum: nothing }])
  }

  /** Begins on an empty schema. */
  static async begin(url: string, slot: string): Promise<Truth> {
    await using session = await openSession(url)
    const rows = await session.query(identitySql)
    const models = rows.map(({ name, columns }): [string, TableModel] => {
      const identity = columns === null ? null : (JSON.parse(columns ?? '') as string[])
      return [name ?? '', new TableModel(name ?? '', identity)]
    })
    await session.query(`select pg_create_logical_replication_slot($1, 'test_decoding')`, [slot])
    return new Truth(url, slot, new Map(models))
  }

  get tables(): readonly string[] {
    return [...this.#models.keys()]
  }
  get commits(): number {
    return this.#ends.length
  }
  get changes(): number {
    return this.#changes
  }
  /** The end of the last commit that is known. */
  get last(): bigint {
    return this.#ends.at(-1) ?? 0n
  }
  /** Up to where the mirror has told the source that it may forget. */
  get confirmed(): bigint {
    return this.#confirmed
  }
  get reached(): bigint {
    return this.#reached
  }

  /** How many transactions had committed at this place of the log. */
  commitsAt(position: bigint): number {
    let [low, high] = [0, this.#ends.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#ends[middle] ?? 0n) <= position) low = middle + 1
      else high = middle
    }
    return low
  }

  /** How many changes had been committed at this place of the log. */
  changesAt(position: bigint): number {
    return this.#sums[this.commitsAt(position) - 1] ?? 0
  }

  /** What a table held after this many transactions. */
  sumAt(table: string, commits: number): Sum {
    const history = this.#history.get(table) ?? []
    let [low, high] = [0, history.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((history[middle]?.at ?? 0) <= commits) low = middle + 1
      else high = middle
    }
    return history[low - 1]?.sum ?? nothing
  }

  /** Numbers of transactions after which the table held this; the last few. */
  findSum(table: string, sum: Sum): readonly string[] {
    const history = this.#history.get(table) ?? []
    const ranges = history.flatMap(({ at, sum: held }, i) =>
      held.rows === sum.rows && held.sum === sum.sum
        ? [`${at}..${(history[i + 1]?.at ?? this.#ends.length + 1) - 1}`]
        : [],
    )
    return ranges.slice(-5)
  }

  /** Reads on to where the log is flushed now. Fails when the source cannot be asked. */
  read(): Promise<void> {
    const next = this.#reading.catch(() => undefined).then(() => this.#read())
    this.#reading = next
    return next
  }

  async #read(): Promise<void> {
    try {
      this.#session ??= await this.#open()
      const [now] = await this.#session.query(placeSql)
      const flushed = lsnOf(now?.lsn ?? '')
      if (now?.confirmed != null) this.#confirmed = lsnOf(now.confirmed)
      // Advancing is a step of its own: what was lost on the way to us comes again.
      const rows = await this.#session.query(
        `select lsn, data from pg_logical_slot_peek_changes($1, null, null, 'include-xids', '0')`,
        [this.#slot],
      )
      this.#take(rows)
      if (flushed > this.#reached) this.#reached = flushed
      await this.#session.query('select pg_replication_slot_advance($1, $2)', [
        this.#slot,
        lsnText(flushed),
      ])
    } catch (error) {
      const session = this.#session
      this.#session = null
      await session?.close()
      throw error
    }
  }

  async #open(): Promise<TestSession> {
    const session = await openSession(this.#url)
    await session.query(pinned)
    return session
  }

  #take(rows: readonly TextRow[]): void {
    let lines: string[] = []
    for (const { lsn, data } of rows) {
      const line = data ?? ''
      lines.push(line)
      if (!line.startsWith('COMMIT')) continue
      const end = lsnOf(lsn ?? '')
      if (end > this.last) this.#commit(end, lines)
      lines = []
    }
  }

  #commit(end: bigint, lines: readonly string[]): void {
    const touched = new Set<string>()
    for (const line of lines) for (const table of this.#apply(line)) touched.add(table)
    this.#ends.push(end)
    this.#sums.push(this.#changes)
    for (const table of touched) {
      const model = this.#models.get(table)
      if (model !== undefined) {
        this.#history.get(table)?.push({ at: this.#ends.length, sum: model.sum })
      }
    }
  }

  #apply(text: string): readonly string[] {
    const line = parseLine(text)
    if (line.kind === 'begin' || line.kind === 'commit' || line.kind === 'message') return []
    this.#changes++
    if (line.kind === 'truncate') {
      for (const table of line.tables) this.#models.get(table)?.truncate()
      return line.tables
    }
    const model = this.#models.get(line.table)
    if (model === undefined) throw new Error(`the log holds the unknown table ${line.table}`)
    model.take(line)
    return [line.table]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reading.catch(() => undefined)
    await this.#session?.close()
  }
}
