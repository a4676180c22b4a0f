import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { TYPE } from '../../../../src/source/mysql/log/event.ts'
import {
  readTrace,
  retold,
  traced,
  traceFile,
  typeName,
} from '../../../../testkit/binlog-traces/trace.ts'

for (const kind of traced) {
  test(`the recorded log of ${kind} is read as it was looked over`, async () => {
    const told = await retold(await readTrace(kind))
    const wanted = (await readFile(traceFile(kind, 'says.jsonl'), 'utf8')).trimEnd().split('\n')
    assert.equal(told.length, wanted.length)
    for (const [index, line] of wanted.entries()) {
      assert.deepEqual(told[index], JSON.parse(line), `event ${index}`)
    }
  })
}

/** What these servers do not write: marks of group replication, and what only newer ones have. */
const unseen = new Set([
  'stop',
  'ignorable',
  'anonymousGtid',
  'transactionContext',
  'viewChange',
  'heartbeatV2',
  'incident',
  'annotateRows',
  'startEncryption',
  'writeRowsCompressed',
  'updateRowsCompressed',
  'deleteRowsCompressed',
])

test('the recorded logs hold every kind of event that the servers write', async () => {
  const seen = new Set<string>()
  for (const kind of traced) {
    for (const event of (await readTrace(kind)).events) seen.add(typeName(event[4] ?? 0))
  }
  const missing = Object.keys(TYPE).filter((name) => !seen.has(name) && !unseen.has(name))
  assert.deepEqual(missing, [])
})
