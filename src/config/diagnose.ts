import type { core } from 'zod'
import { Fault, type FaultCode, type FaultDetail } from '../model/fault.ts'
import { excerpt, type Text } from './document.ts'
import { type SchemaNode, schemaAt, WANTED_SIZE } from './schema.ts'
import { suggest } from './suggest.ts'
import { type Origin, originName, type Path, pathName, type Tree } from './tree.ts'
import { durationFor, WANTED_DURATION } from './units.ts'

/** What is needed to say where something stands. */
export interface Scene {
  readonly tree: Tree
  readonly text: Text | null
  readonly schema: SchemaNode
}

interface Finding {
  readonly code: FaultCode
  readonly path: Path
  /** The key itself is wrong, not its value. */
  readonly key?: boolean
  readonly what: string
  /** Stands beside the caret. */
  readonly note?: string
  readonly detail?: Partial<FaultDetail>
}

/** Each thing that the schema has against a configuration, in words and with its place. */
export function diagnose(issues: readonly core.$ZodIssue[], scene: Scene): Fault[] {
  const found = issues.flatMap((issue) => findings(issue, scene))
  return found
    .map((finding) => ({ finding, line: lineOf(finding, scene) }))
    .sort((a, b) => a.line - b.line)
    .map(({ finding }) => faultAt(finding, scene))
}

function lineOf({ path, key = false }: Finding, { tree }: Scene): number {
  const origin = tree.near(path, key)
  return origin?.by === 'file' ? origin.line : 0
}

/** A fault with its place in front of its sentence and the line that it stands on. */
export function faultAt(finding: Finding, scene: Scene): Fault {
  const origin = scene.tree.near(finding.path, finding.key ?? false)
  const at = origin === null ? '' : `${originName(origin)}  `
  return new Fault(finding.code, {
    what: `${at}${finding.what}`,
    ...finding.detail,
    ...evidence(origin, scene, finding.note ?? ''),
  })
}

function evidence(origin: Origin | null, scene: Scene, note: string): Partial<FaultDetail> {
  if (origin === null || origin.by !== 'file' || scene.text === null) return {}
  return { evidence: { excerpt: excerpt(scene.text, origin, note) } }
}

function findings(issue: core.$ZodIssue, scene: Scene): Finding[] {
  const path = issue.path.filter((step) => typeof step !== 'symbol')
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey([...path, key], scene))
    case 'invalid_type':
      if (scene.tree.get(path) === undefined) return [missing(path)]
      return [wrongValue(path, scene)]
    default:
      return [wrongValue(path, scene, issue.message)]
  }
}

/** An unknown key and the one that was probably meant. */
export function unknownKey(path: Path, scene: Scene): Finding {
  const key = String(path.at(-1))
  const holder = schemaAt(scene.schema, path.slice(0, -1))
  const known = Object.keys(holder?.properties ?? {})
  const near = suggest(key, known)
  const where = path.length === 1 ? 'here' : `in ${pathName(path.slice(0, -1))}`
  return {
    code: 'HF-C003',
    path,
    key: true,
    what: `unknown key "${key}"`,
    note: near === null ? '' : `did you mean "${near}"?`,
    detail: {
      todo: [
        {
          text:
            near === null ? `Remove it; known ${where}: ${known.join(', ')}.` : `Write ${near}.`,
        },
      ],
    },
  }
}

function missing(path: Path): Finding {
  return {
    code: 'HF-C008',
    path: path.slice(0, -1),
    what: `${pathName(path)} is missing`,
    note: `add ${String(path.at(-1))}`,
  }
}

function wrongValue(path: Path, scene: Scene, message = ''): Finding {
  const value = scene.tree.get(path)
  const shown = isSecret(path) ? 'the value' : JSON.stringify(value)
  if (message === WANTED_DURATION || message === WANTED_SIZE) {
    const near = message === WANTED_DURATION ? durationFor(String(value)) : null
    const write = message === WANTED_DURATION ? (near ?? '500ms, 30s, 5m or 7d') : '64KiB or 16MiB'
    return {
      code: 'HF-C005',
      path,
      what: `${shown} is not a ${message}; write ${write}`,
      detail: { todo: [{ text: `Write ${write}.` }] },
    }
  }
  const node = schemaAt(scene.schema, path)
  const choices = allowed(node)
  const near = choices.length === 0 ? null : suggest(String(value), choices)
  const wanted = wantedOf(node, choices)
  return {
    code: 'HF-C004',
    path,
    what: `${pathName(path)} must be ${wanted}, not ${shown}`,
    note: near === null ? '' : `did you mean ${near}?`,
    detail: { todo: [{ text: near === null ? `Write ${wanted}.` : `Write ${near}.` }] },
  }
}

function allowed(node: SchemaNode | null): string[] {
  const options = [node, ...(node?.anyOf ?? [])].flatMap((part) => part?.enum ?? [])
  return options.map(String)
}

function wantedOf(node: SchemaNode | null, choices: readonly string[]): string {
  if (choices.length > 0) return choices.join(', ').replace(/, ([^,]*)$/, ' or $1')
  if (node?.const !== undefined) return String(node.const)
  const part = node?.anyOf?.find((option) => option.type !== 'null') ?? node
  const least = part?.minimum === undefined ? '' : ` of at least ${part.minimum}`
  const most =
    part?.maximum === undefined || part.maximum > 1e9 ? '' : ` and at most ${part.maximum}`
  return `${KINDS[part?.type ?? ''] ?? 'a value of another kind'}${least}${most}`
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text that is not empty',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list with something in it',
  object: 'a group of keys',
}

/** True for values that are never shown. */
export function isSecret(path: Path): boolean {
  const key = String(path.at(-1))
  return key === 'password' || key === 'registry' || key.endsWith('url')
}
