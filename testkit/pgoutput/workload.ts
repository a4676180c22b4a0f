/** What stands before the recording begins; the first rows are in no trace. */
export const tables = `
create type mood as enum ('sad', 'o''k');
create domain code as varchar(9);
create table keyed (id int primary key, n numeric(10,2), t text, m mood, c code, b bytea, big text);
alter table keyed alter big set storage external;
create table pair (a int, b text, v float8, primary key (a, b));
create table whole (v text, n bigint, at timestamptz);
alter table whole replica identity full;
create table chosen (x int not null, y text);
create unique index chosen_by on chosen (x);
alter table chosen replica identity using index chosen_by;
create table nothing (x int);
alter table nothing replica identity nothing;
create schema "a b";
create table "a b"."T""é" ("ü x" int primary key);
create table counted (id serial primary key);
create table hidden (id int, x text);
create publication traced for table keyed, pair, whole, chosen, "a b"."T""é", counted;
create publication traced_inserts for table nothing with (publish = 'insert');
insert into keyed values (1, 1.50, 'first', 'sad', 'abc', '\\x00ff', repeat('long ', 600));
insert into pair values (1, 'one', 1.5), (2, 'two', '-0');
insert into whole values ('old', 9007199254740993, 'infinity'), (null, null, null)`

export const publications: readonly string[] = ['traced', 'traced_inserts']

/** Transactions whose messages come when they have committed. */
export const ordinary: readonly string[] = [
  `insert into keyed values (2, 'NaN', E'é "\\\\\\n', 'o''k', '', '', ''), (3, null, null, null, null, null, null)`,
  `update keyed set t = 'second' where id = 1`,
  `update keyed set id = 4, m = null where id = 1`,
  `delete from keyed where id = 2`,
  `insert into pair values (3, '', 'Infinity'); update pair set b = 'zwei' where a = 2;
   delete from pair where a = 1`,
  `update whole set n = -1 where v = 'old'; delete from whole where v is null`,
  `insert into chosen values (1, 'one'); update chosen set y = 'uno'; update chosen set x = 2;
   delete from chosen`,
  `insert into nothing values (7)`,
  `insert into "a b"."T""é" values (1)`,
  `insert into counted default values`,
  `truncate counted restart identity`,
  `truncate pair, whole cascade`,
  `select pg_logical_emit_message(true, 'prefix', 'inside')`,
  `select pg_logical_emit_message(false, 'prefix', 'outside')`,
  `begin; insert into counted values (50); savepoint a; insert into counted values (51);
   rollback to a; insert into counted values (52); commit`,
  `alter table chosen add z int; insert into chosen values (3, 'three', 3)`,
  `begin; insert into hidden values (1, 'not published'); commit`,
]

/** One transaction that was replayed from elsewhere. */
export const replayed: readonly string[] = [
  `select pg_replication_origin_create('elsewhere')`,
  `select pg_replication_origin_session_setup('elsewhere')`,
  `begin; select pg_replication_origin_xact_setup('1/2345', '2020-01-01'); insert into counted values (60); commit`,
  `select pg_replication_origin_session_reset()`,
  `select pg_replication_origin_drop('elsewhere')`,
]

/** Rows that fill the memory of the server and are not sent, so that it sends what it has. */
const filler = `insert into hidden select g, 'filler' from generate_series(1, 1200) g`

/**
 * Transactions that protocol 2 sends before their end, in pieces: what a rollback takes back must
 * have been sent by then, which shows in a message that says `sent`.
 */
export const streamed: readonly { readonly sql: string; readonly sent?: RegExp }[] = [
  {
    sql: `begin; insert into keyed values (10, 1, 'streamed', 'sad'); ${filler};
      savepoint a; update keyed set t = 'taken back' where id = 10; ${filler}`,
    sent: /^update in/,
  },
  {
    sql: `rollback to a; savepoint b; update keyed set id = 11 where id = 10;
      delete from keyed where id = 3; ${filler}; release b; truncate pair;
      select pg_logical_emit_message(true, 'prefix', 'streamed'); commit`,
  },
  { sql: `begin; insert into whole values ('never'); ${filler}`, sent: /^insert in/ },
  { sql: 'rollback' },
  {
    sql: `begin; alter table whole add more text; insert into whole values ('wide', 1, 'epoch', 'x');
      delete from whole; ${filler}; commit`,
  },
]

/** The end of the recording. */
export const last = `select pg_logical_emit_message(false, 'last', '')`
