import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { Trial, type Trouble } from '../../../testkit/memory/trial.ts'
import { workload } from '../../../testkit/memory/workload.ts'

const trouble: fc.Arbitrary<Trouble> = fc.record({
  kind: fc.constantFrom('die', 'source-lost', 'target-lost', 'crash', 'refuse', 'crash-and-die'),
  at: fc.integer({ min: 1, max: 80 }),
})

suite('a mirror under trial', () => {
  test('ends as its source, and shows only states that the source had', async () => {
    // Nothing in memory keeps the process up while a mirror waits.
    const alive = setInterval(() => undefined, 1000)
    const ends = new Map<string, number>()
    let compared = 0
    const trials = fc.record({
      work: workload({ transactions: 25 }),
      troubles: fc.array(trouble, { maxLength: 6 }),
      pace: fc.integer({ min: 1, max: 12 }),
      flushEvery: fc.integer({ min: 1, max: 4 }),
      burst: fc.integer({ min: 1, max: 10 }),
      chunk: fc.integer({ min: 1, max: 4 }),
    })
    try {
      await fc.assert(
        fc.asyncProperty(trials, async (options) => {
          const trial = new Trial(options)
          await trial.run()
          for (const end of trial.ends) ends.set(end, (ends.get(end) ?? 0) + 1)
          compared += trial.compared
        }),
        { numRuns: 400 },
      )
    } finally {
      clearInterval(alive)
    }
    for (const end of ['died', 'caught-up', 'HF-S101', 'HF-T201', 'HF-T205'])
      assert.ok((ends.get(end) ?? 0) > 0, `no process ended with ${end}`)
    assert.ok(compared > 1000, `${compared} looks at a whole target`)
  })
})
