import { monotonic, sleep } from '../../../src/async/clock.ts'
import { eventually } from '../../eventually.ts'
import { startProxy, type TcpProxy } from '../../proxy.ts'
import { type ConnectServer, openSession, type PostgresServer } from '../../servers/index.ts'
import { type Done, hit, missed } from '../faults.ts'
import type { Outcome } from '../oracle.ts'
import { planOf } from '../plan.ts'
import { Random } from '../random.ts'
import { haveRows, OracleConnector, tellAgain } from './connector.ts'
import { contentsOf, differenceOf, staleRows, watchOrder } from './ends.ts'
import { Load, schemaSql } from './load.ts'
import { Members } from './members.ts'

export interface TopicsOptions {
  readonly seed: number
  readonly transactions: number
  readonly source: PostgresServer
  readonly target: PostgresServer
  /** On a broker that nobody else needs. */
  readonly worker: ConnectServer
  /** Only these faults, by how often. */
  readonly faults?: Readonly<Record<string, number>>
  /** Faults that have to meet something; one for every 100 transactions unless given. */
  readonly least?: number
  readonly say?: (line: string) => void
}

/** Everything that can go wrong here, by how often it does. */
export const topicFaults = {
  kill: 5,
  'kill at a point': 3,
  'connection cut': 2,
  'worker killed': 2,
  'worker restarted': 1,
  'broker killed': 1,
  'broker restarted': 0.5,
  'broker frozen': 1,
  'snapshot taken anew': 1.5,
  'records told again': 4,
  'target crashed': 1,
  /** A process that shares the mirror comes or goes, where they share it. */
  rebalance: 5,
} as const

type TopicFault = keyof typeof topicFaults

const points = [
  'claimed',
  'stream-opened',
  'batch-begun:2',
  'batch-sent:2',
  'batch-applied:2',
  'acknowledged:2',
]

