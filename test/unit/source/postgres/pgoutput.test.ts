import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Fault } from '../../../../src/model/fault.ts'
import { textsOf, tupleOf } from '../../../../src/model/tuple.ts'
import {
  commitLsnOf,
  committedAtOf,
  Decoder,
  EPOCH_2000,
  endLsnOf,
  oldIn,
  rowIn,
} from '../../../../src/source/postgres/log/pgoutput.ts'
import * as m from './messages.ts'

const row = tupleOf(['1', null, undefined, Buffer.from([1, 2])])

function decode(...messages: readonly Buffer[]) {
  const decoder = new Decoder()
  return messages.map((message) => decoder.decode(message))
}

function one(message: Buffer) {
  const decoded = decode(message)[0]
  assert.ok(decoded !== undefined)
  return decoded
}

function refuses(...messages: readonly Buffer[]): void {
  assert.throws(
    () => decode(...messages),
    (error) => error instanceof Fault && error.code === 'HF-L107',
  )
}

describe('messages outside of streamed blocks', () => {
  test('begin and commit carry the transaction, its end and its time', () => {
    const begin = one(m.begin(0xfffffff0, 9n))
    assert.ok(begin.kind === 'begin')
    assert.deepEqual([begin.xid, commitLsnOf(begin)], [0xfffffff0, 9n])
    const [start, end] = [0xff00000000000001n, 0xff00000000000009n]
    for (const time of [5n, -5n]) {
      const message = Buffer.concat([Buffer.from('before'), m.commit(start, end, time)])
      const commit = new Decoder().decode(message, 6)
      assert.ok(commit.kind === 'commit')
      assert.deepEqual(
        [commitLsnOf(commit), endLsnOf(commit), committedAtOf(commit)],
        [start, end, EPOCH_2000 + time],
      )
    }
  })

  test('a relation carries its columns, types and key', () => {
    const columns = [
      { name: 'id', type: 20, key: true },
      { name: 'ü"x', type: 1043, typmod: 14 },
    ]
    const message = m.relation(4_000_000_000, columns, { schema: 'a b', name: 'T' })
    assert.deepEqual(one(message), {
      kind: 'relation',
      xid: null,
      id: 4_000_000_000,
      schema: 'a b',
      name: 'T',
      replicaIdentity: 'd',
      columns: [
        { name: 'id', typeOid: 20, typmod: -1, key: true },
        { name: 'ü"x', typeOid: 1043, typmod: 14, key: false },
      ],
    })
  })

  test('rows are the bytes that came, not a copy of them', () => {
    const message = m.insert(7, row)
    const decoded = one(message)
    assert.ok(decoded.kind === 'insert')
    const found = rowIn(decoded) ?? assert.fail()
    assert.equal(decoded.relation, 7)
    assert.deepEqual(textsOf(found), ['1', null, undefined, '\x01\x02'])
    assert.equal(found.buffer, message.buffer)
  })

  test('an update holds the new row and, where there is one, the old one', () => {
    const key = tupleOf(['0', null, null, null])
    for (const [parts, old] of [
      [{ row }, null],
      [{ row, key }, key],
      [{ row, old: key }, key],
    ] as const) {
      const decoded = one(m.update(7, parts))
      assert.ok(decoded.kind === 'update')
      assert.deepEqual(rowIn(decoded), row)
      assert.deepEqual(oldIn(decoded), old)
    }
  })

  test('a delete holds the old row or its key', () => {
    for (const mark of ['K', 'O']) {
      const decoded = one(m.remove(7, row, mark))
      assert.ok(decoded.kind === 'delete')
      assert.deepEqual([rowIn(decoded), oldIn(decoded)], [null, row])
    }
  })

  test('a truncate names its tables and whether sequences start again', () => {
    const { kind, ...rest } = one(m.truncate([1, 2], 3))
    assert.equal(kind, 'truncate')
    assert.deepEqual(rest, { xid: null, relations: [1, 2], restartSequences: true })
    const plain = one(m.truncate([1], 1))
    assert.ok(plain.kind === 'truncate' && !plain.restartSequences)
  })

  test('origins, types and logical messages are understood', () => {
    const kinds = decode(m.origin(), m.type(), m.message('hello', { transactional: true }))
    assert.deepEqual(
      kinds.map(({ kind }) => kind),
      ['origin', 'type', 'message'],
    )
  })
})

