import { createHash } from 'node:crypto'
import { point } from '../../async/point.ts'
import type { Session, TextRow } from '../../dialect/postgres/connect.ts'
import { sqlstateOf } from '../../dialect/postgres/errors.ts'
import { ident, qualified } from '../../dialect/postgres/quote.ts'
import { Fault } from '../../model/fault.ts'
import { type Table, tableName } from '../../model/table.ts'
import { firstOf } from '../newcomers.ts'
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
  /** What stands for itself and for the schemas that it publishes; changes when it is touched. */
  readonly own: { readonly self: readonly string[]; readonly schemas: readonly string[] }
  readonly members: readonly Member[]
}

/** What a publication names as its own. */
interface Member {
  /** Null for what is not a plain table and stands for several. */
  readonly table: string | null
  /** Another one after it was taken out and put in again. */
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
  (select json_agg(r.oid::text || ':' || r.xmin::text || ' '
      || case c.relkind when 'r' then c.oid::text else '' end order by r.oid)
    from pg_publication_rel r join pg_class c on c.oid = r.prrelid
    where r.prpubid = p.oid) as members, ${schemas} as schemas,
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
    own: { self: [text(row, 'oid'), text(row, 'xmin')], schemas: texts(row, 'schemas') },
    members: texts(row, 'members').map((member) => {
      const [stamp = '', table = ''] = member.split(' ')
      return { stamp, table: table === '' ? null : table }
    }),
  }
}

/**
 * Changes whenever a publication was touched in what concerns these tables; in anything, without
 * them. Tables that came later are looked at by themselves.
 */
export function stampsOf(
  publications: readonly Publication[],
  tables: readonly Table[] | null,
): string {
  const followed = tables === null ? null : new Set(firstOf(tables).map(({ id }) => id))
  const stamps = publications.map(({ name, own, members }) => {
    const counted = members.filter(
      ({ table }) => table === null || followed === null || followed.has(table),
    )
    const facts = [...own.self, counted.map(({ stamp }) => stamp), own.schemas]
    const stamp = createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16)
    return `${name}:${stamp}`
  })
  return stamps.join(' ')
}

/** How a table is published that came later; null when it is not. */
export function sinceOf(publications: readonly Publication[], id: string): string | null {
  const stamps = publications.flatMap(({ name, tables, members }) => {
    if (!tables.has(id)) return []
    return [`${name}:${members.find(({ table }) => table === id)?.stamp ?? 'all'}`]
  })
  return stamps.length === 0 ? null : stamps.join(' ')
}

/**
 * Throws HF-S206 for a table that came later and was not published all the time since, and HF-D406
 * for one that is gone.
 */
export async function requireSince(
  session: Session,
  publications: readonly Publication[],
  tables: readonly Table[],
): Promise<void> {
  for (const table of tables) {
    if (table.since === undefined || table.since === sinceOf(publications, table.id)) continue
    const name = tableName(table)
    const about = { side: 'source', table: name } as const
    const there = await session.query('select from pg_class where oid = $1::oid', [table.id])
    if (there.length === 0)
      throw new Fault('HF-D406', { what: `${name}: it was dropped`, ...about })
    const what = `${name} is not published any more, or was not for a while, at ${session.label}`
    throw new Fault('HF-S206', { what, ...about })
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

/**
 * Makes the publications of these tables, or takes those that are there if they hold them.
 * `appends`: also the one of tables without a key, which may come later, where that is allowed.
 */
export async function preparePublications(
  session: Session,
  names: Names,
  { tables, appends }: { readonly tables: readonly Table[]; readonly appends: boolean },
): Promise<void> {
  const found = new Map((await readPublications(session, names)).map((one) => [one.name, one]))
  for (const one of wantedPublications(names, tables)) {
    const there = found.get(one.name)
    const wanted = one.tables.length > 0 || one.name === names.publication
    if (wanted) await prepareOne(session, one, there)
    else if (appends && there === undefined) await create(session, one).catch(unlessDenied)
  }
  point('publication-made')
}

function unlessDenied(error: unknown): void {
  if (!(error instanceof Fault) || error.code !== 'HF-S106') throw error
}

const LOCKED = '55P03'
/** The mirror waits meanwhile: who alters a table, or builds an index beside its use, may take long. */
const WITHOUT_WAITING = "SET LOCAL lock_timeout = '5s'; "

/**
 * Adds tables that came later; those that are there stay. Gives them back with how they came; null
 * where others hold a lock on one of them.
 */
export async function extendPublications(
  session: Session,
  names: Names,
  tables: readonly Table[],
): Promise<readonly Table[] | null> {
  const found = await readPublications(session, names)
  for (const one of wantedPublications(names, tables)) {
    const there = found.find(({ name }) => name === one.name)
    const missing = one.tables.filter(({ id }) => there?.tables.has(id) !== true)
    if (missing.length === 0) continue
    const sql = extendSql({ ...one, tables: missing })
    try {
      await altering(session, { name: one.name, sql, before: WITHOUT_WAITING })
    } catch (error) {
      if (sqlstateOf(error) !== LOCKED) throw error
      return null
    }
  }
  point('publication-made')
  const now = await readPublications(session, names)
  for (const one of wantedPublications(names, tables)) {
    const there = now.find(({ name }) => name === one.name)
    if (one.tables.length === 0) continue
    const lacking = there === undefined ? 'it is gone' : shortcomings(there, one)
    if (lacking !== null) throw unfit(one.name, lacking)
  }
  return tables.map((table) => ({ ...table, since: sinceOf(now, table.id) ?? '' }))
}

export function extendSql({ name, tables }: Pick<Wanted, 'name' | 'tables'>): string {
  const list = tables.map((table) => `ONLY ${qualified(table)}`).join(', ')
  return `ALTER PUBLICATION ${ident(name)} ADD TABLE ${list}`
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
  if (found === undefined) return await create(session, wanted)
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
  await altering(session, { name: wanted.name, sql: createSql(wanted), before })
}

async function altering(
  session: Session,
  { name, sql, before = '' }: { readonly name: string; readonly sql: string; before?: string },
): Promise<void> {
  try {
    await session.query(before + sql)
  } catch (error) {
    if (sqlstateOf(error) !== '42501') throw error
    throw new Fault('HF-S106', {
      what: `the role may not make or alter the publication ${name} at ${session.label}`,
      why: 'That needs CREATE on the database, and ownership of the publication and its tables.',
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
