import type { TestDatabase } from '../servers/index.ts'

/** Anything that runs SQL. */
type Database = Pick<TestDatabase, 'query'>

/** A load that must not grow the memory of the mirror with it. */
export interface Bound {
  readonly name: string
  /** How much of it: in every test run, and in `npm run bounds`. */
  readonly small: number
  readonly large: number
  readonly unit: string
  /** What the servers need for it. */
  readonly settings?: Readonly<Record<string, string>>
  /** What is there before the first copy. */
  readonly prepare: (source: Database, amount: number) => Promise<void>
  /** What is written while the mirror is stopped. */
  readonly load?: (source: Database, amount: number) => Promise<void>
  /** Bytes of the largest row, where that is more than a few. */
  readonly largestRow?: (amount: number) => number
}

const MIB = 2 ** 20

const wide = `create table wide (id bigint primary key, at timestamptz not null default now(),
  amount numeric(12, 2) not null, note text not null)`
const rows = (from: number, to: number): string =>
  `insert into wide select i, now(), i * 0.01, repeat('x', 60) || i from generate_series(${from}, ${to}) i`

/** Changes in transactions of a thousand rows, a third of each kind. */
const CHANGES = `
create procedure change(rounds int) language plpgsql as $$
begin
  for r in 1..rounds loop
    insert into wide select 1000000000::bigint + r * 400 + i, now(), i, 'new ' || i
      from generate_series(1, 400) i;
    update wide set note = note || '.', amount = amount + 1
      where id between r * 331 % 9600 + 1 and r * 331 % 9600 + 400;
    delete from wide where id > 1000000000::bigint + (r - 1) * 400
      and id <= 1000000000::bigint + (r - 1) * 400 + 200;
    commit;
  end loop;
end $$`

async function tables(source: Database, amount: number): Promise<void> {
  for (let from = 0; from < amount; from += 200) {
    const to = Math.min(from + 200, amount)
    await source.query(
      Array.from(
        { length: to - from },
        (_, i) => `create table t_${from + i} (id int primary key, a text, b int);`,
      ).join(''),
    )
  }
}

export const bounds: readonly Bound[] = [
  {
    name: 'rows copied',
    small: 500_000,
    large: 10_000_000,
    unit: 'rows',
    prepare: async (source, amount) => {
      await source.query(wide)
      await source.query(rows(1, amount))
    },
  },
  {
    name: 'one transaction',
    small: 300_000,
    large: 5_000_000,
    unit: 'rows',
    prepare: async (source) => {
      await source.query(wide)
    },
    load: async (source, amount) => {
      await source.query(rows(1, amount))
    },
  },
  {
    name: 'one row',
    small: 40,
    large: 200,
    unit: 'MiB',
    largestRow: (amount) => amount * MIB,
    prepare: async (source, amount) => {
      await source.query('create table large (id int primary key, body bytea not null)')
      // Bytes that do not compress, or the log would hold little of them.
      await source.query(`create function bytes(mib int) returns bytea language sql as $$
        select string_agg(sha512(i::text::bytea), '') from generate_series(1, mib * 16384) i $$`)
      await source.query('insert into large values (1, bytes($1))', [amount])
    },
    load: async (source, amount) => {
      await source.query('insert into large values (2, bytes($1))', [amount])
      await source.query('update large set body = bytes($1 - 1) where id = 1', [amount])
    },
  },
  {
    name: 'a backlog',
    small: 300_000,
    large: 5_000_000,
    unit: 'changes',
    prepare: async (source) => {
      await source.query(wide)
      await source.query(rows(1, 10_000))
      await source.query(CHANGES)
    },
    load: async (source, amount) => {
      await source.query(`call change(${Math.ceil(amount / 1000)})`)
    },
  },
  {
    name: 'tables that change',
    small: 300,
    large: 2_000,
    unit: 'tables',
    prepare: tables,
    load: async (source, amount) => {
      for (let round = 0; round < 5; round++) {
        await source.query(`do $$ begin for i in 0..${amount - 1} loop
          execute format('insert into t_%s select ${round} * 100 + r, ''x'', r from generate_series(1, 20) r', i);
          execute format('update t_%s set a = ''y'' where id %% 7 = 0', i);
        end loop; end $$`)
      }
    },
  },
  {
    name: 'tables that rest',
    small: 1_000,
    large: 10_000,
    unit: 'tables',
    // All of them are made in one transaction, which holds about three locks for each.
    settings: { max_locks_per_transaction: '1024' },
    prepare: tables,
    load: async (source) => {
      await source.query("insert into t_0 values (1, 'x', 1)")
    },
  },
]
