import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Fault } from '../model/fault.ts'
import { diagnose, faultAt, type Scene } from './diagnose.ts'
import { readDocument, type Text } from './document.ts'
import {
  coerce,
  describeByEnvironment,
  FLAG_VARIABLES,
  mirrorSwitch,
  overrideByEnvironment,
  variable,
} from './environment.ts'
import { type Environment, interpolate } from './interpolate.ts'
import { type Config, configSchema, jsonSchema, schemaAt } from './schema.ts'
import { firstOfMirror, setKeys } from './set.ts'
import { type Origin, Tree } from './tree.ts'

export const DEFAULT_FILE = 'holdfast.yaml'

/** What the flags of a command say of a mirror; null and empty where they say nothing. */
export interface MirrorFlags {
  readonly name: string | null
  readonly source: string | null
  readonly target: string | null
  readonly include: readonly string[]
  readonly exclude: readonly string[]
  readonly keyless: string | null
  readonly onExisting: string | null
  /** `KEY=VALUE` each, for any key of the configuration. */
  readonly set: readonly string[]
}

export interface LoadRequest {
  readonly environment: Environment
  readonly directory: string
  /** The file named by --config. */
  readonly file: string | null
  readonly flags: MirrorFlags
  /** What a command needs to know of; both ends unless given. */
  readonly needs?: 'source'
}

export interface Loaded {
  readonly from: 'flags' | 'file' | 'environment'
  readonly file: string | null
  readonly config: Config
  readonly scene: Scene
  /** Indexes of the mirrors that the command is about. */
  readonly chosen: readonly number[]
  readonly notes: readonly string[]
}

interface Beginning {
  readonly from: Loaded['from']
  readonly file: string | null
  readonly tree: Tree
  readonly text: Text | null
  readonly notes: readonly string[]
}

/**
 * Brings flags, environment and file together: a flag is over a variable, a variable over the
 * file, the file over the defaults. Throws a Fault, or an AggregateError of all faults of a stage.
 */
export function loadConfig(request: LoadRequest): Loaded {
  const { environment } = request
  const flags = withVariables(request.flags, environment)
  const beginning = begin(request, flags)
  const scene: Scene = { tree: beginning.tree, text: beginning.text, schema: jsonSchema() }
  if (beginning.from === 'environment') describeByEnvironment(scene, environment)
  throwAll([...fillReferences(scene, environment), ...overrideByEnvironment(scene, environment)])
  const chosen = choose(scene, flags)
  if (chosen.length === 1) applyFlags(scene, flags, chosen[0] ?? 0)
  throwAll(setKeys(scene, flags.set, chosen[0] ?? 0))
  const parsed = configSchema.safeParse(scene.tree.root)
  if (!parsed.success) throw new AggregateError(diagnose(parsed.error.issues, scene))
  const { from, file, notes } = beginning
  return { from, file, config: parsed.data, scene, chosen, notes }
}

/** True when only the environment describes a mirror, and says that it is not to run. */
export function isDisabled(request: LoadRequest): boolean {
  const { environment } = request
  if (mirrorSwitch(environment) !== false) return false
  return begin(request, withVariables(request.flags, environment)).from === 'environment'
}

export function throwAll(faults: readonly Fault[]): void {
  if (faults.length > 0) throw new AggregateError(faults)
}

interface Given {
  readonly value: string | readonly string[]
  readonly path: readonly string[]
  readonly origin: Origin
}

type Flags = MirrorFlags & { readonly given: readonly Given[] }

function withVariables(flags: MirrorFlags, environment: Environment): Flags {
  const name = flags.name ?? variable(environment, FLAG_VARIABLES.name)
  const source = flags.source ?? variable(environment, FLAG_VARIABLES.source)
  const target = flags.target ?? variable(environment, FLAG_VARIABLES.target)
  const given: Given[] = []
  const add = (flag: string, path: readonly string[], value: Given['value'] | null): void => {
    if (value !== null && value.length > 0) {
      given.push({ value, path, origin: { by: 'flag', name: flag } })
    }
  }
  add(flags.source === null ? FLAG_VARIABLES.source : '--source', ['source', 'url'], source)
  add(flags.target === null ? FLAG_VARIABLES.target : '--target', ['target', 'url'], target)
  add('--include', ['tables', 'include'], flags.include)
  add('--exclude', ['tables', 'exclude'], flags.exclude)
  add('--keyless', ['tables', 'keyless'], flags.keyless)
  add('--on-existing', ['target', 'on_existing'], flags.onExisting)
  return { ...flags, name, source, target, given }
}

