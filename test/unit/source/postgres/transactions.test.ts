import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Conversion, canonicalTuples } from '../../../../src/dialect/postgres/values.ts'
import type { Change, SchemaChange, StreamItem } from '../../../../src/model/change.ts'
import type { Changes } from '../../../../src/model/changes.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { describePositions } from '../../../../src/model/position.ts'
import type { Run } from '../../../../src/model/run.ts'
import type { Table } from '../../../../src/model/table.ts'
import { textsOf, tupleOf } from '../../../../src/model/tuple.ts'
import { Tuples } from '../../../../src/model/tuples.ts'
import { Decoder, EPOCH_2000 } from '../../../../src/source/postgres/log/pgoutput.ts'
import { Transactions } from '../../../../src/source/postgres/log/transactions.ts'
import { LANE, Landmark, passedAt } from '../../../../src/source/postgres/position.ts'
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

const copying: Conversion = (tuple) => Buffer.from(tuple)

function setup({ convert = copying }: { readonly convert?: Conversion | null } = {}) {
  const ended: string[] = []
  const transactions = new Transactions({
    tables: {
      of: (relation) => (relation === 7 ? table : null),
      committed: (xid) => ended.push(`commit ${xid}`),
      aborted: (xid, sub) => ended.push(`abort ${xid} ${sub}`),
    },
    after: 100n,
    landmark: new Landmark(90n, 9n),
    positions: (lsn, landmark) => passedAt('log', lsn, landmark),
    convert,
  })
  const decoder = new Decoder()
  const items: StreamItem[] = []
  /** What a burst becomes that holds these; a schema change stands for one that was met here. */
  const feed = (...messages: readonly (Buffer | bigint | SchemaChange)[]): StreamItem[] => {
    for (const message of messages) {
      if (typeof message === 'bigint') transactions.keepalive(message, false, items)
      else if (!Buffer.isBuffer(message)) transactions.change(message, null, items)
      else {
        const decoded = decoder.decode(message)
        assert.ok(decoded.kind !== 'relation')
        transactions.take(decoded, items)
      }
    }
    transactions.handOn(items)
    return items.splice(0)
  }
  const abandon = (): StreamItem[] => {
    transactions.abandon(items)
    return items.splice(0)
  }
  return { feed, abandon, ended }
}

const row = (id: number): Buffer => tupleOf([String(id)])

function words(item: StreamItem): string {
  const place = 'positions' in item ? ` @${describePositions(item.positions)}` : ''
  const sub = 'sub' in item && item.sub !== null ? `/${item.sub}` : ''
  const of = 'transaction' in item ? ` ${item.transaction}` : ''
  if (item.kind === 'run') return `run${wordsOf(item.run).join()}`
  const changes = 'changes' in item ? ` ${listed(item.changes)}` : ''
  return `${item.kind}${of}${sub}${changes}${place}`
}

function wordsOf(run: Run): readonly string[] {
  return Array.from({ length: run.length }, (_, i) => {
    const place = describePositions(run.places.positions(i))
    return ` ${listed(run.changesOf(i))} @${place}`
  })
}

function listed(changes: Iterable<Change>): string {
  return `[${[...changes].map(change).join(' ')}]`
}

function change(of: Change): string {
  if (of.kind === 'truncate' || of.kind === 'schema') return of.kind
  return `${of.kind[0]}${(of.row === null ? [] : textsOf(of.row)).join()}`
}

/** The buffer that the row of a change stands in. */
function rowBuffer(changes: Changes, i: number): Buffer {
  const rows = new Tuples()
  changes.rowInto(rows, i)
  return rows.buffer(0)
}

test('a small transaction is a run of one', () => {
  const { feed } = setup()
  const items = feed(m.begin(5), m.insert(7, row(1)), m.remove(7, row(1)), m.commit(101n, 110n))
  assert.deepEqual(items.map(words), ['run [i1 d] @0/6E'])
})

