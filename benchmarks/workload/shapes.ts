import type { Workload } from './workload.ts'

/**
 * Documents of about 2 kB. Every fifth row has a value of its own file besides, which no update
 * changes, so that the log does not hold it.
 */
export function documents(updates: number): Workload {
  const keys = Math.max(1, Math.floor(updates / 2))
  const doc = (seed: string): string =>
    `(select jsonb_build_object('seed', ${seed}, 'items', jsonb_agg(md5((${seed} * g)::text)))
      from generate_series(1, 48) g)`
  return {
    ...{ name: 'documents', must: null, aim: null },
    ...{ changes: updates, transactions: updates / 10, tables: ['docs'] },
    seed: [
      'create table docs (id int primary key, n int, doc jsonb, kept text)',
      'alter table docs alter kept set storage external',
      `insert into docs select k, 0, ${doc('k::bigint')},
         case when k % 5 = 0 then repeat(md5(k::text), 100) end
       from generate_series(1, ${keys}) k`,
      `create procedure gen() language plpgsql as $$ declare at int; begin
         for i in 1..${updates} loop
           at := 1 + (i::bigint * 7919) % ${keys};
           update public.docs set n = n + 1, doc = ${doc('i::bigint')} where id = at;
           if i % 10 = 0 then commit; end if;
         end loop; end $$`,
    ],
    generate: [['call gen()']],
  }
}

const TABLES = 200

/** Each transaction writes a row into each of three of 200 tables. */
export function manyTables(transactions: number): Workload {
  const tables = Array.from({ length: TABLES }, (_, i) => `many_${i}`)
  return {
    ...{ name: 'many-tables', must: null, aim: null },
    ...{ changes: transactions * 3, transactions, tables },
    seed: [
      ...tables.map((name) => `create table ${name} (id int primary key, a int, b text)`),
      `create procedure gen() language plpgsql as $$ begin
         for i in 1..${transactions} loop
           for j in 0..2 loop
             execute format('insert into public.%I values ($1, $2, $3)',
               'many_' || (i * 7 + j * 61) % ${TABLES}) using i * 3 + j, j, md5(i::text);
           end loop;
           commit;
         end loop; end $$`,
    ],
    generate: [['call gen()']],
  }
}
