import type { TestSession } from '../servers/index.ts'

/** Settings of servers that the oracle asks for: large transactions are streamed, often. */
export const sourceSettings = {
  logical_decoding_work_mem: '64kB',
  max_prepared_transactions: '60',
  deadlock_timeout: '200ms',
  wal_keep_size: '0',
  max_wal_size: '64MB',
} as const
export const targetSettings = { deadlock_timeout: '200ms', wal_writer_delay: '300ms' } as const

/** Bytes of a target's own disk while it is not meant to be full; taken only as they are written. */
export const roomy = 2 * 1024 ** 3

/** Counts how often each marker is inserted, and refuses the next batches when told to. */
const watchSql = `
create schema if not exists oracle_watch;
create table if not exists oracle_watch.applied (seq bigint primary key, times integer not null);
create table if not exists oracle_watch.refusal (code text not null);
insert into oracle_watch.refusal values ('40001');
create sequence if not exists oracle_watch.refusals minvalue 0 start 0;
create or replace function oracle_watch.count() returns trigger language plpgsql
  set search_path = pg_catalog as $$
begin
  insert into oracle_watch.applied as a values (new.seq, 1)
    on conflict (seq) do update set times = a.times + 1;
  return null;
end $$;
create or replace function oracle_watch.refuse() returns trigger language plpgsql
  set search_path = pg_catalog as $$
declare
  left_over bigint;
begin
  select last_value into left_over from oracle_watch.refusals;
  if left_over > 0 then
    perform setval('oracle_watch.refusals', left_over - 1);
    raise exception using errcode = (select code from oracle_watch.refusal), message = 'not now';
  end if;
  return null;
end $$;
create trigger oracle_count after insert on oracle.marker for each row
  execute function oracle_watch.count();
create trigger oracle_refuse before insert on oracle.marker for each statement
  execute function oracle_watch.refuse();
alter table oracle.marker enable always trigger oracle_count;
alter table oracle.marker enable always trigger oracle_refuse`

/** Installs both at the target, once. */
export async function watch(session: TestSession): Promise<void> {
  const [there] = await session.query(
    `select to_regclass('oracle_watch.applied') is not null as is`,
  )
  if (there?.is === 't') return
  await session.query(`begin; ${watchSql}; commit`)
}
