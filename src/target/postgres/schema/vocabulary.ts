import type { Session } from '../../../dialect/postgres/connect.ts'
import { literal, qualified } from '../../../dialect/postgres/quote.ts'
import type { PgName } from '../../../dialect/postgres/schema.ts'
import { Fault, type Todo } from '../../../model/fault.ts'
import { tableName, type Vocabulary } from '../../../model/table.ts'
import { key } from './existing.ts'

const ENUMS = `
select n.nspname as schema, t.typname as name, pg_catalog.pg_has_role(t.typowner, 'USAGE') as owned,
  (select pg_catalog.json_agg(v.enumlabel order by v.enumsortorder)
    from pg_catalog.pg_enum v where v.enumtypid = t.oid) as labels
from pg_catalog.json_to_recordset($1::json) as w(schema text, name text)
join pg_catalog.pg_namespace n on n.nspname = w.schema
join pg_catalog.pg_type t on t.typnamespace = n.oid and t.typname = w.name and t.typtype = 'e'`

/** A type of the target and whether the role may change it. */
interface Found extends Vocabulary {
  readonly owned: boolean
}

export interface Learnt {
  /** What was added, in sentences. */
  readonly added: readonly string[]
  /** What somebody else has to add. */
  readonly closed: readonly Todo[]
  /** HF-T237 where a label seems to have been renamed; nothing is added to that enum. */
  readonly renamed: Fault | null
}

/**
 * Gives the target's enums the labels that the source's have. Runs in the caller's transaction.
 */
export async function learn(session: Session, wanted: readonly Vocabulary[]): Promise<Learnt> {
  const found = await readEnums(session, wanted)
  const added: string[] = []
  const closed: Todo[] = []
  let renamed: Fault | null = null
  for (const vocabulary of wanted) {
    const there = found.get(key(vocabulary))
    const missing = vocabulary.labels.filter((label) => there?.labels.includes(label) === false)
    if (there === undefined || missing.length === 0) continue
    const other = otherName(vocabulary, there, missing)
    renamed ??= other
    if (other !== null) continue
    const names = missing.map((label) => `'${label}'`).join(', ')
    const sql = additions(vocabulary, there.labels)
    if (there.owned) {
      for (const statement of sql) await session.query(statement)
      added.push(`the enum ${tableName(vocabulary)} at the target has got ${names}`)
    } else {
      const text = `the role does not own the enum ${tableName(vocabulary)} at the target and may not add ${names} to it; add it before a row comes that holds it:`
      closed.push({ text, sql: sql.join('; '), at: 'target', as: 'owner' })
    }
  }
  return { added, closed, renamed }
}

async function readEnums(
  session: Session,
  wanted: readonly PgName[],
): Promise<ReadonlyMap<string, Found>> {
  const names = wanted.map(({ schema, name }) => ({ schema, name }))
  const rows = await session.query(ENUMS, [JSON.stringify(names)])
  return new Map(
    rows.map((row) => {
      const name = { schema: row['schema'] ?? '', name: row['name'] ?? '' }
      const labels: readonly string[] = JSON.parse(row['labels'] ?? '[]')
      return [key(name), { ...name, labels, owned: row['owned'] === 't' }]
    }),
  )
}

/** A statement for each label that is not there, which puts it where it sorts at the source. */
function additions(vocabulary: Vocabulary, there: readonly string[]): string[] {
  const known = new Set(there)
  return vocabulary.labels.flatMap((label, at) => {
    if (known.has(label)) return []
    const before = vocabulary.labels[at - 1]
    const next = vocabulary.labels.slice(at).find((other) => known.has(other))
    const place =
      before !== undefined
        ? ` AFTER ${literal(before)}`
        : next === undefined
          ? ''
          : ` BEFORE ${literal(next)}`
    known.add(label)
    return [`ALTER TYPE ${qualified(vocabulary)} ADD VALUE IF NOT EXISTS ${literal(label)}${place}`]
  })
}

/**
 * A label that only the target has, beside one that only the source has, was most likely renamed:
 * then old rows hold the new name at the source, and no row says so.
 */
function otherName(source: Vocabulary, target: Found, missing: readonly string[]): Fault | null {
  const extra = target.labels.filter((label) => !source.labels.includes(label))
  if (extra.length === 0) return null
  const list = (labels: readonly string[]): string => labels.map((l) => `'${l}'`).join(', ')
  const alter = `ALTER TYPE ${qualified(source)}`
  const renames = extra.flatMap((from, at) => {
    const to = missing[at]
    return to === undefined ? [] : `${alter} RENAME VALUE ${literal(from)} TO ${literal(to)}`
  })
  return new Fault('HF-T237', {
    what: `the enum ${tableName(source)} has ${list(missing)} at the source and ${list(extra)} at the target instead`,
    side: 'target',
    todo: [
      {
        text: 'If the label was renamed at the source, rename it here, too; the mirror then goes on by itself.',
        sql: renames.join('; '),
        at: 'target',
        as: 'owner',
      },
      {
        text: 'If it is another one, add it.',
        sql: additions(source, target.labels).join('; '),
        at: 'target',
        as: 'owner',
      },
    ],
  })
}

/** The fault of a row that holds a label which is not there, with what adds it. */
export function withLabels(error: unknown, closed: readonly Todo[]): unknown {
  if (!(error instanceof Fault) || error.code !== 'HF-T237' || closed.length === 0) return error
  return new Fault(error.code, { ...error.detail, todo: closed })
}
