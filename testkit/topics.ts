import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { Admin, ListOffsetTimestamps, Producer } from '@platformatic/kafka'
import { COMMITTED } from '../src/dialect/kafka/cluster.ts'
import { eventually } from './eventually.ts'
import type { KafkaServer } from './servers/kafka.ts'

export interface TestRecord {
  readonly key: string | null
  /** Null is a tombstone. */
  readonly value: string | null
  readonly partition?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Milliseconds since 1970. */
  readonly timestamp?: bigint
}

/** Topics of one test at a broker, with a prefix of their own. */
export class TestTopics {
  readonly prefix: string
  readonly #admin: Admin
  readonly #producer: Producer
  readonly #bootstrap: string
  /** Of transactions, one after another. */
  #writer: Producer | null = null

  private constructor(bootstrap: string) {
    this.prefix = `t${randomBytes(4).toString('hex')}`
    this.#bootstrap = bootstrap
    const options = { clientId: 'test', bootstrapBrokers: [bootstrap], autocreateTopics: false }
    this.#admin = new Admin(options)
    this.#producer = new Producer(options)
  }

  static at(t: TestContext, broker: KafkaServer): TestTopics {
    const topics = new TestTopics(broker.bootstrap)
    t.after(() => topics.close())
    return topics
  }

  name(topic: string): string {
    return `${this.prefix}.${topic}`
  }

  async make(
    topic: string,
    how: { readonly partitions?: number; readonly settings?: Record<string, string> } = {},
  ): Promise<string> {
    const { partitions = 1, settings = {} } = how
    const name = this.name(topic)
    const [made] = await this.#admin.createTopics({
      topics: [name],
      partitions,
      replicas: 1,
      configs: Object.entries(settings).map(([key, value]) => ({ name: key, value })),
    })
    // The controller answers before the broker has heard of it, and the broker before each of its
    // partitions is led: what is put into several then is put again into those that were.
    await eventually(
      `the broker knows the new topic ${name}`,
      async () => {
        const { topics } = await this.#admin.metadata({ topics: [name], forceUpdate: true })
        if (topics.get(name)?.id !== made?.id) return false
        const ends = await this.ends(topic).catch(() => [])
        return ends.length === partitions
      },
      { within: 60_000 },
    )
    return name
  }

  async remove(topic: string): Promise<void> {
    await this.#admin.deleteTopics({ topics: [this.name(topic)] })
  }

  /** More partitions, `count` in all. */
  async widen(topic: string, count: number): Promise<void> {
    await this.#admin.createPartitions({
      topics: [{ name: this.name(topic), count, assignments: null as never }],
    })
  }

  /** Throws away the records before an offset. */
  async cut(topic: string, partition: number, offset: bigint): Promise<void> {
    const partitions = [{ partition, offset }]
    await this.#admin.deleteRecords({ topics: [{ name: this.name(topic), partitions }] })
  }

  /** Throws away all records that it holds. */
  async empty(topic: string): Promise<void> {
    for (const { partition, offset } of await this.ends(topic)) {
      await this.cut(topic, partition, offset)
    }
  }

  /** Where the partitions end. */
  async ends(
    topic: string,
    isolationLevel: 0 | typeof COMMITTED = 0,
  ): Promise<readonly { readonly partition: number; readonly offset: bigint }[]> {
    const name = this.name(topic)
    const { topics } = await this.#admin.metadata({ topics: [name], forceUpdate: true })
    const count = topics.get(name)?.partitionsCount ?? 0
    const partitions = Array.from({ length: count }, (_, partitionIndex) => ({
      partitionIndex,
      timestamp: ListOffsetTimestamps.LATEST,
    }))
    const [listed] = await this.#admin.listOffsets({
      topics: [{ name, partitions }],
      isolationLevel,
    })
    return (listed?.partitions ?? []).map(({ partitionIndex, offset }) => {
      return { partition: partitionIndex, offset }
    })
  }

  async put(topic: string, records: readonly TestRecord[]): Promise<void> {
    await this.#producer.send({ messages: this.#messages(topic, records), acks: -1 })
  }

  /** Puts records in a transaction, and ends it as told. */
  async transact(
    topic: string,
    records: readonly TestRecord[],
    end: 'commit' | 'abort',
  ): Promise<void> {
    this.#writer ??= new Producer({
      clientId: 'test',
      bootstrapBrokers: [this.#bootstrap],
      transactionalId: `${this.prefix}-writer`,
      idempotent: true,
    })
    const transaction = await this.#writer.beginTransaction()
    await transaction.send({ messages: this.#messages(topic, records), acks: -1 })
    await (end === 'commit' ? transaction.commit() : transaction.abort())
    // The answer comes before the partitions hold the end, up to which nothing can be read.
    await eventually('the partitions hold the end of the transaction', async () =>
      isDeepStrictEqual(await this.ends(topic, COMMITTED), await this.ends(topic)),
    )
  }

  #messages(topic: string, records: readonly TestRecord[]) {
    return records.map(({ key, value, partition, headers, timestamp }) => ({
      topic: this.name(topic),
      ...(key === null ? {} : { key: Buffer.from(key) }),
      // The client writes a value that is not there as a tombstone.
      value: (value === null ? null : Buffer.from(value)) as Buffer,
      ...(partition === undefined ? {} : { partition }),
      ...(timestamp === undefined ? {} : { timestamp }),
      ...(headers === undefined
        ? {}
        : {
            headers: new Map(
              Object.entries(headers).map(([name, text]) => [Buffer.from(name), Buffer.from(text)]),
            ),
          }),
    }))
  }

  async close(): Promise<void> {
    await this.#producer.close()
    await this.#writer?.close()
    await this.#admin.close()
  }
}
