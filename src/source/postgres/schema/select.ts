import { Fault } from '../../../model/fault.ts'

interface Named {
  readonly schema: string
  readonly name: string
}

/** Schemas that belong to PostgreSQL or to Holdfast; patterns never reach them. */
export function isOwnSchema(schema: string): boolean {
  return schema.startsWith('pg_') || schema === 'information_schema' || schema === '_holdfast'
}

/** What one pattern says of one table. */
export interface Pattern {
  readonly text: string
  readonly schema: RegExp
  readonly table: RegExp
}

/** A quoted name (doubled quotes inside), or a bare one with wildcards. */
const PART = /"(?<quoted>(?:[^"]|"")+)"|(?<bare>[^".\s]+)/uy

/**
 * `schema.table`. A bare name is folded to lower case as SQL does, and `*` in it stands for any
 * characters; in a quoted one every character stands for itself. Without a dot the schema is
 * public. Throws HF-C104.
 */
export function parsePattern(text: string): Pattern {
  const parts: RegExp[] = []
  let at = 0
  while (parts.length === 0 || text[at] === '.') {
    if (parts.length > 0) at++
    PART.lastIndex = at
    const groups = PART.exec(text)?.groups
    if (groups === undefined) throw unreadable(text)
    parts.push(partExpression(groups['quoted'], groups['bare']))
    at = PART.lastIndex
  }
  const [first, second] = parts
  if (first === undefined || at !== text.length || parts.length > 2) throw unreadable(text)
  if (second === undefined) return { text, schema: /^public$/u, table: first }
  return { text, schema: first, table: second }
}

function partExpression(quoted: string | undefined, bare: string | undefined): RegExp {
  if (quoted !== undefined) return new RegExp(`^${verbatim(quoted.replaceAll('""', '"'))}$`, 'su')
  const pieces = (bare ?? '').toLowerCase().split('*').map(verbatim)
  return new RegExp(`^${pieces.join('.*')}$`, 'su')
}

function verbatim(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/gu, '\\$&')
}

function unreadable(text: string): Fault {
  return new Fault('HF-C104', {
    what: `the pattern ${JSON.stringify(text)} is not of the form schema.table`,
  })
}

export function matches(pattern: Pattern, table: Named): boolean {
  return pattern.schema.test(table.schema) && pattern.table.test(table.name)
}

/** How a table is written as a pattern that means it alone. */
export function patternOf(table: Named): string {
  const part = (name: string): string =>
    /^[\p{Ll}\p{Lo}_][\p{Ll}\p{Lo}\p{Nd}_$]*$/u.test(name)
      ? name
      : `"${name.replaceAll('"', '""')}"`
  return `${part(table.schema)}.${part(table.name)}`
}

export interface Selected<T> {
  readonly chosen: readonly T[]
  /** Patterns of `include` that no candidate matches. */
  readonly unmatched: readonly string[]
}

/** The candidates that some pattern of `include` and none of `exclude` matches, in their order. */
export function select<T extends Named>(
  candidates: readonly T[],
  selection: { readonly include: readonly string[]; readonly exclude: readonly string[] },
): Selected<T> {
  const include = selection.include.map(parsePattern)
  const exclude = selection.exclude.map(parsePattern)
  const open = candidates.filter((table) => !isOwnSchema(table.schema))
  const chosen = open.filter(
    (table) =>
      (include.length === 0 || include.some((pattern) => matches(pattern, table))) &&
      !exclude.some((pattern) => matches(pattern, table)),
  )
  const unmatched = include
    .filter((pattern) => !open.some((table) => matches(pattern, table)))
    .map((pattern) => pattern.text)
  return { chosen, unmatched }
}

/** Candidates that an unmatched pattern may have meant, as patterns; at most three. */
export function nearTo(pattern: string, candidates: readonly Named[]): string[] {
  const wanted = letters(pattern)
  const last = letters(pattern.slice(pattern.lastIndexOf('.') + 1))
  return candidates
    .filter((table) => !isOwnSchema(table.schema))
    .map((table) => ({ text: patternOf(table), away: away(table, wanted, last) }))
    .filter(({ away: distance }) => distance <= 2)
    .sort((a, b) => a.away - b.away)
    .slice(0, 3)
    .map(({ text }) => text)
}

function letters(text: string): string {
  return text.replace(/["*]/gu, '').toLowerCase()
}

function away(table: Named, wanted: string, last: string): number {
  const name = table.name.toLowerCase()
  const whole = `${table.schema.toLowerCase()}.${name}`
  return Math.min(edits(whole, wanted), edits(name, last))
}

/** Insertions, deletions and replacements that turn `a` into `b`. */
function edits(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, replaced))
    }
    above = row
  }
  return above[b.length] ?? 0
}
