import { test } from 'node:test'
import { Consumer } from '@platformatic/kafka'
import type { DebeziumRecord } from '../../src/dialect/debezium/event.ts'
import { avro, debezium } from '../debezium.ts'
import { eventually } from '../eventually.ts'
import {
  database,
  kafka,
  type MysqlDatabase,
  mysqlDatabase,
  registry,
  type TestDatabase,
} from '../servers/index.ts'
import { mysqlScene, postgresOddScene, postgresScene, type Scene } from './scenes.ts'
import { type Truth, writeTrace } from './trace.ts'

/**
 * Writes test/fixtures/debezium anew: what real connectors make of rows with every type, in every
 * mode, beside what the server says that the rows are. Look at both when they change.
 */

type Settings = Readonly<Record<string, string>>

const plain: Settings = {
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable': 'false',
  'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'key.converter.schemas.enable': 'false',
}
const exactNulls: Settings = {
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.replace.null.with.default': 'false',
}
const unwrap: Settings = {
  transforms: 'unwrap',
  'transforms.unwrap.type': 'io.debezium.transforms.ExtractNewRecordState',
  'transforms.unwrap.delete.tombstone.handling.mode': 'rewrite-with-tombstone',
  'transforms.unwrap.add.fields': 'op,table,source.schema,source.lsn,source.ts_ms',
}
const words: Settings = {
  'decimal.handling.mode': 'string',
  'time.precision.mode': 'isostring',
  'binary.handling.mode': 'hex',
  'interval.handling.mode': 'string',
  'hstore.handling.mode': 'json',
}
const rough: Settings = {
  'decimal.handling.mode': 'double',
  'time.precision.mode': 'connect',
  'binary.handling.mode': 'base64',
}

const takes: readonly (readonly [
  string,
  'postgres' | 'odd' | 'mysql-9' | 'mariadb-10.11',
  Settings,
])[] = [
  [
    'postgres-precise',
    'postgres',
    {
      ...exactNulls,
      'interval.handling.mode': 'string',
      'provide.transaction.metadata': 'true',
      'heartbeat.interval.ms': '1000',
      'include.unknown.datatypes': 'true',
    },
  ],
  ['postgres-usual', 'postgres', {}],
  ['postgres-words', 'postgres', words],
  ['postgres-rough', 'postgres', { ...rough, 'column.propagate.source.type': '.*' }],
  [
    'postgres-nanos',
    'postgres',
    { 'time.precision.mode': 'nanoseconds', 'decimal.handling.mode': 'precise' },
  ],
  ['postgres-plain', 'postgres', { ...plain, ...words }],
  ['postgres-unwrapped', 'postgres', { ...exactNulls, ...unwrap }],
  ['postgres-unwrapped-plain', 'postgres', { ...plain, ...unwrap }],
  ['postgres-odd', 'odd', { ...exactNulls, 'interval.handling.mode': 'string' }],
  ['postgres-odd-words', 'odd', { ...exactNulls, ...words }],
  [
    'mysql-precise',
    'mysql-9',
    {
      ...exactNulls,
      'bigint.unsigned.handling.mode': 'precise',
      'provide.transaction.metadata': 'true',
    },
  ],
  ['mysql-rough', 'mysql-9', rough],
  ['mariadb-words', 'mariadb-10.11', { ...words, ...exactNulls }],
  [
    'postgres-avro',
    'postgres',
    { 'interval.handling.mode': 'string', 'hstore.handling.mode': 'map' },
  ],
  ['mysql-avro', 'mysql-9', {}],
  ['postgres-avro-unwrapped', 'postgres', unwrap],
]

/** The number 999 as Avro writes it, which a row begins with. */
const LAST = Buffer.from([0xce, 0x0f])

const only = process.argv.slice(2)

for (const [name, where, settings] of takes) {
  if (only.length > 0 && !only.includes(name)) continue
  test(`${name} is recorded`, async (t) => {
    const scene =
      where === 'odd' ? postgresOddScene : where === 'postgres' ? postgresScene : mysqlScene
    const isPostgres = where === 'postgres' || where === 'odd'
    const db = isPostgres ? await database(t, 18) : await mysqlDatabase(t, where)
    if (isPostgres) await db.query(`alter database "${db.name}" set timezone = 'UTC'`)
    for (const sql of scene.before) await db.query(sql)
    const truth: Truth[] = []
    const table = where === 'odd' ? 'odd' : 'everything'
    const inAvro = name.includes('avro')
    const converters = inAvro ? avro(await registry()) : {}
    await using connector = await debezium(t, db, { config: { ...settings, ...converters } })
    const schema = isPostgres ? 'public' : db.name
    const topic = `${connector.prefix}.${schema}.${table}`
    const copied = table === 'odd' ? 0 : 2
    if (copied > 0)
      await eventually('the copy', async () => (await endOf(topic)) === BigInt(copied), {
        within: 60_000,
      })
    for (const id of [1, 2]) {
      if (copied > 0) truth.push({ sql: 'copy', row: await rowNow(db, { table, id, scene }) })
    }
    for (const sql of scene.statements) {
      await db.query(sql)
      if (Number.isNaN(idOf(sql))) continue
      truth.push({ sql, row: await rowNow(db, { table, id: idOf(sql), scene }) })
    }
    await db.query(`insert into ${table} (id) values (999)`)
    const found = await readAll([topic, `${connector.prefix}.transaction`, connector.prefix])
    const version = String((await db.query('select version() as v'))[0]?.['v']).slice(0, 60)
    await writeTrace(name, {
      settings,
      made: `${version}; ${connector.config['connector.class']} 3.6.0.Final`,
      records: found.map((one) => renamed(one, connector.prefix, schema)),
      truth,
      schemas: inAvro ? await schemasOf(found) : {},
    })
    t.diagnostic(`${found.length} records`)
  })
}

