import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monotonic } from '../../src/async/clock.ts'
import { request } from '../../testkit/debezium.ts'
import { eventually } from '../../testkit/eventually.ts'
import {
  type ConnectServer,
  type KafkaServer,
  kafka,
  openSession,
  ownConnect,
} from '../../testkit/servers/index.ts'
import { replay } from '../contest/backlog.ts'
import type { Run } from '../contest/contest.ts'
import { type Pair, peakBytes, processSeconds, serverSeconds, startPair } from '../machine.ts'
import { assertContents, dropSlot, NAME, PATIENCE, type Stage, setStage, start } from '../stage.ts'
import type { Workload } from '../workload/workload.ts'
import type { Findings, Way } from './report.ts'
import { javaPid, requireEnd, untilThere } from './stand.ts'
import { emptyDatabase } from './topic.ts'

const CHANGES = 300_000
/** Changes of a transaction. */
const TOGETHER = 10
/** The database of the target, the slot and the prefix of topics. */
const PIPED = 'piped'
/** The row that comes last. */
const LAST = 2_000_000_000

/** One backlog of a database of PostgreSQL, carried to another one in three ways. */
export async function whole(scale: number): Promise<Findings> {
  const changes = Math.round((CHANGES * scale) / TOGETHER) * TOGETHER
  await using pair = await startPair(17, { decoding: '256MB', work: '64MB' })
  await using broker = await kafka({})
  await using worker = await ownConnect(broker, { fast: true })
  const piping: Piping = { pair, broker, worker }
  await using stage = await setStage(pair, workload(changes), () => prepare(piping))
  try {
    const native = await replay(stage, 'native')
    const direct = await replay(stage, 'holdfast')
    const piped = await pipe(piping, stage)
    const compared = (seconds: number): number => native.seconds / seconds
    const way = (name: string, { seconds, cpu, memory }: Run): Omit<Way, 'ratio'> => {
      const spent = { ...cpu, worker: null, broker: null }
      return { name, events: changes, seconds, memory, must: null, cpu: spent }
    }
    return {
      ways: [
        {
          ...way("PostgreSQL's own replication", native),
          ...{
            ratio: null,
            memory: null,
            cpu: { ...native.cpu, tool: null, worker: null, broker: null },
          },
        },
        { ...way('Holdfast, from PostgreSQL', direct), ratio: compared(direct.seconds) },
        { ...piped, events: changes, ratio: compared(piped.seconds) },
      ],
      measures: [],
    }
  } finally {
    await request(worker, `DELETE /connectors/${PIPED}`)
    await dropSlot(stage.admin.source, PIPED)
  }
}

interface Piping {
  readonly pair: Pair
  readonly broker: KafkaServer
  readonly worker: ConnectServer
}

/** Seven of ten changes bring a row, the others change one of the last thousand. */
function workload(changes: number): Workload {
  const values = `n % 1000, (n * 2654435 % 900000 - 450000) / 100.0,
    timestamptz '2026-01-01 00:00:00Z' + n * interval '1 ms', 'transfer',
    case when n % 5 > 0 then 'entry number ' || n end`
  return {
    name: 'whole',
    ...{ must: null, aim: null, changes, transactions: changes / TOGETHER, tables: ['entries'] },
    seed: [
      `create table entries (id bigint primary key, account int not null,
         amount numeric(12,2) not null, made timestamptz not null, kind text not null, note text)`,
      `insert into entries select n, ${values} from (select 0 as n) s`,
      `create procedure gen(changes int) language plpgsql as $$ declare n bigint := 0; begin
         for i in 1..changes loop
           if n > 1000 and i::bigint * 7919 % 1000 < 300 then
             update public.entries set amount = amount + 1 where id = n - i * 31 % 1000;
           else
             n := n + 1;
             insert into public.entries select n, ${values};
           end if;
           if i % ${TOGETHER} = 0 then commit; end if;
         end loop; end $$`,
    ],
    generate: [
      [`call gen(${changes - 1})`],
      [`insert into entries select ${LAST}, ${values} from (select ${LAST}::bigint as n) s`],
    ],
  }
}

