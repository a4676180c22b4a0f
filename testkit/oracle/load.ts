import { sleep } from '../../src/async/clock.ts'
import { eventually } from '../eventually.ts'
import { openSession, type TestSession } from '../servers/index.ts'
import type { Script } from './plan.ts'
import type { Random } from './random.ts'
import { Author, guarded, isRefusal, type Mix } from './session.ts'
import type { OracleTable } from './tables.ts'

export interface LoadOptions {
  readonly url: string
  readonly random: Random
  readonly sessions: number
  /** Transactions to begin, all sessions together; and more, slowly, while `more` says so. */
  readonly transactions: number
  readonly more?: () => boolean
  /** Nothing begins while this says so. */
  readonly wait?: () => boolean
  readonly mix: Mix
  /** What is written to. */
  readonly tables: readonly OracleTable[]
  /** Transactions in a second, about, of all sessions; as many as there can be unless given. */
  readonly rate?: number
  /** Not more than these begin before `goOn`. */
  readonly atFirst?: number
  /** Markers are numbered from here on. */
  readonly from?: number
  /** Written by one session, instead of what is drawn. */
  readonly script?: Script | null
  /** Keep what is written. */
  readonly record?: boolean
}

/** How the transactions of a load have ended so far. */
export interface Ends {
  committed: number
  rolledBack: number
  /** The connection was lost; only the log knows. */
  unknown: number
  prepared: number
}

const settings = `set lock_timeout = '2s'; set statement_timeout = '20s'; set search_path = ''`

/** Writes to the source from several sessions at once until its transactions are used up. */
export class Load {
  readonly ends: Ends = { committed: 0, rolledBack: 0, unknown: 0, prepared: 0 }
  readonly #options: LoadOptions
  readonly #stop = new AbortController()
  #begun = 0
  #columns = 0
  readonly #opened = Promise.withResolvers<void>()
  #mayAlter = false
  /** Prepared transactions whose outcome is for later. */
  readonly #undecided: string[] = []
  readonly #script: (readonly string[])[] = []
  #ended = false
  readonly done: Promise<void>