/** The id that the row has after the statement. */
function idOf(sql: string): number {
  const moved = /set id = (\d+)/.exec(sql)?.[1]
  const found = moved ?? /(?:values \(|where id = )(\d+)/.exec(sql)?.[1]
  return Number(found)
}

/** Names that are made anew for each recording, as ones that stay. */
function renamed(one: DebeziumRecord, prefix: string, schema: string): DebeziumRecord {
  const text = (bytes: Buffer | null): Buffer | null => {
    if (bytes === null || bytes[0] === 0) return bytes
    let now = bytes.toString('utf8').replaceAll(prefix, 'src')
    if (schema !== 'public') now = now.replaceAll(schema, 'shop')
    return Buffer.from(now)
  }
  const topic = one.topic
    .replace(prefix, 'src')
    .replace(schema === 'public' ? '\0' : schema, 'shop')
  return { ...one, topic, key: text(one.key), value: text(one.value) }
}

async function rowNow(
  db: TestDatabase | MysqlDatabase,
  at: { readonly table: string; readonly id: number; readonly scene: Scene },
): Promise<Truth['row']> {
  const sample = await db.query(`select * from ${at.table} where id = ${at.id}`)
  const names = Object.keys(sample[0] ?? {})
  if (names.length === 0) return null
  const isMysql = 'kind' in db.server && /mysql|mariadb/.test(String(db.server.kind))
  const columns = names.map((name) => {
    const as = at.scene.printed[name]
    if (isMysql) return `cast(${as ?? name} as char) as ${name}`
    return `(${as ?? name})::text as "${name}"`
  })
  const rows = await db.query(`select ${columns.join(', ')} from ${at.table} where id = ${at.id}`)
  const found = rows[0] ?? {}
  return Object.fromEntries(
    names.map((name) => [
      name,
      found[name] === undefined || found[name] === null ? null : String(found[name]),
    ]),
  )
}

async function schemasOf(records: readonly DebeziumRecord[]): Promise<Record<string, unknown>> {
  const { url } = await registry()
  const found: Record<string, unknown> = {}
  for (const bytes of records.flatMap(({ key, value }) => [key, value])) {
    if (bytes === null || bytes[0] !== 0) continue
    const id = String(bytes.readInt32BE(1))
    found[id] ??= await (await fetch(`${url}/schemas/ids/${id}`)).json()
  }
  return found
}

async function endOf(topic: string): Promise<bigint | undefined> {
  const consumer = await consumerOf(topic)
  try {
    return (await consumer.listOffsets({ topics: [topic] })).get(topic)?.[0]
  } catch {
    return undefined
  } finally {
    await consumer.close(true)
  }
}

async function consumerOf(group: string): Promise<Consumer> {
  const { bootstrap } = await kafka()
  return new Consumer({
    clientId: 'record',
    groupId: group,
    bootstrapBrokers: [bootstrap],
    retries: 2,
  })
}

/** Everything up to the last row, of the first topic; what there is now of the others. */
async function readAll(topics: readonly string[]): Promise<DebeziumRecord[]> {
  const found: DebeziumRecord[] = []
  for (const [index, topic] of topics.entries()) {
    const end = await endOf(topic)
    if (end === undefined || end === 0n) continue
    const consumer = await consumerOf(`${topic}.read`)
    const stream = await consumer.consume({
      topics: [topic],
      mode: 'earliest',
      autocommit: false,
      maxWaitTime: 500,
    })
    for await (const message of stream) {
      const { key, value, offset, headers } = message
      const list = [...headers].map(([k, v]) => [String(k), String(v)] as const)
      found.push({
        topic,
        partition: 0,
        offset,
        key: bytesOf(key),
        value: bytesOf(value),
        headers: list,
      })
      const marked =
        value?.[0] === 0 ? value.subarray(5, 9).includes(LAST) : /"id":999\b/.test(String(value))
      const last = index === 0 ? marked : offset + 1n >= end
      if (last) break
    }
    await consumer.close(true)
  }
  return found
}

function bytesOf(bytes: Buffer | undefined | null): Buffer | null {
  return bytes === undefined || bytes === null ? null : bytes
}
