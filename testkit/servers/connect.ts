import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connectPlugins, workerSettings } from '../../src/demo/fetch/connect.ts'
import { answers, logTo, propertiesText } from '../../src/demo/fetch/java.ts'
import { type KafkaPrograms, kafkaPrograms } from '../../src/demo/fetch/kafka.ts'
import { JavaServer } from './java.ts'
import type { KafkaServer } from './kafka.ts'
import { freePort, tell } from './machine.ts'

/** A worker of Kafka Connect on the loopback, with Debezium's connectors. */
export interface ConnectServer extends AsyncDisposable {
  readonly kind: 'connect' | 'given'
  /** Where its REST interface answers, without a slash at the end. */
  readonly url: string
  /** The broker that it keeps its state in. */
  readonly kafka: KafkaServer
  /** A folder that the worker may read files of secrets from. */
  readonly folder: string
  /** All that the worker wrote to its log. */
  log(): Promise<string>
  /** `crash` is SIGKILL. */
  stop(mode?: 'clean' | 'crash'): Promise<void>
  /** On the same port, with the same connectors; nothing when it runs. */
  start(): Promise<void>
  /** It keeps its connections and answers nobody, until it is thawed. */
  freeze(frozen: boolean): void
  readonly running: boolean
}

export interface ConnectOptions {
  /** Settings of the worker beside or instead of the usual ones. */
  readonly settings?: Readonly<Record<string, string>>
  /** What `${env:…}` in a connector's configuration finds. */
  readonly env?: Readonly<Record<string, string>>
  /** With much memory and all that Java does to be fast. */
  readonly fast?: boolean
}

type Own = Required<ConnectOptions> & { readonly kafka: KafkaServer; readonly shared: boolean }

/** A worker of our own, alone in its group. */
class OwnConnect implements ConnectServer {
  readonly kind = 'connect'
  readonly kafka: KafkaServer
  readonly #programs: KafkaPrograms
  readonly #plugins: string
  readonly #own: Own
  readonly #java = new JavaServer('connect')
  #port = 0

  constructor(programs: KafkaPrograms, plugins: string, own: Own) {
    this.#programs = programs
    this.#plugins = plugins
    this.#own = own
    this.kafka = own.kafka
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get folder(): string {
    return this.#java.folder
  }

  get running(): boolean {
    return this.#java.running
  }

  log(): Promise<string> {
    return this.#java.log()
  }

  /** The first start, on a port of its own choice. */
  async open(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      this.#port = await freePort()
      await this.#configure(`connect-${randomUUID()}`)
      try {
        return await this.start()
      } catch (error) {
        // Another process took the port between the look and the start.
        if (attempt >= 5 || !/Address already in use/i.test(String(error))) throw error
      }
    }
  }

  async #configure(group: string): Promise<void> {
    const settings = {
      ...workerSettings,
      'bootstrap.servers': this.kafka.bootstrap,
      'group.id': group,
      'config.storage.topic': `_${group}-configs`,
      'offset.storage.topic': `_${group}-offsets`,
      'status.storage.topic': `_${group}-status`,
      listeners: this.url,
      'plugin.path': this.#plugins,
      ...this.#own.settings,
    }
    await writeFile(join(this.folder, 'connect.properties'), propertiesText(settings))
  }

  async start(): Promise<void> {
    const launch = {
      classpath: this.#programs.classpath,
      main: 'org.apache.kafka.connect.cli.ConnectDistributed',
      args: [join(this.folder, 'connect.properties')],
      heap: this.#own.fast ? '1g' : '384m',
      fast: this.#own.fast,
      properties: await logTo(this.folder),
      env: this.#own.env,
    }
    await this.#java.start(launch, () => answers(`${this.url}/connectors`))
  }

  stop(mode: 'clean' | 'crash' = 'clean'): Promise<void> {
    return this.#java.stop(mode)
  }

  freeze(frozen: boolean): void {
    this.#java.freeze(frozen)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#own.shared) await this.#java.remove()
  }
}

/** A new worker that answers. */
export async function startConnect(
  kafka: KafkaServer,
  options: ConnectOptions & { readonly shared?: boolean } = {},
): Promise<ConnectServer> {
  const { settings = {}, env = {}, fast = false, shared = false } = options
  const own = { settings, env, fast, shared, kafka }
  const server = new OwnConnect(await kafkaPrograms(tell), await connectPlugins(tell), own)
  await server.open()
  return server
}

/** A worker that somebody else runs on this broker; it cannot be stopped from here. */
export function givenConnect(kafka: KafkaServer, address: string): ConnectServer {
  const refuse = (): never => {
    throw new Error('The worker was given by its address and is not ours to stop.')
  }
  return {
    kind: 'given',
    kafka,
    url: address.replace(/\/$/, ''),
    folder: '',
    running: true,
    log: async () => '(the log of a given worker is not ours to read)',
    stop: async () => refuse(),
    start: async () => refuse(),
    freeze: refuse,
    [Symbol.asyncDispose]: async () => {},
  }
}
