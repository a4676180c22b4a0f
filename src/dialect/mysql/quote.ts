import { Fault } from '../../model/fault.ts'

/** A name in SQL under `ANSI_QUOTES` or not; every name is hostile. Throws Fault. */
export function ident(name: string): string {
  if (name.includes('\0')) throw new Fault('HF-S107', { what: 'a name holds a zero byte' })
  return `\`${name.replaceAll('`', '``')}\``
}

/** A text in SQL under NO_BACKSLASH_ESCAPES, which every session of ours has. Throws Fault. */
export function literal(text: string): string {
  if (text.includes('\0')) throw new Fault('HF-S107', { what: 'a text holds a zero byte' })
  return `'${text.replaceAll("'", "''")}'`
}
