import { posix } from 'node:path'

/** The stages that rows pass through; they may know each other and both contracts. */
const stages = ['schema', 'stream', 'apply', 'spool', 'snapshot', 'verify']

/** The folders whose code may not know which databases there are. */
export const core: readonly string[] = [...stages, 'model', 'mirror', 'supervise', 'async']

const contracts = ['source', 'target']
const nearly = ['model', 'async', ...contracts, ...stages]
const top = [
  ...nearly,
  ...['registry', 'mirror', 'supervise', 'observe', 'config', 'connect', 'cli', 'demo'],
]

const allowed: Readonly<Record<string, readonly string[]>> = {
  model: [],
  async: ['model'],
  source: ['model', 'async'],
  target: ['model', 'async'],
  ...Object.fromEntries(stages.map((stage) => [stage, nearly])),
  mirror: [...nearly, 'registry'],
  config: ['model', 'async', ...contracts, 'registry', 'mirror'],
  connect: ['model', 'async', 'source'],
  observe: ['model', 'async', 'mirror', 'config'],
  supervise: [...nearly, 'registry', 'mirror', 'config', 'observe', 'connect'],
  cli: top,
  demo: top,
  index: top,
}

/** A place in src as far as import directions go. `family` is that of a connector or dialect. */
export interface Place {
  readonly layer: string
  readonly family?: string
}

/** Where a file of src belongs; `path` starts with `src/`. */
export function placeOf(path: string): Place {
  const [, folder = '', inner = '', ...deeper] = path.split('/')
  if (inner === '') return { layer: posix.parse(folder).name }
  if (folder === 'dialect') return { layer: 'dialect', family: inner }
  if (!contracts.includes(folder)) return { layer: folder }
  if (deeper.length > 0) return { layer: `${folder}-connector`, family: inner }
  return { layer: inner === 'registry.ts' ? 'registry' : folder }
}

/** What topics hold is written in a dialect of its own. */
function dialectsOf(family: string): readonly string[] {
  return family === 'kafka' ? [family, 'debezium'] : [family]
}

/** Whether code at `from` may import code at `to`; both paths start with `src/`. */
export function mayImport(from: string, to: string): boolean {
  const a = placeOf(from)
  const b = placeOf(to)
  if (a.layer === b.layer && a.family === b.family) return true
  // What is said to a worker and what stands in its topics belong together.
  if (a.layer === 'connect' && b.layer === 'dialect') return b.family === 'kafka'
  if (a.layer === 'registry')
    return ['model', 'source', 'target', 'source-connector', 'target-connector'].includes(b.layer)
  if (a.layer === 'dialect') return b.layer === 'model' || b.layer === 'async'
  if (a.layer.endsWith('-connector')) {
    if (b.layer === 'dialect') return dialectsOf(a.family ?? '').includes(b.family ?? '')
    return ['model', 'async', a.layer.replace('-connector', '')].includes(b.layer)
  }
  return (allowed[a.layer] ?? []).includes(b.layer)
}