test('rows that need no rewriting stay in the buffers that they came in', () => {
  const { feed } = setup({ convert: canonicalTuples() })
  const inserts = [1, 2].map((id) => m.insert(7, row(id)))
  const [item] = feed(m.begin(5), ...inserts, m.commit(101n, 110n))
  assert.ok(item?.kind === 'run')
  assert.deepEqual(
    [0, 1].map((i) => inserts.indexOf(rowBuffer(item.run.changes, i))),
    [0, 1],
  )
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

test('transactions of one burst are one run, each with its own place', () => {
  for (const convert of [copying, null]) {
    const { feed } = setup({ convert })
    const gone = m.remove(7, row(3))
    const items = feed(
      ...[m.begin(5), m.insert(7, row(1)), m.insert(7, row(2)), m.commit(101n, 110n, 11n)],
      ...[m.begin(6), m.commit(111n, 120n, 12n)],
      ...[m.begin(7), m.insert(8, row(0)), m.commit(121n, 130n, 13n)],
      ...[m.begin(8), gone, m.truncate([7]), m.commit(131n, 140n, 14n)],
    )
    assert.deepEqual(items.map(words), [
      'run [i1 i2] @0/6E, [] @0/78, [] @0/82, [d truncate] @0/8C',
    ])
    const [item] = items
    assert.ok(item?.kind === 'run')
    const { run } = item
    const old = run.changes.old(2)
    assert.ok(old?.equals(row(3)))
    assert.equal(run.changes.oldBuffer(2) === gone, !convert)
    // What held no row is no landmark; a row of a table that is not mirrored is one.
    const marks = Array.from({ length: 4 }, (_, i) => {
      const { landmark } = run.places.positions(i).get(LANE) ?? assert.fail()
      return [landmark, Number((run.places.committedAt(i) ?? 0n) - EPOCH_2000)]
    })
    const of = (end: string, time: bigint): string => `${end} ${EPOCH_2000 + time}`
    assert.deepEqual(marks, [
      [of('0/6E', 11n), 11],
      [of('0/6E', 11n), 12],
      [of('0/82', 13n), 13],
      [of('0/8C', 14n), 14],
    ])
    const [next] = feed(m.begin(9), m.commit(141n, 150n, 15n))
    assert.ok(next?.kind === 'run')
    assert.equal(next.run.first.get(LANE)?.landmark, of('0/8C', 14n))
  }
})

test('before the first transaction the landmark is the one that was there', () => {
  const { feed } = setup()
  const [item] = feed(m.begin(5), m.commit(101n, 110n))
  assert.ok(item?.kind === 'run')
  assert.equal(item.run.last.get(LANE)?.landmark, '0/5A 9')
})

test('a large transaction between small ones parts the run', () => {
  const { feed } = setup({ convert: null })
  const small = (xid: number, at: bigint): readonly Buffer[] => [
    m.begin(xid),
    m.insert(7, row(xid)),
    m.commit(at, at + 1n),
  ]
  const rows = Array.from({ length: 20_000 }, (_, i) => m.insert(7, row(i)))
  const large = [m.begin(7), ...rows, m.insert(7, row(5)), m.commit(121n, 130n)]
  const items = feed(...small(5, 101n), ...small(6, 103n), ...large, ...small(8, 131n))
  const kinds = items.map((item) => [item.kind, 'changes' in item ? item.changes.length : 0])
  assert.deepEqual(kinds, [
    ['run', 0],
    ['part', 10_000],
    ['part', 10_000],
    ['commit', 1],
    ['run', 0],
  ])
  assert.deepEqual(
    [items[0], items[3], items[4]].map((item) => item && words(item)),
    ['run [i5] @0/66, [i6] @0/68', 'commit 7 [i5] @0/82', 'run [i8] @0/84'],
  )
  const [, part] = items
  assert.ok(part?.kind === 'part')
  assert.equal(change([...part.changes][9999] ?? assert.fail()), 'i9999')
})

test('a transaction that changes the shape of a table stays alone', () => {
  const { feed } = setup()
  const schema: SchemaChange = { kind: 'schema', from: table, to: { ...table, version: '2' } }
  const items = feed(
    ...[m.begin(5), m.insert(7, row(1)), m.commit(101n, 110n)],
    ...[m.begin(6), m.insert(7, row(2)), schema, m.insert(7, row(3)), m.commit(111n, 120n)],
    ...[m.begin(7), m.insert(7, row(4)), m.commit(121n, 130n)],
  )
  assert.deepEqual(items.map(words), [
    'run [i1] @0/6E',
    'commit 6 [i2 schema i3] @0/78',
    'run [i4] @0/82',
  ])
})

test('a burst that ends inside a transaction hands on what came before it', () => {
  for (const convert of [copying, null]) {
    const { feed } = setup({ convert })
    const first = [m.begin(5), m.insert(7, row(1)), m.commit(101n, 110n)]
    const said = [
      feed(...first, m.begin(6), m.insert(7, row(2)), m.truncate([7])),
      feed(m.remove(7, row(2))),
      feed(m.insert(7, row(3)), m.commit(111n, 120n), m.begin(7)),
      feed(m.commit(121n, 130n)),
    ]
    assert.deepEqual(
      said.map((items) => items.map(words)),
      [['run [i1] @0/6E'], [], ['run [i2 truncate d i3] @0/78'], ['run [] @0/82']],
    )
  }
})

test('what is abandoned in the middle is taken back, and what was whole is not', () => {
  const { feed, abandon, ended } = setup()
  assert.deepEqual(feed(m.streamStart(10), m.insert(7, row(1), 10), m.streamStop()).length, 1)
  feed(m.begin(5), m.insert(7, row(2)), m.commit(101n, 110n), m.begin(6), m.insert(7, row(3)))
  assert.deepEqual(abandon().map(words), ['discard 10', 'discard 6'])
  assert.deepEqual(ended, ['abort 10 10', 'abort 6 6'])
  const again = feed(m.begin(6), m.insert(7, row(3)), m.commit(111n, 120n))
  assert.deepEqual(again.map(words), ['run [i3] @0/78'])
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
    'run [i5] @0/78',
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
    'run [i1] @0/78',
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
  assert.deepEqual(items.map(words), ['run [i1 truncate] @0/6E'])
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
