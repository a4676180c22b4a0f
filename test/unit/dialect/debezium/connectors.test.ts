import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Origin } from '../../../../src/dialect/debezium/event.ts'
import { emission, judge, marked, order } from '../../../../src/source/kafka/marks.ts'
import { record, rowOf } from './connect.ts'

// The blocks are made after the examples in the reference pages of Debezium's connectors for SQL
// Server, Oracle, Db2 and Informix, whose databases the tests do not have.

type Facts = Readonly<Record<string, string | number | null>>

/** Where a row of this connector says that it stands. */
function originOf(connector: string, facts: Facts, snapshot = 'false'): Origin {
  const names = { name: 'src', db: 'shop', schema: 'dbo', table: 't' }
  const block = { connector, ts_ms: 1_795_247_157_296, snapshot, ...names, ...facts }
  const fields = Object.entries(block).map(([field, value]) => {
    return { type: typeof value === 'number' ? 'int64' : 'string', optional: true, field }
  })
  const columns = [{ type: 'int64', optional: false, field: 'id' }]
  const row = { type: 'struct', fields: columns, optional: true, name: 'src.dbo.t.Value' }
  const schema = {
    type: 'struct',
    optional: false,
    name: 'src.dbo.t.Envelope',
    fields: [
      { ...row, field: 'before' },
      { ...row, field: 'after' },
      { type: 'struct', fields, optional: false, field: 'source' },
      { type: 'string', optional: false, field: 'op' },
    ],
  }
  const op = snapshot === 'false' ? 'c' : 'r'
  const payload = { before: null, after: { id: 1 }, source: block, op }
  const event = rowOf(String(record(JSON.stringify({ schema, payload })).value))
  assert.ok(event.origin !== null)
  assert.equal(event.origin.connector, connector)
  return event.origin
}

const changes = (commit_lsn: string, change_lsn: string | null, event_serial_no: number) => ({
  commit_lsn,
  change_lsn,
  event_serial_no,
})

const mined = (commit_scn: string, scn: string, rs_id: string, ssn: number) => ({
  txId: '6.28.807',
  scn,
  commit_scn,
  rs_id,
  ssn,
})

/** A snapshot, and changes in the order in which their connector tells them. */
const told: Readonly<Record<string, { readonly first: Facts; readonly rest: readonly Facts[] }>> = {
  sqlserver: {
    first: changes('00000027:00000750:0001', null, 0),
    rest: [
      changes('00000027:00000758:0005', '00000027:00000758:0003', 1),
      changes('00000027:00000758:0005', '00000027:00000758:0003', 2),
      changes('00000027:00000758:0005', '00000027:00000758:0004', 1),
      // It began before the others and committed after them.
      changes('00000027:00000a60:0001', '00000027:00000700:0001', 1),
      changes('00000028:00000010:0002', '00000028:00000010:0001', 1),
    ],
  },
  db2: {
    first: changes('00000000:00000000:0000000000003f00', null, 0),
    rest: [
      changes('00000000:00000000:0000000000003fe7', '00000000:00000000:0000000000003fd1', 1),
      changes('00000000:00000000:0000000000003ff0', '00000000:00000000:0000000000003fc0', 1),
      changes('00000000:00000000:0000000000010000', '00000000:00000000:000000000000ffff', 1),
    ],
  },
  informix: {
    first: { commit_lsn: '90194313216', change_lsn: null },
    rest: ['90194316960', '90194317000', '110194317000'].map((lsn) => {
      return { txId: '53', commit_lsn: lsn, change_lsn: lsn }
    }),
  },
  oracle: {
    first: { scn: '2122000', commit_scn: null },
    rest: [
      mined('2122190', '2122185', ' 0x001234.00012345.0124 ', 0),
      mined('2122190', '2122185', ' 0x001234.00012345.0124 ', 1),
      mined('2122190', '2122186', ' 0x001234.00012346.0010 ', 0),
      mined('2122195', '2122100', ' 0x001233.00000001.0010 ', 0),
      mined('12122195', '12122100', ' 0x001235.00000001.0010 ', 0),
    ],
  },
}

suite('where changes of connectors stand that no database is here for', () => {
  for (const [connector, { first, rest }] of Object.entries(told)) {
    test(`those of ${connector} come in the order of commits, and none is taken twice`, () => {
      const snapshot = originOf(connector, first, 'last')
      const origins = rest.map((facts) => originOf(connector, facts))
      let marks = marked([], snapshot)
      for (const [i, origin] of origins.entries()) {
        assert.equal(judge(marks, origin, 'alone'), 'new', `change ${i}`)
        assert.ok(emission(snapshot, origin) < 0, `change ${i} comes after the snapshot`)
        marks = marked(marks, origin)
        for (const one of origins.slice(0, i + 1)) {
          assert.equal(judge(marks, one, 'alone'), 'again', `one that was told, after change ${i}`)
        }
      }
      const parts = origins.map(({ place }) => place?.parts ?? [])
      assert.deepEqual(parts.toSorted(order), parts)
    })
  }

  test('a snapshot of Oracle that is taken anew comes after what it holds', () => {
    const change = originOf('oracle', mined('2122190', '2122185', '0x1.1.1', 0))
    const anew = originOf('oracle', { scn: '2122192', commit_scn: null }, 'first')
    const later = originOf('oracle', mined('2122195', '2122100', '0x1.2.1', 0))
    assert.ok(emission(change, anew) < 0)
    assert.ok(emission(anew, later) < 0)
  })

  test('what does not say its commit, and connectors that are not known, have no place', () => {
    const lone = originOf('oracle', { scn: '2122185', commit_scn: null })
    assert.equal(lone.place, null)
    assert.equal(originOf('vitess', { vgtid: '[]' }).place, null)
  })
})
