import { monotonic, sleep } from '../../../src/async/clock.ts'
import { eventually } from '../../eventually.ts'
import { startProxy, type TcpProxy } from '../../proxy.ts'
import { type MysqlServer, openMysql } from '../../servers/index.ts'
import { commonDeeds, type Done, type FaultKind, hit, missed, type Ways } from '../faults.ts'
import { MirrorProcess } from '../mirror.ts'
import type { Outcome } from '../oracle.ts'
import { type Plan, planOf } from '../plan.ts'
import { Random } from '../random.ts'
import { numberOf } from '../state.ts'
import type { TargetEnd } from './ends.ts'
import { Load } from './load.ts'
import { tablesFor } from './tables.ts'
import { placeText, Truth } from './truth.ts'

export interface KindsOptions {
  readonly seed: number
  readonly transactions: number
  readonly source: MysqlServer
  /** Opens an empty database of this name. */
  readonly openTarget: (setting: {
    readonly truth: Truth
    readonly name: string
  }) => Promise<TargetEnd>
  /** Only these faults, by how often; none with an empty object. */
  readonly faults?: Readonly<Record<string, number>>
  readonly say?: (line: string) => void
  /** The launcher of the product that is tried; that of the checkout unless given. */
  readonly program?: string
}

/** The database at the source, which is the schema at a target. */
const SCHEMA = 'oracle'

/** Changes that the mirror may be behind before the load waits for it. */
const MOST_BEHIND = 5000

/** Named points that a mirror out of MySQL passes. */
const deaths = [
  'claimed',
  'target-prepared',
  'copy-begun',
  'chunk-copied:2',
  'table-copied:2',
  'copy-finished',
  'stream-opened',
  'batch-begun:2',
  'batch-sent:2',
  'batch-applied:2',
  'acknowledged:2',
]

const weights: Readonly<Record<string, number>> = {
  kill: 4,
  'kill at a point': 5,
  'connection cut': 4,
  'connection cut after some bytes': 3,
  'connection half open': 2,
  'network delayed': 1,
  'network slow': 1,
  'source restarted': 1,
  'source crashed': 1,
  'target restarted': 1,
  'target crashed': 2,
  'session terminated': 4,
  'target paused': 1,
  'SIGSTOP and takeover and SIGCONT': 1,
  'clock jump': 2,
  verification: 2,
}

interface Stage {
  readonly ways: Ways
  readonly target: TargetEnd
  readonly truth: Truth
  readonly mirror: MirrorProcess
}

