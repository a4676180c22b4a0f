import { once } from 'node:events'
import { Producer } from '@platformatic/kafka'
import pg from 'pg'
import { monotonic, sleep } from '../../async/clock.ts'
import { parseUrl } from '../../config/url.ts'
import { templateOf } from '../../connect/template.ts'
import { readTopic } from '../../connect/topics.ts'
import { Worker } from '../../connect/worker.ts'
import { laneLags } from '../../mirror/lanes.ts'
import { Fault } from '../../model/fault.ts'
import { type Guard, openGuard } from '../guard.ts'
import { type MirrorProcess, startMirror } from '../mirror.ts'
import type { DemoOptions } from '../play.ts'
import { openStage, type Stage, seconds } from '../stage.ts'
import { compare, type Verdict } from '../verdict.ts'
import { type Pipeline, startPipeline } from './servers.ts'
import { PipelineShop, TABLE_NAMES } from './shop.ts'

const NAME = 'demo'
/** Milliseconds between two looks at what is waited for. */
const LOOK = 250
/** Milliseconds that something is left dead, so that there is something to catch up with. */
const DEAD = 4_000
/** Records that are put into a topic once more. */
const TWICE = 300
/** Comparisons that may end without a verdict before there has to be one. */
const PATIENCE = 5

/**
 * A pipeline, and the five ways in which pipelines fail: its connector dies, its consumer falls
 * behind, its tables change, its records come twice, and its history comes late. After each of them
 * both databases are compared.
 */
export async function playPipeline(
  options: DemoOptions,
  stop: AbortSignal,
): Promise<Verdict | null> {
  const began = monotonic()
  const { say, pair } = options
  await using guard = await openGuard()
  await using stage = await openStage(guard, pair, say)
  stop.throwIfAborted()
  await using pipeline = await startPipeline(guard, say)
  await using shop = await PipelineShop.open(stage.source)
  say({ kind: 'shop', tables: TABLE_NAMES.length, rows: shop.rows, seconds: seconds(began) })
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => undefined)
  stage.broken.catch(failed.reject)
  await configure(stage, pipeline, stop)
  const scene = { options, guard, stage, pipeline, shop, stop, failed: failed.reject }
  await using story = new Story(scene)
  const stopped = once(stop, 'abort').then(() => null)
  return await Promise.race([story.play(began), failed.promise, stopped])
}

/** A connector that is configured; the mirror starts it. */
async function configure(stage: Stage, pipeline: Pipeline, signal: AbortSignal): Promise<void> {
  const source = parseUrl(stage.source, 'the demo')
  const settings = templateOf({
    kind: 'postgres',
    name: NAME,
    source,
    password: null,
    prefix: NAME,
    include: ['shop.*'],
    exclude: [],
    bootstrap: pipeline.bootstrap,
    partitions: null,
  })
  // A sign of life often enough for somebody who looks on.
  const quick = { ...settings, 'heartbeat.interval.ms': '1000' }
  await new Worker(pipeline.worker, signal).create(NAME, quick, 'STOPPED')
}

interface Scene {
  readonly options: DemoOptions
  readonly guard: Guard
  readonly stage: Stage
  readonly pipeline: Pipeline
  readonly shop: PipelineShop
  readonly stop: AbortSignal
  readonly failed: (error: unknown) => void
}

class Story implements AsyncDisposable {
  readonly #scene: Scene
  #mirror: MirrorProcess | null = null
  #verdict: Verdict | null = null

  constructor(scene: Scene) {
    this.#scene = scene
  }

  async play(began: number): Promise<Verdict | null> {
    const { shop, options, stop, failed } = this.#scene
    const { say, rate, lasting } = options
    await this.#follow(false)
    await this.#prove(false)
    say({ kind: 'note', text: `the shop writes ${rate} rows/s from now on` })
    shop.sell(rate, failed)
    await this.#restart()
    await this.#lag()
    await this.#schema()
    await this.#duplicates()
    await this.#backfill()
    while (!stop.aborted && (lasting === null || monotonic() - began < lasting)) {
      await sleep(DEAD, stop)
      await this.#prove()
    }
    await shop.close()
    await this.#prove(false)
    return this.#verdict
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#mirror?.[Symbol.asyncDispose]()
  }

