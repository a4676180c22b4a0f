import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { DebeziumEvent } from '../../../../src/dialect/debezium/event.ts'
import { type Entry, keptKey, Lane } from '../../../../src/source/kafka/lane.ts'

const heartbeat = (): DebeziumEvent => ({ kind: 'heartbeat', origin: null })
const tombstone = (): DebeziumEvent => ({ kind: 'tombstone', table: null, key: null, newKey: null })

function entry(offset: bigint): Entry {
  return { offset, key: null, event: heartbeat(), poll: 0, joined: false }
}

suite('a partition that is never empty', () => {
  test('keeps what waits, and lets go of what was dealt with', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const place = { topic: 't', partition: 0, offset: 0n, gone: false, marks: [] }
    const lane = new Lane('log', place)
    const seen: WeakRef<Entry>[] = []
    for (let offset = 0n; offset < 50_000n; offset++) {
      lane.push(entry(offset))
      if (offset < 10n) continue
      const { head } = lane
      assert.equal(head?.offset, offset - 10n)
      seen.push(new WeakRef(head))
      lane.pass(head)
    }
    assert.equal([...lane.waiting()].length, 10)
    assert.equal(lane.applied, 49_990n)
    await turn()
    collect()
    const kept = seen.filter((one) => one.deref() !== undefined).length
    assert.ok(kept < 5000, `${kept} of ${seen.length} are kept`)
  })

  test('keeps no bytes of an answer for the sake of a key', () => {
    const answer = Buffer.alloc(1000, 'k')
    const key = answer.subarray(10, 20)
    assert.equal(keptKey(key, heartbeat()), null)
    assert.equal(keptKey(null, tombstone()), null)
    const kept = keptKey(key, tombstone())
    assert.deepEqual(kept, key)
    assert.notEqual(kept?.buffer, answer.buffer)
  })
})
