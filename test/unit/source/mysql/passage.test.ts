import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Positions } from '../../../../src/model/position.ts'
import { Passage } from '../../../../src/source/mysql/passage.ts'
import { LANE, parsePlace } from '../../../../src/source/mysql/place.ts'
import { Places } from '../../../../src/source/mysql/places.ts'
import { type Gtid, gtidText, Trail } from '../../../../src/source/mysql/trail.ts'

const KEY = '0a0b0c0d-0000-0000-0000-000000000001'
const UUIDS = [KEY, '0a0b0c0d-0000-0000-0000-000000000002'] as const
const flavours = ['mysql', 'mariadb'] as const
type Flavour = (typeof flavours)[number]

/** A few servers take turns; numbers mostly follow each other, as they do in a log. */
const steps = fc.array(
  fc.record({ origin: fc.nat(1), gap: fc.constantFrom(0, 0, 0, 0, 1, 5), named: fc.nat(9) }),
  { minLength: 1, maxLength: 60 },
)
type Steps = typeof steps extends fc.Arbitrary<infer T> ? T : never

function names(flavour: Flavour, all: Steps): readonly (Gtid | null)[] {
  const next = [1n, 1n]
  return all.map(({ origin, gap, named }) => {
    if (named === 0) return null
    const number = (next[origin] ?? 1n) + BigInt(gap)
    next[origin] = number + 1n
    if (flavour === 'mysql') return { kind: 'set', origin: UUIDS[origin] ?? KEY, number }
    return { kind: 'domain', domain: origin, server: 7, sequence: number }
  })
}

function start(flavour: Flavour): ReturnType<typeof parsePlace> {
  const token = flavour === 'mysql' ? `${KEY}:9000-9010` : '5-7-12'
  return parsePlace(`${token} ${KEY}/binlog.000001:4`, { flavour, server: KEY })
}

function told(positions: Positions): unknown {
  const { log, order, token, landmark } = positions.get(LANE) ?? {}
  return { log, order, token, landmark }
}

for (const flavour of flavours) {
  test(`places of a run are those of its transactions one by one, of ${flavour}`, () => {
    const property = fc.property(steps, fc.nat(20), (all, lead) => {
      const server = {
        flavour,
        key: KEY,
        naming: flavour === 'mysql' ? 'sets' : 'domains',
        variables: new Map(),
      } as const
      const places = new Places(server)
      const passage = new Passage(places, { place: start(flavour), landmark: null })
      // So that what was passed is put together anew somewhere in between.
      const many = names(flavour, Array(4080 + lead).fill({ origin: 1, gap: 0, named: 1 }))
      for (const gtid of many) passage.add(gtid)
      const wanted: unknown[] = []
      const got: unknown[] = []
      let runs: { length: number; positions(i: number): Positions }[] = []
      for (const [i, gtid] of names(flavour, all).entries()) {
        passage.pass({ gtid, start: 100 * i, time: BigInt(i) }, 'binlog.000001')
        wanted.push(told(passage.at('binlog.000001', 100 * i + 90)))
        passage.place(100 * i + 90)
        if (all[i]?.named !== 1 && i < all.length - 1) continue
        runs = [...runs, passage.take()]
      }
      for (const run of runs) for (let i = 0; i < run.length; i++) got.push(told(run.positions(i)))
      assert.deepEqual(got, wanted)
    })
    fc.assert(property, { numRuns: 60 })
  })
}

test('a trail comes to what was passed one by one', () => {
  const property = fc.property(steps, fc.constantFrom(...flavours), (all, flavour) => {
    const { passed } = start(flavour)
    const trail = new Trail(passed)
    const wanted = passed?.clone()
    for (const gtid of names(flavour, all)) {
      if (gtid === null) continue
      trail.add(gtid)
      if (gtid.kind === 'set' && wanted !== undefined && 'addAll' in wanted) {
        wanted.add(gtid.origin, gtid.number)
      } else if (gtid.kind === 'domain' && wanted !== undefined && 'advance' in wanted) {
        wanted.advance(gtid)
      }
      assert.equal(String(trail.passed(trail.length)), String(wanted))
      assert.equal(gtidText(trail.at(trail.length - 1)), gtidText(gtid))
    }
  })
  fc.assert(property, { numRuns: 200 })
})
