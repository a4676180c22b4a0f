import type { Random } from './random.ts'
import { large, typed, type Value } from './values.ts'

/** How the load writes to a table, beside inserts, updates, deletes and moves of keys. */
export type Manner =
  | 'ordinary'
  | 'full'
  | 'append'
  | 'swap'
  | 'counter'
  | 'family'
  | 'evolve'
  | 'big'

/** A table of the oracle's schema. */
export interface OracleTable {
  /** As SQL writes it, with its schema. */
  readonly name: string
  readonly manner: Manner
  /** How the load finds a row: a condition on the `i`-th key, and that key's cells. */
  readonly key: readonly {
    readonly column: string
    readonly at: (i: number, r: Random) => string
  }[]
  readonly columns: Readonly<Record<string, Value>>
  /** Where identity columns are GENERATED ALWAYS. */
  readonly overriding?: boolean
  /** TRUNCATE may name it. */
  readonly truncated?: boolean
  /** Keys that the load uses. */
  readonly keys: number
}

const text: Value = (random) => random.letters(random.between(0, 20))
const small: Value = (random) => String(random.below(100))
const byId = [{ column: 'id', at: (i: number) => String(i) }]
const ends = ['2000-01-01 00:00:00+00', 'infinity', '-infinity', '294276-12-31 23:59:59.999999+00']
const names = ['', ' ', 'a', 'A', 'á', "it's", 'x\\y', '\t', '日本', '%', 'NULL', '"']

function keyed(
  name: string,
  at: (i: number, r: Random) => string,
  more: Partial<OracleTable> = {},
): OracleTable {
  const columns = { v: text, big: large.text }
  const key = [{ column: 'k', at }]
  return {
    name: `oracle.${name}`,
    manner: 'ordinary',
    key,
    columns,
    keys: 40,
    truncated: true,
    ...more,
  }
}

/** Every table that the load writes to; the marker is not among them. */
export const tables: readonly OracleTable[] = [
  {
    name: 'oracle.plain',
    manner: 'ordinary',
    key: byId,
    columns: Object.fromEntries(Object.values(typed).map((value, i) => [`c${i}`, value])),
    truncated: true,
    keys: 60,
  },
  {
    name: 'oracle.toasted',
    manner: 'ordinary',
    key: byId,
    columns: {
      n: small,
      t: large.text,
      b: large.bytea,
      j: large.jsonb,
      a: large.array,
      u: large.numeric,
    },
    keys: 40,
  },
  {
    name: 'oracle.composite',
    manner: 'ordinary',
    key: [
      { column: 'a', at: (i) => String(i % 4) },
      { column: 'b', at: (i) => names[i % names.length] ?? '' },
      { column: 'c', at: (i) => `00000000-0000-4000-8000-${String(i % 3).padStart(12, '0')}` },
    ],
    columns: { v: text, big: large.text },
    truncated: true,
    keys: 48,
  },
  keyed('key_text', (i) => `${names[i % names.length]}${i < names.length ? '' : i}`),
  keyed('key_uuid', (i) => `10000000-0000-4000-8000-${String(i).padStart(12, '0')}`),
  keyed('key_numeric', (i, random) => random.pick([`${i}`, `${i}.0`, `${i}.00`])),
  keyed('key_float', (i, random) => (i === 0 ? random.pick(['0', '-0']) : `${i}.1`)),
  keyed('key_time', (i) => ends[i] ?? `2001-01-01 00:00:${String(i).padStart(2, '0')}.000001+00`),
  keyed('key_mood', (i) => ['sad', 'o"k', "h'appy", 'é'][i % 4] ?? '', { keys: 4 }),
  keyed('key_bytes', (i) => `\\x00${i.toString(16).padStart(2, '0')}00`),
  keyed('key_span', (i) => `[${i},${i + 1})`),
  keyed('key_padded', (i) => `k${i}`),
  keyed('key_full', (i) => String(i)),
  {
    name: 'oracle.by_index',
    manner: 'ordinary',
    key: [{ column: 'b', at: (i) => `b${i}` }],
    columns: { a: (random) => String(random.below(1_000_000)), v: text, big: large.text },
    keys: 40,
  },
  {
    name: 'oracle.full_rows',
    manner: 'full',
    key: [{ column: 'a', at: (i) => String(i % 10) }],
    columns: {
      b: (r) => r.pick(['', 'x', 'y']),
      j: (r) => r.pick(['{"a":1}', '{ }', '[1]']),
      big: large.text,
    },
    truncated: true,
    keys: 10,
  },
  {
    name: 'oracle.appended',
    manner: 'append',
    key: [],
    columns: { at: small, body: text },
    truncated: true,
    keys: 1,
  },
  {
    name: 'oracle.swapped',
    manner: 'swap',
    key: byId,
    columns: { v: text, big: large.text },
    keys: 30,
  },
  {
    name: 'oracle.generated',
    manner: 'ordinary',
    key: byId,
    columns: { a: small, v: text, big: large.text },
    overriding: true,
    truncated: true,
    keys: 40,
  },
  {
    name: 'oracle.parts',
    manner: 'ordinary',
    key: [
      { column: 'region', at: (i) => ['a', 'b', 'c', 'd'][i % 4] ?? '' },
      { column: 'id', at: (i) => String(i) },
    ],
    columns: { v: text, big: large.text },
    truncated: true,
    keys: 60,
  },
  {
    name: 'oracle."Odd ""Table"" é; --"',
    manner: 'ordinary',
    key: [{ column: '"Key; --"', at: (i) => String(i) }],
    columns: { '"va\'l %s $1"': text, '"new\nline"': small },
    truncated: true,
    keys: 20,
  },
  { name: 'oracle.base', manner: 'ordinary', key: byId, columns: { v: text }, keys: 20 },
  {
    name: 'oracle.derived',
    manner: 'ordinary',
    key: byId,
    columns: { v: text, w: small },
    keys: 20,
  },
  { name: 'oracle.counters', manner: 'counter', key: byId, columns: { v: text }, keys: 20 },
  { name: 'oracle.parent', manner: 'family', key: byId, columns: { v: text }, keys: 20 },
  {
    name: 'oracle.evolving',
    manner: 'evolve',
    key: byId,
    columns: { a: small, big: large.text },
    keys: 30,
  },
  {
    name: 'oracle.big',
    manner: 'big',
    key: byId,
    columns: { body: text },
    truncated: true,
    keys: 30,
  },
]