/** A connector and a mirror that have copied the first row, and stopped. */
async function prepare({ pair, broker, worker }: Piping): Promise<void> {
  const at = new URL(pair.source.url(NAME))
  await request(worker, 'POST /connectors', { name: PIPED, config: settingsOf(at) })
  const url = await emptyDatabase(pair.target, PIPED)
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
  try {
    await eventually(
      'the first row is mirrored',
      async () => {
        await using child = start([...mirrorOf(broker, url), '--until', 'caught-up'], folder)
        await requireEnd(child)
        await using session = await openSession(url)
        await session.query('select 1 / count(*) from entries')
        return true
      },
      { within: PATIENCE, every: 500 },
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  await request(worker, `PUT /connectors/${PIPED}/stop`)
  await using session = await openSession(pair.source.url())
  await eventually(
    'the connector has left its slot',
    async () => {
      const [slot] = await session.query(
        `select active from pg_replication_slots where slot_name = '${PIPED}'`,
      )
      return slot?.['active'] === 'f'
    },
    { within: PATIENCE },
  )
}

/** Large batches, and no wait for more than there is. */
function settingsOf(at: URL): Readonly<Record<string, string>> {
  return {
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'tasks.max': '1',
    'topic.prefix': PIPED,
    'database.hostname': at.hostname,
    'database.port': at.port,
    'database.user': at.username,
    'database.password': at.password,
    'database.dbname': NAME,
    'plugin.name': 'pgoutput',
    'slot.name': PIPED,
    'publication.name': PIPED,
    'publication.autocreate.mode': 'filtered',
    'table.include.list': 'public.entries',
    'poll.interval.ms': '10',
    'max.batch.size': '8192',
    'max.queue.size': '32768',
    'topic.creation.enable': 'true',
    'topic.creation.default.replication.factor': '1',
    'topic.creation.default.partitions': '1',
    'producer.override.batch.size': '262144',
    'producer.override.linger.ms': '5',
  }
}

function mirrorOf(broker: KafkaServer, url: string): string[] {
  const ends = ['--source', broker.url(), '--target', url, '--name', PIPED]
  return ['run', ...ends, '--include', `${PIPED}.public.entries`]
}

/** From the start of the connector and of the mirror, both at once, to the last row. */
async function pipe(piping: Piping, stage: Stage): Promise<Omit<Way, 'events' | 'ratio'>> {
  const { pair, broker, worker } = piping
  const url = pair.target.url(PIPED)
  await using session = await openSession(url)
  const spent = () => ({
    worker: processSeconds(javaPid(worker)),
    source: serverSeconds(pair.source),
    target: serverSeconds(pair.target),
    broker: processSeconds(javaPid(broker)),
  })
  const before = spent()
  const began = monotonic()
  const resumed = request(worker, `PUT /connectors/${PIPED}/resume`)
  await using child = start(mirrorOf(broker, url), stage.folder)
  await resumed
  await untilThere(session, { rows: LAST, partitions: 1 }, async () => {
    const status = JSON.stringify(await request(worker, `GET /connectors/${PIPED}/status`))
    assert.ok(!status.includes('FAILED'), status)
  })
  const seconds = (monotonic() - began) / 1000
  const after = spent()
  const [tool, memory] = [processSeconds(child.pid), peakBytes(child.pid)]
  child.signal('SIGTERM')
  await requireEnd(child)
  await assertContents(stage, session, 'through topics')
  const cpu = {
    tool,
    worker: after.worker - before.worker,
    source: after.source - before.source,
    target: after.target - before.target,
    broker: after.broker - before.broker,
  }
  return { name: 'Debezium, Kafka and Holdfast', seconds, cpu, memory, must: null }
}
