import type { Owned } from '../config/settings.ts'
import { healthOf } from '../connect/health.ts'
import { settled } from '../connect/look.ts'
import {
  type Signal,
  sendSignal,
  signalByHand,
  signalFor,
  snapshotSignal,
} from '../connect/signal.ts'
import { Worker } from '../connect/worker.ts'
import { type Anew, type AnewOptions, tellTablesAnew } from '../mirror/anew.ts'
import type { Watch } from '../mirror/options.ts'
import { Fault } from '../model/fault.ts'
import { listed } from '../model/findings.ts'
import type { Wish } from '../source/source.ts'
import { start, watchedOf } from './owned.ts'

export interface Asking {
  /** The connectors of the mirror; null where others look after them. */
  readonly owned: Owned | null
  /** Where signals go, for connectors that are not the mirror’s; null where that is not known. */
  readonly topic: string | null
  readonly signal: AbortSignal
  readonly watch: Watch
}

/**
 * Has tables of a mirror told anew by the connectors that fill its topics. Those of the mirror are
 * started for it, and stopped again where they were. Of others only what they listen to is known:
 * a person sends what is not known where to.
 */
export async function resync(options: Omit<AnewOptions, 'ask'>, how: Asking): Promise<Anew> {
  const { owned, signal } = how
  if (owned === null) {
    const ask = (wishes: readonly Wish[]): Promise<void> => askOthers(options, wishes, how)
    return await tellTablesAnew({ ...options, ask }, signal)
  }
  await using asked = new Asked(owned, how)
  const ask = (wishes: readonly Wish[]): Promise<void> => asked.ask(options, wishes)
  return await tellTablesAnew({ ...options, ask }, signal)
}

type From = Pick<AnewOptions, 'name' | 'source'>

async function send({ name, source }: From, record: Signal, watch: Watch): Promise<void> {
  await sendSignal(source, name, record)
  const text = `asked for a snapshot: ${record.value} with the key ${record.key} in the topic ${record.topic}`
  watch({ kind: 'notice', text })
}

async function askOthers(
  from: From,
  wishes: readonly Wish[],
  { topic, watch }: Asking,
): Promise<void> {
  for (const [server, own] of Map.groupBy(wishes, (wish) => wish.server)) {
    const value = snapshotSignal(own.map(({ collection }) => collection))
    if (topic !== null && server !== '') {
      await send(from, { topic, key: server, value }, watch)
      continue
    }
    const text = signalByHand(server, value)
    watch({ kind: 'notice', text })
  }
}

/** Connectors that were asked; disposed, those that were stopped before are stopped again. */
class Asked implements AsyncDisposable {
  readonly #owned: Owned
  readonly #watch: Watch
  readonly #signal: AbortSignal
  readonly #closing = new AbortController()
  readonly #worker: Worker
  readonly #stopped = new Set<string>()

  constructor(owned: Owned, { watch, signal }: Asking) {
    this.#owned = owned
    this.#watch = watch
    this.#signal = signal
    this.#worker = new Worker(owned.worker.reveal(), this.#closing.signal)
  }

  async ask(from: From, wishes: readonly Wish[]): Promise<void> {
    const records = await this.#records(from, wishes)
    for (const [name, record] of records) {
      await this.#run(name)
      await send(from, record, this.#watch)
    }
  }

  /** What each connector is to hear. */
  async #records(from: From, wishes: readonly Wish[]): Promise<ReadonlyMap<string, Signal>> {
    const records = new Map<string, Signal>()
    const left = new Set(wishes)
    for (const name of this.#owned.connectors) {
      const config = await this.#worker.config(name)
      const prefix = config['topic.prefix']
      const own = [...left].filter(({ server }) => server === prefix)
      if (own.length === 0) continue
      for (const wish of own) left.delete(wish)
      const collections = own.map(({ collection }) => collection)
      const listener = { name, config, worker: this.#worker, brokers: from.source }
      records.set(name, signalFor(listener, collections))
    }
    if (left.size === 0) return records
    const names = listed([...left].map(({ collection }) => collection))
    const what = `none of the connectors ${this.#owned.connectors.join(', ')} tells of ${names}`
    throw new Fault('HF-K421', { what })
  }

  /** A connector hears signals while it runs. */
  async #run(name: string): Promise<void> {
    const { condition } = healthOf(await this.#worker.status(name))
    if (condition === 'paused') {
      throw new Fault('HF-K421', {
        what: `connector ${name} was paused by a person`,
        todo: [{ text: 'Let it run.', run: `holdfast connectors resume ${name}` }],
      })
    }
    if (condition === 'stopped') this.#stopped.add(name)
    const one = { worker: this.#worker, name, signal: this.#signal }
    await start(watchedOf(this.#owned, one), this.#watch)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#stopped) {
      await this.#worker.stop(name)
      const { signal } = this.#closing
      await settled({ worker: this.#worker, name, signal }, { wanted: 'stopped' })
    }
    this.#closing.abort()
  }
}
