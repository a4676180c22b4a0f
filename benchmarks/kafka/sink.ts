import assert, { AssertionError } from 'node:assert/strict'
import { request } from '../../testkit/debezium.ts'
import { type ConnectServer, openSession, ownConnect } from '../../testkit/servers/index.ts'
import { processSeconds } from '../machine.ts'
import type { Findings } from './report.ts'
import { counting, javaPid, openStand, ours, type Stand, type Took, untilThere } from './stand.ts'
import { emptyDatabase, fill, type Made, rowsIn } from './topic.ts'

const EVENTS = 400_000
const MUST = 5

/** The product and Debezium's own sink, one after the other on the same topic. */
export function sinkContest(partitions: number): (scale: number) => Promise<Findings> {
  return async (scale) => {
    await using stand = await openStand()
    const events = Math.round(EVENTS * scale)
    const made = await fill(stand.broker, stand.target, {
      topic: 'bench.entries',
      events,
      partitions,
    })
    const own = await ours(stand, made)
    await using worker = await ownConnect(stand.broker, { fast: true })
    const other = await sink(stand, worker, made)
    const of = partitions === 1 ? 'one partition' : `${partitions} partitions`
    const ratio = other.seconds / own.seconds
    const theirs = { ...other, memory: null, ratio: null, must: null }
    return {
      ways: [
        { name: `Debezium's JDBC sink, ${of}`, events, ...theirs },
        { name: `Holdfast, ${of}`, events, ...own, ratio, must: MUST },
      ],
      measures: [],
    }
  }
}

/** From the connector's creation, in a worker that runs already, to the last row. */
async function sink(stand: Stand, worker: ConnectServer, made: Made): Promise<Took> {
  const url = await emptyDatabase(stand.target, 'bench_sink')
  const pid = javaPid(worker)
  const before = processSeconds(pid)
  const took = counting(stand)
  await request(worker, 'POST /connectors', {
    name: 'bench-sink',
    config: settingsOf(new URL(url), made),
  })
  await using session = await openSession(url)
  await untilThere(session, made, () => requireNoFailure(worker))
  const found = took({ tool: null, worker: processSeconds(pid) - before, memory: 0 })
  await request(worker, 'DELETE /connectors/bench-sink')
  assert.equal(await rowsIn(url), made.expected)
  return found
}

async function requireNoFailure(worker: ConnectServer): Promise<void> {
  const status = JSON.stringify(await request(worker, 'GET /connectors/bench-sink/status'))
  if (status.includes('FAILED')) throw new AssertionError({ message: status })
}

/** As fast as it goes: large batches, one change of a row in each, a task for each partition. */
function settingsOf(at: URL, { topic, partitions }: Made): Readonly<Record<string, string>> {
  return {
    'connector.class': 'io.debezium.connector.jdbc.JdbcSinkConnector',
    'tasks.max': String(partitions),
    topics: topic,
    'connection.url': `jdbc:postgresql://${at.host}${at.pathname}?reWriteBatchedInserts=true`,
    'connection.username': at.username,
    'connection.password': at.password,
    'insert.mode': 'upsert',
    'primary.key.mode': 'record_key',
    'schema.evolution': 'basic',
    'delete.enabled': 'true',
    'collection.name.format': 'entries',
    'batch.size': '2000',
    // Without it two changes of a row in one batch end the task.
    'use.reduction.buffer': 'true',
    'dialect.postgres.unnest.insert.enabled': 'true',
    'consumer.override.auto.offset.reset': 'earliest',
    'consumer.override.max.poll.records': '2000',
    'consumer.override.max.partition.fetch.bytes': '8388608',
  }
}
