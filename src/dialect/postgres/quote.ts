/**
 * The only place where a name or a text becomes part of SQL. Every name that a catalogue holds is
 * taken as hostile.
 */

function refuseNul(text: string): void {
  if (text.includes('\0')) throw new RangeError('a name or text for SQL cannot hold U+0000')
}

/** `name` as a quoted identifier. */
export function ident(name: string): string {
  refuseNul(name)
  return `"${name.replaceAll('"', '""')}"`
}

/** `schema.name` as quoted identifiers. */
export function qualified(object: { readonly schema: string; readonly name: string }): string {
  return `${ident(object.schema)}.${ident(object.name)}`
}

/**
 * `text` as a string constant, read alike whatever `standard_conforming_strings` is. Without a
 * backslash in it, it is one that the replication grammar takes, too.
 */
export function literal(text: string): string {
  refuseNul(text)
  const quoted = text.replaceAll("'", "''")
  return quoted.includes('\\') ? ` E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`
}
