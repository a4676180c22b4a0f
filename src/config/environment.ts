import { Fault } from '../model/fault.ts'
import { type Scene, unknownKey } from './diagnose.ts'
import type { Environment } from './interpolate.ts'
import { readSecret } from './interpolate.ts'
import { type SchemaNode, schemaAt } from './schema.ts'
import type { Path, Tree } from './tree.ts'

type Put = (path: readonly string[], value: unknown, name: string) => void

/** Variables that stand for a flag. */
export const FLAG_VARIABLES = {
  name: 'HOLDFAST_NAME',
  source: 'HOLDFAST_SOURCE',
  target: 'HOLDFAST_TARGET',
} as const

/** Variables that describe one mirror when there is neither a file nor flags. */
export const MIRROR_VARIABLES: readonly {
  readonly name: string
  readonly path: readonly string[]
  readonly text: string
  readonly preset?: string
}[] = [
  { name: 'MIRROR_DB_HOST', path: ['target', 'host'], text: 'Host of the target.' },
  { name: 'MIRROR_DB_PORT', path: ['target', 'port'], text: 'Port of the target.', preset: '5432' },
  { name: 'MIRROR_DB_NAME', path: ['target', 'database'], text: 'Database of the target.' },
  { name: 'MIRROR_DB_USER', path: ['target', 'user'], text: 'Role at the target.' },
  {
    name: 'MIRROR_DB_PASSWORD',
    path: ['target', 'password'],
    text: 'Password at the target; MIRROR_DB_PASSWORD_FILE names a file that holds it.',
  },
  {
    name: 'MIRROR_DB_POOL',
    path: ['target', 'pool'],
    text: 'Connections to the target.',
    preset: '3',
  },
  {
    name: 'MIRROR_DB_SSLMODE',
    path: ['target', 'ssl', 'mode'],
    text: 'TLS to the target, with the meaning of libpq: require, or prefer on this machine.',
  },
]

export const SOURCE_VARIABLES: readonly {
  readonly name: string
  readonly key: string
  readonly text: string
}[] = [
  { name: 'PGHOST', key: 'host', text: 'Host of the source, without DATABASE_URL.' },
  { name: 'PGPORT', key: 'port', text: 'Port of the source.' },
  { name: 'PGDATABASE', key: 'database', text: 'Database of the source.' },
  { name: 'PGUSER', key: 'user', text: 'Role at the source.' },
  { name: 'PGPASSWORD', key: 'password', text: 'Password at the source.' },
]

/** The value of a variable; an empty one counts as not set. */
export function variable(environment: Environment, name: string): string | null {
  const value = environment[name] ?? ''
  return value === '' ? null : value
}

/** True or false as MIRROR's switch says, null when nobody spoke of it. */
export function mirrorSwitch(environment: Environment): boolean | null {
  const value = variable(environment, 'DATABASE_MIRROR_ENABLED')
  if (value !== null) return ['true', '1', 'yes'].includes(value.trim().toLowerCase())
  return MIRROR_VARIABLES.some((v) => variable(environment, v.name) !== null) ? false : null
}

/** Fills the tree with the one mirror that the environment describes; throws HF-C006. */
export function describeByEnvironment(scene: Scene, environment: Environment): void {
  const missing: string[] = []
  const put: Put = (path, value, name) => {
    const whole = ['mirrors', 0, ...path]
    const kept = typeof value === 'string' ? coerce(value, schemaAt(scene.schema, whole)) : value
    scene.tree.set(whole, kept, { by: 'environment', name })
  }
  put(['name'], variable(environment, FLAG_VARIABLES.name) ?? 'default', FLAG_VARIABLES.name)
  put(['target', 'type'], 'postgres', 'MIRROR_DB_HOST')
  for (const { name, path, preset } of MIRROR_VARIABLES) {
    const value = variable(environment, name) ?? secretFile(environment, name) ?? preset ?? null
    if (value !== null) put(path, value, name)
    else if (name !== 'MIRROR_DB_SSLMODE') missing.push(name)
  }
  put(['target', 'on_existing'], 'merge', 'DATABASE_MIRROR_ENABLED')
  if (variable(environment, 'MIRROR_DB_SSLMODE') === null) {
    const mode = isLoopback(variable(environment, 'MIRROR_DB_HOST') ?? '') ? 'prefer' : 'require'
    put(['target', 'ssl', 'mode'], mode, 'MIRROR_DB_SSLMODE')
  }
  const exclude = variable(environment, 'HOLDFAST_EXCLUDE')
  if (exclude !== null) put(['tables', 'exclude'], exclude, 'HOLDFAST_EXCLUDE')
  missing.push(...describeSource(environment, put))
  if (missing.length > 0) throw incomplete(missing)
}

/** Returns the variables that are missing. */
function describeSource(environment: Environment, put: Put): string[] {
  const url = variable(environment, 'DATABASE_URL') ?? secretFile(environment, 'DATABASE_URL')
  if (url !== null) {
    put(['source', 'url'], url, 'DATABASE_URL')
    return []
  }
  if (variable(environment, 'PGHOST') === null) return ['DATABASE_URL (or PGHOST and the others)']
  put(['source', 'type'], 'postgres', 'PGHOST')
  for (const { name, key } of SOURCE_VARIABLES) {
    const value = variable(environment, name) ?? secretFile(environment, name)
    if (value !== null) put(['source', key], value, name)
  }
  const mode = variable(environment, 'PGSSLMODE')
  if (mode !== null) put(['source', 'ssl', 'mode'], mode, 'PGSSLMODE')
  return []
}

