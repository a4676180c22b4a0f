import { monotonic, sleep } from '../../src/async/clock.ts'
import { points } from '../../src/async/point.ts'
import { eventually } from '../eventually.ts'
import { startProxy } from '../proxy.ts'
import { openSession, type PostgresServer } from '../servers/index.ts'
import { differences } from './equal.ts'
import { type FaultKind, faultKinds, inflict, type Place, type Scene } from './faults.ts'
import { Load } from './load.ts'
import { MirrorProcess } from './mirror.ts'
import { Random } from './random.ts'
import { Reader } from './reader.ts'
import type { Mix } from './session.ts'
import { schemaSql } from './tables.ts'
import { Truth } from './truth.ts'
import { watch } from './watch.ts'

export interface OracleOptions {
  readonly seed: number
  readonly source: PostgresServer
  readonly target: PostgresServer
  /** Not fewer than these; more while faults are still to come. */
  readonly transactions: number
  /** Faults to inflict; one for every 60 transactions unless given. */
  readonly least?: number
  /** 1 to 16; drawn from the seed unless given. */
  readonly sessions?: number
  /** Which faults, by how often; none of them with an empty object. */
  readonly faults?: Partial<Readonly<Record<FaultKind, number>>>
  /** The launcher of the product that is tried. */
  readonly program?: string
  readonly env?: Readonly<Record<string, string>>
  readonly say?: (line: string) => void
  /** Drawn from the seed unless given. */
  readonly mix?: Mix
  readonly memory?: string
  readonly batchRows?: number
  readonly rate?: number
  /** Transactions that may begin before the first copy is over. */
  readonly early?: number
  /** Where the first process ends itself, as HOLDFAST_KILL_AT takes it. */
  readonly killAt?: string
  /** What happens instead of faults, while the load goes on. */
  readonly course?: (stage: Stage) => Promise<void>
}

/** What a course of its own can see and do. */
export interface Stage extends Scene {
  readonly truth: Truth
  readonly reader: Reader
  /** Whether more is being written to the source. */
  loading(): boolean
  /** Fails unless the mirror reaches what had been committed by now. */
  recovered(after: string): Promise<void>
}

/** What a seed was: figures, and why it failed. */
export interface Outcome {
  readonly seed: number
  readonly transactions: number
  readonly changes: number
  readonly rolledBack: number
  readonly looks: number
  readonly faults: Readonly<Record<string, number>>
  readonly kills: number
  readonly starts: number
  readonly verifications: number
  readonly seconds: number
  readonly failure: string | null
}

function mixOf(random: Random): Mix {
  return {
    transaction: {
      plain: 60,
      prepared: random.pick([0, 3, 8]),
      large: random.pick([1, 3, 6]),
      truncate: random.pick([1, 2, 4]),
      evolve: random.pick([0, 0.5, 1]),
      back: 4,
    },
    statements: random.pick([2, 4, 8]),
    rows: random.pick([300, 2000, 5000]),
    hot: 0.3,
  }
}

/** One seed, from two empty databases to its verdict. Does not throw for what the mirror does. */
export async function runOracle(options: OracleOptions): Promise<Outcome> {
  const trial = new Trial(options)
  try {
    await trial.run()
    return trial.outcome(null)
  } catch (error) {
    return trial.outcome(error instanceof Error ? (error.stack ?? error.message) : String(error))
  } finally {
    await trial[Symbol.asyncDispose]()
  }
}

class Trial implements AsyncDisposable {
  readonly #options: OracleOptions
  readonly #random: Random
  readonly #name: string
  readonly #began = monotonic()
  readonly #faults: Record<string, number> = {}
  readonly #log: string[] = []
  readonly #stack = new AsyncDisposableStack()
  #truth: Truth | null = null
  #reader: Reader | null = null
  #load: Load | null = null
  #mirror: MirrorProcess | null = null
  #verifications = 0
  #inflicted = 0
  #over = false

  constructor(options: OracleOptions) {
    this.#options = options
    this.#random = new Random(options.seed)
    this.#name = `oracle_${process.pid}_${options.seed}_${Math.random().toString(36).slice(2, 6)}`
  }