const plainColumns = Object.keys(typed).map((type, i) => `c${i} ${type}`)

/** The schema, as the source makes it. */
export const schemaSql: readonly string[] = [
  'create schema oracle',
  `create type oracle.mood as enum ('sad', 'o"k', 'h''appy', 'é')`,
  'create domain oracle.positive as numeric check (value > 0)',
  'create type oracle.pair as (a integer, b text)',
  'create type oracle.float_span as range (subtype = float8)',
  'create table oracle.marker (seq bigint primary key, session integer not null)',
  `create table oracle.plain (id integer primary key, ${plainColumns.join(', ')})`,
  `create table oracle.toasted (id integer primary key, n integer, t text, b bytea, j jsonb,
     a text[], u numeric)`,
  ...['t', 'b', 'j', 'a', 'u'].map(
    (column) => `alter table oracle.toasted alter column ${column} set storage external`,
  ),
  'create table oracle.composite (a integer, b text, c uuid, v text, big text, primary key (b, a, c))',
  ...Object.entries({
    key_text: 'text',
    key_uuid: 'uuid',
    key_numeric: 'numeric',
    key_float: 'float8',
    key_time: 'timestamptz',
    key_mood: 'oracle.mood',
    key_bytes: 'bytea',
    key_span: 'int4range',
    key_padded: 'char(8)',
    key_full: 'integer',
  }).map(([name, type]) => `create table oracle.${name} (v text, k ${type} primary key, big text)`),
  'alter table oracle.key_full replica identity full',
  'create table oracle.by_index (a integer primary key, b text not null unique, v text, big text)',
  'alter table oracle.by_index replica identity using index by_index_b_key',
  'create table oracle.full_rows (a integer, b text, j json, big text)',
  'alter table oracle.full_rows replica identity full',
  'create table oracle.appended (at integer, body text)',
  `create table oracle.swapped (id integer primary key, u integer, w integer unique, v text, big text,
     unique (u) deferrable initially deferred)`,
  `create table oracle.generated (id bigint generated always as identity primary key, a integer,
     doubled integer generated always as (a * 2) stored, v text, big text,
     s bigint generated by default as identity)`,
  `create table oracle.parts (region text, id integer, v text, big text, primary key (region, id))
     partition by list (region)`,
  `create table oracle.parts_a partition of oracle.parts for values in ('a')`,
  `create table oracle.parts_b partition of oracle.parts for values in ('b') partition by range (id)`,
  'create table oracle.parts_b_low partition of oracle.parts_b for values from (minvalue) to (30)',
  'create table oracle.parts_b_high partition of oracle.parts_b for values from (30) to (maxvalue)',
  'create table oracle.parts_rest partition of oracle.parts default',
  `create table oracle."Odd ""Table"" é; --" ("va'l %s $1" text, "Key; --" integer primary key,
     "new\nline" integer)`,
  'create table oracle.base (id integer primary key, v text)',
  'create table oracle.derived (w integer, primary key (id)) inherits (oracle.base)',
  'create table oracle.counters (id integer primary key, n bigint not null default 0, v text)',
  `create table oracle.parent (id integer primary key, v text,
     up integer references oracle.parent on delete set null deferrable initially deferred, pet integer)`,
  `create table oracle.child (id bigint generated by default as identity primary key,
     parent integer not null references oracle.parent on delete cascade on update cascade, v text)`,
  `alter table oracle.parent add foreign key (pet) references oracle.child on delete set null
     deferrable initially deferred`,
  'create table oracle.evolving (id integer primary key, a integer, big text)',
  'create table oracle.big (id bigint generated by default as identity primary key, body text)',
  ...[
    'toasted',
    'composite',
    'by_index',
    'full_rows',
    'swapped',
    'generated',
    'parts_a',
    'parts_rest',
  ]
    .filter((table) => table !== 'toasted')
    .map((table) => `alter table oracle.${table} alter column big set storage external`),
]
