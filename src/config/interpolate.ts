import { readFileSync } from 'node:fs'
import { Fault } from '../model/fault.ts'
import type { Path } from './tree.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** A reference: `${NAME}`, `${NAME:-default}`, `${NAME:?what to do}` or `${file:path}`. */
const REFERENCE = /\$\{(?:(file):([^}]*)|([A-Za-z_][A-Za-z0-9_]*)(?::([-?])([^}]*))?|([^}]*))\}/g

export interface Interpolated {
  readonly path: Path
  /** Text with its references replaced. */
  readonly text: string
  /** What the value was made of, for people. */
  readonly from: string
}

/**
 * Every text below `value` that holds a reference, with the reference replaced. `failed` gets a
 * fault for each one that leads nowhere.
 */
export function interpolate(
  value: unknown,
  environment: Environment,
  failed: (path: Path, fault: Fault) => void,
): Interpolated[] {
  const found: Interpolated[] = []
  const visit = (at: unknown, path: Path): void => {
    if (typeof at === 'string' && at.includes('${')) {
      try {
        found.push({ path, ...replaced(at, environment) })
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        failed(path, error)
      }
    } else if (typeof at === 'object' && at !== null) {
      for (const [key, inner] of Object.entries(at)) {
        visit(inner, [...path, Array.isArray(at) ? Number(key) : key])
      }
    }
  }
  visit(value, [])
  return found
}

function replaced(text: string, environment: Environment): { text: string; from: string } {
  const names: string[] = []
  const result = text.replaceAll(REFERENCE, (whole, ...groups: (string | undefined)[]) => {
    const [file, path, name, operator, word, other] = groups
    if (file !== undefined) {
      names.push(`file ${path ?? ''}`)
      return readSecret(path ?? '')
    }
    if (name === undefined) {
      throw new Fault('HF-C007', {
        what: `${whole} is not a reference: ${other ?? ''} is no name of a variable`,
      })
    }
    names.push(name)
    const value = environment[name] ?? ''
    if (value !== '') return value
    if (operator === '-') return word ?? ''
    throw new Fault('HF-C007', {
      what: `the variable ${name} is not set or empty`,
      ...(operator === '?' && word ? { todo: [{ text: sentence(word) }] } : {}),
    })
  })
  return { text: result, from: names.join(', ') }
}

/** The content of a file without the line end that editors add. */
export function readSecret(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new Fault('HF-C007', {
      what: `the file ${path} cannot be read (${code})`,
      todo: [{ text: `Put the value into ${path}, readable for this user.` }],
    })
  }
}

function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1)
  return /[.!?]$/.test(first) ? first : `${first}.`
}