  constructor(options: LoadOptions) {
    this.#options = options
    const { sessions, random } = options
    const numbers = Array.from({ length: sessions }, (_, i) => i + 1)
    const { script } = options
    const all =
      script == null
        ? numbers.map((number) => this.#session(number, random.fork(`session ${number}`)))
        : [this.#follow(script)]
    this.done = Promise.all(all).then(() => this.#decideRest())
    const end = (): void => {
      this.#ended = true
    }
    this.done.then(end, end)
  }

  /** What was written, transaction after transaction as they ended; null when it was not kept. */
  get script(): Script | null {
    return this.#options.record === true ? this.#script : null
  }

  get ended(): boolean {
    return this.#ended
  }

  get begun(): number {
    return this.#begun
  }

  /** The first copy is over: everything may begin now, and tables be altered. */
  goOn(): void {
    this.#mayAlter = true
    this.#opened.resolve()
  }

  /** Begins no further transaction. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#opened.resolve()
    await this.done
  }

  get #wanted(): boolean {
    const { transactions, more } = this.#options
    return this.#begun < transactions || more?.() === true
  }

  async #session(number: number, random: Random): Promise<void> {
    const { mix, tables, sessions, rate, atFirst = Number.POSITIVE_INFINITY } = this.#options
    const author = new Author(random, mix, tables)
    const rest = rate === undefined ? 0 : (2000 * sessions) / rate
    let session: TestSession | null = null
    try {
      while (this.#wanted && !this.#stop.signal.aborted) {
        if (this.#begun >= atFirst) await this.#opened.promise
        while (this.#options.wait?.() === true && !this.#stop.signal.aborted) await sleep(20)
        const seq = ++this.#begun + (this.#options.from ?? 0)
        try {
          session ??= await this.#open()
          await this.#transaction({ session, author, random, seq, number })
        } catch (error) {
          this.ends[isRefusal(error) ? 'rolledBack' : 'unknown']++
          const kept = session
          session = null
          await kept?.close()
          if (!isRefusal(error)) await sleep(50)
        }
        const late = this.#begun > this.#options.transactions ? 5 : 1
        await sleep(random.below(late * rest + 1))
      }
    } finally {
      await session?.close()
    }
  }

  async #open(): Promise<TestSession> {
    const session = await openSession(this.#options.url)
    await session.query(settings)
    return this.#options.record === true ? recorded(session, this.#script) : session
  }

  /** Writes what is given; what the server refuses is as it would be for an application. */
  async #follow(script: Script): Promise<void> {
    const { atFirst = Number.POSITIVE_INFINITY } = this.#options
    let session: TestSession | null = null
    try {
      for (const statements of script) {
        if (this.#stop.signal.aborted) return
        if (this.#begun >= atFirst) await this.#opened.promise
        this.#begun++
        try {
          session ??= await this.#open()
          for (const statement of statements) await attempt(session, statement)
          await session.query('rollback')
        } catch {
          const kept = session
          session = null
          await kept?.close()
        }
      }
    } finally {
      await session?.close()
    }
  }

  async #transaction(work: Work): Promise<void> {
    const { session, random, seq, number } = work
    const kind = random.weighted(this.#options.mix.transaction)
    await session.query('begin')
    try {
      // The marker takes no lock that others wait for, so its place in the transaction is free.
      const late = random.chance(0.5)
      if (!late) await mark(session, seq, number)
      await this.#work(work, kind)
      if (late) await mark(session, seq, number)
      await this.#end(work, kind)
    } catch (error) {
      if (!isRefusal(error)) throw error
      await session.query('rollback')
      this.ends.rolledBack++
    }
  }

  async #work({ session, author, random, seq }: Work, kind: string): Promise<void> {
    if (kind === 'truncate') await guarded(session, author.truncate(), 'a')
    else if (kind === 'evolve' && this.#mayAlter && this.#columns < 6) {
      await guarded(session, author.evolve(`added_${++this.#columns}_${seq}`), 'a')
    } else if (kind === 'large') await this.#large(session, author, random)
    const statements = random.between(1, this.#options.mix.statements)
    await nest({ session, author, random }, statements, 0)
  }

  /** Large pieces, some of them taken back with what lies within. */
  async #large(session: TestSession, author: Author, random: Random): Promise<void> {
    for (let piece = random.between(1, 3); piece > 0; piece--) {
      await session.query('savepoint l')
      await guarded(session, author.large(), 'm')
      if (random.chance(0.3)) await guarded(session, author.large(), 'm')
      await session.query(random.chance(0.3) ? 'rollback to l' : 'release l')
    }
  }

  async #end({ session, random, seq }: Work, kind: string): Promise<void> {
    if (kind === 'back') {
      await session.query('rollback')
      this.ends.rolledBack++
      return
    }
    if (kind !== 'prepared') {
      await session.query('commit')
      this.ends.committed++
      return
    }
    const name = `oracle_${seq}`
    await session.query(`prepare transaction '${name}'`)
    this.ends.prepared++
    this.#undecided.push(name)
    // The one that is decided now may be an older one of another session.
    const decided = this.#undecided.shift()
    if (decided !== undefined) await this.#decide(session, decided, random.chance(0.7))
  }

  async #decide(session: TestSession, name: string, commit: boolean): Promise<void> {
    try {
      await session.query(`${commit ? 'commit' : 'rollback'} prepared '${name}'`)
      this.ends[commit ? 'committed' : 'rolledBack']++
    } catch (error) {
      if (!isRefusal(error)) throw error
    }
  }

  /** What a lost connection or the end of the load left prepared. */
  async #decideRest(): Promise<void> {
    await eventually('no transaction stays prepared', async () => {
      await using session = await this.#open()
      const left = await session.query(
        'select gid from pg_prepared_xacts where database = current_database()',
      )
      for (const { gid } of left) await session.query(`commit prepared '${gid}'`)
      return true
    })
  }
}

async function attempt(session: TestSession, statement: string): Promise<void> {
  try {
    await session.query(statement)
  } catch (error) {
    if (!isRefusal(error)) throw error
  }
}

/** The same session, which leaves every transaction that has ended in `script`. */
function recorded(session: TestSession, script: (readonly string[])[]): TestSession {
  let open: string[] = []
  return {
    client: session.client,
    async query(sql, params) {
      open.push(sql)
      try {
        return await session.query(sql, params)
      } finally {
        if (/^(?:commit|rollback$|rollback prepared|prepare transaction)/.test(sql)) {
          script.push(open)
          open = []
        }
      }
    },
    close: () => session.close(),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  }
}

interface Work {
  readonly session: TestSession
  readonly author: Author
  readonly random: Random
  readonly seq: number
  readonly number: number
}

async function mark(session: TestSession, seq: number, number: number): Promise<void> {
  await session.query(`insert into oracle.marker values (${seq}, ${number})`)
}

/** Savepoints within savepoints, each released or rolled back. */
async function nest(
  work: Pick<Work, 'session' | 'author' | 'random'>,
  statements: number,
  depth: number,
): Promise<void> {
  const { session, author, random } = work
  for (let i = 0; i < statements; i++) {
    if (depth < 3 && random.chance(0.12)) {
      await session.query(`savepoint n${depth}`)
      await nest(work, random.between(1, 3), depth + 1)
      await session.query(random.chance(0.5) ? `rollback to n${depth}` : `release n${depth}`)
    } else await guarded(session, author.work(), `w${depth}`)
  }
}
