import { describeEndpoint } from '../model/endpoint.ts'
import { isSecret } from './diagnose.ts'
import type { Loaded } from './load.ts'
import type { MirrorSettings } from './settings.ts'
import { originName, type Path, pathName } from './tree.ts'

/** The words in front of the lines of a mirror that only the environment describes. */
export const ENVIRONMENT_PREFIX = 'DatabaseMirror'

/** What a mirror will do, line by line, before it does anything. */
export function startupLines(settings: MirrorSettings, loaded: Loaded): string[] {
  const { source, target, selection, onExisting, copyWorkers } = settings
  const pool = loaded.config.mirrors.find(({ name }) => name === settings.name)?.target.pool ?? null
  const connections = pool === null ? `${copyWorkers} copy workers` : `pool ${pool}`
  const lines = [
    `source ${describeEndpoint(source)} (TLS ${source.tls.mode})`,
    `target ${describeEndpoint(target)} (TLS ${target.tls.mode}, ${connections}, on_existing ${onExisting})`,
    `tables ${selection.include.join(', ') || 'all'}; excluded: ${selection.exclude.join(', ') || 'none'}; without identity: ${selection.keyless}`,
  ]
  if (settings.owned !== null) {
    const names = settings.owned.connectors.join(', ')
    lines.push(`connectors ${names}, started and stopped with the mirror`)
  }
  if (loaded.from !== 'environment') return lines
  return ['Database mirroring is enabled', ...lines]
}

/** One setting with its value in force and where that comes from. */
export interface Shown {
  readonly key: string
  readonly value: unknown
  /** `holdfast.yaml:7:12`, `MIRROR_DB_HOST`, `--source` or `default`. */
  readonly origin: string
}

/** Every setting in force; passwords are blotted out. */
export function shownConfig(loaded: Loaded): Shown[] {
  const shown: Shown[] = []
  const visit = (value: unknown, path: Path): void => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [key, inner] of Object.entries(value)) visit(inner, [...path, key])
      return
    }
    if (Array.isArray(value) && value.some((inner) => typeof inner === 'object')) {
      for (const [index, inner] of value.entries()) visit(inner, [...path, index])
      return
    }
    const origin = loaded.scene.tree.origin(path)
    shown.push({
      key: pathName(path),
      value: isSecret(path) ? withoutPassword(value) : value,
      origin: origin === null ? 'default' : originName(origin),
    })
  }
  visit(loaded.config, [])
  return shown
}

function withoutPassword(value: unknown): unknown {
  if (typeof value !== 'string') return value
  const url = /^([^:/]+:\/\/)(?:([^:@/]*)(:[^@]*)?@)?(.*)$/s.exec(value)
  if (url === null) return '***'
  const [, scheme = '', user, password, rest = ''] = url
  const entry = user === undefined ? '' : `${user}${password === undefined ? '' : ':***'}@`
  return `${scheme}${entry}${rest.replace(/([?&]password=)[^&]*/g, '$1***')}`
}
