import type { Session } from '../../../dialect/postgres/connect.ts'
import type { PgName } from '../../../dialect/postgres/schema.ts'
import { number, optional, text, yes } from '../rows.ts'

/** What a look at the server, the database and the role says. */
export interface ServerFacts {
  /** server_version_num. */
  readonly version: number
  readonly database: string
  readonly encoding: string
  readonly walLevel: string
  readonly standby: boolean
  /** max_slot_wal_keep_size as the server writes it, -1 for no limit. */
  readonly slotLimit: string
  readonly slots: { readonly used: number; readonly limit: number; readonly own: boolean }
  readonly senders: { readonly used: number; readonly limit: number }
  readonly role: {
    readonly name: string
    readonly superuser: boolean
    /** By attribute, or by membership where a hosted server has a role for it. */
    readonly replicates: boolean
    readonly bypassesRowSecurity: boolean
    readonly createsInDatabase: boolean
  }
  /** A role whose members may replicate, on a server that has one. */
  readonly replicationRole: string | null
  readonly largeObjects: boolean
}

const FACTS = `
select current_database() as database, current_setting('server_encoding') as encoding,
  current_setting('wal_level') as wal_level, pg_is_in_recovery() as standby,
  current_setting('max_slot_wal_keep_size') as slot_limit,
  current_setting('max_replication_slots') as slots,
  (select count(*) from pg_replication_slots) as slots_used,
  exists (select from pg_replication_slots where slot_name = $1) as own_slot,
  current_setting('max_wal_senders') as senders,
  (select count(*) from pg_stat_get_wal_senders()) as senders_used,
  r.rolname, r.rolsuper, r.rolbypassrls,
  r.rolsuper or r.rolreplication or coalesce(pg_has_role(h.oid, 'MEMBER'), false) as replicates,
  has_database_privilege(current_database(), 'CREATE') as creates,
  h.rolname as replication_role,
  exists (select from pg_largeobject_metadata) as large_objects
from pg_roles r
left join pg_roles h on h.rolname = 'rds_replication'
where r.rolname = current_user`

export async function readServer(session: Session, slot: string): Promise<ServerFacts> {
  const [row] = await session.query(FACTS, [slot])
  if (row === undefined) throw new TypeError('the server does not know the role of its session')
  return {
    version: session.version,
    database: text(row, 'database'),
    encoding: text(row, 'encoding'),
    walLevel: text(row, 'wal_level'),
    standby: yes(row, 'standby'),
    slotLimit: text(row, 'slot_limit'),
    slots: {
      used: number(row, 'slots_used'),
      limit: number(row, 'slots'),
      own: yes(row, 'own_slot'),
    },
    senders: { used: number(row, 'senders_used'), limit: number(row, 'senders') },
    role: {
      name: text(row, 'rolname'),
      superuser: yes(row, 'rolsuper'),
      replicates: yes(row, 'replicates'),
      bypassesRowSecurity: yes(row, 'rolsuper') || yes(row, 'rolbypassrls'),
      createsInDatabase: yes(row, 'creates'),
    },
    replicationRole: optional(row, 'replication_role'),
    largeObjects: yes(row, 'large_objects'),
  }
}

/** Slots of the server and what each holds back, for people. */
export async function describeSlots(session: Session): Promise<string> {
  const rows = await session.query(`
select slot_name, active, coalesce(database, 'physical') as database,
  pg_size_pretty(pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
    else pg_current_wal_lsn() end, restart_lsn)) as held
from pg_replication_slots order by active, slot_name limit 20`)
  return rows
    .map((row) => {
      const state = yes(row, 'active') ? 'active' : 'unused'
      return `${text(row, 'slot_name')} (${text(row, 'database')}, ${state}, holds ${row['held'] ?? '0 bytes'})`
    })
    .join(', ')
}

/** How the role stands to a table. */
export interface TableRights {
  readonly reads: boolean
  readonly owns: boolean
  /** Row security would apply to the role. */
  readonly hidden: boolean
}

const RIGHTS = `
select c.oid, has_schema_privilege(c.relnamespace, 'USAGE')
    and has_table_privilege(c.oid, 'SELECT') as reads,
  pg_has_role(c.relowner, 'USAGE') as owns,
  c.relrowsecurity and (c.relforcerowsecurity or not pg_has_role(c.relowner, 'USAGE')) as hidden
from pg_class c where c.oid = any($1::oid[])`

const UNREAD_SEQUENCES = `
select w.schema, w.name from json_to_recordset($1::json) as w(schema text, name text)
join pg_namespace n on n.nspname = w.schema
join pg_class c on c.relnamespace = n.oid and c.relname = w.name and c.relkind = 'S'
where case when c.relkind = 'S' then not (has_schema_privilege(n.oid, 'USAGE')
  and has_sequence_privilege(c.oid, 'SELECT')) end`

/** Those of the sequences whose value the role may not read. */
export async function readUnreadSequences(
  session: Session,
  sequences: readonly PgName[],
): Promise<PgName[]> {
  const names = sequences.map(({ schema, name }) => ({ schema, name }))
  const rows = await session.query(UNREAD_SEQUENCES, [JSON.stringify(names)])
  return rows.map((row) => ({ schema: text(row, 'schema'), name: text(row, 'name') }))
}

export async function readRights(
  session: Session,
  ids: readonly string[],
): Promise<ReadonlyMap<string, TableRights>> {
  const rows = await session.query(RIGHTS, [`{${ids.join(',')}}`])
  return new Map(
    rows.map((row) => [
      text(row, 'oid'),
      { reads: yes(row, 'reads'), owns: yes(row, 'owns'), hidden: yes(row, 'hidden') },
    ]),
  )
}
