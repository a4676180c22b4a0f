import { posix } from 'node:path'
import { parseSync, type Span, Visitor, type VisitorObject } from 'oxc-parser'
import { core, mayImport, placeOf } from './layers.ts'

/** The hard limits, in lines and parameters. */
export const limits = { file: 400, function: 70, parameters: 3 } as const

/** One thing that is not as it should be. */
export interface Untidy {
  readonly path: string
  readonly line: number
  readonly what: string
}

interface Look {
  readonly path: string
  readonly text: string
  readonly found: Untidy[]
  readonly report: (at: Span, what: string) => void
}

/** Everything that the rules have to say about one source file of ours. */
export function untidyCode(path: string, text: string): readonly Untidy[] {
  const found: Untidy[] = []
  const starts = [...text.matchAll(/\n/g)].map((match) => match.index)
  const lineOf = (offset: number): number => starts.filter((start) => start < offset).length + 1
  const report = (at: Span, what: string): void => {
    found.push({ path, line: lineOf(at.start), what })
  }
  const look: Look = { path, text, found, report }
  const parsed = parseSync(path, text)
  for (const error of parsed.errors) found.push({ path, line: 1, what: error.message })
  const lines = text.trimEnd().split('\n').length
  if (lines > limits.file) found.push({ path, line: limits.file, what: `${lines} lines` })
  const height = (at: Span): number => lineOf(at.end) - lineOf(at.start) + 1
  const rules = [forbiddenSyntax(look), sizes(look, height)]
  if (path.startsWith('src/')) rules.push(imports(look), clocks(look), names(look), output(look))
  for (const rule of rules) new Visitor(rule).visit(parsed.program)
  return found
}

function forbiddenSyntax({ path, report }: Look): VisitorObject {
  return {
    TSAnyKeyword: (node) => report(node, 'any'),
    TSNonNullExpression: (node) => report(node, 'a non-null assertion'),
    TSEnumDeclaration: (node) => report(node, 'an enum'),
    TSParameterProperty: (node) => report(node, 'a parameter property'),
    // Node asks for a default export of a reporter.
    ExportDefaultDeclaration: (node) => {
      if (path !== 'testkit/reporter.ts') report(node, 'a default export')
    },
    PropertyDefinition: (node) => {
      if (node.definite) report(node, 'a definite assignment')
    },
    VariableDeclarator: (node) => {
      if (node.definite === true) report(node, 'a definite assignment')
    },
  }
}

interface AnyFunction extends Span {
  readonly params: readonly unknown[]
}

function sizes({ path, report }: Look, height: (at: Span) => number): VisitorObject {
  if (path.startsWith('test/')) return {}
  const measure = (node: AnyFunction): void => {
    const lines = height(node)
    if (lines > limits.function) report(node, `a function of ${lines} lines`)
    if (node.params.length > limits.parameters)
      report(node, `a function of ${node.params.length} parameters`)
  }
  return {
    FunctionDeclaration: measure,
    FunctionExpression: measure,
    ArrowFunctionExpression: measure,
  }
}

function imports({ path, report }: Look): VisitorObject {
  const check = (at: Span, target: unknown): void => {
    if (typeof target !== 'string' || !target.startsWith('.')) return
    const to = posix.join(posix.dirname(path), target)
    if (!mayImport(path, to)) report(at, `an import of ${to}`)
  }
  const timers = (at: Span, target: unknown): void => {
    if (placeOf(path).layer === 'async' || typeof target !== 'string') return
    if (/^(?:node:)?(?:timers|perf_hooks)\b/.test(target)) report(at, `an import of ${target}`)
  }
  const both = (at: Span, target: unknown): void => {
    check(at, target)
    timers(at, target)
  }
  return {
    ImportDeclaration: (node) => both(node, node.source.value),
    ExportNamedDeclaration: (node) => both(node, node.source?.value),
    ExportAllDeclaration: (node) => both(node, node.source.value),
    ImportExpression: (node) => {
      if (node.source.type === 'Literal') both(node, node.source.value)
    },
    TSImportType: (node) => both(node, node.source.value),
  }
}

const clockCalls = new Set(['setTimeout', 'setInterval', 'Date'])
const clockMembers = new Set([
  'Date.now',
  'performance.now',
  'performance.timeOrigin',
  'process.hrtime',
  'process.uptime',
  'AbortSignal.timeout',
])

function clocks({ path, report }: Look): VisitorObject {
  if (placeOf(path).layer === 'async') return {}
  return {
    CallExpression: (node) => {
      if (node.callee.type === 'Identifier' && clockCalls.has(node.callee.name))
        report(node, `${node.callee.name}() outside async`)
    },
    NewExpression: (node) => {
      // With arguments it only converts.
      const { callee } = node
      if (callee.type === 'Identifier' && callee.name === 'Date' && node.arguments.length === 0)
        report(node, 'new Date() outside async')
    },
    MemberExpression: (node) => {
      if (node.computed || node.object.type !== 'Identifier') return
      if (node.property.type !== 'Identifier') return
      const name = `${node.object.name}.${node.property.name}`
      if (clockMembers.has(name)) report(node, `${name} outside async`)
    },
  }
}

const database = new Set(
  'postgres postgresql pg pgoutput wal walsender lsn mysql mariadb binlog gtid mongo mongodb kafka debezium'.split(
    ' ',
  ),
)

/** The words of a name or text, in lower case: `readWalPage` has three. */
function wordsOf(text: string): readonly string[] {
  const apart = text.replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, ' ')
  return apart.toLowerCase().match(/[a-z]+/g) ?? []
}

/** The column of a place is called so wherever the log is from. */
const METADATA_PLACE = '_cdc_lsn'

// The texts of faults speak to people about their database; they are data of the connectors.
function names({ path, report }: Look): VisitorObject {
  if (!core.includes(placeOf(path).layer) || path.startsWith('src/model/catalogue/')) return {}
  const check = (at: Span, text: unknown): void => {
    if (typeof text !== 'string' || text === METADATA_PLACE) return
    const word = wordsOf(text).find((one) => database.has(one))
    if (word !== undefined) report(at, `the name of a database or of its parts: ${word}`)
  }
  return {
    Identifier: (node) => check(node, node.name),
    PrivateIdentifier: (node) => check(node, node.name),
    Literal: (node) => check(node, node.value),
    TemplateElement: (node) => check(node, node.value.cooked),
  }
}

function output({ path, report }: Look): VisitorObject {
  const speaks = ['cli', 'demo'].includes(placeOf(path).layer)
  return {
    MemberExpression: (node) => {
      if (!speaks && node.object.type === 'Identifier' && node.object.name === 'console')
        report(node, 'console outside cli and demo')
    },
  }
}
