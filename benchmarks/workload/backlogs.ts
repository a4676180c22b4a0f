import { documents, manyTables } from './shapes.ts'
import { tpcb } from './tpcb.ts'
import { rowColumns, type Workload } from './workload.ts'

/** Transactions of one insert each, from two sessions. */
export function singleInserts(rows: number): Workload {
  const half = Math.floor(rows / 2)
  return {
    name: 'single-insert',
    must: 2.8,
    aim: 4.4,
    changes: half * 2,
    transactions: half * 2,
    tables: ['w'],
    seed: [
      `create table w (${rowColumns})`,
      `create procedure gen(lo int, hi int) language plpgsql as $$ begin
         for i in lo..hi loop
           insert into public.w values (i, i % 1000, md5(i::text), clock_timestamp()); commit;
         end loop; end $$`,
    ],
    generate: [[`call gen(1, ${half})`, `call gen(${half + 1}, ${half * 2})`]],
  }
}

function oneTransaction(rows: number): Workload {
  return {
    name: 'one-transaction',
    must: 1.7,
    aim: 3,
    changes: rows,
    transactions: 1,
    tables: ['w'],
    seed: [`create table w (${rowColumns})`],
    generate: [
      [
        `insert into w select g, g % 1000, md5(g::text), clock_timestamp()
         from generate_series(1, ${rows}) g`,
      ],
    ],
  }
}

const TOGETHER = 10

/** Updates over a tenth as many keys, ten to a transaction. */
function hotUpdates(updates: number): Workload {
  const keys = Math.floor(updates / 10)
  return {
    name: 'hot-updates',
    must: 2.1,
    aim: 4,
    changes: updates,
    transactions: updates / TOGETHER,
    tables: ['w'],
    seed: [
      'create table w (k int primary key, v bigint not null, s text, ts timestamptz)',
      `insert into w select g, 0, md5(g::text), now() from generate_series(1, ${keys}) g`,
      `create procedure gen() language plpgsql as $$ declare at int; begin
         for i in 1..${updates / TOGETHER} loop
           for j in 1..${TOGETHER} loop
             at := 1 + (random() * ${keys - 1})::int;
             update public.w set v = v + 1, s = md5((i::bigint * j)::text), ts = clock_timestamp()
             where k = at;
           end loop; commit;
         end loop; end $$`,
    ],
    generate: [['call gen()']],
  }
}

/** Deletes in no order of the key, ten to a transaction; a sixth of the rows stays. */
function deletes(rows: number): Workload {
  const all = Math.floor((rows * 6) / 5)
  return {
    name: 'deletes',
    must: 1.7,
    aim: 3,
    changes: rows,
    transactions: rows / TOGETHER,
    tables: ['w'],
    seed: [
      `create table w (${rowColumns})`,
      `insert into w select g, g, md5(g::text), now() from generate_series(0, ${all - 1}) g`,
      `create procedure gen() language plpgsql as $$ begin
         for i in 1..${rows} loop
           delete from public.w where id = (i::bigint * 7919) % ${all};
           if i % ${TOGETHER} = 0 then commit; end if;
         end loop; end $$`,
    ],
    generate: [['call gen()']],
  }
}

/** `scale` 1 is the size that the goals are set for. */
export function backlogs(scale: number): readonly Workload[] {
  const of = (full: number): number => Math.max(1_000, Math.round((full * scale) / 100) * 100)
  return [
    singleInserts(of(1_000_000)),
    tpcb(of(200_000)),
    oneTransaction(of(2_000_000)),
    hotUpdates(of(1_000_000)),
    deletes(of(500_000)),
    documents(of(100_000)),
    manyTables(of(100_000)),
  ]
}
