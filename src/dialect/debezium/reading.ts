import { AvroWire } from './avro-wire.ts'
import { normalJson, parseTree } from './json-tree.ts'
import { Deviation, JsonWire } from './json-wire.ts'
import { misread } from './misread.ts'
import type { Known } from './schemas.ts'
import type { Wire } from './wire.ts'

const CLOSE = 0x7d

/** The wires of one value at a time. */
export class Reading {
  readonly #json = new JsonWire()
  readonly #avro = new AvroWire()

  /** Reads bytes with the wire of their format; once more in order where they are out of it. */
  read<R>(known: Known<unknown>, bytes: Buffer, read: (wire: Wire) => R): R {
    const { length } = known.prefix
    if (known.format === 'avro') {
      this.#avro.begin(bytes, length, bytes.length)
      const result = read(this.#avro)
      this.#avro.finish()
      return result
    }
    const tail = length === 0 ? '' : '}'
    this.#json.begin(bytes, length, bytes.length)
    try {
      const result = read(this.#json)
      this.#json.finish(tail)
      return result
    } catch (error) {
      if (!(error instanceof Deviation)) throw error
    }
    if (tail !== '' && bytes.at(-1) !== CLOSE) throw misread('it does not end where its value does')
    const text = bytes.toString('utf8', length, bytes.length - tail.length)
    const normal = Buffer.from(normalJson(parseTree(text), known.shape))
    this.#json.begin(normal, 0, normal.length)
    const result = read(this.#json)
    this.#json.finish()
    return result
  }
}