  outcome(failure: string | null): Outcome {
    return {
      seed: this.#options.seed,
      transactions: this.#truth?.commits ?? 0,
      changes: this.#truth?.changes ?? 0,
      rolledBack: this.#load?.ends.rolledBack ?? 0,
      looks: this.#reader?.looks ?? 0,
      faults: this.#faults,
      kills: this.#mirror?.kills ?? 0,
      starts: this.#mirror?.starts ?? 0,
      verifications: this.#verifications,
      seconds: Math.round((monotonic() - this.#began) / 1000),
      failure:
        failure === null ? null : `${failure}\nbefore it: ${this.#log.slice(-12).join(', ')}`,
    }
  }

  get #least(): number {
    const { course, faults, transactions, least = Math.ceil(transactions / 60) } = this.#options
    const none = course !== undefined || Object.keys(faults ?? faultKinds).length === 0
    return none ? 0 : least
  }

  #say(line: string): void {
    this.#log.push(line)
    this.#options.say?.(`${((monotonic() - this.#began) / 1000).toFixed(1)} s ${line}`)
  }

  async run(): Promise<void> {
    const scene = await this.#open()
    const { mirror } = scene
    const { truth, load, reader } = this.#parts()
    const all = Promise.all([reader.done, load.done])
    const work = this.#course(scene)
    try {
      // Whatever fails first is the verdict.
      await Promise.race([work, mirror.halted, all.then(() => work)])
    } finally {
      work.catch(() => undefined)
      all.catch(() => undefined)
    }
    this.#say(`${truth.commits} transactions, ${reader.looks} looks`)
  }

  #parts(): { readonly truth: Truth; readonly load: Load; readonly reader: Reader } {
    const [truth, load, reader] = [this.#truth, this.#load, this.#reader]
    if (truth === null || load === null || reader === null) throw new Error('not opened')
    return { truth, load, reader }
  }

