import { createHash } from 'node:crypto'
import { point } from '../../async/point.ts'
import type { Session, TextRow } from '../../dialect/postgres/connect.ts'
import { sqlstateOf } from '../../dialect/postgres/errors.ts'
import { ident, qualified } from '../../dialect/postgres/quote.ts'
import { Fault } from '../../model/fault.ts'
import { type Table, tableName } from '../../model/table.ts'
import type { Names } from './names.ts'
import { optional, text, texts, yes } from './rows.ts'

/** A publication as it is. */
export interface Publication {
  readonly name: string
  readonly oid: string
  readonly allTables: boolean
  /** Operations that it publishes. */
  readonly operations: readonly string[]
  readonly viaRoot: boolean
  /** Values of generated columns travel with it, which came with 18. */
  readonly generated: boolean
  readonly mine: boolean
  /** OIDs of the tables that it publishes. */
  readonly tables: ReadonlySet<string>
  /** Tables whose rows or columns it publishes only in part. */
  readonly partial: readonly string[]
  /** Changes whenever it or its membership was touched. */
  readonly stamp: string
}

/** Row filters and column lists came with 15, generated columns with 18. */
function publicationsSql(version: number): string {
  const partial = version >= 150000 ? 'r.prqual is not null or r.prattrs is not null' : 'false'
  const schemas =
    version >= 150000
      ? `(select json_agg(s.oid::text || ':' || s.xmin::text order by s.oid)
          from pg_publication_namespace s where s.pnpubid = p.oid)`
      : 'null'
  const generated = version >= 180000 ? `p.pubgencols <> 'n'` : 'false'
  return `
select p.oid, p.pubname, p.puballtables, p.pubviaroot, p.xmin,
  pg_has_role(p.pubowner, 'USAGE') as mine, ${generated} as generated,
  array_to_string(array_remove(array[case when p.pubinsert then 'insert' end,
    case when p.pubupdate then 'update' end, case when p.pubdelete then 'delete' end,
    case when p.pubtruncate then 'truncate' end], null), ',') as operations,
  (select json_agg(r.oid::text || ':' || r.xmin::text order by r.oid)
    from pg_publication_rel r where r.prpubid = p.oid) as members, ${schemas} as schemas,
  (select json_agg(t.relid::oid::text) from pg_get_publication_tables(p.pubname) t) as tables,
  (select json_agg(r.prrelid::regclass::text) from pg_publication_rel r
    where r.prpubid = p.oid and (${partial})) as partial
from pg_publication p where p.pubname = any($1::name[]) order by p.pubname`
}

const GONE = '42704'
const MOST_LOOKS = 5

export async function readPublications(session: Session, names: Names): Promise<Publication[]> {
  const list = `{${names.publication},${names.appendPublication}}`
  for (let looks = 1; ; looks++) {
    try {
      const rows = await session.query(publicationsSql(session.version), [list])
      return rows.map(publicationOf)
    } catch (error) {
      // One that goes while it is looked at is an error of the server; the next look lacks it.
      if (sqlstateOf(error) !== GONE || looks === MOST_LOOKS) throw error
    }
  }
}

function publicationOf(row: TextRow): Publication {
  const facts = [text(row, 'oid'), text(row, 'xmin'), texts(row, 'members'), texts(row, 'schemas')]
  return {
    name: text(row, 'pubname'),
    oid: text(row, 'oid'),
    allTables: yes(row, 'puballtables'),
    operations: (optional(row, 'operations') ?? '').split(','),
    viaRoot: yes(row, 'pubviaroot'),
    generated: yes(row, 'generated'),
    mine: yes(row, 'mine'),
    tables: new Set(texts(row, 'tables')),
    partial: texts(row, 'partial'),
    stamp: createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16),
  }
}

const ALL = ['insert', 'update', 'delete', 'truncate'] as const
/** A publication of updates would make the application's UPDATE fail on a table without a key. */
const APPEND = ['insert', 'truncate'] as const

export interface Wanted {
  readonly name: string
  readonly tables: readonly Table[]
  readonly operations: readonly string[]
}

