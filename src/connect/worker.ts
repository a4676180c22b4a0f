import type { z } from 'zod'
import { anyOf } from '../async/abort.ts'
import { monotonic, sleep, within } from '../async/clock.ts'
import { Secret } from '../model/endpoint.ts'
import { Fault } from '../model/fault.ts'
import {
  type ConnectOffset,
  configAnswer,
  createdAnswer,
  listAnswer,
  messageAnswer,
  nothing,
  offsetsAnswer,
  type Plugin,
  pluginsAnswer,
  rootAnswer,
  type Settings,
  statusAnswer,
  topicsAnswer,
  type Validation,
  validationAnswer,
  type WorkerStatus,
} from './answers.ts'

/** Milliseconds. A validation connects to the database, and waits for it. */
const patience = { answer: 90_000, rebalance: 30_000, step: 250 } as const

/** A connector as a list shows it. */
export interface Listed {
  readonly status: WorkerStatus
  readonly config: Settings
}

interface Ask<T> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body?: unknown
  readonly answer: z.ZodType<T>
  /** Whom it is about. */
  readonly connector?: string
}

interface Said {
  readonly status: number
  readonly text: string
}

/** Kafka Connect's REST interface: one worker, which speaks for its whole group. */
export class Worker {
  /** Where it is, without a password. */
  readonly label: string
  /** Who enters it; empty where nobody has to. */
  readonly user: string
  readonly #base: string
  readonly #authorization: Secret | null
  readonly #signal: AbortSignal

  /** `address` is `http://host:8083` or https, with user and password where it asks for them. */
  constructor(address: string, signal: AbortSignal) {
    const url = addressOf(address)
    const { username, password } = url
    this.#authorization =
      username === '' ? null : new Secret(`${decoded(username)}:${decoded(password)}`)
    this.user = decoded(username)
    url.username = ''
    url.password = ''
    this.#base = url.href.replace(/\/$/, '')
    this.label = this.#base
    this.#signal = signal
  }

  /** Who it is; rejects when nobody answers there as a worker does. */
  root(): Promise<{ readonly version: string; readonly kafka_cluster_id: string }> {
    return this.#ask({ method: 'GET', path: '/', answer: rootAnswer })
  }

  plugins(): Promise<readonly Plugin[]> {
    return this.#ask({ method: 'GET', path: '/connector-plugins', answer: pluginsAnswer })
  }

  async list(): Promise<readonly Listed[]> {
    const path = '/connectors?expand=status&expand=info'
    const found = await this.#ask({ method: 'GET', path, answer: listAnswer })
    return Object.values(found)
      .map(({ status, info }) => ({ status, config: texts(info.config) }))
      .sort((a, b) => (a.status.name < b.status.name ? -1 : 1))
  }

  status(connector: string): Promise<WorkerStatus> {
    return this.#of('GET', connector, { path: '/status', answer: statusAnswer })
  }

