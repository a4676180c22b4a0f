/** The schema at the target that holds what Holdfast knows of its mirrors. */
export const STATE = '_holdfast'

/** Raised inside the server: a statement touched another number of rows than it must. */
export const WRONG_COUNT = 'HF001'
/** Raised inside the server: the epoch is not ours any more. */
export const FENCED = 'HF002'
/** Raised inside the server: the checkpoint stands elsewhere than the batch begins. */
export const WRONG_POSITION = 'HF003'

/** What the tables below are; a state of a later version is not touched. */
export const STATE_VERSION = 1

/**
 * Processes that share a mirror: their leases, and the lanes that each needs all of. Made when the
 * first one joins.
 */
export const createMembers = `
select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('${STATE}', 0));
create table if not exists ${STATE}.members (
  mirror text not null,
  epoch bigint not null,
  host text not null,
  space text,
  pid int not null,
  started text,
  renewed_at timestamptz not null,
  wanted json not null default '[]',
  primary key (mirror, epoch)
) with (fillfactor = 10);
revoke all on ${STATE}.members from public;
`

/**
 * Creates the state where there is none; safe to run by several at once and to repeat. Runs in a
 * transaction of the caller.
 */
export const createState = `
select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('${STATE}', 0));
create schema if not exists ${STATE};
revoke all on schema ${STATE} from public;
create table if not exists ${STATE}.about (
  single boolean primary key default true check (single),
  identity uuid not null default pg_catalog.gen_random_uuid(),
  version int not null,
  created_at timestamptz not null default pg_catalog.now()
);
insert into ${STATE}.about (version) values (${STATE_VERSION}) on conflict do nothing;
create table if not exists ${STATE}.mirrors (
  name text primary key,
  epoch bigint not null default 0,
  settings json not null default '{}',
  source json not null default '{}',
  plan json,
  finished boolean not null default false,
  created_at timestamptz not null default pg_catalog.now()
);
create table if not exists ${STATE}.lanes (
  mirror text not null,
  lane text not null,
  epoch bigint not null,
  log text not null,
  "order" numeric not null,
  token text not null,
  landmark text,
  primary key (mirror, lane)
) with (fillfactor = 10);
create table if not exists ${STATE}.tables (
  mirror text not null,
  id text not null,
  number int not null,
  definition json not null,
  schema text not null,
  name text not null,
  mode text not null,
  state text not null default 'pending',
  start json,
  held_rows boolean not null default false,
  chunks_done int not null default 0,
  chunks int not null default 0,
  rows_copied bigint not null default 0,
  primary key (mirror, id)
) with (fillfactor = 50);
create table if not exists ${STATE}.leases (
  mirror text primary key,
  epoch bigint not null,
  host text not null,
  space text,
  pid int not null,
  started text,
  renewed_at timestamptz not null
) with (fillfactor = 10);
create or replace function ${STATE}.expect(actual bigint, wanted bigint, what text)
returns void language plpgsql as $hf$
begin
  if actual is distinct from wanted then
    raise exception using errcode = '${WRONG_COUNT}',
      message = what || ': ' || actual || ' rows instead of ' || wanted;
  end if;
end $hf$;
create or replace function ${STATE}.hold(mirror_name text, wanted bigint)
returns void language plpgsql as $hf$
begin
  perform 1 from ${STATE}.mirrors m where m.name = mirror_name and m.epoch = wanted for share;
  if not found then
    raise exception using errcode = '${FENCED}', message = 'another process has claimed the mirror';
  end if;
end $hf$;
create or replace function ${STATE}.advance(
  mirror_name text, lane_name text, wanted bigint,
  old_log text, old_token text, new_log text, new_order numeric, new_token text,
  new_landmark text
) returns void language plpgsql as $hf$
declare
  held bigint;
begin
  update ${STATE}.lanes l set log = new_log, "order" = new_order, token = new_token,
    landmark = new_landmark
  where l.mirror = mirror_name and l.lane = lane_name and l.epoch = wanted
    and l.log = old_log and l.token = old_token;
  if found then
    return;
  end if;
  select l.epoch into held from ${STATE}.lanes l
  where l.mirror = mirror_name and l.lane = lane_name;
  if held is not distinct from wanted then
    raise exception using errcode = '${WRONG_POSITION}',
      message = 'the checkpoint stands elsewhere than the batch begins';
  end if;
  raise exception using errcode = '${FENCED}', message = 'another process has claimed the mirror';
end $hf$;
create or replace function ${STATE}.mark(
  mirror_name text, table_id text, wanted bigint, copied bigint, of_chunks int
) returns void language plpgsql as $hf$
begin
  perform ${STATE}.hold(mirror_name, wanted);
  update ${STATE}.tables t
  set rows_copied = t.rows_copied + copied, chunks_done = t.chunks_done + 1, chunks = of_chunks
  where t.mirror = mirror_name and t.id = table_id and t.state = 'copying';
  if not found then
    raise exception using errcode = '${WRONG_COUNT}', message = 'the table is not being copied';
  end if;
end $hf$;
revoke all on all tables in schema ${STATE} from public;
revoke all on all functions in schema ${STATE} from public;
`
