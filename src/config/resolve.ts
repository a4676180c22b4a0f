import { join, resolve } from 'node:path'
import { type Endpoint, Secret, type TlsMode } from '../model/endpoint.ts'
import { asFault, Fault } from '../model/fault.ts'
import { Renames } from '../model/renames.ts'
import { sourceSchemes } from '../source/registry.ts'
import { targetSchemes } from '../target/registry.ts'
import { faultAt, type Scene } from './diagnose.ts'
import { readSecret } from './interpolate.ts'
import { brokersUrl, contradictionsIn, databaseOf, ownedOf, withKafka } from './kafka.ts'
import { type Loaded, throwAll } from './load.ts'
import type { MirrorConfig, SideConfig } from './schema.ts'
import { MIRROR_NAME, type MirrorSettings, type SourceSettings } from './settings.ts'
import { originName } from './tree.ts'
import { bytes, milliseconds } from './units.ts'
import { parseUrl } from './url.ts'

/** A session of the target that is not a copy worker's: the one that applies, and the lease. */
const OTHER_SESSIONS = 2
/** Those of the stream: one that applies, the lease, one that looks, and one that writes ahead. */
const STREAM_SESSIONS = 4

/**
 * The settings of the chosen mirrors. Throws an AggregateError of every name, address and
 * contradiction that cannot be followed.
 */
export function resolveMirrors(loaded: Loaded, directory: string): MirrorSettings[] {
  const { config, scene, chosen } = loaded
  const faults = checkNames(loaded)
  const settings: MirrorSettings[] = []
  for (const index of chosen) {
    const mirror = config.mirrors[index]
    if (mirror === undefined) continue
    try {
      const ends = bothEnds(mirror, index, scene)
      const database = databaseOf(mirror.source.kafka, 'source.kafka.source_url')
      settings.push(resolveMirror(mirror, { ...ends, database }, directory))
    } catch (error) {
      if (error instanceof AggregateError) faults.push(...error.errors.map(asFault))
      else faults.push(asFault(error))
    }
  }
  throwAll(faults)
  return settings
}

/** As `resolveMirrors`, for what needs no target. */
export function resolveSources(loaded: Loaded): SourceSettings[] {
  const { config, scene, chosen } = loaded
  throwAll(checkNames(loaded))
  return chosen.flatMap((index) => {
    const mirror = config.mirrors[index]
    if (mirror === undefined) return []
    const source = sourceOf(mirror, { side: 'source', index, scene })
    return [{ name: mirror.name, source, selection: selectionOf(mirror) }]
  })
}

function checkNames({ config, scene }: Loaded): Fault[] {
  const faults: Fault[] = []
  for (const [index, { name }] of config.mirrors.entries()) {
    const path = ['mirrors', index, 'name']
    if (!MIRROR_NAME.test(name)) {
      faults.push(faultAt({ code: 'HF-C015', path, what: `"${name}" cannot name a mirror` }, scene))
    }
    if (config.mirrors.findIndex((other) => other.name === name) !== index) {
      const what = `a second mirror is called "${name}"`
      faults.push(faultAt({ code: 'HF-C016', path, what }, scene))
    }
  }
  return faults
}

function resolveMirror(
  mirror: MirrorConfig,
  ends: { source: Endpoint; target: Endpoint; database: Endpoint | null },
  directory: string,
): MirrorSettings {
  const { name, autostart, copy, target } = mirror
  const workers = target.pool === null ? copy.workers : target.pool - OTHER_SESSIONS
  return {
    name,
    autostart,
    ...ends,
    owned: ownedOf(mirror.source.kafka),
    selection: selectionOf(mirror),
    rename: new Renames(mirror.tables.rename).texts,
    metadata: mirror.apply.metadata_columns,
    onExisting: target.on_existing,
    shape: target.shape,
    copyWorkers: Math.max(1, Math.min(copy.workers, workers)),
    catchUp: {
      distance: mirror.catch_up.distance === null ? null : sizeOf(mirror.catch_up.distance),
      millis: milliseconds(mirror.catch_up.time) ?? 0,
      memory: sizeOf(mirror.catch_up.memory),
    },
    limits: {
      batchRows: mirror.apply.batch.rows,
      batchBytes: sizeOf(mirror.apply.batch.bytes),
      memoryBytes: sizeOf(mirror.apply.memory),
      spillDirectory: join(resolve(directory, mirror.apply.spill), name),
      ahead: target.pool === null || target.pool >= STREAM_SESSIONS,
    },
    await: {
      source: milliseconds(mirror.source.await) ?? 0,
      target: milliseconds(target.await) ?? 0,
    },
  }
}

