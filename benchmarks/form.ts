import { parseUrl } from '../src/config/url.ts'
import { type Connectors, defaultLimits } from '../src/mirror/options.ts'
import type { Table } from '../src/model/table.ts'
import { openSource } from '../src/source/registry.ts'
import { keepOn } from '../src/supervise/keep.ts'
import { openTarget } from '../src/target/registry.ts'

/**
 * A mirror whose source offers changes in one form only, as a process of its own:
 * `form.ts <source> <target> <name> <form> <folder>`. Ends on SIGTERM.
 */
const [from = '', to = '', name = '', form = '', spillDirectory = ''] = process.argv.slice(2)

const connectors: Connectors = {
  openTarget,
  async openSource(options) {
    const source = await openSource(options)
    const offered = source.encodings.bind(source)
    source.encodings = (table: Table) => ({
      stream: offered(table).stream.filter((one) => one === form),
      copy: offered(table).copy,
    })
    return source
  },
}

const stop = new AbortController()
process.once('SIGTERM', () => stop.abort(new Error('stopped')))
await keepOn({
  options: {
    name,
    source: parseUrl(from, 'the source'),
    target: parseUrl(to, 'the target'),
    selection: { include: [], exclude: [], keyless: 'refuse' },
    onExisting: 'refuse',
    copyWorkers: 1,
    limits: { ...defaultLimits, spillDirectory },
    patience: 10_000,
  },
  watch: () => undefined,
  drain: stop.signal,
  goal: null,
  opened: false,
  connectors,
})