/** One seed, from two empty databases to its verdict. Does not throw for what the mirror does. */
export async function runKinds(options: KindsOptions): Promise<Outcome> {
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
  readonly #options: KindsOptions
  readonly #plan: Plan
  readonly #random: Random
  readonly #began = monotonic()
  readonly #stack = new AsyncDisposableStack()
  readonly #faults: Record<string, number> = {}
  readonly #log: string[] = []
  #hits = 0
  #tried = 0
  #looks = 0
  #place = 0n
  #verifications = 0
  #truth: Truth | null = null
  #mirror: MirrorProcess | null = null
  #load: Load | null = null
  #over = false

  constructor(options: KindsOptions) {
    this.#options = options
    this.#random = new Random(options.seed)
    this.#plan = planOf({ seed: options.seed, transactions: options.transactions })
  }

  outcome(failure: string | null): Outcome {
    const before = `\nbefore it: ${this.#log.slice(-12).join(', ')}`
    return {
      seed: this.#plan.seed,
      plan: this.#plan,
      transactions: this.#truth?.commits ?? 0,
      changes: this.#truth?.changes ?? 0,
      rolledBack: this.#load?.ends.rolledBack ?? 0,
      looks: this.#looks,
      faults: this.#faults,
      leftOut: [],
      kills: this.#mirror?.kills ?? 0,
      deaths: this.#mirror?.deaths ?? {},
      starts: this.#mirror?.starts ?? 0,
      verifications: this.#verifications,
      seconds: Math.round((monotonic() - this.#began) / 1000),
      failure: failure === null ? null : `${failure}${before}`,
      inflicted: [],
      script: null,
    }
  }

  #say(line: string): void {
    this.#log.push(line)
    this.#options.say?.(`${((monotonic() - this.#began) / 1000).toFixed(1)} s ${line}`)
  }

  get #least(): number {
    const { faults, transactions } = this.#options
    return faults !== undefined && Object.keys(faults).length === 0
      ? 0
      : Math.ceil(transactions / 60)
  }

  async run(): Promise<void> {
    const stage = await this.#open()
    const { mirror, target, truth } = stage
    const reading = target.atOnce ? this.#watch(stage) : new Promise<never>(() => {})
    const work = this.#course(stage)
    try {
      await Promise.race([work, mirror.halted, truth.failed, reading.then(() => work)])
    } finally {
      this.#over = true
      work.catch(() => undefined)
      reading.catch(() => undefined)
    }
    this.#say(`${truth.commits} transactions, ${this.#looks} looks`)
  }

  async #open(): Promise<Stage> {
    const { source, openTarget, seed } = this.#options
    const { sessions, batchRows, memory } = this.#plan
    if (!source.running) await source.start()
    const old = source.kind === 'mysql-5.6'
    const tables = tablesFor(!old)
    {
      await using session = await openMysql(source.url())
      await session.query(`drop database if exists ${SCHEMA}; create database ${SCHEMA};
        use ${SCHEMA}; ${tables.map(({ sql }) => sql).join('; ')}`)
    }
    const truth = this.#stack.use(await Truth.begin(source, SCHEMA, tables))
    this.#truth = truth
    const how = { url: source.url(SCHEMA), tables, xa: !old }
    const { rate, early, transactions } = this.#plan
    const few = { transactions: 60, sessions: 3, rate: 1000, atFirst: 60, from: 0, ddl: false }
    const first = new Load({ ...how, ...few, random: this.#random.fork('first') })
    await first.done
    const name = `oracle_${process.pid}_${seed}_${Math.random().toString(36).slice(2, 6)}`
    const target = this.#stack.use(await openTarget({ truth, name }))
    const ways = {
      source: { proxy: this.#stack.use(await startProxy({ port: source.port })) },
      target: { proxy: this.#stack.use(await startProxy({ port: target.port })) },
    }
    const mirror = this.#start({ ways, target, batchRows, memory })
    const most = 3 * this.#least
    this.#load = new Load({
      ...how,
      random: this.#random.fork('load'),
      sessions: Math.min(sessions, 6),
      transactions,
      rate,
      atFirst: early,
      from: 1000,
      // Without the columns in the log the other reader names them as they are now.
      ddl: !old,
      more: () => !this.#over && this.#hits < this.#least && this.#tried < most,
      wait: () =>
        !this.#over &&
        truth.changes - truth.changesAt(this.#place) > MOST_BEHIND &&
        this.#looks > 0,
    })
    return { ways: { random: this.#random.fork('faults'), mirror, ...ways }, target, truth, mirror }
  }

  #start(how: {
    readonly ways: Readonly<Record<'source' | 'target', { readonly proxy: TcpProxy }>>
    readonly target: TargetEnd
    readonly batchRows: number
    readonly memory: string
  }): MirrorProcess {
    const { ways, target, batchRows, memory } = how
    const { program } = this.#options
    const mirror = new MirrorProcess({
      ...(program === undefined ? {} : { program }),
      name: 'oracle',
      source: ways.source.proxy.url(this.#options.source.url(SCHEMA)),
      target: ways.target.proxy.url(target.url),
      batchRows,
      memory,
      shape: target.shape,
    })
    this.#mirror = this.#stack.use(mirror)
    const random = this.#random.fork('death')
    const killAt = this.#least > 0 && random.chance(0.7) ? random.pick(deaths) : null
    this.#say(`killed at ${killAt ?? 'nothing'} first`)
    mirror.start(killAt ?? undefined)
    return mirror
  }

  /** Looks at the target while everything goes on. */
  async #watch(stage: Stage): Promise<void> {
    while (!this.#over) {
      const look = await stage.target.look().catch(() => null)
      if (look !== null) {
        await this.#judge(stage, look.place, look.rows)
        if (look.place > this.#place) this.#place = look.place
      }
      await sleep(this.#plan.every)
    }
  }

  /** What was seen at once has to be what the source held there. */
  async #judge(
    { truth }: Stage,
    place: bigint,
    rows: ReadonlyMap<string, readonly string[]>,
  ): Promise<void> {
    const known = eventually('the truth is read', () => this.#over || truth.reached >= place, {
      within: 120_000,
      every: 2,
    })
    await Promise.race([known, truth.failed])
    if (this.#over) return
    const commits = truth.commitsAt(place)
    const wrong = truth.tables.filter((table) => {
      const [held, seen] = [truth.sumAt(table, commits), rows.get(table) ?? []]
      const sum = seen.reduce((all, text) => all + numberOf(text), 0n)
      return held.rows !== seen.length || held.sum !== sum
    })
    if (wrong.length > 0) throw new Error(this.#wrong({ truth, place, wrong, rows }))
    this.#looks++
  }

  #wrong(seen: {
    readonly truth: Truth
    readonly place: bigint
    readonly wrong: readonly string[]
    readonly rows: ReadonlyMap<string, readonly string[]>
  }): string {
    const { truth, place, wrong, rows } = seen
    const commits = truth.commitsAt(place)
    const lines = wrong.map((table) => {
      const now = new Set(truth.textsOf(table))
      const there = new Set(rows.get(table) ?? [])
      const lacks = [...now].filter((text) => !there.has(text)).slice(0, 3)
      const besides = [...there].filter((text) => !now.has(text)).slice(0, 3)
      const held = truth.sumAt(table, commits).rows
      const short = (texts: readonly string[]): string =>
        texts.map((one) => one.slice(0, 300)).join(' | ')
      return `${table}: ${rows.get(table)?.length ?? 0} rows for ${held}; lacks ${short(lacks)}; besides ${short(besides)}`
    })
    return `at ${placeText(place)}, ${commits} of ${truth.commits} transactions:\n  ${lines.join('\n  ')}`
  }

  /** The mirror reaches what had been committed by now. */
  async #recovered(stage: Stage, after: string): Promise<void> {
    const mark = await stage.truth.read()
    const reached = async (): Promise<boolean> => {
      const place = this.#over ? null : await stage.target.place()
      if (place !== null && place > this.#place && !stage.target.atOnce) this.#place = place
      return this.#over || (place !== null && place >= mark)
    }
    await eventually(`the mirror goes on after ${after}`, reached, { within: 150_000, every: 20 })
  }

  /** Nothing is written for a moment, and all is compared. */
  async #still(stage: Stage): Promise<void> {
    await this.#load?.hold()
    await this.#recovered(stage, 'the load stood still')
    await this.#compare(stage)
    this.#load?.release()
  }

  async #compare(stage: Stage): Promise<void> {
    if (this.#over) return
    const look = await eventually('the target is looked at', () => stage.target.look(), {
      within: 60_000,
    })
    if (look === null) throw new Error('nothing is at the target')
    const odd = await stage.target.oddities()
    await this.#judge(stage, look.place, look.rows).catch((error: unknown) => {
      throw new Error([error instanceof Error ? error.message : error, ...odd].join('\n  '))
    })
    if (odd.length > 0) throw new Error(`at ${placeText(look.place)}:\n  ${odd.join('\n  ')}`)
  }

  async #course(stage: Stage): Promise<void> {
    const load = this.#load
    if (load === null) throw new Error('not opened')
    await this.#recovered(stage, 'the first copy')
    load.goOn()
    while (!load.ended && !this.#over && this.#least > 0) {
      await sleep(stage.ways.random.below(300))
      await this.#fault(stage)
      if (stage.ways.random.chance(0.15)) await this.#still(stage)
    }
    await load.done
    await stage.mirror.disarm()
    await this.#recovered(stage, 'the end of the load')
    await this.#compare(stage)
    const child = stage.mirror.command(['verify'])
    const { code } = await child.end({ within: 120_000 })
    if (code !== 0) throw new Error(`verify ended with ${code}:\n${child.lines.join('\n')}`)
    this.#verifications++
    const end = await stage.mirror.stop()
    if (end?.code !== 0) throw new Error(`the mirror stopped with ${end?.code ?? end?.signal}`)
  }

  async #fault(stage: Stage): Promise<void> {
    const kind = stage.ways.random.weighted(this.#options.faults ?? weights) as FaultKind
    const { hit: met, what } = await this.#inflict(kind, stage)
    this.#tried++
    if (met) {
      this.#hits++
      this.#faults[kind] = (this.#faults[kind] ?? 0) + 1
    }
    if (kind === 'verification' && what.includes('PASS')) this.#verifications++
    this.#say(`${kind}${what === '' ? '' : ` (${what})`}${met ? '' : ', missed'}`)
    if (!met || stage.ways.random.chance(0.5)) await this.#recovered(stage, kind)
  }

  async #inflict(kind: FaultKind, { ways, target }: Stage): Promise<Done> {
    const { source } = this.#options
    const again = async (how: 'clean' | 'crash'): Promise<Done> => {
      await source.stop(how)
      await source.start()
      return hit()
    }
    if (kind in commonDeeds) return await commonDeeds[kind as keyof typeof commonDeeds](ways)
    if (kind === 'source restarted') return await again('clean')
    if (kind === 'source crashed') return await again('crash')
    if (kind === 'session terminated') {
      if (ways.random.chance(0.5) && (await target.terminate(ways.random))) return hit('target')
      return (await kill(source, ways.random)) ? hit('source') : missed('none was there')
    }
    await target.restart(kind === 'target restarted' ? 'clean' : 'crash')
    return hit()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true
    this.#load?.goOn()
    this.#load?.release()
    await this.#load?.done.catch(() => undefined)
    await this.#stack.disposeAsync()
  }
}

/** Ends a session at the source that is none of the load's or the truth's. */
async function kill(server: MysqlServer, random: Random): Promise<boolean> {
  await using session = await openMysql(server.url())
  const all = await session.query('show processlist')
  const found = all.filter(({ Command: command, Time: time }) => {
    return command?.startsWith('Binlog Dump') || (command === 'Sleep' && Number(time) > 1)
  })
  if (found.length === 0) return false
  await session.query(`kill ${random.pick(found)['Id']}`).catch(() => undefined)
  return true
}
