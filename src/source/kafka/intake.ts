import type { Decoder } from '../../dialect/debezium/decoder.ts'
import type { DebeziumEvent } from '../../dialect/debezium/event.ts'
import type { KafkaMessage, Portion } from '../../dialect/kafka/records.ts'
import type { StreamItem } from '../../model/change.ts'
import { type Entry, keptKey, type Lane } from './lane.ts'
import { memberOf } from './merge.ts'
import type { TopicReading } from './reading.ts'
import type { Wholes } from './wholes.ts'

export interface Intake {
  readonly byName: ReadonlyMap<string, TopicReading>
  readonly wholes: Wholes | null
  readonly decoder: Decoder
  readonly items: StreamItem[]
  /** The number of this answer. */
  readonly poll: number
}

interface Failed {
  readonly error: unknown
}

/** What stands before a record that cannot be read is carried out; then it is refused. */
export function take(portions: readonly Portion[], intake: Intake): Failed | null {
  const arrivals = portions.flatMap((portion) => arrivalOf(portion, intake) ?? [])
  const failed = new Map<TopicReading, Failed>()
  const drain = (reading: TopicReading): void => {
    if (failed.has(reading)) return
    try {
      reading.drain(intake.items)
    } catch (error) {
      failed.set(reading, { error })
    }
  }
  const readings = new Set(arrivals.flatMap(({ reading }) => reading ?? []))
  for (const arrival of arrivals) if (arrival.reading?.merges === true) arrival.draw()
  for (const reading of readings) if (reading.merges) drain(reading)
  for (const arrival of arrivals) arrival.end()
  for (const reading of readings) drain(reading)
  return arrivals.find((one) => one.failed !== null)?.failed ?? [...failed.values()][0] ?? null
}

function arrivalOf(portion: Portion, intake: Intake): Arrival | null {
  const { topic, partition } = portion
  const { byName, wholes } = intake
  const reading = byName.get(topic) ?? null
  const lanes = topic === wholes?.lane.topic ? [wholes.lane] : (reading?.lanes ?? [])
  const lane = lanes.find((one) => one.partition === partition)
  return lane === undefined ? null : new Arrival(portion, { reading, lane }, intake)
}

/** What an answer brought of a partition. */
class Arrival {
  /** Null for the topic that tells of transactions. */
  readonly reading: TopicReading | null
  readonly #lane: Lane
  readonly #portion: Portion
  readonly #intake: Intake
  #read = 0
  /** A record could not be read; those before it were. */
  failed: Failed | null = null

  constructor(
    portion: Portion,
    of: { readonly reading: TopicReading | null; readonly lane: Lane },
    intake: Intake,
  ) {
    this.#portion = portion
    this.reading = of.reading
    this.#lane = of.lane
    this.#intake = intake
  }

  /** Its records are read as they are asked for. */
  draw(): void {
    this.#lane.draws(() => this.#next())
  }

  /** Reads what is left of it. */
  end(): void {
    const lane = this.#lane
    lane.draws(null)
    try {
      while (this.#one());
    } catch (error) {
      this.failed = { error }
    }
    if (this.failed !== null) return
    const { asked, next, end } = this.#portion
    lane.fetched = next
    if (asked) lane.seen = { poll: this.#intake.poll, end }
  }

  #next(): Entry | null {
    const message = this.#message()
    const event = message === null ? null : this.#event(message)
    if (message === null || event === null) return null
    this.#lane.fetched = message.offset + 1n
    return this.#entry(message, event)
  }

  /** Takes a record at once, or keeps it; false after the last one. */
  #one(): boolean {
    const message = this.#message()
    const event = message === null ? null : this.#event(message)
    if (message === null || event === null) return false
    const lane = this.#lane
    const taken = this.reading?.follow(lane, message.offset, event) === true
    if (!taken) this.#keep(this.#entry(message, event))
    lane.fetched = message.offset + 1n
    return true
  }

  #message(): KafkaMessage | null {
    return this.failed === null ? (this.#portion.messages[this.#read++] ?? null) : null
  }

  #event(message: KafkaMessage): DebeziumEvent | null {
    try {
      return this.#intake.decoder.decode(message)
    } catch (error) {
      this.failed = { error }
      return null
    }
  }

  #entry({ offset, key }: KafkaMessage, event: DebeziumEvent): Entry {
    return { offset, key: keptKey(key, event), event, poll: this.#intake.poll, joined: false }
  }

  #keep(entry: Entry): void {
    const lane = this.#lane
    if (entry.offset >= lane.apart) {
      lane.push(entry)
      return
    }
    // The transaction that it names has to know that it came.
    this.#intake.wholes?.passed(lane.topic, memberOf(entry))
    lane.push({ ...entry, apart: true })
  }
}
