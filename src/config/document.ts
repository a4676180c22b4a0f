import { type Document, isMap, isNode, LineCounter, type Node, parseDocument } from 'yaml'
import { Fault } from '../model/fault.ts'
import { type Origin, type Path, Tree } from './tree.ts'

/** A text and the means to show a place in it. */
export interface Text {
  readonly name: string
  readonly lines: readonly string[]
}

/** Reads a YAML text; throws an AggregateError of every fault in its syntax. */
export function readDocument(name: string, content: string): { tree: Tree; text: Text } {
  const counter = new LineCounter()
  const document = parseDocument(content, { lineCounter: counter })
  const text = { name, lines: content.split(/\r?\n/) }
  if (document.errors.length > 0) throw new AggregateError(syntaxFaults(document, counter, text))
  const locate = (path: Path, key: boolean): Origin | null => {
    const range = rangeOf(document, path, key)
    if (range === null) return null
    const { line, col } = counter.linePos(range[0])
    const end = counter.linePos(range[1])
    const width = end.line === line ? Math.max(1, end.col - col) : 1
    return { by: 'file', file: name, line, column: col, width }
  }
  return { tree: new Tree(document.toJS({ maxAliasCount: 100 }), locate), text }
}

/** The lines of a fault's place with the place underlined. */
export function excerpt(text: Text, origin: Origin, note: string): string {
  if (origin.by !== 'file') return ''
  const line = text.lines[origin.line - 1] ?? ''
  const number = String(origin.line).padStart(4)
  const mark = '^'.repeat(Math.max(1, Math.min(origin.width, line.length - origin.column + 1)))
  const indent = ' '.repeat(withoutSecrets(line.slice(0, origin.column - 1)).length)
  return `${number} | ${withoutSecrets(line)}\n     | ${indent}${mark} ${note}`.trimEnd()
}

/** A line of a configuration with its passwords blotted out. */
function withoutSecrets(line: string): string {
  return line
    .replace(/(:\/\/[^:@/\s"']*:)[^@\s"']*@/g, '$1***@')
    .replace(/(password["']?\s*:\s*)(?:"[^"]*"|'[^']*'|[^\s,}#][^,}#]*)/gi, '$1***')
}

function rangeOf(document: Document, path: Path, key: boolean): readonly [number, number] | null {
  if (key) {
    const holder = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true)
    if (isMap(holder)) {
      const pair = holder.items.find((item) => keyText(item.key) === String(path.at(-1)))
      if (pair !== undefined) return nodeRange(pair.key)
    }
  }
  return nodeRange(document.getIn(path, true))
}

function keyText(key: unknown): string {
  if (typeof key === 'object' && key !== null && 'value' in key) return String(key.value)
  return String(key)
}

function nodeRange(node: unknown): readonly [number, number] | null {
  const range = isNode(node) ? (node as Node).range : null
  return range === null || range === undefined ? null : [range[0], range[1]]
}

function syntaxFaults(document: Document.Parsed, counter: LineCounter, text: Text): Fault[] {
  const seen = new Set<number>()
  const faults: Fault[] = []
  let confused = false
  for (const error of document.errors) {
    const { line, col } = counter.linePos(error.pos[0])
    if (confused || seen.has(line)) continue
    seen.add(line)
    const bare = bareReference(text.lines[line - 1] ?? '')
    // What follows a bare reference is read askew, so that further errors would mislead.
    confused = bare !== null
    const origin: Origin = { by: 'file', file: text.name, line, column: col, width: 1 }
    const at = bare === null ? origin : { ...origin, column: bare.column, width: bare.text.length }
    const why = (error.message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '')
    const what = bare === null ? why : `put quotes round ${bare.text}`
    faults.push(
      new Fault('HF-C002', {
        what: `${text.name}:${at.line}:${at.column}  ${what}`,
        ...(bare === null ? {} : { why: 'Unquoted, a { or a : inside it has a meaning in YAML.' }),
        evidence: { excerpt: excerpt(text, at, bare === null ? '' : `write "${bare.text}"`) },
      }),
    )
  }
  return faults
}

/** A reference that stands outside quotes, the usual cause of an error of syntax. */
function bareReference(line: string): { text: string; column: number } | null {
  const found = /(?<=[\s,:{[-])\$\{[^}]*\}/.exec(line)
  if (found === null) return null
  return { text: found[0], column: found.index + 1 }
}
