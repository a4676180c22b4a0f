import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type HeldLane, type Member, sharesOf } from '../../../src/target/sharing.ts'

/** Members and lanes as rows of a target, which each member settles in turn. */
class Rows {
  readonly members: Member[] = []
  lanes: HeldLane[]

  constructor(lanes: number) {
    this.lanes = Array.from({ length: lanes }, (_, i) => ({ lane: `t/${i}`, epoch: '0' }))
  }

  join(epoch: string, wanted: readonly string[] = []): void {
    this.members.push({ epoch, wanted })
  }
  leave(epoch: string): void {
    const at = this.members.findIndex((member) => member.epoch === epoch)
    this.members.splice(at, 1)
  }
  wants(epoch: string, wanted: readonly string[]): void {
    const at = this.members.findIndex((member) => member.epoch === epoch)
    this.members[at] = { epoch, wanted }
  }

  settle(epoch: string): readonly string[] {
    const { give, take, wanted } = sharesOf(epoch, this)
    for (const { lane, epoch: of } of this.lanes) {
      if (give.includes(lane)) assert.equal(of, epoch, `${lane} is given up by whoever has it`)
      const alive = this.members.some((member) => member.epoch === of)
      if (take.includes(lane)) assert.ok(!alive, `${lane} is taken from nobody who lives`)
    }
    this.lanes = this.lanes.map(({ lane, epoch: of }) => {
      const next = give.includes(lane) ? '0' : take.includes(lane) ? epoch : of
      return { lane, epoch: next }
    })
    return wanted
  }

  /** How many lanes each has once nobody has anything to do. */
  spread(): readonly number[] {
    for (let round = 0; ; round++) {
      assert.ok(round < 10, 'nobody comes to rest')
      const before = JSON.stringify(this.lanes)
      for (const { epoch } of [...this.members].reverse()) this.settle(epoch)
      if (JSON.stringify(this.lanes) === before) break
    }
    return this.members.map(({ epoch }) => this.lanes.filter((one) => one.epoch === epoch).length)
  }
}

suite('lanes that several processes share', () => {
  test('are spread evenly, the eldest first, whoever comes and goes', () => {
    const rows = new Rows(7)
    rows.join('9')
    assert.deepEqual(rows.spread(), [7])
    rows.join('10')
    assert.deepEqual(rows.spread(), [4, 3])
    rows.join('11')
    assert.deepEqual(rows.spread(), [3, 2, 2])
    rows.leave('10')
    assert.deepEqual(rows.spread(), [4, 3])
    for (const epoch of ['12', '13', '14', '15', '16', '17', '18']) rows.join(epoch)
    assert.deepEqual(rows.spread(), [1, 1, 1, 1, 1, 1, 1, 0, 0])
  })

  test('stay with who has them', () => {
    const rows = new Rows(4)
    rows.join('1')
    rows.join('2')
    rows.spread()
    const before = rows.lanes
    rows.join('3')
    rows.spread()
    const moved = rows.lanes.filter(({ epoch }, i) => epoch !== before[i]?.epoch)
    assert.deepEqual(
      moved.map(({ epoch }) => epoch),
      ['3'],
    )
  })

  test('are all of one that needs them, of the eldest where several do', () => {
    const rows = new Rows(6)
    for (const epoch of ['1', '2', '3']) rows.join(epoch)
    rows.spread()
    const topic = ['t/0', 't/1', 't/2', 't/3']
    rows.wants('2', topic)
    rows.wants('3', ['t/3', 't/4'])
    rows.spread()
    const holders = rows.lanes.map(({ epoch }) => epoch)
    assert.deepEqual(holders.slice(0, 4), ['2', '2', '2', '2'])
    assert.deepEqual(rows.settle('2'), topic)
    assert.deepEqual(rows.settle('3'), [])
    rows.wants('2', [])
    rows.wants('3', [])
    assert.deepEqual(rows.spread(), [2, 2, 2])
  })
})
