import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { assertSameContents } from '../contents.ts'
import { database, postgres } from '../servers/index.ts'
import { bounds } from './cases.ts'
import { drill } from './drill.ts'
import { grown, heldAfterLosses, heldAfterRuns } from './flat.ts'

const MIB = 2 ** 20

/** The bounds that every mirror must keep: loads of one size, and as many restarts. */
export function boundsSuite(size: 'small' | 'large', restarts: number): void {
  describe('memory stays below its bound', () => {
    const figures: string[] = []
    after(() => console.log(['', ...figures].join('\n')))
    for (const bound of bounds) {
      const amount = bound[size]
      test(`${bound.name}: ${amount.toLocaleString('en')} ${bound.unit}`, async (t) => {
        const { settings } = bound
        const server = await postgres(18, settings === undefined ? undefined : { settings })
        const source = await database(t, server)
        const target = await database(t, server)
        const drilled = await drill(bound, amount, { source, target })
        for (const { phase, peak, limit, seconds } of drilled) {
          const used = `${Math.round(peak / MIB)} of ${limit / MIB} MiB`
          figures.push(
            `${bound.name}, ${amount} ${bound.unit}, ${phase}: ${used}, ${seconds.toFixed(1)} s`,
          )
          assert.ok(peak > 0, 'the memory of the process was seen')
          assert.ok(peak <= limit, `${phase}: ${used}`)
        }
        await assertSameContents(source, target)
      })
    }
  })

  describe('nothing is left behind', () => {
    test(`by ${restarts} runs`, async (t) => {
      const ends = { source: await database(t, 18), target: await database(t, 18) }
      const held = await heldAfterRuns(ends, restarts)
      assert.equal(held.at(-1)?.['connections at the target'], 0)
      assert.deepEqual(grown(held), [])
    })

    test(`by ${restarts} losses of every connection`, async (t) => {
      const ends = { source: await database(t, 18), target: await database(t, 18) }
      const held = await heldAfterLosses(ends, restarts)
      // A look of its own may be on the way at that moment.
      assert.deepEqual(
        grown(held, { handles: 2, 'connections at the source': 2, 'connections at the target': 2 }),
        [],
      )
    })
  })
}
