import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Origin, SnapshotMark } from '../../../../src/dialect/debezium/event.ts'
import type { Parts, Whole } from '../../../../src/dialect/debezium/place.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { isAhead, judge, type Marks, marked } from '../../../../src/source/kafka/marks.ts'
import { parsePosition, placeOf, positionAt } from '../../../../src/source/kafka/place.ts'

interface Told {
  readonly parts: Parts
  readonly at?: Whole
  readonly gtid?: string
  readonly snapshot?: SnapshotMark
  readonly log?: string
  /** The number in its transaction. */
  readonly total?: number
}

function origin({
  parts,
  at = 1n,
  gtid,
  snapshot = 'no',
  log = 'mysql/shop/binlog',
  total,
}: Told): Origin {
  return {
    connector: log.split('/')[0] ?? '',
    server: 'shop',
    database: '',
    snapshot,
    committedAt: at,
    place: { log, parts, gtid: gtid ?? null },
    transactionId: null,
    membership: total === undefined ? null : { id: 'x', totalOrder: total, collectionOrder: total },
  }
}

const after = (...told: readonly Told[]): Marks =>
  told.reduce<Marks>((marks, one) => marked(marks, origin(one)), [])

const postgres = 'postgresql/shop/db'

suite('what was told before', () => {
  test('is known by its place in the files of a server', () => {
    const marks = after({ parts: [3n, 500n, 1n], at: 9n })
    const verdict = (parts: readonly bigint[], at = 9n) =>
      judge(marks, origin({ parts, at }), 'alone')
    assert.equal(verdict([3n, 500n, 0n]), 'again')
    assert.equal(verdict([3n, 500n, 1n]), 'again')
    assert.equal(verdict([3n, 500n, 2n]), 'new')
    assert.equal(verdict([2n, 900n, 0n]), 'again')
    assert.equal(verdict([4n, 4n, 0n]), 'new')
    assert.equal(verdict([2n, 900n, 0n], 10n), 'back')
  })

  test('is known by its id where another server counts its files anew', () => {
    const marks = after(
      { parts: [7n, 10n, 0n], gtid: 'a:5', at: 9n },
      { parts: [7n, 20n, 0n], gtid: 'b:2', at: 9n },
    )
    const verdict = (gtid: string) => judge(marks, origin({ parts: [1n, 4n, 0n], gtid }), 'alone')
    assert.equal(verdict('a:5'), 'again')
    assert.equal(verdict('b:1'), 'again')
    assert.equal(verdict('a:6'), 'new')
    assert.equal(verdict('c:1'), 'new')
  })

  test('is past a commit that came after the newest known one, where a connector began anew between', () => {
    const isPast = (told: readonly Told[], parts: Parts): boolean =>
      isAhead(
        after(...told.map((one) => ({ ...one, log: postgres }))),
        origin({ log: postgres, parts }),
      )
    const anew: Told = { parts: [null, 251n] }
    assert.equal(isPast([{ parts: [220n, 217n] }, anew], [229n, 232n]), true)
    assert.equal(isPast([anew], [229n, 232n]), true)
    assert.equal(isPast([{ parts: [220n, 217n] }, anew], [253n, 254n]), false)
    assert.equal(isPast([{ parts: [220n, 217n] }, anew], [229n, 251n]), false)
    assert.equal(isPast([{ parts: [220n, 217n] }], [229n, 232n]), false)
  })

  test('is known by commits where the log mixes transactions', () => {
    const marks = after({ log: postgres, parts: [30n, 10n] }, { log: postgres, parts: [30n, 40n] })
    const verdict = (parts: readonly (bigint | null)[], shares = false) =>
      judge(marks, origin({ log: postgres, parts }), shares ? 'shared' : 'alone')
    assert.equal(verdict([30n, 10n]), 'again')
    assert.equal(verdict([50n, 20n]), 'new')
    assert.equal(verdict([30n, 40n]), 'again')
    assert.equal(verdict([30n, 40n], true), 'new', 'rows of one statement share a place')
    assert.equal(verdict([null, 60n]), 'new', 'a connector that was made anew')
    assert.equal(verdict([null, 20n]), 'again')
  })

  test('is known by its number in its transaction where events share a place', () => {
    const at = (total: number) => ({ log: postgres, parts: [30n, 40n], total })
    const marks = after(at(1), at(2))
    assert.equal(judge(marks, origin(at(2)), 'shared'), 'again')
    assert.equal(judge(marks, origin(at(3)), 'shared'), 'new')
  })

  test('does not mix the logs of several databases', () => {
    const marks = after({ parts: [9n, 9n, 9n] })
    assert.equal(
      judge(marks, origin({ parts: [1n, 1n, 1n], log: 'mysql/other/b' }), 'alone'),
      'new',
    )
  })

  test('holds snapshots that were passed, and not those that are newer', () => {
    const marks = after(
      { parts: [1n, 100n, 0n], snapshot: 'last', at: 5n },
      { parts: [1n, 200n, 0n], at: 6n },
    )
    const verdict = (parts: readonly bigint[], at: bigint) =>
      judge(marks, origin({ parts, at, snapshot: 'true' }), 'shared')
    assert.equal(verdict([1n, 100n, 0n], 5n), 'again')
    assert.equal(verdict([1n, 300n, 0n], 7n), 'new')
    assert.equal(verdict([1n, 4n, 0n], 7n), 'new', 'the server was put back')
  })

  test('K6 holds rows of an incremental snapshot that something newer came after', () => {
    const read = (parts: readonly (bigint | null)[], log = postgres, gtid?: string) => {
      const named = gtid === undefined ? {} : { gtid }
      return origin({ log, parts, ...named, at: 9n, snapshot: 'incremental' })
    }
    const marks = after({ log: postgres, parts: [30n, 40n] })
    assert.equal(judge(marks, read([50n, 50n]), 'shared'), 'new')
    assert.equal(judge(marks, read([30n, 40n]), 'shared'), 'new')
    assert.equal(judge(marks, read([30n, 30n]), 'shared'), 'again')
    const copied = after({ log: postgres, parts: [null, 60n], snapshot: 'last' })
    assert.equal(judge(copied, read([50n, 50n]), 'shared'), 'again', 'a snapshot since')
    assert.equal(judge(copied, read([null, 60n]), 'shared'), 'new')
    const mysql = after({ parts: [7n, 10n, 0n], gtid: 'a:5' })
    const there = (parts: readonly bigint[], gtid: string) =>
      judge(mysql, read(parts, 'mysql/shop/binlog', gtid), 'shared')
    assert.equal(there([7n, 4n, 0n], 'a:4'), 'again')
    assert.equal(there([1n, 4n, 0n], 'a:5'), 'new', 'another server counts its files anew')
    assert.equal(there([1n, 4n, 0n], 'b:1'), 'new')
    const oracle = after({ parts: [9n, 8n, 1n, 1n], log: 'oracle/shop/db' })
    assert.equal(judge(oracle, read([8n, 8n, 1n, 1n], 'oracle/shop/db'), 'shared'), 'new')
  })

  test('is the same after a checkpoint', () => {
    const lane = 'cdc.public.t/3'
    const marks = after(
      { log: postgres, parts: [null, 10], snapshot: 'first', at: 5 },
      { log: postgres, parts: [null, 2n ** 60n], at: 6, total: 4 },
      { parts: [2, 5, 1], gtid: '0-1-7', at: 8 },
    )
    for (const gone of [true, false]) {
      const place = { topic: 'cdc.public.t', partition: 3, offset: 2n ** 60n, gone, marks }
      const { token } = positionAt('kafka x', place)
      assert.deepEqual(placeOf(lane, parsePosition('kafka x', lane, token)), place)
    }
    for (const token of ['', 'cdc.public.t/3', 'cdc.public.t/4:1', 'cdc.public.t/3:1 a,b,c,d']) {
      assert.throws(
        () => parsePosition('kafka x', lane, token),
        (error) => error instanceof Fault && error.code === 'HF-L107',
      )
    }
  })
})