  async #open(): Promise<Scene> {
    const random = this.#random
    const source = await this.#place(this.#options.source)
    const target = await this.#place(this.#options.target)
    {
      await using session = await openSession(source.url)
      for (const sql of schemaSql) await session.query(sql)
    }
    const truth = await Truth.begin(source.url, `${this.#name}_truth`)
    this.#truth = this.#stack.use(truth)
    const { sessions = random.between(1, 16), transactions } = this.#options
    const drawn = mixOf(random)
    const { mix = drawn } = this.#options
    // Some rows are there before the mirror is.
    const first = new Load({
      url: source.url,
      random: random.fork('first'),
      sessions: 4,
      transactions: 80,
      mix,
    })
    await first.done
    const { batchRows = random.pick([1, 20, 100_000]) } = this.#options
    const { memory = random.pick(['16KiB', '1MiB', '64MiB']) } = this.#options
    this.#mirror = this.#stack.use(
      new MirrorProcess({
        name: 'oracle',
        source: source.proxy.url(source.url),
        target: target.proxy.url(target.url),
        batchRows,
        memory,
        ...(this.#options.program === undefined ? {} : { program: this.#options.program }),
        ...(this.#options.env === undefined ? {} : { env: this.#options.env }),
      }),
    )
    const killAt = this.#options.killAt ?? this.#firstDeath()
    this.#say(`${sessions} sessions, killed at ${killAt ?? 'nothing'} first`)
    this.#mirror.start(killAt)
    this.#load = new Load({
      url: source.url,
      random: random.fork('load'),
      sessions,
      transactions,
      more: () => !this.#over && this.#inflicted < this.#least,
      mix,
      rate: this.#options.rate ?? random.pick([20, 50, 150]),
      atFirst: this.#options.early ?? Math.ceil(transactions / 4),
      from: 1000,
    })
    this.#reader = new Reader({
      url: target.url,
      mirror: 'oracle',
      truth,
      every: random.pick([10, 50, 200]),
      copied: watch,
    })
    return { random: random.fork('faults'), mirror: this.#mirror, source, target }
  }

  /** Most seeds lose their first process somewhere on its way. */
  #firstDeath(): string | undefined {
    const { faults, course } = this.#options
    const random = this.#random.fork('first death')
    const calm = course !== undefined || (faults !== undefined && Object.keys(faults).length === 0)
    return calm || random.chance(0.3) ? undefined : `${random.pick(points)}:${random.between(1, 3)}`
  }

  /** A database in the server, and the way to it. */
  async #place(server: PostgresServer): Promise<Place> {
    if (!server.running) await server.start()
    const name = this.#name
    {
      await using admin = await openSession(server.url())
      await admin.query(`create database ${name}`)
    }
    const proxy = this.#stack.use(await startProxy({ port: server.port }))
    return { server, url: server.url(name), proxy }
  }

  /** Faults one after another while the load lasts, then the end. */
  async #course(scene: Scene): Promise<void> {
    const { truth, load, reader } = this.#parts()
    let loading = true
    void load.done.then(
      () => {
        loading = false
      },
      () => {
        loading = false
      },
    )
    await this.#recovered('the first copy')
    load.goOn()
    const { course } = this.#options
    if (course === undefined) await this.#draw(scene, () => loading)
    else {
      const recovered = (after: string): Promise<void> => this.#recovered(after)
      await course({ ...scene, truth, reader, recovered, loading: () => loading })
    }
    await load.done
    await scene.mirror.disarm()
    await eventually('the truth is read', () => truth.read().then(() => true))
    await this.#recovered('the end of the load')
    await this.#conclude(scene)
    await reader.stop()
  }

  async #draw(scene: Scene, loading: () => boolean): Promise<void> {
    const weights: Partial<Record<FaultKind, number>> = this.#options.faults ?? faultKinds
    if (Object.keys(weights).length === 0) return
    while (loading() && !this.#over) {
      await sleep(scene.random.below(300))
      const kind = scene.random.weighted(weights as Readonly<Record<FaultKind, number>>)
      const what = await inflict(kind, scene)
      this.#inflicted++
      this.#faults[kind] = (this.#faults[kind] ?? 0) + 1
      if (kind === 'verify' && what.includes('PASS')) this.#verifications++
      this.#say(what)
      // Faults may meet; each is healed before long.
      if (scene.random.chance(0.5)) await this.#recovered(what)
    }
  }

  /** The mirror reaches what had been committed by now. */
  async #recovered(after: string): Promise<void> {
    const { truth, reader } = this.#parts()
    const mark = truth.last
    const reached = async (): Promise<boolean> =>
      this.#over || (reader.looks > 0 && reader.position >= mark)
    await eventually(`the mirror goes on after ${after}`, reached, { within: 120_000, every: 10 })
  }

  async #conclude({ mirror, source, target }: Scene): Promise<void> {
    await using session = await openSession(target.url)
    await eventually(
      'keys and indexes are made',
      async () => {
        const [mirrors] = await session.query(
          'select bool_and(finished) as all from _holdfast.mirrors',
        )
        return mirrors?.all === 't'
      },
      { within: 90_000 },
    )
    const different = await differences(source.url, target.url)
    if (different.length > 0) throw new Error(`at the end:\n  ${different.join('\n  ')}`)
    const twice = await session.query(
      'select seq, times from oracle_watch.applied where times <> 1',
    )
    if (twice.length > 0) throw new Error(`applied not once: ${JSON.stringify(twice.slice(0, 5))}`)
    const child = mirror.command(['verify'])
    const { code } = await child.end({ within: 120_000 })
    if (code !== 0) throw new Error(`verify ended with ${code}:\n${child.lines.join('\n')}`)
    this.#verifications++
    const end = await mirror.stop()
    if (end?.code !== 0) throw new Error(`the mirror stopped with ${end?.code ?? end?.signal}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true
    await this.#mirror?.[Symbol.asyncDispose]()
    await this.#load?.stop().catch(() => undefined)
    await this.#reader?.stop().catch(() => undefined)
    await this.#stack.disposeAsync()
    for (const server of new Set([this.#options.source, this.#options.target])) {
      await dropDatabase(server, this.#name).catch(() => undefined)
    }
  }
}

async function dropDatabase(server: PostgresServer, name: string): Promise<void> {
  if (!server.running) await server.start()
  await using admin = await openSession(server.url())
  await eventually('the slots are dropped', async () => {
    await admin.query(
      `select pg_terminate_backend(active_pid) from pg_replication_slots where database = $1 and active_pid is not null`,
      [name],
    )
    await admin.query(
      'select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = $1',
      [name],
    )
    return true
  })
  await admin.query(`drop database if exists ${name} with (force)`)
}