  #tell(name: string, text: string): void {
    this.#scene.options.say({ kind: 'failure', name, text })
  }

  #note(text: string): void {
    this.#scene.options.say({ kind: 'note', text })
  }

  get #ends() {
    const { stage, pipeline } = this.#scene
    return {
      source: `kafka://${pipeline.bootstrap}`,
      target: stage.target,
      database: stage.source,
    }
  }

  async #follow(again: boolean): Promise<void> {
    const { options, guard, pipeline, failed } = this.#scene
    const began = monotonic()
    const set = (key: string, value: string): string[] => ['--set', `source.kafka.${key}=${value}`]
    const flags = [
      ...['--include', `${NAME}.shop.*`],
      ...set('connect_url', pipeline.worker),
      ...set('connectors', NAME),
    ]
    const mirror = startMirror({ guard, stage: this.#ends, flags, failed })
    this.#mirror = mirror
    options.say({ kind: 'mirror', pid: mirror.pid, again })
    await mirror.streaming
    options.say({ kind: 'streaming', again, seconds: seconds(began) })
  }

  /** Compares until there is a verdict: what was committed may not have come through yet. */
  async #prove(underLoad = true): Promise<void> {
    const { stop, options } = this.#scene
    for (let attempt = 1; ; attempt++) {
      try {
        this.#verdict = await compare(this.#ends, stop)
        break
      } catch (error) {
        // Its servers end with the demo, and are not to be asked again then.
        stop.throwIfAborted()
        if (!(error instanceof Fault) || !error.transient || attempt === PATIENCE) throw error
        this.#note(`${error.code} ${error.message}; compared again`)
      }
    }
    options.say({ kind: 'verify', ...this.#verdict, afterKill: false, underLoad })
    if (this.#verdict.equal) return
    throw new Fault('HF-X303', { what: `${this.#verdict.differences} rows differ` })
  }

  async #restart(): Promise<void> {
    const { pipeline, shop, stop } = this.#scene
    const pid = await pipeline.killWorker()
    this.#tell('restart', `SIGKILL to the worker of Connect (process ${pid}); the shop goes on`)
    const before = shop.written
    await sleep(DEAD, stop)
    await pipeline.startWorker()
    this.#note(`the worker is back; ${shop.written - before} rows were written meanwhile`)
    await this.#prove()
  }

  async #lag(): Promise<void> {
    const { stop, stage } = this.#scene
    const mirror = this.#mirror
    if (mirror === null) return
    await mirror.kill()
    this.#tell('lag', `SIGKILL to the mirror (process ${mirror.pid}); topics go on filling`)
    await sleep(DEAD, stop)
    const lanes = await laneLags({
      name: NAME,
      source: parseUrl(this.#ends.source, 'the demo'),
      target: parseUrl(stage.target, 'the demo'),
      selection: { include: [`${NAME}.shop.*`], exclude: [], keyless: 'refuse' },
    })
    const behind = lanes.reduce((sum, lane) => sum + lane.behind, 0n)
    this.#note(`behind by ${behind} records; ${lanes.reduce((n, { lost }) => n + lost, 0n)} lost`)
    await this.#follow(true)
    await this.#prove()
  }

  async #schema(): Promise<void> {
    const { shop, stage, stop } = this.#scene
    this.#tell('schema', 'a column is added to orders, and rows come to use it')
    await shop.widen()
    const client = new pg.Client({ connectionString: stage.target })
    await client.connect()
    try {
      const sql = `select 1 from information_schema.columns where table_schema = 'shop' and column_name = 'channel'`
      while ((await client.query(sql)).rowCount === 0) await sleep(LOOK, stop)
    } finally {
      await client.end()
    }
    this.#note('the column is at the target')
    await this.#prove()
  }

  async #duplicates(): Promise<void> {
    const { pipeline } = this.#scene
    const topic = `${NAME}.shop.orders`
    const source = parseUrl(this.#ends.source, 'the demo')
    const messages = await readTopic(source, {
      topic,
      partition: null,
      from: 'end',
      limit: TWICE,
    })
    const producer = new Producer({
      clientId: 'demo',
      bootstrapBrokers: [pipeline.bootstrap],
      autocreateTopics: false,
    })
    try {
      await producer.send({
        messages: messages.flatMap(({ partition, key, value }) =>
          key === null || value === null ? [] : [{ topic, partition, key, value }],
        ),
        acks: -1,
      })
    } finally {
      await producer.close()
    }
    this.#tell('duplicates', `the newest ${messages.length} records of orders came once more`)
    await this.#prove()
  }

  async #backfill(): Promise<void> {
    this.#tell('backfill', 'old orders come as new events, while newer ones change')
    const rows = await this.#scene.shop.loadHistory()
    this.#note(`${rows} rows were loaded in one transaction`)
    await this.#prove()
  }
}
