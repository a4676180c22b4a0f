import { monotonic } from '../../async/clock.ts'
import type { Session } from '../../dialect/mysql/connect.ts'
import { literal } from '../../dialect/mysql/quote.ts'
import type { Fault } from '../../model/fault.ts'
import type { Table } from '../../model/table.ts'
import { lasting } from '../newcomers.ts'
import { select } from '../select.ts'
import type { Later, Selection } from '../source.ts'
import { ownFindings } from './check/preflight.ts'
import { tableId } from './names.ts'
import { blueprintOf, namingAt, type Reading, readSource } from './schema/inspect.ts'

interface Looking {
  readonly selection: Selection
  /** The database of the URL. */
  readonly home: string | null
  readonly known: readonly Table[]
  readonly logsCascades: boolean
}

/** Names alone, which a server tells without opening a table. */
const NAMES = `
select t.table_schema as s, t.table_name as n from information_schema.tables t
where t.table_schema not in ('mysql', 'information_schema', 'performance_schema', 'sys')`

const NONE: Later = { blueprint: { dialect: 'mysql', tables: [], native: null }, refused: [] }

/** Tables that are made after the mirror has chosen its own. */
export class Newcomers {
  #seen = ''
  #at = Number.NEGATIVE_INFINITY
  #found: Later = NONE

  async find(session: Session, looking: Looking): Promise<Later> {
    const { selection, home, known } = looking
    const within = selection.include.length === 0 && home !== null
    const where = within ? ` and t.table_schema = ${literal(home)}` : ''
    const rows = await session.query(NAMES + where)
    const names = rows.map((row) => ({ schema: row['s'] ?? '', name: row['n'] ?? '' }))
    const ids = new Set(known.map(({ id }) => id))
    const others = names.filter((name) => !ids.has(tableId(name)))
    if (others.length === 0) return NONE
    const { chosen } = select(others, selection, await namingAt(session, home))
    const come = chosen.map(tableId).sort()
    if (come.length === 0) return NONE
    const seen = JSON.stringify([ids.size, come])
    if (seen === this.#seen && monotonic() - this.#at < lasting(this.#found)) return this.#found
    this.#found = await look(session, looking, come)
    this.#seen = seen
    this.#at = monotonic()
    return this.#found
  }
}

async function look(session: Session, looking: Looking, come: readonly string[]): Promise<Later> {
  const known = new Set(looking.known.map(({ id }) => id))
  const reading = await readSource(session, { ...looking, selection: new Set([...known, ...come]) })
  const taken = new Set(known)
  const refused: Fault[] = []
  for (const { id } of reading.tables) {
    if (known.has(id)) continue
    const findings = await ownFindings(session, only(reading, new Set([id])), looking)
    const failed = findings.find((finding) => finding.level === 'fail')
    if (failed?.level === 'fail') refused.push(failed.fault)
    else taken.add(id)
  }
  if (taken.size === known.size) return { ...NONE, refused }
  const blueprint = blueprintOf(session, only(reading, taken))
  const tables = blueprint.tables.filter(({ id }) => !known.has(id))
  return { blueprint: { ...blueprint, tables }, refused }
}

function only(reading: Reading, ids: ReadonlySet<string>): Reading {
  return {
    ...reading,
    omitted: [],
    tables: reading.tables.filter(({ id }) => ids.has(id)),
    strange: reading.strange.filter(({ table }) => ids.has(table.id)),
    systemVersioned: new Set([...reading.systemVersioned].filter((id) => ids.has(id))),
  }
}
