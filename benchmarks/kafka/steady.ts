import assert from 'node:assert/strict'
import { ProduceAcks } from '@platformatic/kafka'
import { monotonic, sleep } from '../../src/async/clock.ts'
import { eventually } from '../../testkit/eventually.ts'
import { openSession, type TestSession } from '../../testkit/servers/index.ts'
import { PATIENCE, start } from '../stage.ts'
import { percentile } from '../statistics.ts'
import { Frames } from './records.ts'
import type { Findings } from './report.ts'
import { counting, mirrorOf, openStand, requireEnd, Watched } from './stand.ts'
import { emptyDatabase, openProducer } from './topic.ts'

/** Events per second, and for how long at scale 1. */
const RATE = 10_000
const SECONDS = 60
/** Milliseconds between two sendings, and between two looks. */
const BEAT = 10
const LOOK = 25

/** How old the newest row is that can be seen, while events come at a steady rate. */
export async function steady(scale: number): Promise<Findings> {
  await using stand = await openStand()
  const topic = 'bench.steady'
  const url = await emptyDatabase(stand.target, 'bench_steady')
  await using producer = await openProducer(stand.broker, { topic, partitions: 1 })
  const frames = new Frames(topic)
  let sent = 0
  const send = async (count: number): Promise<void> => {
    const made = new Date().toISOString()
    const messages = Array.from({ length: count }, () => {
      const number = ++sent
      return { topic, partition: 0, ...frames.record({ id: number, number, changes: false, made }) }
    })
    await producer.client.send({ messages, acks: ProduceAcks.LEADER })
  }
  await send(1)
  await using child = start(mirrorOf(stand, topic, url), stand.folder)
  await using watched = new Watched([child.pid])
  await using session = await openSession(url)
  await untilSeen(session, 1)
  const before = watched.tool
  const took = counting(stand)
  const stop = new AbortController()
  const looking = ages(session, stop.signal)
  await beat({ seconds: SECONDS * scale, sent: () => sent, send })
  const found = took({ tool: watched.tool - before, memory: watched.memory })
  stop.abort()
  const seen = (await looking).toSorted((a, b) => a - b)
  await untilSeen(session, sent)
  child.signal('SIGTERM')
  await requireEnd(child)
  const name = `${RATE.toLocaleString('en-US')} a second`
  const events = sent - 1
  const age = (share: number): number => percentile(seen, share)
  const measure = (what: string, value: number) => ({
    name: `${what}, ${name}`,
    value,
    unit: 'ms',
    most: null,
  })
  return {
    ways: [{ name: `Holdfast, ${name}`, events, ...found, ratio: null, must: null }],
    measures: [
      measure('age of the newest row, p50', age(0.5)),
      measure('p99', age(0.99)),
      measure('highest', age(1)),
    ],
  }
}

/** Sends what is due, so that the rate holds whatever a sending takes. */
async function beat(of: {
  readonly seconds: number
  readonly sent: () => number
  readonly send: (count: number) => Promise<void>
}): Promise<void> {
  const began = monotonic()
  const first = of.sent()
  const all = Math.round(RATE * of.seconds)
  for (let done = 0; done < all; done = of.sent() - first) {
    const due = Math.min(all, Math.floor(((monotonic() - began) / 1000) * RATE))
    if (due > done) await of.send(due - done)
    await sleep(BEAT)
  }
}

async function ages(session: TestSession, signal: AbortSignal): Promise<readonly number[]> {
  const found: number[] = []
  while (!signal.aborted) {
    const [row] = await session.query(`select 1000 * extract(epoch from
      clock_timestamp() - made) as age from entries order by id desc limit 1`)
    found.push(Number(row?.['age']))
    await sleep(LOOK)
  }
  return found
}

async function untilSeen(session: TestSession, rows: number): Promise<void> {
  await eventually(
    `${rows} rows`,
    async () => {
      const [row] = await session.query('select count(*) as n from entries')
      assert.equal(row?.['n'], String(rows))
      return true
    },
    { within: PATIENCE, every: 100 },
  )
}