/** Makes the publications of these tables, or takes those that are there if they hold them. */
export async function preparePublications(
  session: Session,
  names: Names,
  tables: readonly Table[],
): Promise<void> {
  const found = new Map((await readPublications(session, names)).map((one) => [one.name, one]))
  for (const one of wantedPublications(names, tables)) {
    await prepareOne(session, one, found.get(one.name))
  }
  point('publication-made')
}

/** The publications that the mirror of these tables needs; the second one may be of no table. */
export function wantedPublications(names: Names, tables: readonly Table[]): Wanted[] {
  const keyed = tables.filter(({ identity }) => identity.by !== 'none')
  const keyless = tables.filter(({ identity }) => identity.by === 'none')
  return [
    { name: names.publication, tables: keyed, operations: ALL },
    { name: names.appendPublication, tables: keyless, operations: APPEND },
  ]
}

async function prepareOne(
  session: Session,
  wanted: Wanted,
  found: Publication | undefined,
): Promise<void> {
  if (found === undefined) {
    // The main one is there for every mirror: START_REPLICATION names it.
    if (wanted.tables.length > 0 || wanted.operations === ALL) await create(session, wanted)
    return
  }
  const lacking = shortcomings(found, wanted)
  if (lacking === null) return
  const { name, tables } = wanted
  if (!found.mine || tables.length === 0) throw unfit(found.name, lacking)
  await create(session, wanted, `DROP PUBLICATION ${ident(name)}; `)
}

/** Why the publication will not do; null when it will. */
export function shortcomings(found: Publication, wanted: Wanted): string | null {
  const missing = wanted.tables.filter(({ id }) => !found.tables.has(id))
  const names = missing.slice(0, 5).map(tableName).join(', ')
  if (missing.length > 0) return `it does not hold ${names}${missing.length > 5 ? ' …' : ''}`
  const absent = wanted.operations.filter((operation) => !found.operations.includes(operation))
  if (absent.length > 0) return `it does not publish ${absent.join(', ')}`
  if (found.viaRoot) return 'it publishes partitions as their root (publish_via_partition_root)'
  if (found.generated) return 'it publishes generated columns (publish_generated_columns)'
  if (found.partial.length > 0) return `it filters rows or columns of ${found.partial.join(', ')}`
  return null
}

/** `before` runs in the same transaction. */
async function create(session: Session, wanted: Wanted, before = ''): Promise<void> {
  const sql = createSql(wanted)
  try {
    await session.query(before + sql)
  } catch (error) {
    if (sqlstateOf(error) !== '42501') throw error
    throw new Fault('HF-S106', {
      what: `the role may not create the publication ${wanted.name} at ${session.label}`,
      why: 'Creating one needs CREATE on the database and ownership of its tables.',
      safe: 'Nothing was copied yet.',
      todo: [{ text: 'Let the owner of the tables create it.', sql, at: 'source' }],
      side: 'source',
    })
  }
}

/** ONLY: a table that others inherit from stands for itself, and so do they. */
export function createSql({ name, tables, operations }: Wanted): string {
  const list = tables.map((table) => `ONLY ${qualified(table)}`).join(', ')
  const what = tables.length === 0 ? '' : ` FOR TABLE ${list}`
  return `CREATE PUBLICATION ${ident(name)}${what} WITH (publish = '${operations.join(', ')}')`
}

function unfit(name: string, lacking: string): Fault {
  return new Fault('HF-S206', {
    what: `the publication ${name} is not fit for the mirror: ${lacking}`,
    safe: 'Nothing was copied yet.',
    side: 'source',
    todo: [
      { text: 'Print the script for the owner of the database.', run: 'holdfast check --sql' },
    ],
  })
}

/** The publications to read with. Throws HF-S206 when there is none. */
export async function requirePublications(session: Session, names: Names): Promise<Publication[]> {
  const found = await readPublications(session, names)
  if (found.some(({ name }) => name === names.publication)) return found
  throw new Fault('HF-S206', {
    what: `there is no publication ${names.publication} at ${session.label}`,
    side: 'source',
  })
}

/** Drops the publications that are ours to drop; returns their names. */
export async function dropPublications(session: Session, names: Names): Promise<string[]> {
  const dropped: string[] = []
  for (const { name, mine } of await readPublications(session, names)) {
    if (!mine) continue
    await session.query(`DROP PUBLICATION IF EXISTS ${ident(name)}`)
    dropped.push(name)
  }
  return dropped
}
