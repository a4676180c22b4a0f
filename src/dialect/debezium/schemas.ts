import { endOf } from './json-tree.ts'
import { misread } from './misread.ts'
import { isObject, type Shape, shapeOfJson } from './shape.ts'

/** What stands before the values of one schema, and what they look like. */
export interface Known<T> {
  readonly format: 'json' | 'avro'
  readonly prefix: Buffer
  readonly shape: Shape
  readonly plan: T
}

export interface SchemasOptions<T> {
  /** The schema of a registry by its number. */
  readonly registered: (id: number) => Shape
  /** The shape of bytes without a schema, by what is known of the topic. */
  readonly implied: (bytes: Buffer) => Shape
  readonly plan: (shape: Shape) => T
}

const SCHEMA = Buffer.from('{"schema":{')
const OPENING = SCHEMA.length - 1
const PAYLOAD = Buffer.from(',"payload":')
/** Schemas of one topic that are kept; a topic that many tables share has many. */
const KEPT = 64

/** True for bytes that name or bring their schema. */
export function isFramed(bytes: Buffer): boolean {
  return bytes[0] === 0 || startsWith(bytes, SCHEMA)
}

/**
 * The schemas that the records of a topic were written with. JSON with its schema repeats the
 * same text before every value, so that it is known by its bytes and not read again.
 */
export class Schemas<T> {
  readonly #options: SchemasOptions<T>
  /** The newest first. */
  readonly #framed: Known<T>[] = []
  readonly #implied = new Map<string, Known<T>>()

  constructor(options: SchemasOptions<T>) {
    this.#options = options
  }

  /** Throws Misread for bytes that are of no format. */
  of(bytes: Buffer): Known<T> {
    const list = this.#framed
    for (const known of list) {
      if (!startsWith(bytes, known.prefix)) continue
      if (list[0] !== known) list.unshift(...list.splice(list.indexOf(known), 1))
      return known
    }
    if (!isFramed(bytes)) return this.#withoutSchema(bytes)
    const made = this.#read(bytes)
    const known = { ...made, plan: this.#options.plan(made.shape) }
    list.unshift(known)
    if (list.length > KEPT) list.pop()
    return known
  }

  #withoutSchema(bytes: Buffer): Known<T> {
    const shape = this.#options.implied(bytes)
    const signature = signatureOf(shape)
    const known = this.#implied.get(signature)
    if (known !== undefined) return known
    const plan = this.#options.plan(shape)
    const made: Known<T> = { format: 'json', prefix: Buffer.alloc(0), shape, plan }
    if (this.#implied.size >= KEPT) this.#implied.clear()
    this.#implied.set(signature, made)
    return made
  }

  #read(bytes: Buffer): Omit<Known<T>, 'plan'> {
    if (bytes[0] === 0) {
      if (bytes.length < 5) throw misread('it ends too early')
      const shape = this.#options.registered(bytes.readInt32BE(1))
      return { format: 'avro', prefix: Buffer.from(bytes.subarray(0, 5)), shape }
    }
    const end = endOf(bytes, OPENING)
    const prefixEnd = end + PAYLOAD.length
    if (end < 0 || !bytes.subarray(end, prefixEnd).equals(PAYLOAD))
      throw misread('it is neither JSON with its schema nor Avro of a registry')
    const shape = jsonShape(bytes.toString('utf8', OPENING, end))
    return { format: 'json', prefix: Buffer.from(bytes.subarray(0, prefixEnd)), shape }
  }
}

function startsWith(bytes: Buffer, prefix: Buffer): boolean {
  const { length } = prefix
  return bytes.length >= length && bytes.compare(prefix, 0, length, 0, length) === 0
}

function jsonShape(text: string): Shape {
  let schema: unknown
  try {
    schema = JSON.parse(text)
  } catch {
    throw misread('its schema is not JSON')
  }
  if (!isObject(schema)) throw misread('its schema is no object')
  return shapeOfJson(schema)
}

/** Equal for shapes that read alike. */
function signatureOf({ type, name, optional, parameters, fields, of }: Shape): string {
  const parts = fields.map((field) => `${JSON.stringify(field.name)}${signatureOf(field.shape)}`)
  const rest = of === null ? '' : signatureOf(of)
  const more = Object.keys(parameters).length === 0 ? '' : JSON.stringify(parameters)
  return `${type}${optional ? '?' : ''}${name}${more}(${parts.join()}${rest})`
}