/** One seed, from two empty databases to its verdict. Does not throw for what the mirror does. */
export async function runTopics(options: TopicsOptions): Promise<Outcome> {
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

interface Stage {
  readonly source: string
  readonly target: string
  readonly proxy: TcpProxy
  readonly connector: OracleConnector
  readonly mirror: Members
  readonly load: Load
}

/** A database, its connector, the topics, the mirror and what becomes of them. */
class Trial implements AsyncDisposable {
  readonly #options: TopicsOptions
  readonly #random: Random
  readonly #began = monotonic()
  readonly #stack = new AsyncDisposableStack()
  readonly #faults: Record<string, number> = {}
  readonly #log: string[] = []
  #hits = 0
  #tried = 0
  #looks = 0
  #changes = 0
  #stage: Stage | null = null
  #over = false

  constructor(options: TopicsOptions) {
    this.#options = options
    this.#random = new Random(options.seed)
  }

  outcome(failure: string | null): Outcome {
    const { seed, transactions } = this.#options
    const { mirror, load } = this.#stage ?? {}
    return {
      seed,
      plan: planOf({ seed, transactions }),
      transactions: load?.committed ?? 0,
      changes: this.#changes,
      rolledBack: load?.rolledBack ?? 0,
      looks: this.#looks,
      faults: this.#faults,
      leftOut: [],
      kills: mirror?.kills ?? 0,
      deaths: mirror?.deaths ?? {},
      starts: mirror?.starts ?? 0,
      verifications: 0,
      seconds: Math.round((monotonic() - this.#began) / 1000),
      failure:
        failure === null ? null : `${failure}\nbefore it: ${this.#log.slice(-12).join(', ')}`,
      inflicted: [],
      script: null,
    }
  }

  #say(line: string): void {
    this.#log.push(line)
    this.#options.say?.(`${((monotonic() - this.#began) / 1000).toFixed(1)} s ${line}`)
  }

  /** Whether processes share the mirror; where faults were chosen, their choice says so. */
  get #shared(): boolean {
    const { faults } = this.#options
    return faults === undefined ? this.#random.fork('share').chance(0.6) : 'rebalance' in faults
  }

  get #least(): number {
    const { least, transactions } = this.#options
    return least ?? Math.ceil(transactions / 100)
  }

  async run(): Promise<void> {
    const stage = await this.#open()
    const work = this.#course(stage)
    try {
      await Promise.race([work, stage.mirror.halted])
    } finally {
      this.#over = true
      work.catch(() => undefined)
    }
  }

  async #open(): Promise<Stage> {
    const { seed, source: from, target: to, worker, transactions } = this.#options
    const name = `oracle_${process.pid}_${seed}_${Math.random().toString(36).slice(2, 6)}`
    const proxy = this.#stack.use(await startProxy({ port: to.port }))
    for (const server of [from, to]) {
      await using admin = await openSession(server.url())
      await admin.query(`create database ${name}`)
    }
    const [source, target] = [from.url(name), to.url(name)]
    {
      await using session = await openSession(source)
      await session.query(schemaSql)
    }
    const few = { url: source, sessions: 2, more: () => false, rate: 1000 }
    await new Load({ ...few, random: this.#random.fork('first'), transactions: 60 }).done
    const connector = this.#stack.use(new OracleConnector(worker, { prefix: name, source }))
    await connector.make(this.#random.pick([1, 3, 4]))
    const setup = {
      name: 'oracle',
      source: worker.kafka.url(),
      include: ['orders', 'pairs', 'words'].map((table) => `${name}.oracle.${table}`),
      target: proxy.url(target),
      batchRows: this.#random.pick([1, 20, 100_000]),
      memory: this.#random.pick(['16KiB', '1MiB', '64MiB']),
    }
    const mirror = this.#stack.use(new Members(setup, { shared: this.#shared }))
    const most = 3 * this.#least
    const load = new Load({
      url: source,
      random: this.#random.fork('load'),
      sessions: this.#random.between(1, 6),
      transactions,
      rate: this.#random.pick([20, 60, 150]),
      more: () => !this.#over && this.#hits < this.#least && this.#tried < most,
    })
    this.#stage = { source, target, proxy, connector, mirror, load }
    return this.#stage
  }

  async #course(stage: Stage): Promise<void> {
    const { load, mirror, target } = stage
    // A mirror takes topics that are there.
    await load.hold()
    await this.#topics(stage)
    load.release()
    mirror.start()
    // A mirror that begins once more would refuse what watches its tables.
    const begun = async (): Promise<boolean> =>
      [...((await contentsOf(target)) ?? new Map()).values()].some(({ length }) => length > 0)
    await eventually('the target has rows', begun, { within: 120_000 })
    {
      await using session = await openSession(target)
      await watchOrder(session)
    }
    const random = this.#random.fork('faults')
    while (!load.ended && !this.#over && this.#least > 0) {
      await sleep(random.below(1200))
      await this.#fault(stage, random)
      if (random.chance(0.2)) await this.#still(stage)
    }
    await load.done
    await mirror.disarm()
    await this.#still(stage)
    await mirror.stop()
    this.#say(`${load.committed} transactions, ${this.#looks} looks`)
  }

  /** Until the connector has told of each table. */
  async #topics({ connector, source }: Stage): Promise<void> {
    const wanted = await contentsOf(source)
    if (wanted === null || [...wanted.values()].some((rows) => rows.length === 0))
      throw new Error('a table is empty before its first snapshot')
    const url = connector.worker.kafka.url()
    await eventually('topics with rows', () => haveRows(url, connector.prefix), {
      within: 120_000,
      every: 500,
    })
    this.#say(`topics of ${connector.prefix}`)
  }

  /** Nothing is written until both ends hold the same. */
  async #still({ load, source, target, connector }: Stage): Promise<void> {
    await load.hold()
    const wanted = await contentsOf(source)
    if (wanted === null) throw new Error('the source has no tables')
    await connector.runs()
    await eventually(
      'both ends are equal',
      async () => {
        const there = await contentsOf(target)
        const wrong = there === null ? 'no tables' : differenceOf(wanted, there)
        if (wrong !== null && !this.#over) throw new Error(wrong)
        return true
      },
      { within: 180_000, every: 250 },
    )
    const stale = this.#over ? [] : await staleRows(target)
    if (stale.length > 0) throw new Error(`written over what is newer: ${stale.join('; ')}`)
    this.#looks++
    await using session = await openSession(source)
    const [row] = await session.query('select last_value as v from oracle.versions')
    this.#changes = Number(row?.['v'])
    load.release()
  }

  async #fault(stage: Stage, random: Random): Promise<void> {
    const kind = random.weighted(this.#options.faults ?? topicFaults) as TopicFault
    this.#say(`${kind} begins`)
    const { hit: met, what } = await this.#inflict(kind, stage, random)
    this.#tried++
    if (met) {
      this.#hits++
      this.#faults[kind] = (this.#faults[kind] ?? 0) + 1
    }
    this.#say(`${kind}${what === '' ? '' : ` (${what})`}${met ? '' : ', missed'}`)
  }

  async #inflict(kind: TopicFault, stage: Stage, random: Random): Promise<Done> {
    const { mirror, connector, proxy } = stage
    const { worker } = connector
    const { kafka } = worker
    switch (kind) {
      case 'rebalance':
        if (!mirror.shared) return missed('one process alone')
        return hit(await mirror.rebalance(random))
      case 'kill':
        await mirror.any(random).kill()
        return hit()
      case 'kill at a point': {
        const at = random.pick(points)
        await mirror.any(random).kill({ at })
        return hit(at)
      }
      case 'connection cut': {
        if (proxy.open.length === 0) return missed('none was open')
        random.pick(proxy.open).cut()
        return hit()
      }
      case 'worker killed':
      case 'worker restarted': {
        await worker.stop(kind === 'worker killed' ? 'crash' : 'clean')
        await sleep(random.below(500))
        await worker.start()
        await connector.runs()
        return hit()
      }
      case 'broker killed':
      case 'broker restarted':
        await kafka.stop(kind === 'broker killed' ? 'crash' : 'clean')
        await sleep(random.below(500))
        await kafka.start()
        await connector.runs()
        return hit()
      case 'broker frozen':
        kafka.freeze(true)
        await sleep(random.between(200, 3000))
        kafka.freeze(false)
        return hit()
      case 'snapshot taken anew':
        await connector.renew()
        return hit()
      case 'records told again': {
        const count = await tellAgain(kafka.url(), { prefix: connector.prefix, random })
        return count === 0 ? missed('no records') : hit(`${count} records`)
      }
      case 'target crashed':
        await this.#options.target.restart('immediate')
        return hit()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true
    this.#stage?.load.release()
    await this.#stage?.load.done.catch(() => undefined)
    await this.#stack.disposeAsync()
  }
}
