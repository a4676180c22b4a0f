import assert, { AssertionError } from 'node:assert/strict'
import { request } from '../../testkit/debezium.ts'
import { type ConnectServer, openSession, ownConnect } from '../../testkit/servers/index.ts'
import { processSeconds } from '../machine.ts'
import type { Findings } from './report.ts'
import {
  counting,
  javaPid,
  openStand,
  ours,
  rest,
  type Stand,
  type Took,
  untilThere,
} from './stand.ts'
import { emptyDatabase, fill, type Made, rowsIn } from './topic.ts'

const MUST = 5

export interface SinkContest {
  readonly partitions: number
  /** How the sink writes: as it does by itself, or a whole column of a batch as one array. */
  readonly mode: 'rows' | 'arrays'
  /** At scale 1. */
  readonly events: number
}

/** The product and Debezium's own sink, one after the other on the same topic. */
export function sinkContest(contest: SinkContest): (scale: number) => Promise<Findings> {
  return async (scale) => {
    const { partitions, mode } = contest
    await using stand = await openStand()
    const events = Math.round(contest.events * scale)
    const filling = { topic: 'bench.entries', events, partitions }
    const made = await fill(stand.broker, stand.target, filling)
    const of = partitions === 1 ? 'one partition' : `${partitions} partitions`
    const own = await ours(stand, made)
    await using worker = await ownConnect(stand.broker, { fast: true })
    const theirs = await sink(stand, worker, { made, mode })
    const name = `Debezium's JDBC sink, ${mode}, ${of}`
    const ratio = theirs.seconds / own.seconds
    const none = { ratio: null, must: null }
    return {
      ways: [
        { name, events, ...theirs, memory: null, ...none },
        { name: `Holdfast, ${of}`, events, ...own, ratio, must: MUST },
      ],
      measures: [],
    }
  }
}

/** From the connector's creation, in a worker that runs already, to the last row. */
async function sink(
  stand: Stand,
  worker: ConnectServer,
  { made, mode }: { readonly made: Made; readonly mode: SinkContest['mode'] },
): Promise<Took> {
  const url = await emptyDatabase(stand.target, 'bench_sink')
  await rest(stand)
  const pid = javaPid(worker)
  const before = processSeconds(pid)
  const took = counting(stand)
  await request(worker, 'POST /connectors', {
    name: 'bench-sink',
    config: settingsOf(new URL(url), made, mode),
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
function settingsOf(
  at: URL,
  { topic, partitions }: Made,
  mode: SinkContest['mode'],
): Readonly<Record<string, string>> {
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
    'dialect.postgres.unnest.insert.enabled': String(mode === 'arrays'),
    'consumer.override.auto.offset.reset': 'earliest',
    'consumer.override.max.poll.records': '2000',
    'consumer.override.max.partition.fetch.bytes': '8388608',
  }
}
