import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { parseUrl } from '../../../../src/config/url.ts'
import { setBack } from '../../../../src/mirror/back.ts'
import { Fault } from '../../../../src/model/fault.ts'
import type { Lane, Position, Positions } from '../../../../src/model/position.ts'
import { openTarget } from '../../../../src/target/registry.ts'
import type { Held, Membership, Target } from '../../../../src/target/target.ts'
import { joined } from '../../../../src/target/tenured.ts'
import { database, type TestDatabase } from '../../../../testkit/servers/index.ts'

const LANES = ['t/0', 't/1', 't/2', 't/3']
const at = (order: bigint): Position => ({ log: 'log', order, token: String(order) })

interface Joined extends AsyncDisposable {
  readonly target: Target
  readonly membership: Membership
}

async function open(db: TestDatabase): Promise<Target> {
  const endpoint = parseUrl(db.url, 'the test')
  return await openTarget({ endpoint, mirror: 'm', position: (_, token) => at(BigInt(token)) })
}

async function join(t: TestContext, db: TestDatabase): Promise<Joined> {
  const target = await open(db)
  const membership = await joined(target, { settings: {}, patience: 0 }, t.signal)
  return {
    target,
    membership,
    async [Symbol.asyncDispose]() {
      await membership[Symbol.asyncDispose]()
      await target[Symbol.asyncDispose]()
    },
  }
}

/** A mirror without tables whose lanes stand at 1. */
async function found(t: TestContext): Promise<TestDatabase> {
  const db = await database(t, 17)
  await using target = await open(db)
  await using _claim = await target.claim({ settings: {}, patience: 0 }, t.signal)
  const positions: Positions = new Map(LANES.map((lane) => [lane, at(1n)]))
  await target.begin([], { positions, source: {}, first: true })
  return db
}

/** Moves lanes, as a batch without rows does. */
async function move({ target }: Joined, held: Held, to: Positions): Promise<void> {
  const own = new Map([...held.checkpoint.positions].filter(([lane]) => held.lanes.has(lane)))
  await setBack({ source: { label: 'the test' }, target }, { positions: own }, to)
}

const lanesOf = (held: Held): readonly Lane[] => [...held.lanes].sort()

const refused = (code: string) => (error: unknown) => {
  assert.ok(error instanceof Fault, String(error))
  assert.equal(error.code, code, error.message)
  return true
}

suite('members of a mirror at PostgreSQL', () => {
  test('give lanes up and take them, and never more than their share', async (t) => {
    const db = await found(t)
    await using first = await join(t, db)
    assert.deepEqual(lanesOf(await first.membership.settle([])), LANES)
    await using second = await join(t, db)
    assert.deepEqual(lanesOf(await second.membership.settle([])), [])
    assert.equal(await second.membership.unsettled(), false)
    assert.equal(await first.membership.unsettled(), true)
    assert.equal((await first.membership.settle([])).lanes.size, 2)
    assert.equal(await second.membership.unsettled(), true)
    const held = await second.membership.settle([])
    assert.equal(held.lanes.size, 2)
    assert.equal(held.members, 2)
  })

  test('cannot write a lane that another took, whatever they believe', async (t) => {
    const db = await found(t)
    await using first = await join(t, db)
    const before = await first.membership.settle([])
    await move(first, before, new Map([['t/3', at(2n)]]))
    await using second = await join(t, db)
    // The rows as they are once the first one was not heard of for long, with its sessions left.
    await db.query(`delete from _holdfast.members where epoch = ${first.membership.epoch}`)
    const held = await second.membership.settle([])
    assert.deepEqual(lanesOf(held), LANES)
    assert.equal(held.checkpoint.positions.get('t/3')?.token, '2')
    await assert.rejects(move(first, before, new Map([['t/3', at(9n)]])), refused('HF-X102'))
    await assert.rejects(first.membership.settle([]), refused('HF-X102'))
    await move(second, held, new Map([['t/3', at(3n)]]))
    const [row] = await db.query(`select token from _holdfast.lanes where lane = 't/3'`)
    assert.equal(row?.token, '3')
  })

  test('keep everybody out who would have the mirror alone', async (t) => {
    const db = await found(t)
    await using alone = await open(db)
    const request = { settings: {}, patience: 0 }
    {
      await using member = await join(t, db)
      await member.membership.settle([])
      await assert.rejects(alone.claim(request, t.signal), refused('HF-X101'))
    }
    await using claim = await alone.claim(request, t.signal)
    assert.deepEqual([...(claim.checkpoint?.positions.keys() ?? [])].sort(), LANES)
    await assert.rejects(join(t, db), refused('HF-X101'))
  })
})
