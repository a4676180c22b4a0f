import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { DebeziumEvent, Origin } from '../../../../src/dialect/debezium/event.ts'
import type { StreamItem } from '../../../../src/model/change.ts'
import { DELETE } from '../../../../src/model/changes.ts'
import { tupleOf } from '../../../../src/model/tuple.ts'
import { type Entry, keptKey, Lane } from '../../../../src/source/kafka/lane.ts'
import type { Marks } from '../../../../src/source/kafka/marks.ts'
import { placeOf } from '../../../../src/source/kafka/place.ts'
import { textTable } from '../../../../testkit/memory/tables.ts'

const SPAN = { from: -1, to: -1, oldFrom: 0, oldTo: 3 }

function originAt(lsn: number): Origin {
  return {
    connector: 'postgresql',
    server: 'shop',
    database: 'db',
    snapshot: 'no',
    committedAt: lsn * 10,
    place: { log: 'postgresql/shop/db', parts: [lsn - 1, lsn], gtid: null },
    transactionId: lsn,
    membership: null,
  }
}

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

  test('says with each change what was told until then, whatever the change says itself', () => {
    const lane = new Lane('log', { topic: 't', partition: 0, offset: 0n, gone: false, marks: [] })
    const table = textTable({ id: 't', columns: ['id'], identity: { by: 'key', columns: [0] } })
    const told: Marks[] = []
    for (let lsn = 1; lsn < 6; lsn++) {
      lane.trail.take(originAt(lsn))
      for (const at of [lsn, null]) {
        lane.change({ kind: DELETE, table, buffer: tupleOf(['1']), ...SPAN }, at)
        told.push(lane.marks)
      }
    }
    const items: StreamItem[] = []
    lane.flush(items)
    const [item] = items
    assert.equal(item?.kind, 'run')
    const { places } = item.run
    assert.equal(places.length, told.length)
    for (const [i, marks] of told.entries()) {
      const [[name, position] = []] = places.positions(i)
      assert.ok(name !== undefined && position !== undefined)
      assert.deepEqual(placeOf(name, position).marks, marks)
      assert.equal(marks[0]?.parts?.[1], (i >> 1) + 1)
    }
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