  async config(connector: string): Promise<Settings> {
    return texts(await this.#of('GET', connector, { path: '/config', answer: configAnswer }))
  }

  /** What the connector's own code says of these settings; it looks at the database too. */
  validate(config: Settings): Promise<Validation> {
    const plugin = config['connector.class'] ?? ''
    const path = `/connector-plugins/${encodeURIComponent(plugin)}/config/validate`
    return this.#ask({ method: 'PUT', path, body: config, answer: validationAnswer })
  }

  /** Creates it in this state and waits until the group knows of it. */
  async create(
    connector: string,
    config: Settings,
    initial: 'RUNNING' | 'STOPPED',
  ): Promise<WorkerStatus> {
    const body = { name: connector, config, initial_state: initial }
    const answer = createdAnswer
    await this.#ask({ method: 'POST', path: '/connectors', body, answer, connector })
    return await this.#known(connector)
  }

  /** The group writes a state down some time after it has accepted a connector. */
  async #known(connector: string): Promise<WorkerStatus> {
    const until = monotonic() + patience.rebalance
    for (;;) {
      try {
        return await this.status(connector)
      } catch (error) {
        if (!(error instanceof Fault) || error.code !== 'HF-K403' || monotonic() > until)
          throw error
        await sleep(patience.step, this.#signal)
      }
    }
  }

  /** It keeps its tasks and does nothing. */
  async pause(connector: string): Promise<void> {
    await this.#of('PUT', connector, { path: '/pause', answer: nothing })
  }

  async resume(connector: string): Promise<void> {
    await this.#of('PUT', connector, { path: '/resume', answer: nothing })
  }

  /** It gives up its tasks; settings and offsets stay. */
  async stop(connector: string): Promise<void> {
    await this.#of('PUT', connector, { path: '/stop', answer: nothing })
  }

  /** Starts again what has failed of it, and only that. */
  restartFailed(connector: string): Promise<WorkerStatus> {
    const path = '/restart?includeTasks=true&onlyFailed=true'
    return this.#of('POST', connector, { path, answer: statusAnswer })
  }

  /** Starts a task again whatever it is called. */
  async restartTask(connector: string, task: number): Promise<void> {
    await this.#of('POST', connector, { path: `/tasks/${task}/restart`, answer: nothing })
  }

  /** Its offsets go with it where it is a source; what it made in the database stays. */
  async delete(connector: string): Promise<void> {
    await this.#of('DELETE', connector, { path: '', answer: nothing })
  }

  async offsets(connector: string): Promise<readonly ConnectOffset[]> {
    const { offsets } = await this.#of('GET', connector, {
      path: '/offsets',
      answer: offsetsAnswer,
    })
    return offsets
  }

  /** Only in the state STOPPED. */
  async alterOffsets(connector: string, offsets: readonly ConnectOffset[]): Promise<string> {
    const ask = { path: '/offsets', body: { offsets }, answer: messageAnswer }
    return (await this.#of('PATCH', connector, ask)).message
  }

  /** Only in the state STOPPED; a source begins anew with a snapshot. */
  async resetOffsets(connector: string): Promise<string> {
    const ask = { path: '/offsets', answer: messageAnswer }
    return (await this.#of('DELETE', connector, ask)).message
  }

  /** The topics that it has written to or read from. */
  async topics(connector: string): Promise<readonly string[]> {
    const found = await this.#of('GET', connector, { path: '/topics', answer: topicsAnswer })
    return found[connector]?.topics ?? []
  }

  #of<T>(
    method: Ask<T>['method'],
    connector: string,
    ask: Pick<Ask<T>, 'path' | 'body' | 'answer'>,
  ): Promise<T> {
    const path = `/connectors/${encodeURIComponent(connector)}${ask.path}`
    return this.#ask({ ...ask, method, path, connector })
  }

  /** Asks again while the group is busy with itself. */
  async #ask<T>(ask: Ask<T>): Promise<T> {
    const until = monotonic() + patience.rebalance
    for (;;) {
      const said = await this.#say(ask)
      if (!isBusy(said)) return this.#understood(ask, said)
      if (monotonic() > until) {
        throw new Fault('HF-K407', { what: `${this.label} does not come to rest` })
      }
      await sleep(patience.step, this.#signal)
    }
  }

  async #say<T>({ method, path, body }: Ask<T>): Promise<Said> {
    const late = new AbortController()
    const headers: Record<string, string> = { accept: 'application/json' }
    if (body !== undefined) headers['content-type'] = 'application/json'
    const login = this.#authorization
    if (login !== null) {
      headers['authorization'] = `Basic ${Buffer.from(login.reveal()).toString('base64')}`
    }
    const asked = fetch(`${this.#base}${path}`, {
      method,
      headers,
      signal: anyOf(this.#signal, late.signal),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).then(async (answer) => ({ status: answer.status, text: await answer.text() }))
    try {
      return await within(patience.answer, asked, () => {
        late.abort()
        throw new Error(`no answer in ${patience.answer / 1000} s`)
      })
    } catch (error) {
      this.#signal.throwIfAborted()
      throw new Fault('HF-K401', { what: `${this.label}: ${reason(error)}`, cause: error })
    }
  }

  #understood<T>(ask: Ask<T>, said: Said): T {
    if (said.status >= 300) throw this.#refusal(ask, said)
    const { data, success } = ask.answer.safeParse(json(said.text))
    if (success) return data
    const what = `${this.label} answers ${ask.method} ${ask.path} otherwise than Kafka Connect does`
    throw new Fault('HF-K410', { what, evidence: { status: String(said.status) } })
  }

  #refusal<T>(ask: Ask<T>, { status, text }: Said): Fault {
    const at = `${ask.connector ?? ask.path} at ${this.label}`
    const evidence = { status: String(status) }
    const message = messageOf(text)
    if (status === 401 || status === 403) return new Fault('HF-K402', { what: this.label })
    if (status === 404 && ask.connector !== undefined) {
      return new Fault('HF-K403', { what: `there is no connector ${at}` })
    }
    if (status === 409) return new Fault('HF-K404', { what: `there is a connector ${at} already` })
    if (/STOPPED state before their offsets/.test(message)) {
      return new Fault('HF-K408', { what: `${at} is not stopped` })
    }
    if (/Failed to find any class that implements Connector/.test(message)) {
      return new Fault('HF-K406', { what: `${this.label} has not the plugin that is named` })
    }
    // What the worker writes here may repeat a setting, and so a password.
    if (status === 400)
      return new Fault('HF-K405', { what: `${at}: the worker refuses it`, evidence })
    return new Fault('HF-K410', { what: `${at}: the worker fails with ${status}`, evidence })
  }
}

/** The address of a worker; a password in it is not repeated when it is not one. */
function addressOf(address: string): URL {
  const parsed = URL.parse(address)
  if (parsed !== null && /^https?:$/.test(parsed.protocol)) return parsed
  throw new Fault('HF-C101', {
    what: 'the address of the worker of Kafka Connect is not http://host:port or https://host:port',
  })
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** In a rebalance, or with a change that not every worker has read yet. */
function isBusy({ status, text }: Said): boolean {
  return status === 503 || (status === 409 && !/already exists/.test(text))
}

function json(text: string): unknown {
  if (text === '') return null
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function messageOf(text: string): string {
  const parsed = messageAnswer.safeParse(json(text))
  return parsed.success ? parsed.data.message : ''
}

function texts(settings: Readonly<Record<string, string | null>>): Settings {
  const given = Object.entries(settings).flatMap(([name, value]) =>
    value === null ? [] : [[name, value] as const],
  )
  return Object.fromEntries(given)
}

/** Why a connection came to nothing; the words of the system, which hold no password. */
function reason(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = inner instanceof Error && 'code' in inner ? String(inner.code) : ''
  const text = inner instanceof Error ? inner.message : String(inner)
  return text === '' ? code : text
}
