import { misread } from './misread.ts'
import type { Shape } from './shape.ts'

/** A piece of JSON: what holds others, or the text of what does not. */
export type Node =
  | { readonly kind: 'object'; readonly entries: ReadonlyMap<string, Node> }
  | { readonly kind: 'array'; readonly items: readonly Node[] }
  | { readonly kind: 'string' | 'number' | 'word'; readonly text: string }

const TOKEN =
  /[ \t\n\r]*(?:([{}[\],:])|("(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null))/y
const BLANK = /[ \t\n\r]*/y
const DEEPEST = 100

/** Takes a text apart, numbers as they are written. Throws Misread for what is no JSON. */
export function parseTree(text: string): Node {
  const parser = new Parser(text)
  const node = parser.value(0)
  parser.end()
  return node
}

class Parser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  value(depth: number): Node {
    if (depth > DEEPEST) throw misread('its JSON is nested too deep')
    const [, sign, string, number, word] = this.#token()
    if (string !== undefined) return { kind: 'string', text: string }
    if (number !== undefined) return { kind: 'number', text: number }
    if (word !== undefined) return { kind: 'word', text: word }
    if (sign === '{') return this.#object(depth)
    if (sign === '[') return this.#array(depth)
    throw noJson()
  }
  end(): void {
    BLANK.lastIndex = this.#at
    BLANK.exec(this.#text)
    if (BLANK.lastIndex !== this.#text.length) throw noJson()
  }

  #object(depth: number): Node {
    const entries = new Map<string, Node>()
    if (this.#take('}')) return { kind: 'object', entries }
    do {
      const [, , string] = this.#token()
      if (string === undefined || !this.#take(':')) throw noJson()
      const name = nameOf(string)
      if (entries.has(name)) throw misread('its JSON has a field twice')
      entries.set(name, this.value(depth + 1))
    } while (this.#take(','))
    if (!this.#take('}')) throw noJson()
    return { kind: 'object', entries }
  }
  #array(depth: number): Node {
    const items: Node[] = []
    if (this.#take(']')) return { kind: 'array', items }
    do items.push(this.value(depth + 1))
    while (this.#take(','))
    if (!this.#take(']')) throw noJson()
    return { kind: 'array', items }
  }

  #token(): RegExpExecArray {
    TOKEN.lastIndex = this.#at
    const found = TOKEN.exec(this.#text)
    if (found === null) throw noJson()
    this.#at = TOKEN.lastIndex
    return found
  }
  /** Past the sign, if it comes next. */
  #take(sign: string): boolean {
    const before = this.#at
    TOKEN.lastIndex = before
    const found = TOKEN.exec(this.#text)
    if (found?.[1] !== sign) return false
    this.#at = TOKEN.lastIndex
    return true
  }
}

function nameOf(quoted: string): string {
  try {
    return String(JSON.parse(quoted))
  } catch {
    throw noJson()
  }
}

function noJson(): Error {
  return misread('it is not JSON')
}

/**
 * The same text as Connect's converter would write it for this shape: without blanks, the fields
 * in the order of the schema, null where an optional one is missing. Throws Misread for a field
 * that the schema does not have.
 */
export function normalJson(node: Node, shape: Shape): string {
  if (node.kind === 'object' && shape.type === 'struct') return normalStruct(node.entries, shape)
  const { of } = shape
  if (node.kind === 'array' && of !== null)
    return `[${node.items.map((item) => normalJson(item, of)).join(',')}]`
  if (node.kind === 'object' && of !== null) {
    const pairs = [...node.entries].map(([k, v]) => `${JSON.stringify(k)}:${normalJson(v, of)}`)
    return `{${pairs.join(',')}}`
  }
  if (node.kind === 'object' || node.kind === 'array')
    throw misread('a value is not what its schema says')
  return node.text
}

function normalStruct(entries: ReadonlyMap<string, Node>, shape: Shape): string {
  const fields = shape.fields.map(({ name, shape: inner }) => {
    const node = entries.get(name)
    if (node === undefined && !inner.optional) throw misread(`it lacks the field ${name}`)
    return `${JSON.stringify(name)}:${node === undefined ? 'null' : normalJson(node, inner)}`
  })
  for (const name of entries.keys()) {
    if (!shape.fields.some((field) => field.name === name))
      throw misread(`it has the field ${name}, which its schema does not have`)
  }
  return `{${fields.join(',')}}`
}

/** Where the object or array that begins at `from` ends; -1 when it has no end. */
export function endOf(buffer: Buffer, from: number): number {
  let depth = 0
  for (let at = from; at < buffer.length; at++) {
    const byte = buffer[at]
    if (byte === 0x22) at = endOfString(buffer, at)
    else if (byte === 0x7b || byte === 0x5b) depth++
    else if (byte === 0x7d || byte === 0x5d) depth--
    if (depth === 0) return at + 1
  }
  return -1
}

/** The closing quote of the string that begins at `from`. */
function endOfString(buffer: Buffer, from: number): number {
  for (let at = from + 1; at < buffer.length; at++) {
    if (buffer[at] === 0x5c) at++
    else if (buffer[at] === 0x22) return at
  }
  return buffer.length
}
