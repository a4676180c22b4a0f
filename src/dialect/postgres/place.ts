import type { Session } from './connect.ts'

/** Which database of which cluster this is, whatever name it was reached by. */
export interface Place {
  /** Minted by initdb; a copy of the files has the same one. */
  readonly system: string
  /** Counts promotions. */
  readonly timeline: string
  readonly database: string
  readonly databaseOid: string
  /** Tells a running server from a copy of its files that runs, too. */
  readonly started: string
  readonly standby: boolean
}

/** A log file's name begins with its timeline; a standby names the one that it follows. */
const PLACE = `
select (select system_identifier from pg_control_system()) as system,
  pg_is_in_recovery() as standby, current_database() as database, d.oid,
  extract(epoch from pg_postmaster_start_time()) as started,
  case when pg_is_in_recovery()
    then (select coalesce(nullif(min_recovery_end_timeline, 0), 1) from pg_control_recovery())
    else ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int
  end as timeline
from pg_database d where d.datname = current_database()`

export async function readPlace(session: Session): Promise<Place> {
  const [row] = await session.query(PLACE)
  return {
    system: row?.['system'] ?? '',
    timeline: row?.['timeline'] ?? '',
    database: row?.['database'] ?? '',
    databaseOid: row?.['oid'] ?? '',
    started: row?.['started'] ?? '',
    standby: row?.['standby'] === 't',
  }
}

/** Equal at both ends exactly when they are one database. */
export function describePlace({ system, databaseOid, started }: Place): string {
  return `postgres ${system}/${databaseOid} since ${started}`
}

/** `16.4` of server_version_num 160004. */
export function versionText(version: number): string {
  return `${Math.floor(version / 10_000)}.${version % 10_000}`
}
