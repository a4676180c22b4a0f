import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Decoder, type PgoutputMessage } from '../../../../src/source/postgres/log/pgoutput.ts'
import { XLOG_DATA, XLOG_HEAD } from '../../../../src/source/postgres/log/walsender.ts'
import {
  keepalive,
  loadTrace,
  nameOf,
  type Recording,
  readable,
  recordings,
} from '../../../../testkit/pgoutput/trace.ts'

/** Messages of a trace, with what the trace says of each. */
function decoded(recording: Recording): { readonly message: PgoutputMessage; says: string }[] {
  const decoder = new Decoder()
  return loadTrace(recording)
    .filter(({ body }) => keepalive(body) === null)
    .map(({ body, says }) => {
      assert.equal(body[0], XLOG_DATA)
      return { message: decoder.decode(body.subarray(XLOG_HEAD)), says }
    })
}

const ordinary = [
  ...['begin', 'commit', 'relation', 'type', 'origin'],
  ...['insert', 'update', 'delete', 'truncate', 'message'],
]
const streamed = ['stream-start', 'stream-stop', 'stream-commit', 'stream-abort']

for (const recording of recordings) {
  test(`what ${nameOf(recording)} recorded reads as it did, and holds every kind`, () => {
    const messages = decoded(recording)
    assert.deepEqual(
      messages.map(({ message }) => readable(message)),
      messages.map(({ says }) => says),
    )
    const kinds = new Set(messages.map(({ message }) => message.kind))
    const wanted = recording.protocol === 2 ? [...ordinary, ...streamed] : ordinary
    assert.deepEqual([...kinds].sort(), [...wanted].sort())
    const alive = loadTrace(recording).filter(({ body }) => keepalive(body) !== null)
    assert.deepEqual(
      alive.map(({ body }) => keepalive(body)),
      alive.map(({ says }) => says),
    )
    assert.equal(alive.length, 1)
  })
}

/** What does not depend on the server that it was recorded on. */
function told(recording: Recording): string[] {
  const names = new Map<number, string>()
  return decoded(recording).flatMap(({ message, says }) => {
    if (message.kind === 'relation') names.set(message.id, message.name)
    if (!('relation' in message) && message.kind !== 'truncate') return []
    const tables = message.kind === 'truncate' ? message.relations : [message.relation]
    const rest = says.replace(/ in \d+/, '').replace(/ \d+(,\d+)*/, '')
    return [`${tables.map((id) => names.get(id))} ${rest}`]
  })
}

for (const protocol of [1, 2] as const) {
  for (const form of ['text', 'binary'] as const) {
    test(`the oldest server and the newest told the same in protocol ${protocol} as ${form}`, () => {
      const [older, newer] = [14, 18].map((major) =>
        told({ major: major as 14 | 18, protocol, form }),
      )
      assert.ok(older !== undefined && older.length >= 20)
      assert.deepEqual(older, newer)
    })
  }
}
