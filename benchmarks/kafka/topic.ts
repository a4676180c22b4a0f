import { Admin, ProduceAcks, Producer } from '@platformatic/kafka'
import { type KafkaServer, openSession, type PostgresServer } from '../../testkit/servers/index.ts'
import { amountOf, Frames, type Told } from './records.ts'

export interface Filling {
  readonly topic: string
  readonly events: number
  readonly partitions: number
  readonly compression?: 'zstd'
}

/** A topic with changes of one table, and what the table holds after them. */
export interface Made extends Filling {
  readonly rows: number
  /** Count and sum of the rows' hashes, as `rowsIn` says them. */
  readonly expected: string
}

/** Three of ten events change one of the last thousand rows, the others bring one. */
const CHANGED = 0.3
const RECENT = 1000
/** Records of one partition that are sent at once. */
const BATCH = 1000

/** Fills a topic with events as Debezium writes them, as JSON with its schema. */
export async function fill(
  kafka: KafkaServer,
  truth: PostgresServer,
  filling: Filling,
): Promise<Made> {
  const { topic, events, partitions, compression } = filling
  await using producer = await openProducer(kafka, { topic, partitions })
  const history = new History(events, partitions)
  const frames = new Frames(topic)
  const held: Told[][] = Array.from({ length: partitions }, () => [])
  const send = async (partition: number): Promise<void> => {
    const told = held[partition]?.splice(0) ?? []
    if (told.length === 0) return
    const messages = told.map((one) => ({ topic, partition, ...frames.record(one) }))
    await producer.client.send({
      messages,
      acks: ProduceAcks.LEADER,
      ...(compression === undefined ? {} : { compression }),
    })
  }
  for (let told = history.next(); told !== null; told = history.next()) {
    const partition = told.id % partitions
    if ((held[partition]?.push(told) ?? 0) === BATCH) await send(partition)
  }
  for (let partition = 0; partition < partitions; partition++) await send(partition)
  const expected = await history.truth(truth)
  return { ...filling, rows: history.rows, expected }
}

/** A client that writes, and the topic, which it makes. */
export async function openProducer(
  kafka: KafkaServer,
  { topic, partitions }: { readonly topic: string; readonly partitions: number },
): Promise<AsyncDisposable & { readonly client: Producer }> {
  const options = { clientId: 'bench', bootstrapBrokers: [kafka.bootstrap] }
  const admin = new Admin(options)
  await admin.createTopics({ topics: [topic], partitions, replicas: 1 })
  await admin.close()
  const client = new Producer(options)
  return { client, [Symbol.asyncDispose]: () => client.close() }
}

/** One event after another; the last ones bring a row in each partition. */
export class History {
  rows = 0
  readonly #events: number
  readonly #partitions: number
  /** Which event was the last one of each row. */
  readonly #last: Float64Array
  #told = 0

  constructor(events: number, partitions: number) {
    this.#events = events
    this.#partitions = partitions
    this.#last = new Float64Array(events + 1)
  }

  next(): Told | null {
    if (this.#told === this.#events) return null
    const number = ++this.#told
    const ends = number > this.#events - this.#partitions
    const mixed = (number * 7919) % 1000
    const changes = !ends && this.rows > RECENT && mixed < CHANGED * 1000
    const id = changes ? this.rows - ((number * 31) % RECENT) : ++this.rows
    this.#last[id] = number
    return { id, number, changes, made: null }
  }

  /** What the rows come to, by a table that a server makes of the same facts. */
  async truth(server: PostgresServer): Promise<string> {
    const url = await emptyDatabase(server, 'bench_truth')
    await using session = await openSession(url)
    await session.query(`create table entries (id bigint, account int, amount numeric(12,2),
      made timestamptz, kind text, note text)`)
    for (let from = 1; from <= this.rows; from += 50_000) {
      const some = this.#last.subarray(from, Math.min(from + 50_000, this.rows + 1))
      await session.query(`insert into entries
        select id, id % 1000, ${amountOf.sql} / 100.0,
          timestamptz '2026-01-01 00:00:00Z' + number * interval '1 ms' + interval '123 us',
          'transfer', case when id % 5 > 0 then 'entry number ' || id end
        from (select at + ${from - 1} as id, number
          from unnest('{${some.join()}}'::bigint[]) with ordinality as u (number, at)) told`)
    }
    return await rowsIn(url)
  }
}

/** Count and sum of the hashes of the rows, which depend on each of their bytes. */
export async function rowsIn(url: string): Promise<string> {
  await using session = await openSession(url)
  const [found] = await session.query(`select count(*) as n, sum(hashtextextended(
    row(id, account, amount, made, kind, note)::text, 0)) as sum from entries`)
  return `${found?.['n']} ${found?.['sum']}`
}

/** A new database of this name; its address. */
export async function emptyDatabase(server: PostgresServer, name: string): Promise<string> {
  await using admin = await openSession(server.url())
  await admin.query(`drop database if exists ${name} with (force)`)
  await admin.query(`create database ${name}`)
  return server.url(name)
}
