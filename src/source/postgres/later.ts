import { monotonic } from '../../async/clock.ts'
import type { Session, TextRow } from '../../dialect/postgres/connect.ts'
import { plainOf } from '../../dialect/postgres/plain.ts'
import { ident, qualified } from '../../dialect/postgres/quote.ts'
import { Fault, type Finding } from '../../model/fault.ts'
import { findingsAt } from '../../model/findings.ts'
import { type Table, tableName } from '../../model/table.ts'
import { firstOf, lasting } from '../newcomers.ts'
import { patternOf, select } from '../select.ts'
import type { Later, Selection } from '../source.ts'
import { readFindings, sequenceFindings, versionFindings } from './check/preflight.ts'
import { keylessFindings, typeFindings } from './check/preflight-tables.ts'
import { readRights, readServer, type ServerFacts, type TableRights } from './check/server.ts'
import { namesFor } from './names.ts'
import {
  extendSql,
  type Publication,
  readPublications,
  shortcomings,
  wantedPublications,
} from './publication.ts'
import { oidArray, text } from './rows.ts'
import { type Reading, readSource } from './schema/inspect.ts'
import { naming } from './schema/select.ts'
import { marked } from './schema/shape.ts'

/** Tables that rows stand in and whose changes are logged: all that a look costs while none has come. */
const NAMES = `
select c.oid, n.nspname as schema, c.relname as name
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and c.relpersistence = 'p' and n.nspname !~ '^pg_'
  and n.nspname <> 'information_schema'
  and not exists (select from unnest($1::oid[]) known(id) where known.id = c.oid)`

/** What more there is to know of some, without those of extensions; `stamp` is another one when they change. */
const FACTS = `
select c.oid, n.nspname as schema, c.relname as name, c.relkind = 'p' or c.relispartition as parted,
  concat_ws(' ', c.oid, c.xmin, c.relnatts, c.relreplident, c.relowner, c.relacl::text,
    (select count(*) from pg_index i where i.indrelid = c.oid and i.indisvalid)) as stamp
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.oid = any($1::oid[])
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass
    and d.objid = c.oid and d.deptype = 'e')
order by n.nspname collate "C", c.relname collate "C"`

/** A table that the mirror does not know. */
interface Newcomer {
  readonly id: string
  readonly schema: string
  readonly name: string
  readonly parted: boolean
  readonly stamp: string
}

interface Looking {
  readonly mirror: string
  readonly selection: Selection
  readonly known: readonly Table[]
  readonly come: readonly Newcomer[]
}

const NONE: Later = {
  blueprint: { dialect: 'postgres', tables: [], native: null },
  refused: [],
}

const { fail } = findingsAt('source')

/** Tables that are made after the mirror has chosen its own. */
export class Newcomers {
  #seen = ''
  #at = Number.NEGATIVE_INFINITY
  #found: Later = NONE

  /** What the last look found. */
  get found(): Later {
    return this.#found
  }

  /** Those that are to be looked at; null when the last look tells of them all. */
  async come(
    session: Session,
    selection: Selection,
    known: readonly Table[],
  ): Promise<readonly Newcomer[] | null> {
    const come = await unknown(session, selection, known)
    const seen = JSON.stringify([known.length, come.map(({ stamp }) => stamp)])
    if (come.length === 0) {
      this.#seen = ''
      this.#found = NONE
      return null
    }
    if (seen === this.#seen && monotonic() - this.#at < lasting(this.#found)) return null
    return come
  }

  async look(session: Session, looking: Looking): Promise<Later> {
    const { known, come } = looking
    this.#found = await this.#look(session, looking)
    this.#seen = JSON.stringify([known.length, come.map(({ stamp }) => stamp)])
    this.#at = monotonic()
    return this.#found
  }

  async #look(session: Session, looking: Looking): Promise<Later> {
    const { known, come } = looking
    const plain = come.filter(({ parted }) => !parted)
    const refused: Fault[] = come
      .filter(({ parted }) => parted)
      .map((one) => partitioned(one, looking.mirror))
    if (plain.length === 0) return { ...NONE, refused }
    const reading = await readSource(session, new Set([...known, ...plain].map(({ id }) => id)))
    const names = namesFor(looking.mirror)
    const ids = plain.map(({ id }) => id)
    const at = {
      server: await readServer(session, names.slot),
      published: await readPublications(session, names),
      rights: await readRights(session, ids),
    }
    const tables: Table[] = []
    for (const id of ids) {
      const table = reading.tables.find((one) => one.id === id)
      if (table === undefined) continue
      if (looking.selection.keyless === 'exclude' && reading.keyless.has(id)) continue
      const found = await findingsOf(session, { ...looking, ...at, reading, table })
      const failed = found.find((finding) => finding.level === 'fail')
      if (failed?.level === 'fail') refused.push(failed.fault)
      else tables.push(table)
    }
    const { schema } = reading
    const native = { native: schema, plain: plainOf(schema) }
    const blueprint = { dialect: 'postgres', ...native, tables: await marked(session, tables) }
    return { blueprint, refused }
  }
}

async function unknown(
  session: Session,
  selection: Selection,
  known: readonly Table[],
): Promise<readonly Newcomer[]> {
  const names = await session.query(NAMES, [oidArray(known.map(({ id }) => id))])
  const { chosen } = select(names.map(nameOf), selection, naming)
  if (chosen.length === 0) return []
  const facts = await session.query(FACTS, [oidArray(chosen.map(({ id }) => id))])
  const come = facts.map(newcomerOf)
  // A partition that comes to a table of the first copy halts the mirror (HF-D406).
  const theirs = await partitionsOf(session, come, firstOf(known))
  return come.filter(({ id }) => !theirs.has(id))
}

