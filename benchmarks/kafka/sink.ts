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
/** Both take the same topic that often; who is second of a contest is first of the next. */
const CONTESTS = 3

export interface SinkContest {
  readonly partitions: number
  /** How the sink writes: as it does by itself, or a whole column of a batch as one array. */
  readonly mode: 'rows' | 'arrays'
  /** At scale 1. */
  readonly events: number
}

/** The product and Debezium's own sink by turns on the same topic; told is the contest in the middle. */
export function sinkContest(contest: SinkContest): (scale: number) => Promise<Findings> {
  return async (scale) => {
    const { partitions, mode } = contest
    await using stand = await openStand()
    const events = Math.round(contest.events * scale)
    const filling = { topic: 'bench.entries', events, partitions }
    const made = await fill(stand.broker, stand.target, filling)
    const of = partitions === 1 ? 'one partition' : `${partitions} partitions`
    await using worker = await ownConnect(stand.broker, { fast: true })
    const contests: { readonly own: Took; readonly theirs: Took; readonly ratio: number }[] = []
    for (let turn = 0; turn < CONTESTS; turn++) {
      const ahead = turn % 2 === 0 ? await ours(stand, made) : null
      const theirs = await sink(stand, worker, { made, mode, turn })
      const own = ahead ?? (await ours(stand, made))
      contests.push({ own, theirs, ratio: theirs.seconds / own.seconds })
    }
    const { own, theirs, ratio } = median(contests)
    const name = `Debezium's JDBC sink, ${mode}, ${of}`
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

function median<T extends { readonly ratio: number }>(contests: readonly T[]): T {
  const middle = contests.toSorted((a, b) => a.ratio - b.ratio)[contests.length >> 1]
  assert.ok(middle !== undefined)
  return middle
}

/** From the connector's creation, in a worker that runs already, to the last row. */
async function sink(
  stand: Stand,
  worker: ConnectServer,
  how: {
    readonly made: Made
    readonly mode: SinkContest['mode']
    /** Where a connector of the same name had been is remembered. */
    readonly turn: number
  },
): Promise<Took> {
  const { made, mode, turn } = how
  const connector = `bench-sink-${turn}`
  const url = await emptyDatabase(stand.target, 'bench_sink')
  await rest(stand)
  const pid = javaPid(worker)
  const before = processSeconds(pid)
  const took = counting(stand)
  await request(worker, 'POST /connectors', {
    name: connector,
    config: settingsOf(new URL(url), made, mode),
  })
  await using session = await openSession(url)
  await untilThere(session, made, () => requireNoFailure(worker, connector))
  const found = took({ tool: null, worker: processSeconds(pid) - before, memory: 0 })
  await request(worker, `DELETE /connectors/${connector}`)
  assert.equal(await rowsIn(url), made.expected)
  return found
}

async function requireNoFailure(worker: ConnectServer, connector: string): Promise<void> {
  const status = JSON.stringify(await request(worker, `GET /connectors/${connector}/status`))
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
