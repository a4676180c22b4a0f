import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { logTo, propertiesText } from '../../src/demo/fetch/java.ts'
import { brokerSettings, type KafkaPrograms, kafkaPrograms } from '../../src/demo/fetch/kafka.ts'
import { JavaServer } from './java.ts'
import { freePort, run, tell } from './machine.ts'

/** A broker of Kafka on the loopback, one node that is its own controller. */
export interface KafkaServer extends AsyncDisposable {
  readonly kind: 'kafka' | 'given'
  /** `host:port` of the listener that asks for nothing. */
  readonly bootstrap: string
  url(): string
  /** `host:port` of one of the listeners that it was asked for. */
  at(listener: string): string
  /** What it keeps lies below; empty for a broker that was given by its address. */
  readonly folder: string
  /** All that the broker wrote to its log. */
  log(): Promise<string>
  /** `crash` is SIGKILL: recovery at the next start. */
  stop(mode?: 'clean' | 'crash'): Promise<void>
  /** On the same port, with the same topics; nothing when it runs. */
  start(): Promise<void>
  /** It keeps its connections and answers nobody, until it is thawed. */
  freeze(frozen: boolean): void
  readonly running: boolean
  /** Stopped for good, with its data removed; the log can still be read. */
  readonly disposed: boolean
}

export interface KafkaOptions {
  /** Settings of the broker beside or instead of the usual ones. */
  readonly settings?: Readonly<Record<string, string>>
  /** Further listeners by name: capital letters, with their protocol and settings of their own. */
  readonly listeners?: Readonly<Record<string, Listener>>
}

export interface Listener {
  readonly protocol: 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'
  readonly settings: Readonly<Record<string, string>>
}

/** A broker of our own in a temporary folder. */
class OwnKafka implements KafkaServer {
  readonly kind = 'kafka'
  readonly #programs: KafkaPrograms
  readonly #settings: Readonly<Record<string, string>>
  readonly #listeners: Readonly<Record<string, Listener>>
  readonly #shared: boolean
  readonly #java = new JavaServer('kafka')
  readonly #ports = new Map<string, number>()
  #port = 0

  constructor(
    programs: KafkaPrograms,
    options: Required<KafkaOptions> & { readonly shared: boolean },
  ) {
    this.#programs = programs
    this.#settings = options.settings
    this.#listeners = options.listeners
    this.#shared = options.shared
  }

  at(listener: string): string {
    return `127.0.0.1:${this.#ports.get(listener)}`
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.#port}`
  }

  get folder(): string {
    return this.#java.folder
  }

  get running(): boolean {
    return this.#java.running
  }

  get disposed(): boolean {
    return this.#java.disposed
  }

  url(): string {
    return `kafka://${this.bootstrap}`
  }

  log(): Promise<string> {
    return this.#java.log()
  }

  /** The first start, on ports of its own choice. */
  async open(): Promise<void> {
    const data = join(this.#java.folder, 'data')
    await run('cp', ['-R', '--reflink=auto', this.#programs.template, data], { asServer: true })
    const meta = join(data, 'meta.properties')
    const own = (await readFile(meta, 'utf8')).replace(/^cluster\.id=.*$/m, `cluster.id=${newId()}`)
    await writeFile(meta, own)
    for (let attempt = 1; ; attempt++) {
      this.#port = await freePort()
      for (const name of Object.keys(this.#listeners)) this.#ports.set(name, await freePort())
      await this.#configure(data, await freePort())
      try {
        return await this.start()
      } catch (error) {
        // Another process took a port between the look and the start.
        if (attempt >= 5 || !/Address already in use/i.test(String(error))) throw error
      }
    }
  }

  async #configure(data: string, controller: number): Promise<void> {
    const further = Object.entries(this.#listeners)
    const own = further.flatMap(([name, { settings }]) =>
      Object.entries(settings).map(([key, value]) => [
        `listener.name.${name.toLowerCase()}.${key}`,
        value,
      ]),
    )
    const at = ['PLAINTEXT', ...further.map(([name]) => name)].map((name) =>
      name === 'PLAINTEXT' ? `PLAINTEXT://${this.bootstrap}` : `${name}://${this.at(name)}`,
    )
    const protocols = further.map(([name, { protocol }]) => `,${name}:${protocol}`).join('')
    const settings = {
      ...brokerSettings,
      'controller.quorum.voters': `1@127.0.0.1:${controller}`,
      listeners: `${at},CONTROLLER://127.0.0.1:${controller}`,
      'advertised.listeners': at.join(','),
      'listener.security.protocol.map': `${brokerSettings['listener.security.protocol.map']}${protocols}`,
      'log.dirs': data,
      ...Object.fromEntries(own),
      ...this.#settings,
    }
    await writeFile(join(this.#java.folder, 'server.properties'), propertiesText(settings))
  }

  async start(): Promise<void> {
    const { folder } = this.#java
    const launch = {
      classpath: this.#programs.classpath,
      main: 'kafka.Kafka',
      args: [join(folder, 'server.properties')],
      heap: '256m',
      properties: await logTo(folder),
    }
    await this.#java.start(launch, (log) => log.includes('Kafka Server started'))
  }

  stop(mode: 'clean' | 'crash' = 'clean'): Promise<void> {
    return this.#java.stop(mode)
  }

  freeze(frozen: boolean): void {
    this.#java.freeze(frozen)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#shared) await this.#java.remove()
  }
}

/** As Kafka writes the ids of clusters, which may not begin with a dash. */
function newId(): string {
  const id = randomBytes(16).toString('base64url')
  return id.startsWith('-') ? newId() : id
}

/** A new broker that answers. */
export async function startKafka(
  options: KafkaOptions & { readonly shared?: boolean } = {},
): Promise<KafkaServer> {
  const { settings = {}, listeners = {}, shared = false } = options
  const server = new OwnKafka(await kafkaPrograms(tell), { settings, listeners, shared })
  await server.open()
  return server
}

/** A broker that somebody else runs; it cannot be stopped from here. */
export function givenKafka(address: string): KafkaServer {
  const refuse = (): never => {
    throw new Error('The broker was given by its address and is not ours to stop.')
  }
  return {
    kind: 'given',
    folder: '',
    running: true,
    disposed: false,
    bootstrap: new URL(address).host,
    url: () => address,
    at: refuse,
    log: async () => '(the log of a given broker is not ours to read)',
    stop: async () => refuse(),
    start: async () => refuse(),
    freeze: refuse,
    [Symbol.asyncDispose]: async () => {},
  }
}
