import { Decoder } from '../../dialect/debezium/decoder.ts'
import type { DebeziumRecord } from '../../dialect/debezium/event.ts'
import { type Modes, tableNamed } from '../../dialect/debezium/plain.ts'
import type { Registry } from '../../dialect/debezium/registry.ts'
import type { Declared } from '../../model/declared.ts'
import type { Source } from '../source.ts'

/** What records are read with, where they do not say it themselves. */
export interface Decoding {
  readonly registry: Registry | null
  readonly modes: Modes
  readonly declarations: Declarations
}

export function decoderOf(how: Decoding): Decoder {
  return decoding(how, (topic) => how.declarations.of(topic))
}

/** One that takes columns to have always been what they are: for tables, never for values. */
export function tableDecoderOf(how: Decoding): Decoder {
  return decoding(how, (topic) => {
    const found = how.declarations.of(topic)
    return found === null ? null : { ...found, since: new Map() }
  })
}

function decoding(
  { registry, modes, declarations }: Decoding,
  declared: (topic: string) => Declared | null,
): Decoder {
  const options = { registry, modes, declared }
  if (!declarations.known) return new Decoder(options)
  return new Decoder({ ...options, look: (records) => declarations.look(records) })
}

/**
 * Tables of records without a schema, as the database behind the topics declares them. They are
 * looked at after records have come and before any is read: what was declared since a record was
 * written is known then, and its columns refused.
 */
export class Declarations implements AsyncDisposable {
  readonly #open: (() => Promise<Source>) | null
  #database: Source | null = null
  readonly #byTopic = new Map<string, Declared>()

  /** `open`: null where nobody says which database it is. */
  constructor(open: (() => Promise<Source>) | null) {
    this.#open = open
  }

  /** False where nobody says which database it is. */
  get known(): boolean {
    return this.#open !== null
  }

  of(topic: string): Declared | null {
    return this.#byTopic.get(topic) ?? null
  }

  async look(records: readonly DebeziumRecord[]): Promise<void> {
    if (this.#open === null) return
    const names = new Map<string, NonNullable<ReturnType<typeof tableNamed>>>()
    for (const record of records) {
      const named = names.has(record.topic) ? null : tableNamed(record)
      if (named !== null) names.set(record.topic, named)
    }
    if (names.size === 0) return
    this.#database ??= await this.#open()
    const found = (await this.#database.declared?.([...names.values()])) ?? []
    for (const [topic, { schema, name }] of names) {
      const own = found.find(({ table }) => table.schema === schema && table.name === name)
      if (own === undefined) this.#byTopic.delete(topic)
      else this.#byTopic.set(topic, own)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#database?.[Symbol.asyncDispose]()
    this.#database = null
  }
}