function sizeOf(size: number | string): number {
  return typeof size === 'number' ? size : (bytes(size) ?? 0)
}

function bothEnds(
  mirror: MirrorConfig,
  index: number,
  scene: Scene,
): { source: Endpoint; target: Endpoint } {
  const faults: Fault[] = []
  const end = (side: 'source' | 'target'): Endpoint | null => {
    try {
      const at = { side, index, scene }
      return side === 'source' ? sourceOf(mirror, at) : endpointOf(mirror.target, at)
    } catch (error) {
      faults.push(asFault(error))
      return null
    }
  }
  const source = end('source')
  const target = end('target')
  throwAll(faults)
  if (source === null || target === null) throw new AggregateError(faults)
  return { source, target }
}

/** Topics are chosen as tables are. */
function selectionOf({ tables, source }: MirrorConfig): Omit<MirrorConfig['tables'], 'rename'> {
  const { topics } = source.kafka
  const { rename: _, ...selection } = tables
  return topics.length === 0 ? selection : { ...selection, include: topics }
}

function sourceOf({ source, tables }: MirrorConfig, at: Side): Endpoint {
  const { kafka, ...side } = source
  const url = brokersUrl(kafka)
  const path = ['mirrors', at.index, 'source']
  if (url !== null && (side.url !== null || side.host !== null)) {
    const what = `${side.url === null ? 'host' : 'url'} and kafka.brokers are both given`
    throw faultAt({ code: 'HF-C016', path, key: true, what }, at.scene)
  }
  const named = url === null ? endpointOf(side, at) : endpointOf({ ...side, url, type: null }, at)
  if (url !== null && side.type !== null && side.type !== 'kafka') {
    const what = `type is ${side.type}, and kafka.brokers are given`
    throw faultAt({ code: 'HF-C016', path: [...path, 'type'], key: true, what }, at.scene)
  }
  // The user stands beside the brokers and not in a URL.
  const base = url === null ? named : { ...named, user: side.user }
  const endpoint = withKafka(base, kafka)
  const [wrong] = contradictionsIn(kafka, endpoint, tables.include)
  if (wrong === undefined) return endpoint
  const { key, what } = wrong
  throw faultAt({ code: 'HF-C016', path: [...path, 'kafka', key], key: true, what }, at.scene)
}

interface Side {
  readonly side: 'source' | 'target'
  readonly index: number
  readonly scene: Scene
}

function endpointOf(config: SideConfig, at: Side): Endpoint {
  const { side, index, scene } = at
  const path = ['mirrors', index, side]
  const contradiction = contradictionIn(config)
  if (contradiction !== null) {
    throw faultAt({ code: 'HF-C016', path, key: true, what: contradiction }, scene)
  }
  const schemes = side === 'source' ? sourceSchemes : targetSchemes
  const origin = scene.tree.near([...path, 'url'], false)
  const name = origin === null ? side : originName(origin)
  const base = config.url === null ? byParts(config, at) : parseUrl(config.url, name)
  if (!schemes.includes(base.scheme)) {
    const what = `${name}: there is no ${side} for ${base.scheme}:// URLs; known are ${schemes.join(', ')}`
    throw new Fault('HF-C101', { what })
  }
  const { ssl, password, password_file: file } = config
  const secret = password ?? (file === null ? null : readSecret(file))
  return {
    ...base,
    password: secret === null ? base.password : new Secret(secret),
    tls: {
      mode: ssl.mode ?? base.tls.mode,
      ca: ssl.ca ?? base.tls.ca,
      cert: ssl.cert ?? base.tls.cert,
      key: ssl.key ?? base.tls.key,
    },
  }
}

function contradictionIn(config: SideConfig): string | null {
  const both = (a: keyof SideConfig, b: keyof SideConfig): string | null =>
    config[a] === null || config[b] === null ? null : `${a} and ${b} are both given`
  return both('url', 'host') ?? both('url', 'database') ?? both('password', 'password_file')
}

function byParts(config: SideConfig, { side, index, scene }: Side): Endpoint {
  const path = ['mirrors', index, side]
  for (const [key, value] of [
    ['host', config.host],
    ['type', config.type],
  ] as const) {
    if (value !== null) continue
    const wanted = key === 'host' ? 'url, or type, host, database, user and password' : 'type'
    const what = `mirrors.${index}.${side} does not say where it is: give ${wanted}`
    throw faultAt({ code: 'HF-C008', path, key: true, what }, scene)
  }
  const mode: TlsMode = 'prefer'
  return {
    scheme: config.type ?? '',
    host: config.host ?? '',
    port: config.port,
    database: config.database,
    user: config.user,
    password: null,
    tls: { mode, ca: null, cert: null, key: null },
    params: {},
  }
}
