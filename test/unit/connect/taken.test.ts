import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSnapshotTaken } from '../../../src/connect/taken.ts'

const of = (...offsets: readonly (Record<string, unknown> | null)[]) =>
  offsets.map((offset) => ({ partition: { server: 's' }, offset }))

test('a connector has taken its snapshot once no place that it stored stands within one', () => {
  assert.equal(isSnapshotTaken(of()), false)
  assert.equal(isSnapshotTaken(of(null)), false)
  assert.equal(isSnapshotTaken(of({ lsn: 1, txId: 2 })), true)
  assert.equal(isSnapshotTaken(of({ lsn: 1, snapshot: true, last_snapshot_record: false })), false)
  assert.equal(isSnapshotTaken(of({ lsn: 1, snapshot: 'INITIAL' })), false)
  assert.equal(
    isSnapshotTaken(of({ lsn: 1, snapshot: 'INITIAL', last_snapshot_record: true })),
    true,
  )
  assert.equal(isSnapshotTaken(of({ snapshot: true, snapshot_completed: true })), true)
  assert.equal(isSnapshotTaken(of({ file: 'f', pos: 4 }, { file: 'f', snapshot: true })), false)
})
