import { openSession, type TestSession } from '../../servers/index.ts'
import { tables } from './load.ts'

/** What a database holds: texts of all rows, by table. */
export type Contents = ReadonlyMap<string, readonly string[]>

/** Read in one snapshot, by a session of PostgreSQL's own driver; null before there are tables. */
export async function contentsOf(url: string): Promise<Contents | null> {
  await using session = await openSession(url)
  await session.query(`set timezone = 'UTC'; begin isolation level repeatable read read only`)
  const found = new Map<string, readonly string[]>()
  for (const table of Object.keys(tables)) {
    const [there] = await session.query('select to_regclass($1) is not null as is', [
      `oracle.${table}`,
    ])
    if (there?.['is'] !== 't') return null
    const rows = await session.query(`select t::text as row from oracle.${table} t order by 1`)
    found.set(
      table,
      rows.map(({ row }) => row ?? ''),
    )
  }
  return found
}

/** Null when both hold the same; else a few rows of each side. */
export function differenceOf(source: Contents, target: Contents): string | null {
  const lines: string[] = []
  for (const [table, rows] of source) {
    const [wanted, there] = [new Set(rows), new Set(target.get(table) ?? [])]
    const lacks = rows.filter((row) => !there.has(row))
    const besides = [...there].filter((row) => !wanted.has(row))
    if (lacks.length + besides.length === 0 && there.size === wanted.size) continue
    const some = (list: readonly string[]): string =>
      list
        .slice(0, 3)
        .map((row) => row.slice(0, 160))
        .join(' | ')
    lines.push(
      `${table}: lacks ${lacks.length}: ${some(lacks)}; besides ${besides.length}: ${some(besides)}`,
    )
  }
  return lines.length === 0 ? null : lines.join('\n  ')
}

/** At the target: what is written over something newer is written down. */
export async function watchOrder(session: TestSession): Promise<void> {
  await session.query(`
    create schema if not exists oracle_watch;
    create table if not exists oracle_watch.newest (t text, k text, v bigint, primary key (t, k));
    create table if not exists oracle_watch.stale (t text, k text, was bigint, came bigint);
    create or replace function oracle_watch.look() returns trigger language plpgsql
      set search_path = pg_catalog as $$
    declare
      key text := (select string_agg(to_jsonb(new) ->> c, '|') from unnest(tg_argv) c);
      known bigint;
    begin
      select v into known from oracle_watch.newest where t = tg_table_name and k = key;
      if known > new.v then
        insert into oracle_watch.stale values (tg_table_name, key, known, new.v);
      end if;
      insert into oracle_watch.newest values (tg_table_name, key, new.v)
        on conflict (t, k) do update set v = excluded.v;
      return null;
    end $$`)
  for (const [table, key] of Object.entries(tables)) {
    await session.query(`
      create or replace trigger oracle_look after insert or update on oracle.${table} for each row
        execute function oracle_watch.look(${key.join(', ')});
      alter table oracle.${table} enable always trigger oracle_look`)
  }
}

export async function staleRows(url: string): Promise<readonly string[]> {
  await using session = await openSession(url)
  const rows = await session.query('select * from oracle_watch.stale limit 5')
  return rows.map((row) => Object.values(row).join(' '))
}
