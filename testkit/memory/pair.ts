import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Connectors, MirrorOptions } from '../../src/mirror/options.ts'
import type { Endpoint } from '../../src/model/endpoint.ts'
import type { MemoryDatabase } from './database.ts'
import type { Life } from './life.ts'
import { MemorySource, type MemorySourceOptions } from './source.ts'
import type { MemoryStore } from './store.ts'
import { MemoryTarget } from './target.ts'

const nowhere: Endpoint = {
  scheme: 'memory',
  host: '',
  port: null,
  database: null,
  user: null,
  password: null,
  tls: { mode: 'disable', ca: null, cert: null, key: null },
  params: {},
}

const spillDirectory = join(tmpdir(), `holdfast-test-${process.pid}`)
process.once('exit', () => rmSync(spillDirectory, { recursive: true, force: true }))

/** Options of a mirror between memories; limits are small enough to be met by small tests. */
export function mirrorOptions(over: Partial<MirrorOptions> = {}): MirrorOptions {
  return {
    name: 'm',
    source: nowhere,
    target: nowhere,
    selection: { include: [], exclude: [], keyless: 'refuse' },
    onExisting: 'refuse',
    copyWorkers: 2,
    limits: {
      batchRows: 20,
      batchBytes: 4000,
      memoryBytes: 1000,
      spillDirectory,
      ahead: true,
    },
    patience: 0,
    ...over,
  }
}

/** What opens the two ends in a process. */
export function connectorsOf(options: {
  readonly database: MemoryDatabase
  readonly store: MemoryStore
  readonly life: Life
  readonly source?: Partial<MemorySourceOptions>
  readonly flushEvery?: number
}): Connectors {
  const { database, store, life, flushEvery = 1 } = options
  return {
    openSource: ({ mirror, selection }) =>
      life.call('source', 'open', () => {
        return new MemorySource({ database, mirror, selection, life, ...options.source })
      }),
    openTarget: ({ mirror, position }) =>
      life.call('target', 'open', () => {
        return new MemoryTarget({ store, mirror, position, life, flushEvery })
      }),
  }
}
