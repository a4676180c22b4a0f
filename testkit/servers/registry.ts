import { registryProgram } from '../../src/demo/fetch/connect.ts'
import { answers } from '../../src/demo/fetch/java.ts'
import { JavaServer } from './java.ts'
import { freePort, tell } from './machine.ts'

/** A registry of schemas on the loopback; it keeps them in memory only. */
export interface RegistryServer extends AsyncDisposable {
  readonly kind: 'apicurio' | 'given'
  /** Where it answers as Confluent's does. */
  readonly url: string
  /** All that it wrote to its log. */
  log(): Promise<string>
  stop(): Promise<void>
  /** On the same port, empty; nothing when it runs. */
  start(): Promise<void>
  freeze(frozen: boolean): void
  readonly running: boolean
}

class OwnRegistry implements RegistryServer {
  readonly kind = 'apicurio'
  readonly #classpath: string
  readonly #shared: boolean
  readonly #java = new JavaServer('registry')
  #port = 0

  constructor(classpath: string, shared: boolean) {
    this.#classpath = classpath
    this.#shared = shared
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/apis/ccompat/v7`
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
      try {
        return await this.start()
      } catch (error) {
        // Another process took the port between the look and the start.
        if (attempt >= 5 || !/already in use/i.test(String(error))) throw error
      }
    }
  }

  async start(): Promise<void> {
    const launch = {
      classpath: this.#classpath,
      main: 'io.quarkus.runner.GeneratedMain',
      args: [],
      heap: '160m',
      env: { QUARKUS_HTTP_HOST: '127.0.0.1', QUARKUS_HTTP_PORT: String(this.#port) },
    }
    await this.#java.start(launch, () => answers(`${this.url}/subjects`))
  }

  stop(): Promise<void> {
    return this.#java.stop('crash')
  }

  freeze(frozen: boolean): void {
    this.#java.freeze(frozen)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#shared) await this.#java.remove()
  }
}

/** A new registry that answers. */
export async function startRegistry(shared: boolean): Promise<RegistryServer> {
  const server = new OwnRegistry(await registryProgram(tell), shared)
  await server.open()
  return server
}

/** A registry that somebody else runs; it cannot be stopped from here. */
export function givenRegistry(address: string): RegistryServer {
  const refuse = (): never => {
    throw new Error('The registry was given by its address and is not ours to stop.')
  }
  return {
    kind: 'given',
    url: address.replace(/\/$/, ''),
    running: true,
    log: async () => '(the log of a given registry is not ours to read)',
    stop: async () => refuse(),
    start: async () => refuse(),
    freeze: refuse,
    [Symbol.asyncDispose]: async () => {},
  }
}
