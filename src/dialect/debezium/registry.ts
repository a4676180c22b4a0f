import { within } from '../../async/clock.ts'
import { Fault } from '../../model/fault.ts'
import { shapeOfAvro } from './avro-shape.ts'
import { Misread } from './misread.ts'
import { isObject, type Shape } from './shape.ts'

export interface RegistryOptions {
  /** Where it speaks Confluent's interface: `http://host:8081`, or with a path behind it. */
  readonly url: string
  readonly user?: string
  readonly password?: string
  /** Milliseconds that an answer may take. */
  readonly patience?: number
}

type Json = Readonly<Record<string, unknown>>

/** Schemas by the numbers that records name them with, which never change their meaning. */
export class Registry {
  readonly #url: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #patience: number
  readonly #shapes = new Map<number, Shape>()

  constructor({ url, user, password, patience = 15_000 }: RegistryOptions) {
    this.#url = url.replace(/\/+$/, '')
    this.#patience = patience
    const pair = Buffer.from(`${user ?? ''}:${password ?? ''}`).toString('base64')
    const accept = 'application/vnd.schemaregistry.v1+json, application/json'
    this.#headers = user === undefined ? { accept } : { accept, authorization: `Basic ${pair}` }
  }

  knows(id: number): boolean {
    return this.#shapes.has(id)
  }

  /** Throws Misread for a number that was not fetched. */
  shape(id: number): Shape {
    const shape = this.#shapes.get(id)
    if (shape === undefined) throw new Misread('unreadable', `its schema ${id} is not known`)
    return shape
  }

  /**
   * Asks for a schema. Throws Fault HF-K304 (transient) when the registry does not answer, HF-K305
   * when it does not have the schema or does not let us read it, HF-K306 when it is none of Avro.
   */
  async fetch(id: number, signal: AbortSignal): Promise<Shape> {
    const answer = await this.#get(`/schemas/ids/${id}`, signal, `the schema ${id}`)
    const kind = answer['schemaType'] ?? 'AVRO'
    if (kind !== 'AVRO') {
      throw new Fault('HF-K306', {
        what: `the schema ${id} of the registry is of the kind ${String(kind)}`,
        side: 'source',
      })
    }
    const parts = await this.#references(answer, signal)
    try {
      const shape = shapeOfAvro(parsed(answer['schema']), parts)
      this.#shapes.set(id, shape)
      return shape
    } catch (error) {
      if (!(error instanceof Misread)) throw error
      throw new Fault('HF-K306', {
        what: `the schema ${id} of the registry cannot be used: ${error.message}`,
        side: 'source',
      })
    }
  }

  /** Schemas that this one names, those that they name before them. */
  async #references(answer: Json, signal: AbortSignal): Promise<readonly unknown[]> {
    const list: unknown[] = Array.isArray(answer['references']) ? answer['references'] : []
    const found: unknown[] = []
    for (const reference of list) {
      if (!isObject(reference)) continue
      const subject = encodeURIComponent(String(reference['subject']))
      const path = `/subjects/${subject}/versions/${String(reference['version'])}`
      const one = await this.#get(path, signal, `the schema ${String(reference['name'])}`)
      found.push(...(await this.#references(one, signal)), parsed(one['schema']))
    }
    return found
  }

  async #get(path: string, signal: AbortSignal, what: string): Promise<Json> {
    const late = (): never => {
      throw silent(this.#url, 'it did not answer in time')
    }
    return within(this.#patience, this.#ask(path, signal, what), late)
  }

  async #ask(path: string, signal: AbortSignal, what: string): Promise<Json> {
    let answer: Response
    let body: unknown
    try {
      answer = await fetch(`${this.#url}${path}`, { headers: this.#headers, signal })
      const text = await answer.text()
      body = answer.ok ? parsed(text) : text
    } catch (error) {
      signal.throwIfAborted()
      throw silent(this.#url, reasonOf(error))
    }
    if (answer.status >= 500 || answer.status === 429)
      throw silent(this.#url, `it answered ${answer.status}`)
    if (!answer.ok) {
      throw new Fault('HF-K305', {
        what: `the schema registry ${this.#url} answered ${answer.status} when asked for ${what}`,
        side: 'source',
      })
    }
    if (!isObject(body)) throw silent(this.#url, 'its answer is no JSON')
    return body
  }
}

function silent(url: string, why: string): Fault {
  return new Fault('HF-K304', {
    what: `the schema registry ${url} cannot be asked: ${why}`,
    side: 'source',
  })
}

/** The text as JSON; undefined where it is none. */
function parsed(text: unknown): unknown {
  if (typeof text !== 'string') return undefined
  try {
    return JSON.parse(text) as unknown
  } catch {
    // A primitive type of Avro may be written without quotes.
    return /^[a-z]+$/.test(text) ? text : undefined
  }
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause.message || cause.name : String(cause)
}
