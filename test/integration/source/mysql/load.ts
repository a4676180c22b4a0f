import type { MysqlDatabase } from '../../../../testkit/servers/index.ts'
import type { Contents } from '../../../contract/writes.ts'

const tables = `
create table nums (id bigint unsigned primary key, n int, v varchar(2000));
create table pairs (a varchar(40) character set latin1, b smallint, n decimal(8,3), primary key (a, b));
create table words (w varchar(60) character set utf8mb4 collate utf8mb4_unicode_ci primary key, n int);
create table bins (b varbinary(30) primary key, n double);
create table loose (a int, b varchar(20));
create table still (a int, b varchar(20));
create table none (id int primary key);`

/** Of the tables of `fill`. */
export const columns: Readonly<Record<string, readonly string[]>> = {
  nums: ['id', 'n', 'v'],
  pairs: ['a', 'b', 'n'],
  words: ['w', 'n'],
  bins: ['b', 'n'],
  loose: ['a', 'b'],
  still: ['a', 'b'],
  none: ['id'],
}

/** Makes tables with keys of several kinds and without, and so many rows in each. */
export async function fill(db: MysqlDatabase, rows: number): Promise<void> {
  await db.query(tables)
  const many = (row: (i: number) => string): string =>
    Array.from({ length: rows }, (_, i) => `(${row(i)})`).join(', ')
  const top = 18446744073709551000n
  await db.query(`
    insert into nums values ${many((i) => `${i % 2 === 0 ? i : top + BigInt(i % 600)}, 0, repeat('x', ${i % 900})`)}
      on duplicate key update n = 1;
    insert into pairs values ${many((i) => `'ké${i % 7}', ${i - 300}, ${i}.5`)};
    insert into words values ${many((i) => `'wörd ${i}', ${i}`)};
    insert into bins values ${many((i) => `'${(i * 7919) % 1000}-${i}', ${i} / 8`)};
    insert into loose values ${many((i) => `${i % 5}, 'b'`)};
    insert into still values ${many((i) => `${i % 5}, 'b'`)};`)
}

/** Statements that move, change, add and remove rows of every table with a key. */
function statement(roll: (below: number) => number, busy: boolean): string {
  const id = roll(700)
  const choices = [
    `update nums set n = n + 1 where id = ${id}`,
    `update nums set v = concat(v, 'y') where id = ${id}`,
    `delete from nums where id = ${id}`,
    `insert ignore into nums values (${id}, ${id}, repeat('z', 1500))`,
    `update ignore nums set id = id + 100000, n = n + 1 where id = ${id}`,
    `update ignore nums set id = id - 100000 where id = ${100000 + id}`,
    `update pairs set n = n + 1 where a = 'ké${id % 7}' and b = ${id - 300}`,
    `update ignore pairs set b = b + 1 where a = 'ké${id % 7}'`,
    `delete from pairs where a = 'ké${id % 7}' and b = ${id}`,
    `insert ignore into pairs values ('new', ${id}, 1)`,
    `update words set w = upper(w) where n = ${id}`,
    `replace into words values ('WÖRD ${id}', ${id})`,
    `update bins set n = -n where b like '${id % 100}%'`,
    `delete from bins where b like '9${id % 10}-%'`,
    ...(busy
      ? [
          `insert into loose values (${id % 5}, 'c')`,
          `delete from loose where a = ${id % 5} limit 1`,
        ]
      : []),
  ]
  return choices[roll(choices.length)] ?? ''
}

/** Writes from several connections until it is stopped; says how many transactions it made. */
export function load(db: MysqlDatabase, busy: boolean): { stop(): Promise<number> } {
  let running = true
  const writer = async (seed: number): Promise<number> => {
    let state = seed
    const roll = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    const session = await db.session()
    let done = 0
    while (running) {
      const statements = Array.from({ length: 1 + roll(3) }, () => statement(roll, busy))
      const end = roll(10) === 0 ? 'rollback' : 'commit'
      try {
        await session.query(['begin', ...statements, end].join(';'))
        done++
      } catch (error) {
        // Writers may stand in each other's way.
        if (!/deadlock|lock wait/i.test(String(error))) throw error
        await session.query('rollback')
      }
    }
    await session.close()
    return done
  }
  const writers = Promise.all([1, 2, 3].map(writer))
  return {
    async stop() {
      running = false
      return (await writers).reduce((a, b) => a + b, 0)
    },
  }
}

/** Rows by table name. */
export async function contents(db: MysqlDatabase): Promise<Contents> {
  const all = new Map<string, readonly string[]>()
  for (const [name, names] of Object.entries(columns)) {
    const rows = await db.query(`select * from ${name}`)
    all.set(name, rows.map((row) => JSON.stringify(names.map((one) => row[one] ?? null))).sort())
  }
  return new Map([...all].sort(([a], [b]) => (a < b ? -1 : 1)))
}
