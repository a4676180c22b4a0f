import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Change, StreamItem } from '../../../../src/model/change.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { describePositions } from '../../../../src/model/position.ts'
import type { Table } from '../../../../src/model/table.ts'
import { textsOf, tupleOf } from '../../../../src/model/tuple.ts'
import { Decoder } from '../../../../src/source/postgres/log/pgoutput.ts'
import { Transactions } from '../../../../src/source/postgres/log/transactions.ts'
import { positionsAt } from '../../../../src/source/postgres/position.ts'
import * as m from './messages.ts'

const table: Table = {
  id: '7',
  schema: 'public',
  name: 't',
  columns: [
    {
      name: 'id',
      type: { kind: 'int', bits: 32, unsigned: false },
      native: 'integer',
      nullable: false,
    },
  ],
  identity: { by: 'key', columns: [0] },
  version: '1',
}

function setup() {
  const ended: string[] = []
  const transactions = new Transactions({
    tables: {
      of: (relation) => (relation === 7 ? table : null),
      committed: (xid) => ended.push(`commit ${xid}`),
      aborted: (xid, sub) => ended.push(`abort ${xid} ${sub}`),
    },
    after: 100n,
    positions: (lsn) => positionsAt('log', lsn),
    convert: (tuple) => tuple,
  })
  const decoder = new Decoder()
  const items: StreamItem[] = []
  const feed = (...messages: readonly (Buffer | bigint)[]): StreamItem[] => {
    for (const message of messages) {
      if (typeof message === 'bigint') transactions.keepalive(message, false, items)
      else {
        const decoded = decoder.decode(message)
        assert.ok(decoded.kind !== 'relation')
        transactions.take(decoded, items)
      }
    }
    return items.splice(0)
  }
  return { feed, ended }
}

const row = (id: number): Buffer => tupleOf([String(id)])

function words(item: StreamItem): string {
  const place = 'positions' in item ? ` @${describePositions(item.positions)}` : ''
  const sub = 'sub' in item && item.sub !== null ? `/${item.sub}` : ''
  const of = 'transaction' in item ? ` ${item.transaction}` : ''
  const changes = 'changes' in item ? ` [${item.changes.map(change).join(' ')}]` : ''
  return `${item.kind}${of}${sub}${changes}${place}`
}

function change(of: Change): string {
  if (of.kind === 'truncate' || of.kind === 'schema') return of.kind
  return `${of.kind[0]}${(of.row === null ? [] : textsOf(of.row)).join()}`
}

test('a small transaction is one commit with its changes', () => {
  const { feed } = setup()
  const items = feed(m.begin(5), m.insert(7, row(1)), m.remove(7, row(1)), m.commit(101n, 110n))
  assert.deepEqual(items.map(words), ['commit 5 [i1 d] @0/6E'])
})

test('a large transaction comes in parts, in order', () => {
  const { feed } = setup()
  const rows = Array.from({ length: 10_001 }, (_, i) => m.insert(7, row(i)))
  const items = feed(m.begin(5), ...rows, m.commit(101n, 110n))
  assert.deepEqual(
    items.map((item) => [item.kind, 'changes' in item ? item.changes.length : 0]),
    [
      ['part', 10_000],
      ['commit', 1],
    ],
  )
  const big = Buffer.alloc(1 << 20)
  const wide = Array.from({ length: 5 }, () => m.insert(7, tupleOf([big])))
  const parts = feed(m.begin(6), ...wide, m.commit(111n, 120n))
  assert.deepEqual(
    parts.map((item) => ('changes' in item ? item.changes.length : 0)),
    [4, 1],
  )
})

test('streamed transactions may interleave; each part names its sub-transaction', () => {
  const { feed, ended } = setup()
  const items = feed(
    m.streamStart(10),
    m.insert(7, row(1), 10),
    m.insert(7, row(2), 11),
    m.insert(7, row(3), 10),
    m.streamStop(),
    m.streamStart(20),
    m.insert(7, row(4), 20),
    m.streamStop(),
    m.streamAbort(10, 11),
    m.streamCommit(20, 101n, 110n),
    m.begin(30),
    m.insert(7, row(5)),
    m.commit(111n, 120n),
    m.streamStart(10, false),
    m.insert(7, row(6), 12),
    m.streamStop(),
    m.streamCommit(10, 121n, 130n),
    m.streamStart(40),
    m.insert(7, row(7), 40),
    m.streamStop(),
    m.streamAbort(40, 40),
  )
  assert.deepEqual(items.map(words), [
    'part 10 [i1]',
    'part 10/11 [i2]',
    'part 10 [i3]',
    'part 20 [i4]',
    'discard 10/11',
    'commit 20 [] @0/6E',
    'commit 30 [i5] @0/78',
    'part 10/12 [i6]',
    'commit 10 [] @0/82',
    'part 40 [i7]',
    'discard 40',
  ])
  assert.deepEqual(ended, ['abort 10 11', 'commit 20', 'commit 10', 'abort 40 40'])
})

test('a keepalive says how far an idle log was read, and nothing inside a transaction', () => {
  const { feed } = setup()
  assert.deepEqual(feed(90n, 100n).map(words), [])
  assert.deepEqual(feed(105n, 105n, 104n).map(words), ['progress @0/69'])
  assert.deepEqual(feed(m.begin(5), 300n, m.insert(7, row(1)), 300n).map(words), [])
  assert.deepEqual(feed(m.commit(111n, 120n), 120n, 121n).map(words), [
    'commit 5 [i1] @0/78',
    'progress @0/79',
  ])
  assert.deepEqual(feed(m.streamStart(6), 400n).map(words), [])
})

test('logical messages and rows of tables that are not mirrored change nothing', () => {
  const { feed } = setup()
  const items = feed(
    m.message('between'),
    m.begin(5),
    m.origin(),
    m.type(),
    m.message('in it', { transactional: true }),
    m.insert(8, tupleOf(['a', 'b', 'c'])),
    m.truncate([8]),
    m.insert(7, row(1)),
    m.truncate([8, 7]),
    m.commit(101n, 110n),
  )
  assert.deepEqual(items.map(words), ['commit 5 [i1 truncate] @0/6E'])
})

test('what the protocol does not allow is refused, never shifted', () => {
  const orders: readonly (readonly Buffer[])[] = [
    [m.insert(7, row(1))],
    [m.begin(5), m.begin(6)],
    [m.commit(101n, 110n)],
    [m.begin(5), m.commit(90n, 100n)],
    [m.begin(5), m.streamStart(6)],
    [m.begin(5), m.streamCommit(6, 101n, 110n)],
    [m.begin(5), m.insert(7, tupleOf(['1', '2']))],
    [m.begin(5), m.insert(7, tupleOf([]))],
  ]
  for (const order of orders) {
    assert.throws(
      () => setup().feed(...order),
      (error) => error instanceof Fault && error.code === 'HF-L107',
    )
  }
})
