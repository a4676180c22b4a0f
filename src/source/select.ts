import { Fault } from '../model/fault.ts'

export interface Named {
  readonly schema: string
  readonly name: string
}

/** How names are written and compared at a source. */
export interface Naming {
  /** What a bare name stands for: `orders` for `Orders` where case is folded. */
  readonly fold: (name: string) => string
  /** The schema that a pattern without a dot means; null where it must say one. */
  readonly home: string | null
  /** A schema of the server's or of Holdfast's own, which no pattern reaches. */
  readonly own: (schema: string) => boolean
  /** Names that need no quotes. */
  readonly plain: RegExp
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
 * `schema.table`. In a bare name `*` stands for any characters; in a quoted one every character
 * stands for itself. Throws HF-C104.
 */
export function parsePattern(text: string, naming: Naming): Pattern {
  const parts: RegExp[] = []
  let at = 0
  while (parts.length === 0 || text[at] === '.') {
    if (parts.length > 0) at++
    PART.lastIndex = at
    const groups = PART.exec(text)?.groups
    if (groups === undefined) throw unreadable(text)
    parts.push(partExpression(groups['quoted'], naming.fold(groups['bare'] ?? '')))
    at = PART.lastIndex
  }
  const [first, second] = parts
  if (first === undefined || at !== text.length || parts.length > 2) throw unreadable(text)
  if (second !== undefined) return { text, schema: first, table: second }
  if (naming.home === null) throw unreadable(text)
  return { text, schema: new RegExp(`^${verbatim(naming.home)}$`, 'su'), table: first }
}

function partExpression(quoted: string | undefined, bare: string): RegExp {
  if (quoted !== undefined) return new RegExp(`^${verbatim(quoted.replaceAll('""', '"'))}$`, 'su')
  return new RegExp(`^${bare.split('*').map(verbatim).join('.*')}$`, 'su')
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
export function patternOf(table: Named, naming: Naming): string {
  const part = (name: string): string =>
    naming.plain.test(name) ? name : `"${name.replaceAll('"', '""')}"`
  return `${part(table.schema)}.${part(table.name)}`
}

export interface Selected<T> {
  readonly chosen: readonly T[]
  /** Patterns of `include` that no candidate matches. */
  readonly unmatched: readonly string[]
}

/** What is wanted, before it is known which tables there are. */
export interface Wish {
  readonly include: readonly string[]
  readonly exclude: readonly string[]
}

/** The candidates that some pattern of `include` and none of `exclude` matches, in their order. */
export function select<T extends Named>(
  candidates: readonly T[],
  wish: Wish,
  naming: Naming,
): Selected<T> {
  const include = wish.include.map((text) => parsePattern(text, naming))
  const exclude = wish.exclude.map((text) => parsePattern(text, naming))
  const open = candidates.filter((table) => !naming.own(table.schema))
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
export function nearTo(pattern: string, candidates: readonly Named[], naming: Naming): string[] {
  const wanted = letters(pattern)
  const last = letters(pattern.slice(pattern.lastIndexOf('.') + 1))
  return candidates
    .filter((table) => !naming.own(table.schema))
    .map((table) => ({ text: patternOf(table, naming), away: away(table, wanted, last) }))
    .filter(({ away: distance }) => distance <= 2)
    .sort((a, b) => a.away - b.away)
    .slice(0, 3)
    .map(({ text }) => text)
}

/** Says which patterns match nothing, and what they may have meant. */
export function noMatch(
  unmatched: readonly string[],
  candidates: readonly Named[],
  naming: Naming,
): Fault {
  const named = unmatched.map((pattern) => {
    const near = nearTo(pattern, candidates, naming)
    const hint = near.length === 0 ? '' : ` (near: ${near.join(', ')})`
    return `${JSON.stringify(pattern)}${hint}`
  })
  const what = `no table of the source matches ${named.join(' or ')}`
  return new Fault('HF-C105', { what, side: 'source' })
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