function begin(request: LoadRequest, flags: Flags): Beginning {
  const { environment, directory } = request
  const named = request.file ?? variable(environment, 'HOLDFAST_CONFIG')
  const inline = variable(environment, 'HOLDFAST_CONFIG_YAML')
  const usual = existsSync(join(directory, DEFAULT_FILE))
  if (named === null && flags.source !== null && flags.target !== null) {
    const notes = usual ? [`${DEFAULT_FILE} is not read: both ends are named by flags`] : []
    return { from: 'flags', file: null, tree: emptyTree(flags.name), text: null, notes }
  }
  if (named === null && inline !== null) {
    const content = Buffer.from(inline, 'base64').toString('utf8')
    return fromText('HOLDFAST_CONFIG_YAML', content)
  }
  if (named !== null || usual) return fromFile(directory, named ?? DEFAULT_FILE)
  if (mirrorSwitch(environment) === null) {
    if (request.needs !== 'source' || flags.source === null) throw nothing(flags)
    return { from: 'flags', file: null, tree: emptyTree(flags.name), text: null, notes: [] }
  }
  return { from: 'environment', file: null, tree: emptyTree(flags.name), text: null, notes: [] }
}

function emptyTree(name: string | null): Tree {
  const mirror = { name: name ?? 'default', source: {}, target: {} }
  return new Tree({ version: 1, mirrors: [mirror] })
}

function nothing(flags: Flags): Fault {
  const has = flags.source !== null ? 'source' : flags.target !== null ? 'target' : null
  if (has === null) return new Fault('HF-C013', { what: 'no mirror is described anywhere' })
  const lacks = has === 'source' ? 'target' : 'source'
  return new Fault('HF-C013', {
    what: `the ${has} is named, but not the ${lacks}`,
    todo: [{ text: `Name it with --${lacks} URL or ${FLAG_VARIABLES[lacks]}.` }],
  })
}

function fromFile(directory: string, file: string): Beginning {
  let content: string
  try {
    content = readFileSync(resolve(directory, file), 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new Fault('HF-C001', { what: `${file} cannot be read (${code})` })
  }
  return fromText(file, content)
}

function fromText(file: string, content: string): Beginning {
  const { tree, text } = readDocument(file, content)
  if (typeof tree.root !== 'object' || tree.root === null || Array.isArray(tree.root)) {
    throw new Fault('HF-C008', { what: `${file} holds no keys; version and mirrors are missing` })
  }
  return { from: 'file', file, tree, text, notes: [] }
}

function fillReferences(scene: Scene, environment: Environment): Fault[] {
  if (scene.text === null) return []
  const faults: Fault[] = []
  const failed = (path: readonly (string | number)[], fault: Fault): void => {
    const { what, todo } = fault.detail
    const detail = todo === undefined ? {} : { detail: { todo } }
    faults.push(faultAt({ code: fault.code, path, what, ...detail }, scene))
  }
  for (const { path, text } of interpolate(scene.tree.root, environment, failed)) {
    const origin = scene.tree.near(path, false)
    const value = coerce(text, schemaAt(scene.schema, path))
    if (origin !== null) scene.tree.set(path, text === '' ? undefined : value, origin)
  }
  return faults
}

/** The mirrors that are meant: the named one, else all. Throws HF-C014. */
function choose(scene: Scene, flags: Flags): number[] {
  const mirrors = scene.tree.get(['mirrors'])
  if (!Array.isArray(mirrors) || scene.text === null) return [0]
  const names = mirrors.map((mirror) => String(mirror?.name ?? ''))
  if (flags.name === null) {
    const first = flags.given[0]?.origin ?? firstOfMirror(flags.set, scene.schema)
    if (first === null || names.length === 1) return names.map((_, index) => index)
    throw new Fault('HF-C014', {
      what: `${nameOf(first)} is meant for one mirror, and there are several: ${names.join(', ')}`,
    })
  }
  const index = names.indexOf(flags.name)
  if (index >= 0) return [index]
  throw new Fault('HF-C014', {
    what: `there is no mirror "${flags.name}" in ${scene.text.name}; it has ${names.join(', ')}`,
  })
}

function nameOf(origin: Origin): string {
  return origin.by === 'file' ? origin.file : origin.name
}

function applyFlags(scene: Scene, flags: Flags, index: number): void {
  for (const { value, path, origin } of flags.given) {
    const side = path[0]
    if (path.at(-1) === 'url' && side !== undefined) dropAddress(scene.tree, index, side)
    scene.tree.set(['mirrors', index, ...path], value, origin)
  }
  if (flags.name !== null && scene.text === null) {
    scene.tree.set(['mirrors', index, 'name'], flags.name, { by: 'flag', name: '--name' })
  }
}

/** A URL given by a flag stands for the whole address that the file or the environment gave. */
function dropAddress(tree: Tree, index: number, side: string): void {
  const address = tree.get(['mirrors', index, side])
  if (typeof address !== 'object' || address === null) return
  for (const key of [
    'type',
    'host',
    'port',
    'database',
    'user',
    'password',
    'password_file',
    'ssl',
  ]) {
    Reflect.deleteProperty(address, key)
  }
  const kafka = 'kafka' in address ? address.kafka : null
  if (typeof kafka === 'object' && kafka !== null) Reflect.deleteProperty(kafka, 'brokers')
}
