import { literal } from './quote.ts'

/** The name of a built-in type as format_type writes it. */
const FIELD = '(?:year|month|day|hour|minute|second)'
const BUILT_IN = new RegExp(
  `^(?:"char"|"bit"|[a-z_][a-z0-9_]*(?: precision| varying| ${FIELD}(?: to ${FIELD})?)?)` +
    '(?:\\(-?\\d+(?:,-?\\d+)?\\))?(?: with(?:out)? time zone)?(?:\\[\\])*$',
  'u',
)

const PART = '(?:[a-z_][a-z0-9_$]*|"(?:[^"]|"")+")'
const USER = new RegExp(`^${PART}(?:\\.${PART})?(?:\\([^()']*\\))?(?:\\[\\])*$`, 'u')

/** True for the text of a built-in type that can become part of SQL as it is. */
export function isBuiltInTypeText(text: string): boolean {
  return BUILT_IN.test(text)
}

/**
 * A default as pg_get_expr prints it, when it is nothing but a constant: SQL that gives the same
 * constant, put together anew. Null for everything that would be evaluated.
 */
export function literalSql(text: string): string | null {
  if (/^ARRAY\[\]::/u.test(text)) {
    return text.endsWith('[]') && isTypeText(text.slice(9)) ? literal('{}') : null
  }
  const parts =
    /^(?:(?<bare>NULL|true|false|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\(-\d+(?:\.\d+)?\))|(?<bits>B?)'(?<quoted>(?:[^']|'')*)')(?:::(?<cast>.+))?$/su.exec(
      text,
    )?.groups
  if (parts === undefined) return null
  const { bare, bits, quoted, cast } = parts
  if (cast !== undefined && !isTypeText(cast)) return null
  const constant = bare ?? `${bits ?? ''}${literal((quoted ?? '').replaceAll("''", "'"))}`
  const builtIn = cast !== undefined && isBuiltInTypeText(cast)
  return builtIn ? `CAST(${constant} AS ${cast})` : constant
}

function isTypeText(text: string): boolean {
  return isBuiltInTypeText(text) || USER.test(text)
}

/**
 * True when a text that the server put together (an immutable expression, a key, a bound) cannot
 * mean more than one expression: its parentheses pair up and there is no semicolon or comment
 * outside of quotes.
 */
export function isOneExpression(text: string): boolean {
  const bare = text.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"/gsu, '')
  if (/['";$\\]|--|\/\*/u.test(bare)) return false
  let depth = 0
  for (const sign of bare) {
    if (sign === '(' || sign === '[') depth++
    if ((sign === ')' || sign === ']') && --depth < 0) return false
  }
  return depth === 0
}

const BOUND_VALUE =
  "(?:MINVALUE|MAXVALUE|NULL|true|false|-?[0-9.]+(?:e[+-]?[0-9]+)?|'(?:[^']|'')*')"
const BOUND_LIST = `\\(${BOUND_VALUE}(?:, ${BOUND_VALUE})*\\)`
const BOUND = new RegExp(
  `^(?:DEFAULT|FOR VALUES (?:IN ${BOUND_LIST}|FROM ${BOUND_LIST} TO ${BOUND_LIST}|WITH \\(modulus \\d+, remainder \\d+\\)))$`,
  'su',
)

/** True for a partition bound as pg_get_expr prints it: constants only. */
export function isPartitionBound(text: string): boolean {
  return BOUND.test(text)
}
