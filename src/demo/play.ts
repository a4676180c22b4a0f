import pg from 'pg'
import { monotonic, sleep } from '../async/clock.ts'
import { Fault } from '../model/fault.ts'
import { openGuard } from './guard.ts'
import type { Say } from './lines.ts'
import { type Load, startLoad } from './load.ts'
import { type MirrorProcess, startMirror } from './mirror.ts'
import type { DemoPair } from './pairs.ts'
import { openShop, SHOP_TABLES } from './shop.ts'
import { openMysqlShop } from './shop-mysql.ts'
import { openStage, type Stage, seconds } from './stage.ts'
import { compare, type Verdict } from './verdict.ts'

/** All tables grow with them; documents are written more slowly than rows. */
const CUSTOMERS = { rows: 3000, documents: 800 }

/** Milliseconds between two looks. */
const STATUS = 2000
const VERIFY = 5000
/** How long the mirror stays dead, so that there is something to catch up with. */
const DEAD = 1000

export interface DemoOptions {
  /** Milliseconds since the start after which it ends; null: until it is stopped. */
  readonly lasting: number | null
  /** Rows a second. */
  readonly rate: number
  readonly pair: DemoPair
  readonly say: Say
}

/** The last verdict; null when it was stopped before there was one. */
export async function playDemo(options: DemoOptions, stop: AbortSignal): Promise<Verdict | null> {
  const began = monotonic()
  await using guard = await openGuard()
  await using stage = await openStage(guard, options.pair, options.say)
  stop.throwIfAborted()
  const { pair } = options
  const customers = pair.target === 'mongodb' ? CUSTOMERS.documents : CUSTOMERS.rows
  await fillShop(stage, customers, options.say)
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => {})
  stage.broken.catch(failed.reject)
  options.say({ kind: 'load', rate: options.rate })
  const load = startLoad({
    url: stage.source,
    customers,
    rate: options.rate,
    sessions: 3,
    failed: failed.reject,
  })
  const play = new Play({ options, began, stage, load, stop, failed: failed.promise })
  await using _mirror = play
  try {
    return await play.run(() => startMirror({ guard, stage, failed: failed.reject }))
  } finally {
    await load.stop()
  }
}

async function fillShop(stage: Stage, customers: number, say: Say): Promise<void> {
  const began = monotonic()
  const rows = await (stage.source.startsWith('mysql:')
    ? openMysqlShop(stage.source, customers)
    : openPostgresShop(stage.source, customers))
  say({ kind: 'shop', tables: SHOP_TABLES.length, rows, seconds: seconds(began) })
}

async function openPostgresShop(url: string, customers: number): Promise<number> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await openShop(client, customers)
  } finally {
    await client.end()
  }
}

interface Setting {
  readonly options: DemoOptions
  readonly began: number
  readonly stage: Stage
  readonly load: Load
  readonly stop: AbortSignal
  /** Rejects when something failed that nobody waits for. */
  readonly failed: Promise<never>
}

type Start = () => MirrorProcess

/** The story: follow, kill, follow again, and compare all the time. */
class Play implements AsyncDisposable {
  readonly #setting: Setting
  #mirror: MirrorProcess | null = null
  #applied = 0
  #verdict: Verdict | null = null
  #killed = false
  #nextStatus = 0
  #nextVerify = 0

  constructor(setting: Setting) {
    this.#setting = setting
  }

  async run(start: Start): Promise<Verdict | null> {
    try {
      await this.#follow(start, false)
      const { lasting } = this.#setting.options
      const left = (lasting ?? 60_000) - this.#elapsed()
      await this.#watch(Math.min(Math.max(left / 3, 1000), 10_000))
      await this.#kill()
      await this.#follow(start, true)
      this.#status()
      await this.#verify()
      await this.#watch(lasting === null ? null : lasting - this.#elapsed())
      await this.#setting.load.stop()
      await this.#verify(false)
    } catch (thrown) {
      if (!this.#setting.stop.aborted) throw thrown
    }
    return this.#verdict
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#mirror?.[Symbol.asyncDispose]()
  }

  #elapsed(): number {
    return monotonic() - this.#setting.began
  }

  /** Waits, unless the demo is stopped or something fails. */
  async #or<T>(work: Promise<T>): Promise<T> {
    const { stop, failed } = this.#setting
    stop.throwIfAborted()
    const stopped = Promise.withResolvers<never>()
    const abort = (): void => stopped.reject(stop.reason)
    stop.addEventListener('abort', abort, { once: true })
    try {
      return await Promise.race([work, failed, stopped.promise])
    } finally {
      stop.removeEventListener('abort', abort)
    }
  }

  async #follow(start: Start, again: boolean): Promise<void> {
    const began = monotonic()
    const mirror = start()
    this.#mirror = mirror
    this.#setting.options.say({ kind: 'mirror', pid: mirror.pid, again })
    await this.#or(mirror.streaming)
    const rows = mirror.progress().copied
    if (!again) this.#setting.options.say({ kind: 'copied', tables: SHOP_TABLES.length, rows })
    this.#setting.options.say({ kind: 'streaming', again, seconds: seconds(began) })
    this.#nextStatus = this.#elapsed()
    this.#nextVerify = this.#elapsed()
  }

  async #kill(): Promise<void> {
    const mirror = this.#mirror
    if (mirror === null) return
    this.#setting.options.say({ kind: 'kill', pid: mirror.pid })
    await this.#or(mirror.kill())
    this.#applied += mirror.progress().applied
    this.#killed = true
    await this.#or(sleep(DEAD))
  }

  /** Shows and compares for `millis`, or for ever. */
  async #watch(millis: number | null): Promise<void> {
    const until = millis === null ? Number.POSITIVE_INFINITY : this.#elapsed() + millis
    while (this.#elapsed() < until) {
      if (this.#elapsed() >= this.#nextStatus) this.#status()
      if (this.#elapsed() >= this.#nextVerify) await this.#verify()
      const next = Math.min(this.#nextStatus, this.#nextVerify, until)
      await this.#or(sleep(Math.max(0, next - this.#elapsed())))
    }
  }

  #status(): void {
    const { load, options } = this.#setting
    const { inserts, updates, deletes } = load.written
    const progress = this.#mirror?.progress()
    options.say({
      kind: 'status',
      seconds: this.#elapsed() / 1000,
      written: inserts + updates + deletes,
      applied: this.#applied + (progress?.applied ?? 0),
      lagSeconds: progress?.lagSeconds ?? null,
      phase: progress?.phase ?? 'stopped',
    })
    this.#nextStatus = this.#elapsed() + STATUS
  }

  async #verify(underLoad = true): Promise<void> {
    const { stage, options } = this.#setting
    const verdict = await this.#or(compare(stage, this.#setting.stop))
    options.say({ kind: 'verify', ...verdict, afterKill: this.#killed, underLoad })
    this.#verdict = verdict
    this.#nextVerify = this.#elapsed() + VERIFY
  }
}

/** What the demo ends with when the last comparison was not one of equals. */
export function refuseUnequal(verdict: Verdict | null): void {
  if (verdict?.equal === true) return
  const what =
    verdict === null
      ? 'the demo ended before it had compared the two databases'
      : `${verdict.differences} rows differ between the two databases`
  throw new Fault('HF-X303', { what })
}
