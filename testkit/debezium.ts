import type { TestContext } from 'node:test'
import { Producer } from '@platformatic/kafka'
import { eventually } from './eventually.ts'
import {
  type ConnectServer,
  connect,
  kafka,
  type MysqlDatabase,
  type RegistryServer,
  type TestDatabase,
} from './servers/index.ts'

/** A connector of Debezium that reads one database; deleted when it is disposed. */
export interface DebeziumConnector extends AsyncDisposable {
  readonly name: string
  /** Topics are called `<prefix>.<schema or database>.<table>`. */
  readonly prefix: string
  readonly worker: ConnectServer
  /** What it was created with. */
  readonly config: Readonly<Record<string, string>>
  status(): Promise<ConnectorStatus>
}

/** Settings of a connector that writes Avro, with the schemas in a registry. */
export function avro(registry: RegistryServer): Readonly<Record<string, string>> {
  const native = new URL('/apis/registry/v2', registry.url).href
  const both = (side: 'key' | 'value'): readonly (readonly [string, string])[] => [
    [`${side}.converter`, 'io.apicurio.registry.utils.converter.AvroConverter'],
    [`${side}.converter.apicurio.registry.url`, native],
    [`${side}.converter.apicurio.registry.auto-register`, 'true'],
    [`${side}.converter.apicurio.registry.find-latest`, 'true'],
    [`${side}.converter.apicurio.registry.as-confluent`, 'true'],
    [`${side}.converter.apicurio.registry.use-id`, 'contentId'],
    [`${side}.converter.apicurio.registry.headers.enabled`, 'false'],
  ]
  return Object.fromEntries([
    ...both('key'),
    ...both('value'),
    ['schema.name.adjustment.mode', 'avro'],
  ])
}

/** What the worker says of a connector, as it says it. */
export interface ConnectorStatus {
  readonly connector: { readonly state: string; readonly trace?: string }
  readonly tasks: readonly { readonly state: string; readonly trace?: string }[]
}

export interface DebeziumOptions {
  /** Settings of the connector beside or instead of the usual ones. */
  readonly config?: Readonly<Record<string, string>>
  /** The shared one when absent. */
  readonly worker?: ConnectServer
}

const patience = 60_000
const logTail = 80

/**
 * Creates a connector on a database and waits until its task runs. Use it with `await using`, so
 * that it goes before the database does.
 */
export async function debezium(
  t: TestContext,
  db: TestDatabase | MysqlDatabase,
  options: DebeziumOptions = {},
): Promise<DebeziumConnector> {
  const worker = options.worker ?? (await connect())
  const prefix = `t${process.pid}_${Math.random().toString(36).slice(2, 10)}`
  const config = { ...settingsFor(db, prefix, worker), ...options.config }
  t.after(() => showLog(t, worker))
  await request(worker, 'POST /connectors', { name: prefix, config })
  const status = (): Promise<ConnectorStatus> => statusOf(worker, prefix)
  await eventually('the task of the connector runs', async () => await running(await status()), {
    within: patience,
  })
  return {
    name: prefix,
    prefix,
    worker,
    config,
    status,
    [Symbol.asyncDispose]: async () => {
      if (worker.running) await request(worker, `DELETE /connectors/${prefix}`)
    },
  }
}

/** Asks a connector of the shared broker, through its topic of signals, for the rows of a table. */
export async function askFor(connector: string, table: string): Promise<void> {
  const { bootstrap } = await kafka()
  const how = { clientId: 'test', bootstrapBrokers: [bootstrap], autocreateTopics: true }
  const producer = new Producer(how)
  const data = { type: 'INCREMENTAL', 'data-collections': [table] }
  const value = Buffer.from(JSON.stringify({ type: 'execute-snapshot', data }))
  const messages = [{ topic: `${connector}.signals`, key: Buffer.from(connector), value }]
  await producer.send({ messages, acks: -1 })
  await producer.close()
}

function running({ connector, tasks }: ConnectorStatus): boolean {
  return connector.state === 'RUNNING' && tasks.length > 0 && tasks.every(isRunning)
}

function isRunning({ state }: { readonly state: string }): boolean {
  return state === 'RUNNING'
}

/** `isolation` is that of the database: its own topics, slot, publication and history. */
function settingsFor(
  db: TestDatabase | MysqlDatabase,
  prefix: string,
  worker: ConnectServer,
): Readonly<Record<string, string>> {
  const at = new URL(db.url)
  const usual = {
    'tasks.max': '1',
    'topic.prefix': prefix,
    'database.hostname': at.hostname,
    'database.port': at.port,
    'database.user': at.username,
    'database.password': at.password,
    'skipped.operations': 'none',
    // Half a second passes between looks that find nothing, unless it is told otherwise.
    'poll.interval.ms': '100',
    'topic.creation.enable': 'true',
    'topic.creation.default.replication.factor': '1',
    'topic.creation.default.partitions': '1',
  }
  if (at.protocol === 'postgres:') {
    return {
      'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
      ...usual,
      'database.dbname': db.name,
      'plugin.name': 'pgoutput',
      'slot.name': prefix,
      'publication.name': prefix,
      'publication.autocreate.mode': 'all_tables',
    }
  }
  const isMariadb = 'kind' in db.server && db.server.kind.startsWith('mariadb')
  return {
    'connector.class': `io.debezium.connector.${isMariadb ? 'mariadb.MariaDb' : 'mysql.MySql'}Connector`,
    ...usual,
    'database.include.list': db.name,
    'database.server.id': String(1_000_000 + Math.floor(Math.random() * 1_000_000_000)),
    'database.ssl.mode': isMariadb ? 'disable' : 'disabled',
    'schema.history.internal.kafka.bootstrap.servers': worker.kafka.bootstrap,
    'schema.history.internal.kafka.topic': `${prefix}.history`,
  }
}

async function statusOf(worker: ConnectServer, name: string): Promise<ConnectorStatus> {
  const found = await request(worker, `GET /connectors/${name}/status`)
  return found as ConnectorStatus
}

/** In a rebalance, not there yet, or not up yet. */
const busy: readonly number[] = [404, 409, 503]

/** Asks a worker, as in `GET /connectors`, and again while it is busy. */
export async function request(
  worker: ConnectServer,
  what: string,
  body?: unknown,
): Promise<unknown> {
  const [method = '', path = ''] = what.split(' ')
  return await eventually(
    what,
    async () => {
      const answer = await fetch(`${worker.url}${path}`, {
        method,
        headers: { 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await answer.text()
      if (busy.includes(answer.status)) throw new Error(`${answer.status} ${text}`)
      return { status: answer.status, text }
    },
    { within: patience },
  ).then(({ status, text }) => {
    if (status >= 300) throw new Error(`${what}: ${status} ${text}`)
    return text === '' ? null : (JSON.parse(text) as unknown)
  })
}

/** Writes the end of the worker's log where the test has failed; to be called after it. */
export async function showLog(t: TestContext, worker: ConnectServer): Promise<void> {
  // The type declarations do not know the property yet.
  if ((t as TestContext & { readonly passed?: boolean }).passed !== false) return
  const lines = (await worker.log()).trimEnd().split('\n').slice(-logTail)
  process.stderr.write('# the log of the worker of Connect, its end\n')
  for (const line of lines) process.stderr.write(`#   ${line}\n`)
}
