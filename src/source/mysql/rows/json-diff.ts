import { Bytes, misread } from '../log/bytes.ts'
import { decodeJson, type Json } from './json-value.ts'

/** One step of a partial update (sql-common/json_diff.h). */
interface Diff {
  readonly operation: 'replace' | 'insert' | 'remove'
  readonly path: readonly (string | number)[]
  readonly value: Json | null
}

const OPERATIONS = ['replace', 'insert', 'remove'] as const

/** What PARTIAL_UPDATE_ROWS says of a document instead of it. Throws Fault HF-L107. */
export function decodeDiffs(buffer: Buffer): readonly Diff[] {
  const bytes = new Bytes(buffer, 'a partial update of JSON')
  const diffs: Diff[] = []
  while (bytes.left > 0) {
    const operation = OPERATIONS[bytes.byte()]
    if (operation === undefined) throw misread('a partial update of JSON has an unknown step')
    const path = parsePath(bytes.text(bytes.packed()))
    const value = operation === 'remove' ? null : decodeJson(bytes.slice(bytes.packed()))
    diffs.push({ operation, path, value })
  }
  return diffs
}

/**
 * The document after the steps. Throws Fault HF-L107 when one of them does not fit: the document
 * before is then not the one that the source had.
 */
export function applyDiffs(document: Json, diffs: readonly Diff[]): Json {
  const root: Json[] = [document]
  for (const diff of diffs) applyDiff(root, diff)
  return root[0] ?? document
}

function applyDiff(root: Json[], { operation, path, value }: Diff): void {
  // The document is the only element of an array, so that it can be replaced like any other.
  const legs = [0, ...path]
  const last = legs.pop()
  let parent: Json = { kind: 'array', elements: root }
  for (const leg of legs) parent = child(parent, leg)
  if (last === undefined) throw unfit()
  if (parent.kind === 'object' && typeof last === 'string') {
    changeMember(parent.members, last, { operation, value })
  } else if (parent.kind === 'array' && typeof last === 'number') {
    changeElement(parent.elements, last, { operation, value })
  } else throw unfit()
}

type Step = Pick<Diff, 'operation' | 'value'>

function changeMember(members: [string, Json][], key: string, { operation, value }: Step): void {
  const at = members.findIndex(([name]) => name === key)
  if ((operation === 'insert') !== at < 0) throw unfit()
  if (value === null) members.splice(at, 1)
  else if (at >= 0) members[at] = [key, value]
  else members.splice(placeOf(members, key), 0, [key, value])
}

function changeElement(elements: Json[], at: number, { operation, value }: Step): void {
  if (operation === 'insert') {
    if (value === null) throw unfit()
    elements.splice(at, 0, value)
    return
  }
  if (at >= elements.length) throw unfit()
  elements.splice(at, 1, ...(value === null ? [] : [value]))
}

/** The server keeps keys by length, then by bytes (sql-common/json_dom.h, Json_key_comparator). */
function placeOf(members: readonly [string, Json][], key: string): number {
  const bytes = Buffer.from(key, 'utf8')
  const after = members.findIndex(([name]) => {
    const other = Buffer.from(name, 'utf8')
    return other.length === bytes.length
      ? Buffer.compare(other, bytes) > 0
      : other.length > bytes.length
  })
  return after < 0 ? members.length : after
}

function child(parent: Json, leg: string | number): Json {
  if (parent.kind === 'array' && typeof leg === 'number') {
    const element = parent.elements[leg]
    if (element !== undefined) return element
  }
  if (parent.kind === 'object' && typeof leg === 'string') {
    const member = parent.members.find(([name]) => name === leg)
    if (member !== undefined) return member[1]
  }
  throw unfit()
}

function unfit(): Error {
  return misread('a partial update of JSON does not fit the document before it')
}

const PLAIN_KEY = /\.([\p{L}_$][\p{L}\p{N}\p{M}\p{Pc}_$]*)/uy
const QUOTED_KEY = /\.("(?:[^"\\]|\\.)*")/suy
const INDEX = /\[(\d{1,10})\]/y

/** `$.key."another key"[3]` as the server writes paths; no wildcards and no ranges. */
export function parsePath(text: string): readonly (string | number)[] {
  const legs: (string | number)[] = []
  if (text[0] !== '$') throw misread('a partial update of JSON has a path that cannot be read')
  for (let at = 1; at < text.length; ) {
    const leg = legAt(text, at)
    if (leg === null) throw misread('a partial update of JSON has a path that cannot be read')
    legs.push(leg.leg)
    at = leg.end
  }
  return legs
}

function legAt(
  text: string,
  at: number,
): { readonly leg: string | number; readonly end: number } | null {
  for (const pattern of [PLAIN_KEY, QUOTED_KEY, INDEX]) {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[1]
    if (found === undefined) continue
    const end = pattern.lastIndex
    if (pattern === INDEX) return { leg: Number(found), end }
    return { leg: pattern === QUOTED_KEY ? unquoted(found) : found, end }
  }
  return null
}

function unquoted(text: string): string {
  try {
    return String(JSON.parse(text))
  } catch {
    throw misread('a partial update of JSON has a path that cannot be read')
  }
}
