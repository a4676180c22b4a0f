import type { Declared } from '../../model/declared.ts'
import { Fault, type FaultCode } from '../../model/fault.ts'
import { Out } from '../../model/out.ts'
import type { Table } from '../../model/table.ts'
import type { DebeziumEvent, DebeziumRecord } from './event.ts'
import { Deviation } from './json-wire.ts'
import type { Loss } from './losses.ts'
import { Misread, misread } from './misread.ts'
import { UNAVAILABLE } from './placeholder.ts'
import type { Modes } from './plain.ts'
import { type Plan, type PlanInput, planOf } from './plans.ts'
import { Reading } from './reading.ts'
import type { Registry } from './registry.ts'
import { isFramed, type Known, Schemas } from './schemas.ts'
import type { Shape } from './shape.ts'
import { Topic } from './topic.ts'
import type { Wire } from './wire.ts'

export interface DecoderOptions {
  /** Null where no record is Avro. */
  readonly registry: Registry | null
  /** The connector's `unavailable.value.placeholder`, where it is not the usual one. */
  readonly placeholder?: string
  /** The connector of records that do not say it: `postgresql`, `mysql`, `mariadb`, … */
  readonly connector?: string
  /** The table of a topic whose records have no schema; null when it is not known. */
  readonly declared?: (topic: string) => Declared | null
  /** Has tables of such records looked at before any of them is read. */
  readonly look?: (records: readonly DebeziumRecord[]) => Promise<void>
  /** How values are written in records without a schema. */
  readonly modes?: Modes
}

/** Bytes of a buffer that events share. */
const SLAB = 256 << 10

interface OfTopic {
  readonly topic: Topic
  readonly values: Schemas<Plan>
}

const CODES: Readonly<Record<Misread['kind'], FaultCode>> = {
  unreadable: 'HF-K301',
  inexact: 'HF-K302',
  unmapped: 'HF-K303',
  undeclared: 'HF-K307',
}

/** Makes events of records, topic by topic. One for one reader, who is alone with it. */
export class Decoder {
  readonly #registry: Registry | null
  readonly #placeholder: Buffer
  readonly #connector: string
  readonly #declared: (topic: string) => Declared | null
  readonly #look: DecoderOptions['look']
  readonly #modes: Modes
  readonly #topics = new Map<string, OfTopic>()
  readonly #out = new Out(SLAB)
  readonly #wires = new Reading()
  /** What is read, and how: kept here, so that nothing is made to say it for each record. */
  #input: { -readonly [K in keyof PlanInput]: PlanInput[K] } | null = null
  #known: Known<Plan> | null = null

  constructor(options: DecoderOptions) {
    const { registry, placeholder = UNAVAILABLE, connector = '' } = options
    this.#registry = registry
    this.#declared = options.declared ?? (() => null)
    this.#look = options.look
    this.#modes = options.modes ?? {}
    this.#connector = connector
    this.#placeholder = placeholderBytes(placeholder)
  }

  /** Asks for what these records do not say and is not known of their schemas. Throws Fault. */
  async prepare(records: readonly DebeziumRecord[], signal: AbortSignal): Promise<void> {
    if (this.#look !== undefined) {
      const plain = records.filter(({ value }) => value !== null && !isFramed(value))
      if (plain.length > 0) await this.#look(plain)
    }
    const registry = this.#registry
    if (registry === null) return
    for (const { key, value } of records) {
      for (const bytes of [key, value]) {
        if (bytes === null || bytes[0] !== 0 || bytes.length < 5) continue
        const id = bytes.readInt32BE(1)
        if (!registry.knows(id)) await registry.fetch(id, signal)
      }
    }
  }

  /**
   * What the record says. Throws Fault HF-K301 for one that cannot be read, HF-K302 for a value
   * without an exact form and HF-K303 for a type without a counterpart and HF-K307 for a record without a
   * schema whose table is not known, each with topic, partition and offset.
   */
  decode(record: DebeziumRecord): DebeziumEvent {
    const of = this.#ofTopic(record.topic)
    const out = this.#out
    out.start()
    try {
      return this.#read(of, record)
    } catch (error) {
      out.cut(0)
      throw faultOf(error, record)
    }
  }

  /** The table of the newest record of the topic. */
  table(topic: string): Table | null {
    return this.#topics.get(topic)?.topic.newest ?? null
  }

  /** What was lost of the columns of the newest record before it was written. */
  losses(topic: string): readonly Loss[] {
    return this.#topics.get(topic)?.topic.rows?.losses ?? []
  }

  #read({ topic, values }: OfTopic, record: DebeziumRecord): DebeziumEvent {
    const out = this.#out
    const { value } = record
    if (value === null) return topic.tombstone(record, out)
    const input = this.#input ?? { record, topic, out }
    input.record = record
    input.topic = topic
    this.#input = input
    this.#known = values.of(value)
    return this.#wires.read(this.#known, value, this.#readWire)
  }

  readonly #readWire = (wire: Wire): DebeziumEvent => {
    if (this.#known === null || this.#input === null) throw new TypeError('nothing is to be read')
    this.#out.cut(0)
    return this.#known.plan.read(wire, this.#input)
  }

  #ofTopic(name: string): OfTopic {
    const known = this.#topics.get(name)
    if (known !== undefined) return known
    const registered = (id: number): Shape => {
      if (this.#registry === null) throw misread('it is Avro, and no registry is given')
      return this.#registry.shape(id)
    }
    const [placeholder, connector] = [this.#placeholder, this.#connector]
    const declared = (): Declared | null => this.#declared(name)
    const modes = this.#modes
    const topic = new Topic({ name, placeholder, connector, registered, declared, modes })
    const implied = (bytes: Buffer): Shape => topic.impliedValue(bytes)
    const plan = (shape: Shape): Plan => planOf(shape, topic)
    const made = { topic, values: new Schemas({ registered, implied, plan }) }
    this.#topics.set(name, made)
    return made
  }
}

/** `hex:` before it says that the rest are bytes. */
function placeholderBytes(placeholder: string): Buffer {
  return placeholder.startsWith('hex:')
    ? Buffer.from(placeholder.slice(4), 'hex')
    : Buffer.from(placeholder)
}

function faultOf(error: unknown, { topic, partition, offset }: DebeziumRecord): unknown {
  const known = error instanceof Misread || error instanceof Deviation
  if (!known) return error
  const code = error instanceof Misread ? CODES[error.kind] : 'HF-K301'
  return new Fault(code, {
    what: `the record at offset ${offset} of partition ${partition} of the topic ${topic} cannot be taken: ${error.message}`,
    side: 'source',
    evidence: { topic, partition: String(partition), offset: String(offset) },
  })
}
