import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Origin, SnapshotMark } from '../../../../src/dialect/debezium/event.ts'
import type { Parts, Whole } from '../../../../src/dialect/debezium/place.ts'
import { judge, type Marks, marked } from '../../../../src/source/kafka/marks.ts'
import { marksAt, Trail } from '../../../../src/source/kafka/trail.ts'
import { type Draw, drawer } from './connector.ts'

const LOGS = ['postgresql/shop/db', 'postgresql/other/db', 'mysql/shop/binlog']
const MARKS: readonly SnapshotMark[] = ['no', 'no', 'no', 'no', 'true', 'last', 'incremental']
/** Beyond what a number holds. */
const FAR = 2n ** 60n

/** Of an event that mostly only goes on after the one before, at `now`. */
function drawn(draw: Draw, now: number): Origin | null {
  const odd = draw(4) === 0
  const total = odd && draw(3) === 0 ? draw(9) + 1 : null
  if (odd && draw(9) === 0) return null
  const [connector = ''] = LOGS
  const gtid = odd && draw(3) === 0 ? `a:${draw(9)}` : null
  return {
    connector,
    server: 'shop',
    database: 'db',
    snapshot: (odd ? MARKS[draw(MARKS.length)] : undefined) ?? 'no',
    committedAt: odd && draw(3) === 0 ? null : now - (odd ? draw(5) : 0),
    place:
      odd && draw(9) === 0
        ? null
        : { log: LOGS[odd ? draw(LOGS.length) : 0] ?? '', parts: parts(draw, now), gtid },
    transactionId: now,
    membership: total === null ? null : { id: 'x', totalOrder: total, collectionOrder: total },
  }
}

function parts(draw: Draw, now: number): Parts {
  const own: Whole = draw(40) === 0 ? FAR + BigInt(now) : now
  return [draw(20) === 0 ? null : now - draw(5), own]
}

suite('what a partition was told', () => {
  for (let seed = 1; seed <= 50; seed++) {
    test(`is the same however little is made for it, seed ${seed}`, () => {
      const draw = drawer(seed)
      const trail = new Trail([])
      let truth: Marks = []
      for (let now = 10; now < 400; now++) {
        const origin = drawn(draw, now)
        const again = drawn(draw, now - draw(8))
        for (const sharing of ['alone', 'shared'] as const) {
          assert.equal(trail.judge(again, sharing), judge(truth, again, sharing))
        }
        trail.take(origin)
        truth = marked(truth, origin)
        assert.deepEqual(marksAt(trail.base, trail.parts, trail.at), truth)
        if (draw(3) === 0) assert.deepEqual(trail.marks, truth)
        // Of one log, as it mostly is.
        if (truth.length > 1 && draw(3) === 0) {
          truth = truth.slice(0, 1)
          trail.marks = truth
        }
      }
      assert.deepEqual(trail.marks, truth)
    })
  }
})