describe('streamed blocks', () => {
  test('messages inside carry the sub-transaction, messages after do not', () => {
    const decoded = decode(
      m.streamStart(10),
      m.relation(7, [{ name: 'id' }], { xid: 10 }),
      m.type(10),
      m.insert(7, row, 11),
      m.update(7, { row }, 12),
      m.remove(7, row, 'K', 13),
      m.truncate([7], 0, 14),
      m.message('x', { xid: 15 }),
      m.streamStop(),
      m.streamAbort(10, 11),
      m.streamCommit(10, 5n, 6n),
      m.insert(7, row),
    )
    assert.deepEqual(
      decoded.map((message) => ('xid' in message ? message.xid : message.kind)),
      [10, 10, 'type', 11, 12, 13, 14, 15, 'stream-stop', 10, 10, null],
    )
    assert.deepEqual(decoded[9], { kind: 'stream-abort', xid: 10, subxid: 11 })
  })

  test('a block does not hold what belongs outside', () => {
    for (const message of [
      m.begin(1),
      m.commit(1n, 2n),
      m.streamStart(11),
      m.streamCommit(10, 1n, 2n),
      m.streamAbort(10, 11),
    ]) {
      refuses(m.streamStart(10), message)
    }
    refuses(m.streamStop())
  })
})

describe('bytes that are not what they should be', () => {
  const whole = [
    m.begin(1),
    m.commit(1n, 2n),
    m.relation(7, [{ name: 'id', key: true }, { name: 'x' }]),
    m.insert(7, row),
    m.update(7, { row, key: row }),
    m.remove(7, row),
    m.truncate([1, 2]),
    m.origin(),
    m.type(),
    m.message('hello'),
    m.streamStart(10),
    m.streamCommit(10, 1n, 2n),
    m.streamAbort(10, 11),
  ]

  test('a message that is cut anywhere is refused', () => {
    for (const message of whole) {
      for (let end = 0; end < message.length; end++) refuses(message.subarray(0, end))
    }
  })

  test('a message with anything behind it is refused', () => {
    for (const message of whole) refuses(Buffer.concat([message, Buffer.from([0])]))
  })

  test('unknown kinds, parts, flags, cells and lengths are refused', () => {
    refuses(Buffer.from('Zxyz'))
    refuses(Buffer.concat([Buffer.from('I\0\0\0\x07X'), row]))
    refuses(m.truncate([1], 4))
    refuses(m.streamCommit(10, 2n, 2n))
    for (const [start, end] of [
      [2n, 2n],
      [0x100n, 0xffn],
      [1n << 63n, 1n],
    ] as const)
      refuses(m.commit(start, end))
    const flagged = m.commit(1n, 2n)
    flagged[1] = 1
    refuses(flagged)
    const cell = tupleOf(['abc'])
    for (const [at, value] of [
      [2, 0x78],
      [3, 0x80],
      [6, 200],
    ] as const) {
      const damaged = Buffer.from(cell)
      damaged[at] = value
      refuses(m.insert(7, damaged))
    }
  })

  test('random and damaged bytes end in a fault or a message, always', () => {
    const known = fc.constantFrom(...whole)
    const damaged = fc
      .tuple(known, fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 4 }))
      .map(([message, flips]) => {
        const bytes = Buffer.from(message)
        for (const [at, value] of flips) bytes[at % bytes.length] = value
        return bytes
      })
    const random = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes))
    fc.assert(
      fc.property(fc.array(fc.oneof(damaged, random), { maxLength: 6 }), (messages) => {
        try {
          decode(...messages)
        } catch (error) {
          assert.ok(error instanceof Fault && error.code === 'HF-L107', String(error))
        }
      }),
      { numRuns: 5_000 },
    )
  })
})