function secretFile(environment: Environment, name: string): string | null {
  const path = variable(environment, `${name}_FILE`)
  return path === null ? null : readSecret(path)
}

function incomplete(missing: readonly string[]): Fault {
  return new Fault('HF-C006', {
    what: `mirroring is enabled, but these are not set: ${missing.join(', ')}`,
  })
}

/** The host of this machine itself, or the folder of a socket on it. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d+){3}|::1|\[::1\]|\/.*)$/i.test(host)
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

const PREFIX = 'HOLDFAST__'

/**
 * Applies variables such as HOLDFAST__MIRRORS__SHOP__COPY__WORKERS=2 to `tree`: a mirror is named
 * by its name. Returns a fault for each that names no key.
 */
export function overrideByEnvironment(scene: Scene, environment: Environment): Fault[] {
  const faults: Fault[] = []
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || value === undefined || value === '') continue
    const path = pathOf(name.slice(PREFIX.length).toLowerCase().split('__'), scene.tree)
    const node = path === null ? null : schemaAt(scene.schema, path)
    if (path === null || node === null) {
      faults.push(unknownVariable(name, path, scene))
      continue
    }
    scene.tree.set(path, coerce(value, node), { by: 'environment', name })
  }
  return faults
}

function pathOf(steps: readonly string[], tree: Tree): Path | null {
  if (steps[0] !== 'mirrors') return steps
  const mirrors = tree.get(['mirrors'])
  const names = Array.isArray(mirrors) ? mirrors.map((m) => String(m?.name).toLowerCase()) : []
  const index = names.indexOf(steps[1] ?? '')
  return index < 0 ? null : ['mirrors', index, ...steps.slice(2)]
}

function unknownVariable(name: string, path: Path | null, scene: Scene): Fault {
  if (path === null) {
    return new Fault('HF-C003', { what: `${name} names no mirror of the configuration` })
  }
  const near = unknownKey(path, { ...scene, text: null })
  return new Fault('HF-C003', { what: `${name} names no key`, ...near.detail })
}

/** A text from outside as the kind of value that `node` wants. */
export function coerce(text: string, node: SchemaNode | null): unknown {
  const kinds = [node?.type, ...(node?.anyOf ?? []).map((option) => option.type)]
  if (kinds.includes('array')) return listOf(text)
  const number = kinds.includes('integer') || kinds.includes('number')
  if (number && /^-?\d+$/.test(text)) return Number(text)
  if (kinds.includes('boolean') && /^(?:true|false)$/i.test(text)) {
    return text.toLowerCase() === 'true'
  }
  return kinds.includes('null') && text === 'null' ? null : text
}

/** One line of the table of all variables. */
export interface VariableRow {
  readonly name: string
  /** The key or the flag that it stands for. */
  readonly sets: string
  readonly text: string
}

/** Every variable that is understood. */
export function variableTable(root: SchemaNode): VariableRow[] {
  const flags = Object.entries(FLAG_VARIABLES).map(([flag, name]) => ({
    name,
    sets: `--${flag}`,
    text: 'As the flag.',
  }))
  const mirror = MIRROR_VARIABLES.map(({ name, path, text, preset }) => ({
    name,
    sets: path.join('.'),
    text: preset === undefined ? text : `${text} Default ${preset}.`,
  }))
  const source = SOURCE_VARIABLES.map(({ name, key, text }) => ({
    name,
    sets: `source.${key}`,
    text,
  }))
  return [...OTHER_VARIABLES, ...flags, ...mirror, SOURCE_URL, ...source, ...keyVariables(root)]
}

const OTHER_VARIABLES: readonly VariableRow[] = [
  { name: 'HOLDFAST_CONFIG', sets: '--config', text: 'The configuration file.' },
  { name: 'HOLDFAST_CONFIG_YAML', sets: '', text: 'The configuration itself, in base64.' },
  { name: 'HOLDFAST_EXCLUDE', sets: 'tables.exclude', text: 'Patterns, with commas between.' },
  { name: 'NO_COLOR, FORCE_COLOR', sets: '--color', text: 'Never, or always, colours.' },
  {
    name: 'DATABASE_MIRROR_ENABLED',
    sets: '',
    text: 'true, 1 or yes: the variables below describe a mirror that is to run.',
  },
]

const SOURCE_URL: VariableRow = {
  name: 'DATABASE_URL',
  sets: 'source.url',
  text: 'The source; DATABASE_URL_FILE names a file that holds it.',
}

/** HOLDFAST__… for each key; NAME stands for the name of a mirror. */
function keyVariables(root: SchemaNode): VariableRow[] {
  const rows: VariableRow[] = []
  const visit = (node: SchemaNode, path: readonly string[]): void => {
    for (const [key, inner] of Object.entries(node.properties ?? {})) {
      const here = [...path, key]
      if (inner.items?.properties !== undefined) visit(inner.items, [...here, 'NAME'])
      else if (inner.properties !== undefined) visit(inner, here)
      else {
        const name = `${PREFIX}${here.join('__').toUpperCase()}`
        rows.push({ name, sets: here.join('.'), text: inner.description ?? '' })
      }
    }
  }
  visit(root, [])
  return rows
}
