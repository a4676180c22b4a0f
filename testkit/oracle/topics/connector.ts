import { Producer } from '@platformatic/kafka'
import { parseUrl } from '../../../src/config/url.ts'
import { Cluster } from '../../../src/dialect/kafka/cluster.ts'
import { Fetcher } from '../../../src/dialect/kafka/fetcher.ts'
import type { KafkaMessage } from '../../../src/dialect/kafka/records.ts'
import type { Endpoint } from '../../../src/model/endpoint.ts'
import { type ConnectorStatus, request } from '../../debezium.ts'
import { eventually } from '../../eventually.ts'
import { type ConnectServer, openSession } from '../../servers/index.ts'
import type { Random } from '../random.ts'
import { tables } from './load.ts'

const patience = { within: 120_000, every: 200 }

/** A connector of Debezium on the oracle's database, kept running as its keeper does it. */
export class OracleConnector implements AsyncDisposable {
  readonly prefix: string
  readonly #worker: ConnectServer
  readonly #source: string

  constructor(worker: ConnectServer, of: { readonly prefix: string; readonly source: string }) {
    this.#worker = worker
    this.prefix = of.prefix
    this.#source = of.source
  }

  get worker(): ConnectServer {
    return this.#worker
  }

  async make(partitions: number): Promise<void> {
    const at = new URL(this.#source)
    const { prefix } = this
    const config = {
      'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
      'tasks.max': '1',
      'topic.prefix': prefix,
      'database.hostname': at.hostname,
      'database.port': at.port,
      'database.user': at.username,
      'database.password': at.password,
      'database.dbname': at.pathname.slice(1),
      'plugin.name': 'pgoutput',
      'slot.name': prefix,
      'publication.name': prefix,
      'publication.autocreate.mode': 'filtered',
      'table.include.list': 'oracle.*',
      'skipped.operations': 'none',
      'retriable.restart.connector.wait.ms': '500',
      'topic.creation.enable': 'true',
      'topic.creation.default.replication.factor': '1',
      'topic.creation.default.partitions': String(partitions),
    }
    await request(this.#worker, 'POST /connectors', { name: prefix, config })
    await this.runs()
  }

  /** Waits until its task runs; one that failed is started again. */
  async runs(): Promise<void> {
    await eventually(
      'the task of the connector runs',
      async () => {
        const status = await this.#status()
        const states = [status.connector, ...status.tasks].map(({ state }) => state)
        if (states.includes('FAILED')) {
          const how = 'restart?includeTasks=true&onlyFailed=true'
          await this.#ask(`POST /connectors/${this.prefix}/${how}`)
        }
        return states.length === 2 && states.every((state) => state === 'RUNNING')
      },
      patience,
    )
  }

  /** Its slot is lost and its offsets are forgotten: a new snapshot is taken. */
  async renew(): Promise<void> {
    const path = `/connectors/${this.prefix}`
    await this.#ask(`PUT ${path}/stop`)
    await eventually(
      'the connector is stopped',
      async () => {
        const { connector, tasks } = await this.#status()
        return connector.state === 'STOPPED' && tasks.length === 0
      },
      patience,
    )
    await eventually('its offsets are forgotten', () => this.#ask(`DELETE ${path}/offsets`), {
      within: 60_000,
    })
    await using session = await openSession(this.#source)
    await eventually(
      'its slot is dropped',
      async () =>
        await session.query(
          'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1',
          [this.prefix],
        ),
      patience,
    )
    await this.#ask(`PUT ${path}/resume`)
    await this.runs()
  }

  async #status(): Promise<ConnectorStatus> {
    return (await request(this.#worker, `GET /connectors/${this.prefix}/status`)) as ConnectorStatus
  }

  async #ask(what: string): Promise<true> {
    await request(this.#worker, what)
    return true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#worker.running)
      await request(this.#worker, `DELETE /connectors/${this.prefix}`).catch(() => undefined)
  }
}

/** True when each table of the oracle has a topic with records. */
export async function haveRows(url: string, prefix: string): Promise<boolean> {
  await using cluster = await Cluster.open(endpointOf(url), use)
  const names = await topicsOf(cluster, prefix)
  const ends = await cluster.offsets(await cluster.describe(names), 'end')
  const filled = new Set(ends.filter(({ offset }) => offset > 0n).map(({ topic }) => topic))
  return filled.size === Object.keys(tables).length
}

const use = { mirror: 'oracle', purpose: 'oracle' }

function endpointOf(url: string): Endpoint {
  return parseUrl(url, 'the broker')
}

async function topicsOf(cluster: Cluster, prefix: string): Promise<readonly string[]> {
  return (await cluster.names()).filter((name) => name.startsWith(`${prefix}.oracle.`))
}

/**
 * Puts some records of a partition behind its others once more, as they are and in their order;
 * gives back how many.
 */
export async function tellAgain(
  url: string,
  { prefix, random }: { readonly prefix: string; readonly random: Random },
): Promise<number> {
  const endpoint = endpointOf(url)
  await using cluster = await Cluster.open(endpoint, use)
  await using fetcher = await Fetcher.open(endpoint, { cluster, mirror: 'oracle' })
  const names = await topicsOf(cluster, prefix)
  if (names.length === 0) return 0
  const [topic] = await cluster.describe([random.pick(names)])
  if (topic === undefined) return 0
  const ends = await cluster.offsets([topic], 'end')
  const { partition, offset } = random.pick(ends)
  const back = BigInt(random.pick([3, 50, 2000]))
  const from = offset > back ? offset - back : 0n
  const place = { topic: topic.name, id: topic.id, partition, offset: from }
  const limits = { wait: 100, bytes: 4 << 20, partitionBytes: 4 << 20 }
  const [portion] = await fetcher.fetch([place], limits)
  const messages = portion?.messages ?? []
  if (messages.length > 0) await put(cluster.label, messages)
  return messages.length
}

async function put(bootstrap: string, messages: readonly KafkaMessage[]): Promise<void> {
  const producer = new Producer({ clientId: 'oracle', bootstrapBrokers: [bootstrap] })
  try {
    await producer.send({
      acks: -1,
      messages: messages.map(({ topic, partition, key, value, headers }) => ({
        topic,
        partition,
        ...(key === null ? {} : { key }),
        // The client writes a value that is not there as a tombstone.
        value: value as Buffer,
        headers: new Map(headers),
      })),
    })
  } finally {
    await producer.close()
  }
}
