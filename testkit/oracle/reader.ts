import { sleep } from '../../src/async/clock.ts'
import { openSession, type TestSession } from '../servers/index.ts'
import type { Sum } from './state.ts'
import { lsnOf, lsnText, pinned, type Truth } from './truth.ts'

/** What a reader of the target saw in one snapshot. */
export interface Look {
  /** What the source had been told before that the target has for good. */
  readonly confirmed: bigint
  readonly position: bigint
  /** When the server was started. */
  readonly since: string
  readonly sums: ReadonlyMap<string, Sum>
}

const placeSql = `
select pg_postmaster_start_time() as since, (select token from _holdfast.lanes where mirror = $1) as position,
  (select count(*) from _holdfast.tables where mirror = $1 and state <> 'copied') as copying,
  (select count(*) from _holdfast.tables where mirror = $1) as tables,
  (select coalesce(max((start->'wal'->>'order')::numeric), 0) from _holdfast.tables
    where mirror = $1) as start`

const columnsSql = `
select a.attrelid, format('%I.%I', n.nspname, c.relname) as name,
  json_agg(quote_ident(a.attname) order by quote_ident(a.attname) collate "C") as columns
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'oracle' and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
  and a.attgenerated <> 'v'
group by 1, 2`

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/**
 * The text of a row, as `textOf` makes it: `concat` writes a value as its type does. A composite
 * of nulls is no null, whatever IS NULL says.
 */
export function rowSql(columns: readonly string[]): string {
  const cells = columns.map(
    (column) =>
      `case when t.${column} is not distinct from null then '' else ${literal(`${column}=`)} || octet_length(concat(t.${column})) || ':' || concat(t.${column}) || ';' end`,
  )
  return cells.join(' || ')
}

function sumSql(table: string, columns: readonly string[]): string {
  return `select ${literal(table)} as name, count(*) as rows,
    coalesce(sum(('x' || substr(md5(${rowSql(columns)}), 1, 15))::bit(60)::bigint), 0) as sum
    from only ${table} t`
}

/** Columns of the oracle's tables as a server has them now. */
export async function columnsOf(
  session: TestSession,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const rows = await session.query(columnsSql)
  return new Map(rows.map(({ name, columns }) => [name ?? '', JSON.parse(columns ?? '[]')]))
}

export interface ReaderOptions {
  readonly url: string
  readonly mirror: string
  readonly truth: Truth
  /** Milliseconds between two looks. */
  readonly every: number
  /** Called once, when all tables are copied for the first time. */
  readonly copied: (session: TestSession) => Promise<void>
}

/**
 * Looks at the target again and again while everything goes on: what it sees at once must be what
 * the source held after the transactions that the checkpoint names, in every table.
 */
export class Reader {
  readonly #options: ReaderOptions
  readonly #stop = new AbortController()
  readonly #unjudged: Look[] = []
  #session: TestSession | null = null
  #copied = false
  #looks = 0
  #last = 0n
  #since = ''
  readonly done: Promise<void>

  constructor(options: ReaderOptions) {
    this.#options = options
    this.done = this.#loop()
    this.done.catch(() => undefined)
  }

  /** Looks that were compared with the truth. */
  get looks(): number {
    return this.#looks
  }
  /** The last position that was seen and judged. */
  get position(): bigint {
    return this.#last
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.done
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stop
    try {
      while (!signal.aborted) {
        await this.#once()
        await sleep(this.#options.every, signal).catch(() => undefined)
      }
    } finally {
      await this.#session?.close()
    }
  }

  async #once(): Promise<void> {
    try {
      const look = await this.#look()
      if (look !== null) this.#unjudged.push(look)
    } catch {
      // The target is away, or a lock was waited for too long: there will be another look.
      const session = this.#session
      this.#session = null
      await session?.close()
    }
    try {
      await this.#options.truth.read()
    } catch (error) {
      if (
        !(error instanceof Error) ||
        !('code' in error || /connect|ended|terminat/i.test(error.message))
      )
        throw error
      return
    }
    this.judge()
  }

  /** One snapshot; null before all tables are past their start. */
  async #look(): Promise<Look | null> {
    const { tables, confirmed } = this.#options.truth
    this.#session ??= await open(this.#options.url)
    const session = this.#session
    const [made] = await session.query(`select to_regclass('_holdfast.tables') is not null as made`)
    if (made?.made !== 't') return null
    await session.query('begin isolation level repeatable read read only')
    try {
      if (!this.#copied && !(await this.#passed(session))) return null
      // Before the snapshot: a TRUNCATE that commits after it would empty what it sees.
      await session.query(`lock table only ${tables.join(', only ')} in access share mode`)
      const [place] = await session.query(placeSql, [this.#options.mirror])
      if (!isPast(place)) return null
      const columns = await columnsOf(session)
      const sums = await session.query(
        tables.map((table) => sumSql(table, columns.get(table) ?? [])).join(' union all '),
      )
      return {
        confirmed,
        position: lsnOf(place?.position ?? ''),
        since: place?.since ?? '',
        sums: new Map(
          sums.map(({ name, rows, sum }) => [
            name ?? '',
            { rows: Number(rows), sum: BigInt(sum ?? 0) },
          ]),
        ),
      }
    } finally {
      await session.query('rollback').catch(() => undefined)
    }
  }

  /** Whether the copy is over; from then on looks are worth their locks. */
  async #passed(session: TestSession): Promise<boolean> {
    const [place] = await session.query(placeSql, [this.#options.mirror])
    const past = isPast(place)
    await session.query('rollback')
    if (past) {
      await this.#options.copied(session)
      this.#copied = true
    }
    await session.query('begin isolation level repeatable read read only')
    return past
  }

  /** Compares what was seen with what is known by now. Throws at the first contradiction. */
  judge(): void {
    const { truth } = this.#options
    for (let look = this.#unjudged[0]; look !== undefined; look = this.#unjudged[0]) {
      if (look.position > truth.reached) return
      this.#unjudged.shift()
      compare(look, truth)
      if (look.position < look.confirmed) {
        throw new Error(
          `the source was told that ${lsnText(look.confirmed)} is durable, the target stands at ${lsnText(look.position)}`,
        )
      }
      // A crash may take back commits that nobody was promised.
      if (look.position < this.#last && look.since === this.#since) {
        throw new Error(
          `the checkpoint went from ${lsnText(this.#last)} to ${lsnText(look.position)}`,
        )
      }
      this.#since = look.since
      this.#last = look.position
      this.#looks++
    }
  }
}

async function open(url: string): Promise<TestSession> {
  const session = await openSession(url)
  await session.query(pinned)
  await session.query(`set lock_timeout = '5s'`)
  return session
}

function isPast(place: Readonly<Record<string, string | null>> | undefined): boolean {
  if (place?.position == null || place.copying !== '0' || place.tables === '0') return false
  return lsnOf(place.position) >= BigInt(place.start ?? 0)
}

function compare(look: Look, truth: Truth): void {
  const commits = truth.commitsAt(look.position)
  const wrong: string[] = []
  for (const [table, seen] of look.sums) {
    const held = truth.sumAt(table, commits)
    if (held.rows === seen.rows && held.sum === seen.sum) continue
    const at = truth.findSum(table, seen)
    const when = at.length === 0 ? 'at no time' : `after ${at.join(', ')} transactions`
    wrong.push(
      `${table} holds ${seen.rows} rows, ${held.rows} were there; what it holds was there ${when}`,
    )
  }
  if (wrong.length === 0) return
  throw new Error(
    `the checkpoint names ${commits} of ${truth.commits} transactions, but:\n  ${wrong.join('\n  ')}`,
  )
}
