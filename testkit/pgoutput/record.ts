import { parseUrl } from '../../src/config/url.ts'
import { connect } from '../../src/dialect/postgres/connect.ts'
import { Decoder } from '../../src/source/postgres/log/pgoutput.ts'
import {
  WALSENDER_SETTINGS,
  Walsender,
  XLOG_HEAD,
} from '../../src/source/postgres/log/walsender.ts'
import { parseLsn } from '../../src/source/postgres/position.ts'
import { openSession, postgres, type TestSession } from '../servers/index.ts'
import {
  keepalive,
  nameOf,
  type Recorded,
  type Recording,
  readable,
  recordings,
  saveTrace,
} from './trace.ts'
import { last, ordinary, publications, replayed, streamed, tables } from './workload.ts'

/** Writes the traces of pgoutput anew: `node testkit/pgoutput/record.ts`. */

const never = new AbortController().signal

/** What has come so far. */
class Received {
  readonly messages: Recorded[] = []
  readonly #walsender: Walsender
  readonly #decoder = new Decoder()

  constructor(walsender: Walsender) {
    this.#walsender = walsender
  }

  /** Reads until a message says this; of keepalives the first alone is kept. */
  async until(says: RegExp): Promise<void> {
    let found = false
    while (!found) {
      for (const body of await this.#walsender.next()) {
        const alive = keepalive(body)
        if (alive !== null && this.messages.some((one) => one.body[0] === body[0])) continue
        const told = alive ?? readable(this.#decoder.decode(body.subarray(XLOG_HEAD)))
        this.messages.push({ body, says: told })
        found ||= says.test(told)
      }
    }
  }
}

async function write(session: TestSession, received: Received, protocol: 1 | 2): Promise<void> {
  for (const sql of [...ordinary, ...replayed]) await session.query(sql)
  for (const { sql, sent } of streamed) {
    await session.query(sql)
    if (sent !== undefined && protocol === 2) await received.until(sent)
  }
  await session.query(last)
  await received.until(/"last"$/)
}

async function record(recording: Recording): Promise<void> {
  const server = await postgres(recording.major)
  const name = `trace_${recording.protocol}_${recording.form}`
  await using admin = await openSession(server.url())
  await admin.query(`create database ${name}`)
  await admin.query(`alter database ${name} set logical_decoding_work_mem = '64kB'`)
  await using session = await openSession(server.url(name))
  await session.query(tables)
  const sql = `select lsn from pg_create_logical_replication_slot('${name}', 'pgoutput')`
  const [slot] = await session.query(sql)
  const reader = await connect(parseUrl(server.url(name), 'the server'), {
    side: 'source',
    mirror: name,
    purpose: 'trace',
    replication: true,
    settings: WALSENDER_SETTINGS,
  })
  await using walsender = await Walsender.start(reader, {
    slot: name,
    after: parseLsn(slot?.['lsn'] ?? ''),
    protocol: recording.protocol,
    publications,
    binary: recording.form === 'binary',
    alive: async () => true,
    signal: never,
  })
  const received = new Received(walsender)
  await write(session, received, recording.protocol)
  saveTrace(recording, received.messages)
  console.log(`${nameOf(recording)}: ${received.messages.length} messages`)
}

for (const recording of recordings) await record(recording)
