import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { Trial, type TrialOptions, type Trouble } from '../../../testkit/memory/trial.ts'
import { workload } from '../../../testkit/memory/workload.ts'

const trouble: fc.Arbitrary<Trouble> = fc.record({
  kind: fc.constantFrom('die', 'source-lost', 'target-lost', 'crash', 'refuse', 'crash-and-die'),
  at: fc.integer({ min: 1, max: 80 }),
})

const trials = {
  troubles: fc.array(trouble, { maxLength: 6 }),
  pace: fc.integer({ min: 1, max: 12 }),
  flushEvery: fc.integer({ min: 1, max: 4 }),
  burst: fc.integer({ min: 1, max: 10 }),
  chunk: fc.integer({ min: 1, max: 4 }),
}

/** Runs many trials; gives how often each end came and how often a whole target was looked at. */
async function manyTrials(
  arbitrary: fc.Arbitrary<TrialOptions>,
  numRuns: number,
): Promise<ReadonlyMap<string, number>> {
  // Nothing in memory keeps the process up while a mirror waits.
  const alive = setInterval(() => undefined, 1000)
  const seen = new Map<string, number>()
  const count = (what: string, times = 1): unknown => seen.set(what, (seen.get(what) ?? 0) + times)
  try {
    await fc.assert(
      fc.asyncProperty(arbitrary, async (options) => {
        const trial = new Trial(options)
        await trial.run()
        for (const end of trial.ends) count(end)
        count('compared', trial.compared)
      }),
      { numRuns },
    )
  } finally {
    clearInterval(alive)
  }
  return seen
}

suite('a mirror under trial', () => {
  test('ends as its source, and shows only states that the source had', async () => {
    const work = workload({ transactions: 25 })
    const seen = await manyTrials(fc.record({ ...trials, work }), 300)
    for (const end of ['died', 'caught-up', 'HF-S101', 'HF-T201', 'HF-T205'])
      assert.ok((seen.get(end) ?? 0) > 10, `few processes ended with ${end}`)
    assert.ok((seen.get('compared') ?? 0) > 1000, 'few looks at a whole target')
  })

  test('follows columns that are added, too', async () => {
    const work = workload({ transactions: 25, schema: true })
    const calmBeginning = fc.constant(true)
    await manyTrials(fc.record({ ...trials, work, calmBeginning }), 150)
  })
})
