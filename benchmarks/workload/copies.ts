/** Tables with rows, to be copied. */
export interface CopyLoad {
  readonly name: string
  readonly must: number
  readonly aim: number
  readonly names: readonly string[]
  /** Rows of all tables. */
  readonly count: number
  /** The tables as both ends have them, keys and indexes included. */
  readonly tables: readonly string[]
  readonly rows: readonly string[]
}

/** Few columns that cost little to read and write. */
function narrow(rows: number): CopyLoad {
  return {
    ...{ name: 'copy-narrow', must: 1.1, aim: 2, names: ['accounts'], count: rows },
    tables: [
      `create table accounts (aid int primary key, bid int not null, abalance int not null,
         filler char(84) not null)`,
    ],
    rows: [
      `insert into accounts select g, (g - 1) / 100000 + 1, (random() * 1e5)::int, ''
       from generate_series(1, ${rows}) g`,
    ],
  }
}

/** Many columns of types that cost more. */
function wide(rows: number): CopyLoad {
  return {
    ...{ name: 'copy-wide', must: 1.5, aim: 3, names: ['wide'], count: rows },
    tables: [
      `create table wide (id bigint primary key, uid uuid not null, amount numeric(14,4),
         price numeric, doc jsonb, title text, body text, created timestamptz not null,
         updated timestamp, tags text[], nums int[], flag boolean, ratio float8, day date)`,
    ],
    rows: [
      `insert into wide select g, md5(g::text)::uuid, (random() * 1e9)::numeric(14,4),
         (random() * 1e4)::numeric,
         jsonb_build_object('id', g, 'name', 'user ' || g, 'tags',
           jsonb_build_array('a', 'b', g % 7), 'nested', jsonb_build_object('x', g % 100, 'y', random())),
         'title ' || md5((g * 7)::text), repeat(md5((g * 3)::text), 4),
         now() - g * interval '1 s', now()::timestamp,
         array['t' || g % 50, 'u' || g % 31, 'long tag value'],
         array[g % 10, g % 100, g % 1000]::int[], g % 3 = 0, random(), date '2020-01-01' + g % 2000
       from generate_series(1, ${rows}) g`,
    ],
  }
}

export function copyLoads(scale: number): readonly CopyLoad[] {
  const of = (full: number): number => Math.max(1_000, Math.round(full * scale))
  return [narrow(of(10_000_000)), wide(of(2_000_000))]
}
