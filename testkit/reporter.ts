import type { TestEvent } from 'node:test/reporters'
import { spec as Spec } from 'node:test/reporters'

// The last diagnostics of a run are its counts.
function isTotal(event: TestEvent): event is TestEvent & { readonly type: 'test:diagnostic' } {
  return (
    event.type === 'test:diagnostic' && event.data.nesting === 0 && counts.test(event.data.message)
  )
}

const counts = /^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/

/** Node's spec reporter with the totals at the very end, below the failures. */
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const totals: string[] = []
  const spec = new Spec()
  const feed = async (): Promise<void> => {
    for await (const event of events) {
      if (isTotal(event)) totals.push(`ℹ ${event.data.message}\n`)
      else spec.write(event)
    }
    spec.end()
  }
  const fed = feed()
  for await (const text of spec) yield String(text)
  await fed
  yield totals.join('')
}
