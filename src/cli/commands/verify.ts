import { verifyMirror } from '../../mirror/verify.ts'
import { Fault } from '../../model/fault.ts'
import {
  type Difference,
  type TableVerification,
  type Verification,
  verificationFault,
} from '../../verify/report.ts'
import { type Call, type Command, whichMirror } from '../command.ts'
import type { Outcome } from '../outcome.ts'
import type { Paint } from '../paint.ts'
import { count, plural, span } from '../words.ts'

const ROWS = 20
/** Differences of one table that `--json` lists; all are counted. */
const LISTED = 10_000

export const verify: Command = {
  name: 'verify',
  graceful: true,
  summary: 'Are both ends equal? Compares every row at one moment of the source; changes nothing.',
  flags: [
    ...whichMirror,
    { flags: '--rows <number>', text: `keys to print for each table; default is ${ROWS}` },
  ],
  examples: [
    'holdfast verify',
    'holdfast verify --source URL --target URL --name crm',
    'holdfast verify --json',
  ],
  notes: [
    'Works beside a running mirror and without one. Ends with 0 when all rows are equal, with 4 when rows differ.',
  ],
  async run(call: Call): Promise<Outcome> {
    const { out, given, signal } = call
    const shown = rowsFlag(given.text('rows'))
    const { name, source, target, database } = await call.mirror()
    const keep = Math.max(shown, out.json ? LISTED : 0)
    const result = await verifyMirror({ name, source, target, database, keep }, signal)
    out.data(verificationText(result, shown, out.paint.stdout))
    const { verdict, rows, missing, extra, changed, fence } = result
    const passed = verdict === 'PASS'
    const next = passed ? [] : [{ why: nextReason(result), run: nextStep(result) }]
    for (const { why, run } of next) out.say(`  → ${run}   ${why}`)
    return {
      ok: passed,
      summary: { verdict, tables: result.tables.length, rows, missing, extra, changed, fence },
      result,
      ...(passed ? {} : { exit: 4 }),
      error: out.json ? verificationFault(result) : null,
      hints: next,
    }
  },
}

function rowsFlag(text: string | null): number {
  if (text === null) return ROWS
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw new Fault('HF-C012', { what: `--rows takes a number of rows, not "${text}"` })
}

function nextStep({ verdict }: Verification): string {
  return verdict === 'FAIL' ? 'holdfast explain HF-V101' : 'holdfast status'
}

function nextReason({ verdict }: Verification): string {
  return verdict === 'FAIL' ? 'what can be the cause' : 'how far the first copy is'
}

/** A verification for a person. */
export function verificationText(result: Verification, shown: number, paint: Paint): string {
  const { verdict, fence, tables, rows, seconds } = result
  const at = fence === null ? 'nothing to compare yet' : `at ${fence}`
  const lines = [
    `  ${at} · ${count(rows)} rows · ${plural(tables.length, 'table')} · ${span(seconds)}`,
  ]
  for (const table of tables) lines.push(...tableLines(table, shown, paint))
  const equal = tables.filter(({ state }) => state === 'equal').length
  const mark = paint.mark(verdict === 'PASS' ? 'ok' : verdict === 'FAIL' ? 'fail' : 'wait')
  const word = paint.colour('bold', `verify ${verdict}`)
  lines.push(`${mark} ${word}   ${equal} of ${plural(tables.length, 'table')} equal`)
  return lines.join('\n')
}

function tableLines(table: TableVerification, shown: number, paint: Paint): string[] {
  const { state, note, kept } = table
  if (state === 'copying') return [`${paint.mark('wait')} ${table.table}   ${note ?? ''}`]
  if (state === 'equal') {
    return kept === 0
      ? []
      : [`${paint.mark('ok')} ${table.table}   ${count(kept)} rows kept that only the target holds`]
  }
  const different = table.missing + table.extra + table.changed
  const figures =
    different === 0
      ? (note ?? '')
      : `${count(different)} of ${count(table.rows)} rows differ: ${count(table.changed)} changed, ${count(table.missing)} missing in the target, ${count(table.extra)} extra`
  const lines = [`${paint.mark('fail')} ${table.table}   ${figures}`]
  if (different > 0 && note !== null) lines.push(`    ${note}`)
  for (const difference of table.differences.slice(0, shown)) {
    lines.push(`    ${differenceText(difference)}`)
  }
  const listed = Math.min(shown, table.differences.length)
  if (different > listed && listed > 0) lines.push(`    and ${count(different - listed)} more`)
  return lines
}

/** Keys come from rows: control characters in them are not for a terminal. */
function differenceText({ kind, key, digest, columns, rows }: Difference): string {
  const cells = Object.entries(key ?? {}).map(
    ([name, value]) => `${printable(name)}=${printable(value)}`,
  )
  const who = key === null ? `row with digest ${digest ?? ''}` : cells.join(' ')
  const times = rows === 1 ? '' : ` ${count(rows)} times`
  const what = {
    missing: 'missing in the target',
    extra: 'only in the target',
    changed: columns === null ? 'changed' : `changed: ${columns.map(printable).join(', ')}`,
  }[kind]
  return `${who}   ${what}${times}`
}

function printable(text: string | null): string {
  if (text === null) return 'null'
  const plain = /^[\w.:+-]{1,200}$/.test(text)
  return plain ? text : JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text)
}
