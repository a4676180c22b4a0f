import { discoverMirror } from '../../mirror/operations.ts'
import type { Finding } from '../../model/fault.ts'
import { type Table, tableName } from '../../model/table.ts'
import type { Selection } from '../../source/source.ts'
import { type Call, type Command, type Outcome, wholeMirror } from '../command.ts'
import { findingData } from '../format.ts'
import { columns } from '../grid.ts'
import { nextCommand } from '../next.ts'
import { plural } from '../words.ts'

interface Row {
  readonly table: string
  readonly columns: number
  readonly key: string
  readonly identity: Table['identity']['by']
  readonly plan: 'mirror' | 'append' | 'blocked'
  readonly notes: readonly string[]
}

export const discover: Command = {
  name: 'discover',
  summary: 'The tables of the source, and what would become of each.',
  flags: wholeMirror,
  examples: ['holdfast discover --source URL --target URL', "holdfast discover --include 'crm.*'"],
  async run(call: Call): Promise<Outcome> {
    const { out } = call
    const { name, source, selection } = await call.mirror()
    const found = await discoverMirror({ name, source, selection })
    const { tables } = found.blueprint
    const rows = tables.map((table) => rowOf(table, found.findings, selection.keyless))
    const other = found.findings.filter(
      (finding) => finding.level !== 'ok' && !tables.some((table) => concerns(finding, table)),
    )
    if (rows.length > 0) out.data(gridOf(rows))
    for (const finding of other) out.finding(finding)
    const blocked = rows.filter((row) => row.plan === 'blocked').length
    const next = nextCommand(call, 'check')
    const summary = { tables: rows.length, blocked, source: found.label }
    out.say(`${found.label}: ${plural(rows.length, 'table')}, ${blocked} blocked.   Next: ${next}`)
    const result = { tables: rows, findings: other.map(findingData) }
    return { ok: true, summary, result, hints: [{ why: 'see it in full', run: next }] }
  },
}

function rowOf(table: Table, findings: readonly Finding[], keyless: Selection['keyless']): Row {
  const own = findings.filter((finding) => concerns(finding, table))
  const { identity } = table
  const refused = identity.by === 'none' && keyless === 'refuse'
  const failed = refused || own.some((finding) => finding.level === 'fail')
  return {
    table: tableName(table),
    columns: table.columns.length,
    key: keyOf(table),
    identity: identity.by,
    plan: failed ? 'blocked' : identity.by === 'none' ? 'append' : 'mirror',
    notes: own.flatMap((finding) =>
      finding.level === 'ok' ? [] : [`${finding.fault.code} ${finding.fault.entry.title}`],
    ),
  }
}

function concerns(finding: Finding, table: Table): boolean {
  if (finding.subject === tableName(table)) return true
  return finding.level !== 'ok' && finding.fault.detail.table === tableName(table)
}

function keyOf({ identity, columns: all }: Table): string {
  if (identity.by === 'row') return 'whole row'
  if (identity.by === 'none') return 'none'
  return identity.columns.map((index) => all[index]?.name ?? '?').join(', ')
}

function gridOf(rows: readonly Row[]): string {
  return columns([
    ['TABLE', 'COLUMNS', 'KEY', 'PLAN', 'NOTE'],
    ...rows.map((row) => [row.table, String(row.columns), row.key, row.plan, row.notes.join('; ')]),
  ])
}
