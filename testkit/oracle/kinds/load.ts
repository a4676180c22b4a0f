import { sleep } from '../../../src/async/clock.ts'
import { eventually } from '../../eventually.ts'
import { type MysqlSession, openMysql } from '../../servers/index.ts'
import type { Random } from '../random.ts'
import { Author } from './author.ts'
import type { OracleTable } from './tables.ts'

export interface LoadOptions {
  readonly url: string
  readonly random: Random
  readonly sessions: number
  /** Transactions to begin; and more while `more` says so. */
  readonly transactions: number
  readonly more?: () => boolean
  /** Nothing begins while this says so. */
  readonly wait?: () => boolean
  readonly tables: readonly OracleTable[]
  /** Transactions in a second, about. */
  readonly rate: number
  /** Not more than these begin before `goOn`. */
  readonly atFirst: number
  /** Markers are numbered from here on. */
  readonly from: number
  /** Whether transactions may be prepared, and tables change. */
  readonly xa: boolean
  readonly ddl: boolean
}

// A row or a lock that is in the way of one statement; what was done before it stays.
const REFUSED = new Set([1062, 1451, 1452, 1364, 1048])
// What ends the transaction, or waits no longer.
const ENDED = new Set([1205, 1213, 1397, 1402, 1614, 3572, 1412, 1046])

function codeOf(error: unknown): number {
  return error instanceof Error && 'errno' in error ? Number(error.errno) : 0
}

/** Writes to the source from several sessions at once. */
export class Load {
  readonly #options: LoadOptions
  readonly #opened = Promise.withResolvers<void>()
  readonly ends = { committed: 0, rolledBack: 0, unknown: 0 }
  #begun = 0
  #busy = 0
  #held = false
  #mayAlter = false
  #altered = 0
  #alters: Promise<void> = Promise.resolve()
  #ended = false
  /** What was decided of transactions that were prepared, by their names: nobody decides otherwise later. */
  readonly #decided = new Map<string, 'commit' | 'rollback'>()
  readonly done: Promise<void>

  constructor(options: LoadOptions) {
    this.#options = options
    const numbers = Array.from({ length: options.sessions }, (_, i) => i + 1)
    this.done = Promise.all(numbers.map((number) => this.#session(number)))
      .then(() => this.#decideRest())
      .finally(() => {
        this.#ended = true
      })
    this.done.catch(() => undefined)
  }

  get begun(): number {
    return this.#begun
  }
  get ended(): boolean {
    return this.#ended
  }

  /** The first copy is over: everything may begin now, and tables may change. */
  goOn(): void {
    this.#mayAlter = true
    this.#opened.resolve()
  }

  /** Nothing is written when this resolves, until `release`. */
  async hold(): Promise<void> {
    this.#held = true
    await eventually('the load stands still', () => this.#busy === 0, { within: 60_000, every: 5 })
  }
  release(): void {
    this.#held = false
  }

  async #session(number: number): Promise<void> {
    const { transactions, more, wait, tables, atFirst, rate, sessions, from } = this.#options
    const random = this.#options.random.fork(`session ${number}`)
    const author = new Author(random, tables)
    let session: MysqlSession | null = null
    try {
      while (this.#begun < transactions || more?.() === true) {
        if (this.#begun >= atFirst) await this.#opened.promise
        while (this.#held || wait?.() === true) await sleep(10)
        const seq = ++this.#begun + from
        this.#busy++
        try {
          session ??= await this.#open()
          await this.#transaction({ session, author, random, seq, number })
        } catch (error) {
          this.ends[ENDED.has(codeOf(error)) ? 'rolledBack' : 'unknown']++
          const kept: MysqlSession | null = session
          session = null
          await kept?.close()
          await sleep(20)
        } finally {
          this.#busy--
        }
        await sleep(random.below((2000 * sessions) / rate + 1))
      }
    } finally {
      await session?.close()
    }
  }

  async #open(): Promise<MysqlSession> {
    const session = await openMysql(this.#options.url)
    await session.query('set innodb_lock_wait_timeout = 2')
    return session
  }

  async #transaction(work: Work): Promise<void> {
    const { random, session, author } = work
    const { xa, ddl } = this.#options
    const kind = random.weighted({
      plain: 60,
      large: 3,
      back: 4,
      prepared: xa ? 5 : 0,
      truncate: 1.5,
      alter: ddl ? 2 : 0,
    })
    if (kind === 'truncate') return void (await session.query(author.truncate()))
    if (kind === 'alter') return await this.#alter(work)
    if (kind === 'prepared') return await this.#prepared(work)
    await session.query('begin')
    await this.#statements(work, kind === 'large')
    await session.query(kind === 'back' ? 'rollback' : 'commit')
    this.ends[kind === 'back' ? 'rolledBack' : 'committed']++
  }

  async #alter({ session, author }: Work): Promise<void> {
    if (!this.#mayAlter || this.#altered >= 6) return
    const number = ++this.#altered
    // One after another: narrower than it was would be another type.
    this.#alters = this.#alters
      .catch(() => undefined)
      .then(async () => void (await session.query(author.evolve(number))))
    await this.#alters
  }

  /** Decided a while later, with other transactions between. */
  async #prepared(work: Work): Promise<void> {
    const { session, random, seq } = work
    await session.query(`xa start 'x${seq}'`)
    await this.#statements(work, false)
    await session.query(`xa end 'x${seq}'; xa prepare 'x${seq}'`)
    await sleep(random.below(120))
    const end = random.chance(0.7) ? 'commit' : 'rollback'
    this.#decided.set(`x${seq}`, end)
    await session.query(`xa ${end} 'x${seq}'`)
    this.ends[end === 'commit' ? 'committed' : 'rolledBack']++
  }

  async #statements({ session, author, random, seq, number }: Work, large: boolean): Promise<void> {
    await session.query(`insert into marker values (${seq}, ${number})`)
    const count = random.between(1, 6)
    for (let i = 0; i < count; i++) {
      const within = random.chance(0.15)
      if (within) await session.query('savepoint s')
      await attempt(session, large ? author.large() : author.work())
      if (within) await session.query(random.chance(0.6) ? 'rollback to s' : 'release savepoint s')
    }
  }

  /** What a lost connection or a crash left prepared. */
  async #decideRest(): Promise<void> {
    await eventually('no transaction stays prepared', async () => {
      await using session = await this.#open()
      const left = await session.query('xa recover')
      for (const { data } of left) {
        await session.query(`xa ${this.#decided.get(data ?? '') ?? 'commit'} '${data}'`)
      }
      return true
    })
  }
}

interface Work {
  readonly session: MysqlSession
  readonly author: Author
  readonly random: Random
  readonly seq: number
  readonly number: number
}

async function attempt(session: MysqlSession, statement: string): Promise<void> {
  try {
    await session.query(statement)
  } catch (error) {
    if (!REFUSED.has(codeOf(error))) throw error
  }
}