function nameOf(row: TextRow): Pick<Newcomer, 'id' | 'schema' | 'name'> {
  return { id: text(row, 'oid'), schema: text(row, 'schema'), name: text(row, 'name') }
}

function newcomerOf(row: TextRow): Newcomer {
  return { ...nameOf(row), parted: row['parted'] === 't', stamp: text(row, 'stamp') }
}

/** Those of them that are part of the same table as one that is mirrored. */
async function partitionsOf(
  session: Session,
  come: readonly Newcomer[],
  mirrored: readonly Table[],
): Promise<ReadonlySet<string>> {
  const parted = come.filter((one) => one.parted).map(({ id }) => id)
  if (parted.length === 0) return new Set()
  const sql = `
select distinct p.relid::oid as id
from (select distinct pg_partition_root(c.oid) as root from pg_class c
  where c.oid = any($1::oid[]) and c.relispartition) r, pg_partition_tree(r.root) p
where p.relid::oid = any($2::oid[])`
  const rows = await session.query(sql, [oidArray(mirrored.map(({ id }) => id)), oidArray(parted)])
  return new Set(rows.map((row) => text(row, 'id')))
}

function partitioned(come: Newcomer, mirror: string): Fault {
  const table = tableName(come)
  const what = `${table} came, and is partitioned or a partition`
  return new Fault('HF-S311', { what, side: 'source', table, todo: ownMirror(come, mirror) })
}

function ownMirror(table: { readonly schema: string; readonly name: string }, mirror: string) {
  const name = /^[a-z0-9_]+$/.test(table.name) ? `${mirror}_${table.name}` : `${mirror}_2`
  const which = `--include '${patternOf(table, naming)}'`
  const text = 'Mirror it by a mirror of its own.'
  return [{ text, run: `holdfast run --name ${name} ${which}` }]
}

interface About extends Looking {
  readonly server: ServerFacts
  readonly published: readonly Publication[]
  readonly rights: ReadonlyMap<string, TableRights>
  readonly reading: Reading
  readonly table: Table
}

/** What a preflight finds of one table. */
async function findingsOf(session: Session, about: About): Promise<readonly Finding[]> {
  const { server, selection, table, rights } = about
  const reading = alone(about)
  const findings = [
    ...keylessFindings(reading, selection.keyless),
    ...typeFindings(reading, server),
    ...readFindings(server, [table], rights),
    ...(await rightsOnSequences(session, server, reading)),
    ...versionFindings(server).flatMap((one): Finding[] => {
      // Before these corrections a publication that is altered may miss what is being written.
      return one.level === 'warn' ? [{ ...one, level: 'fail' }] : []
    }),
  ]
  if (findings.some(({ level }) => level === 'fail')) return findings
  return publicationFindings(about)
}

async function rightsOnSequences(
  session: Session,
  server: ServerFacts,
  reading: Reading,
): Promise<readonly Finding[]> {
  return reading.schema.sequences.length === 0
    ? []
    : await sequenceFindings(session, server, reading)
}

function alone({ reading, table }: About): Reading {
  const { schema, keyless } = reading
  return {
    schema: {
      ...schema,
      tables: schema.tables.filter(({ id }) => id === table.id),
      sequences: schema.sequences.filter(({ owner }) => owner?.table === table.id),
    },
    tables: [table],
    keyless: new Set([...keyless].filter((id) => id === table.id)),
  }
}

/** Whether the table is published as it must be, or can be. */
function publicationFindings(about: About): readonly Finding[] {
  const { published, rights, table, server, mirror } = about
  const wanted = wantedPublications(namesFor(mirror), [table]).find((one) => one.tables.length > 0)
  if (wanted === undefined) return []
  const [subject, name] = [`publication ${wanted.name}`, tableName(table)]
  const there = published.find((one) => one.name === wanted.name)
  if (there === undefined) {
    const what = `${name} came, and the mirror began without the ${subject}`
    return [fail('HF-S311', subject, { what, tables: [name], todo: ownMirror(table, mirror) })]
  }
  const add = extendSql({ ...wanted, tables: [table] })
  const asOwner = { at: 'source', as: 'owner' } as const
  if (there.tables.has(table.id)) {
    const lacking = shortcomings(there, wanted)
    if (lacking === null) return []
    const what = `${name} is not published as it must be: of ${wanted.name}, ${lacking}`
    const text = 'As the owner of both, publish it whole; the mirror then takes it by itself.'
    const sql = `ALTER PUBLICATION ${ident(wanted.name)} DROP TABLE ${qualified(table)}; ${add}`
    return [fail('HF-S222', subject, { what, tables: [name], todo: [{ text, sql, ...asOwner }] })]
  }
  const owns = rights.get(table.id)?.owns === true || server.role.superuser
  if (there.mine && owns && !server.standby) return []
  const why = server.standby
    ? 'the source is a standby'
    : `${server.role.name} does not own ${there.mine ? name : `the ${subject}`}`
  const what = `${name} cannot be published: ${why}`
  const text = 'As the owner of both, publish it; the mirror then takes it by itself.'
  return [
    fail('HF-S222', subject, { what, tables: [name], todo: [{ text, sql: add, ...asOwner }] }),
  ]
}
