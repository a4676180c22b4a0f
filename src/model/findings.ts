import { Fault, type FaultCode, type FaultDetail, type Finding, type Side } from './fault.ts'
import { tableName } from './table.ts'

type Make = (code: FaultCode, subject: string, detail: FaultDetail) => Finding

/** Findings of one side. */
export function findingsAt(side: Side): { readonly fail: Make; readonly warn: Make } {
  const make =
    (level: 'fail' | 'warn'): Make =>
    (code, subject, detail) => ({ level, subject, fault: new Fault(code, { side, ...detail }) })
  return { fail: make('fail'), warn: make('warn') }
}

const SHOWN = 10

/** Words for a sentence, cut where it would not end. */
export function listed(words: readonly string[]): string {
  const shown = words.slice(0, SHOWN).join(', ')
  return words.length > SHOWN ? `${shown} and ${words.length - SHOWN} more` : shown
}

/** Names of tables for a sentence. */
export function listedTables(
  tables: readonly { readonly schema: string; readonly name: string }[],
): string {
  return listed(tables.map(tableName))
}
