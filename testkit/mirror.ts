import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { inspect } from 'node:util'
import { parseUrl } from '../src/config/url.ts'
import { destroyMirror } from '../src/mirror/operations.ts'
import {
  type Connectors,
  defaultLimits,
  type MirrorLimits,
  type MirrorOptions,
} from '../src/mirror/options.ts'
import type { MirrorEvent } from '../src/mirror/progress.ts'
import { verifyMirror } from '../src/mirror/verify.ts'
import type { Table } from '../src/model/table.ts'
import { openSource } from '../src/source/registry.ts'
import type { Selection } from '../src/source/source.ts'
import { keepOn } from '../src/supervise/keep.ts'
import { openTarget } from '../src/target/registry.ts'

/** How the values of rows travel; `best` is what the two ends choose by themselves. */
export type Form = 'best' | 'pg-binary' | 'pg-text' | 'values'

export interface MirrorSettings {
  readonly source: string
  readonly target: string
  readonly name?: string
  readonly form?: Form
  readonly selection?: Partial<Selection>
  readonly onExisting?: MirrorOptions['onExisting']
  readonly limits?: Partial<MirrorLimits>
  readonly shape?: 'mirror' | 'history'
  readonly rename?: readonly string[]
  /** Beside those of its URL, as a configuration would give them. */
  readonly params?: Readonly<Record<string, string>>
  readonly metadata?: boolean
}

/** A mirror in this process, run until it has caught up as often as one likes. */
export interface TestMirror {
  /** Throws the Fault that ended it; gives back the notices that it said. */
  catchUp(): Promise<readonly string[]>
  /** Removes what it keeps at both ends. */
  destroy(): Promise<void>
  /** What a verification finds: tables with what is wrong in them. */
  differences(): Promise<readonly string[]>
}

const copies = { 'pg-binary': 'pg-copy-binary', 'pg-text': 'pg-copy-text', values: 'values' }

/** The connectors of the registries, with a source that offers one form only. */
function connectorsFor(form: Form): Connectors {
  return {
    openTarget,
    async openSource(options) {
      const source = await openSource(options)
      if (form === 'best') return source
      const offered = source.encodings.bind(source)
      const only = (names: readonly string[], name: string): readonly string[] => {
        if (names.includes(name)) return [name]
        throw new Error(`the source has no ${name} for this table, only ${names.join(', ')}`)
      }
      source.encodings = (table: Table) => ({
        stream: only(offered(table).stream, form),
        copy: only(offered(table).copy, copies[form]),
      })
      return source
    },
  }
}

let mirrors = 0
/** Events of a mirror that are kept to be shown. */
const LAST = 30

export function mirror(t: TestContext, settings: MirrorSettings): TestMirror {
  const spillDirectory = mkdtempSync(join(tmpdir(), 'holdfast-mirror-'))
  t.after(() => rmSync(spillDirectory, { recursive: true, force: true }))
  const source = parseUrl(settings.source, 'the source')
  const options: MirrorOptions = {
    name: settings.name ?? `hard_${++mirrors}`,
    source: { ...source, params: { ...source.params, ...settings.params } },
    target: parseUrl(settings.target, 'the target'),
    selection: { include: [], exclude: [], keyless: 'refuse', ...settings.selection },
    onExisting: settings.onExisting ?? 'refuse',
    shape: settings.shape ?? 'mirror',
    rename: settings.rename ?? [],
    metadata: settings.metadata ?? false,
    copyWorkers: 2,
    limits: { ...defaultLimits, ...settings.limits, spillDirectory },
    until: 'caught-up',
    patience: 0,
  }
  return {
    async catchUp() {
      const notices: string[] = []
      const last: MirrorEvent[] = []
      // A test whose time is over while the mirror runs shows what that was at.
      const show = (): void => console.log(inspect(last, { depth: 4 }))
      t.signal.addEventListener('abort', show)
      try {
        await keepOn({
          options,
          watch: (event) => {
            if (event.kind === 'notice') notices.push(event.text)
            last.push(event)
            if (last.length > LAST) last.shift()
          },
          drain: t.signal,
          goal: null,
          opened: false,
          connectors: connectorsFor(settings.form ?? 'best'),
        })
      } finally {
        t.signal.removeEventListener('abort', show)
      }
      return notices
    },
    async destroy() {
      await destroyMirror(options)
    },
    async differences() {
      const { tables } = await verifyMirror(options, t.signal)
      return tables
        .filter(({ state }) => state !== 'equal')
        .map((table) => `${table.table} ${JSON.stringify(table)}`)
    },
  }
}
