import { discoverMirror } from '../../mirror/operations.ts'
import type { Finding } from '../../model/fault.ts'
import { type Table, tableName } from '../../model/table.ts'
import type { Estimate, Selection } from '../../source/source.ts'
import { type Call, type Command, wholeMirror } from '../command.ts'
import { findingData } from '../format.ts'
import { columns } from '../grid.ts'
import { nextCommand } from '../next.ts'
import type { Outcome } from '../outcome.ts'
import { count, plural, size } from '../words.ts'

interface Row {
  readonly table: string
  readonly columns: number
  /** Estimates. */
  readonly rows: number | null
  readonly bytes: number | null
  readonly key: readonly string[] | null
  readonly identity: Table['identity']['by']
  readonly plan: 'mirror' | 'append' | 'blocked'
  readonly notes: readonly string[]
}

export const discover: Command = {
  name: 'discover',
  summary: 'The tables of the source, and what would become of each.',
  flags: wholeMirror,
  examples: ['holdfast discover --source URL', "holdfast discover --include 'crm.*'"],
  notes: [
    'The target need not be named. Rows and sizes are estimates; a size is that of the table ' +
      'without its indexes.',
  ],
  async run(call: Call): Promise<Outcome> {
    const { out } = call
    const { name, source, selection } = await call.source()
    const { label, blueprint, estimates, findings } = await discoverMirror({
      name,
      source,
      selection,
    })
    const rows = blueprint.tables.map((table, index) =>
      rowOf(table, estimates[index], { findings, keyless: selection.keyless }),
    )
    const other = findings.filter(({ level }) => level !== 'ok')
    if (rows.length > 0) out.data(gridOf(rows))
    for (const finding of other) out.finding(finding)
    const blocked = rows.filter((row) => row.plan === 'blocked').length
    const next = nextCommand(call, 'check')
    const summary = { tables: rows.length, blocked, source: label }
    out.say(`${label}: ${plural(rows.length, 'table')}, ${blocked} blocked.   Next: ${next}`)
    const result = { tables: rows, findings: other.map((one) => findingData(one, out.typed)) }
    return { ok: true, summary, result, hints: [{ why: 'see it in full', run: next }] }
  },
}

function rowOf(
  table: Table,
  estimate: Estimate | undefined,
  of: { readonly findings: readonly Finding[]; readonly keyless: Selection['keyless'] },
): Row {
  const own = of.findings.filter((finding) => concerns(finding, table))
  const { identity } = table
  const failed = own.some((finding) => finding.level === 'fail')
  const added = identity.by === 'none' && of.keyless === 'append'
  const notes = own.flatMap((finding) =>
    finding.level === 'ok' ? [] : [`${finding.fault.code} ${finding.fault.entry.title}`],
  )
  return {
    table: tableName(table),
    columns: table.columns.length,
    rows: estimate?.rows ?? null,
    bytes: estimate?.bytes ?? null,
    key: keyOf(table),
    identity: identity.by,
    plan: failed ? 'blocked' : identity.by === 'none' ? 'append' : 'mirror',
    notes: added ? ['only inserts and truncates', ...notes] : notes,
  }
}

function concerns(finding: Finding, table: Table): boolean {
  if (finding.level === 'ok') return false
  const { table: one, tables: several = [] } = finding.fault.detail
  return [finding.subject, one, ...several].includes(tableName(table))
}

function keyOf({ identity, columns: all }: Table): string[] | null {
  if (identity.by !== 'key') return null
  return identity.columns.map((index) => all[index]?.name ?? '?')
}

const IDENTITIES = { key: 'key', row: 'whole row', none: 'none' } as const

function gridOf(rows: readonly Row[]): string {
  const figure = (value: number | null, show: (value: number) => string): string =>
    value === null ? '?' : show(value)
  return columns([
    ['TABLE', 'ROWS(est)', 'SIZE', 'COLUMNS', 'KEY', 'IDENTITY', 'PLAN', 'NOTE'],
    ...rows.map((row) => [
      row.table,
      figure(row.rows, count),
      figure(row.bytes, size),
      String(row.columns),
      row.key?.join(', ') ?? 'none',
      IDENTITIES[row.identity],
      row.plan,
      row.notes.join('; '),
    ]),
  ])
}
