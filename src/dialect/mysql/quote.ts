import { Fault } from '../../model/fault.ts'

/** A text in SQL under NO_BACKSLASH_ESCAPES, which every session of ours has. Throws Fault. */
export function literal(text: string): string {
  if (text.includes('\0')) throw new Fault('HF-S107', { what: 'a text holds a zero byte' })
  return `'${text.replaceAll("'", "''")}'`
}
