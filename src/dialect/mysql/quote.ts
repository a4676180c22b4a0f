import { Fault } from '../../model/fault.ts'

/** A text in SQL under NO_BACKSLASH_ESCAPES, which every session of ours has. Throws Fault. */
export function literal(text: string): string {
  if (text.includes('\0')) throw new Fault('HF-S107', { what: 'a text holds a zero byte' })
  return `'${text.replaceAll("'", "''")}'`
}

/** A name in SQL, whatever is in it. Throws Fault. */
export function ident(name: string): string {
  if (name.includes('\0')) throw new Fault('HF-S107', { what: 'a name holds a zero byte' })
  return `\`${name.replaceAll('`', '``')}\``
}

export function qualified(table: { readonly schema: string; readonly name: string }): string {
  return `${ident(table.schema)}.${ident(table.name)}`
}
