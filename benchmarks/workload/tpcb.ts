import type { Workload } from './workload.ts'

/** Branches at the full size; each has 10 tellers and 100,000 accounts. */
const BRANCHES = 10
const FULL = 200_000

/** TPC-B as pgbench does it: three updates and an insert into a table without a key. */
export function tpcb(transactions: number): Workload {
  const half = Math.floor(transactions / 2)
  // As many accounts for each transaction as at the full size.
  const branches = Math.max(1, Math.round((BRANCHES * transactions) / FULL))
  return {
    name: 'tpc-b',
    must: 2.4,
    aim: 3.5,
    changes: half * 8,
    transactions: half * 2,
    tables: ['branches', 'tellers', 'accounts', 'history'],
    seed: [...tpcbTables(branches), tpcbTransaction(branches), GENERATE],
    generate: [[`call gen(${half})`, `call gen(${half})`]],
  }
}

/** The tables with their rows. */
export const tpcbTables = (branches = BRANCHES): readonly string[] => [
  'create table branches (bid int primary key, bbalance int, filler char(88))',
  'create table tellers (tid int primary key, bid int, tbalance int, filler char(84))',
  'create table accounts (aid int primary key, bid int, abalance int, filler char(84))',
  'create table history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22))',
  `insert into branches select g, 0, '' from generate_series(1, ${branches}) g`,
  `insert into tellers select g, g / 10 + 1, 0, '' from generate_series(1, ${branches * 10}) g`,
  `insert into accounts select g, g / 100000 + 1, 0, ''
   from generate_series(1, ${branches * 100_000}) g`,
]

/** One transaction's statements, which the caller commits. */
export const tpcbTransaction = (branches = BRANCHES): string => `
create procedure transact() language plpgsql as $$
declare a int; t int; b int; d int;
begin
  a := 1 + (random() * ${branches * 100_000 - 1})::int;
  t := 1 + (random() * ${branches * 10 - 1})::int;
  b := 1 + (random() * ${branches - 1})::int;
  d := (random() * 10000)::int - 5000;
  update public.accounts set abalance = abalance + d where aid = a;
  update public.tellers set tbalance = tbalance + d where tid = t;
  update public.branches set bbalance = bbalance + d where bid = b;
  insert into public.history values (t, b, a, d, clock_timestamp()::timestamp, null);
end $$`

const GENERATE = `
create procedure gen(n int) language plpgsql as $$ begin
  for i in 1..n loop
    call transact();
    commit;
  end loop;
end $$`
