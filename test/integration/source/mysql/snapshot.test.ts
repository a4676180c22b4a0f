import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Fault } from '../../../../src/model/fault.ts'
import type { Table } from '../../../../src/model/table.ts'
import { openMysqlSource } from '../../../../src/source/mysql/index.ts'
import type { Snapshot, Source } from '../../../../src/source/source.ts'
import { endpointOf } from '../../../../testkit/binlog.ts'
import {
  type MysqlDatabase,
  type MysqlServer,
  mysql,
  mysqlDatabase,
} from '../../../../testkit/servers/index.ts'
import { assertSame, copyOf, never, readAll, withChanges } from '../../../contract/reading.ts'
import type { Contents } from '../../../contract/writes.ts'

async function sourceOf(t: TestContext, db: MysqlDatabase): Promise<Source> {
  const source = await openMysqlSource({
    endpoint: { ...endpointOf(db.server), database: db.name },
    mirror: 'test',
    selection: { include: [], exclude: [], keyless: 'append' },
  })
  t.after(() => source[Symbol.asyncDispose]())
  return source
}

const tables = `
create table nums (id bigint unsigned primary key, n int, v varchar(2000));
create table pairs (a varchar(40) character set latin1, b smallint, n decimal(8,3), primary key (a, b));
create table words (w varchar(60) character set utf8mb4 collate utf8mb4_unicode_ci primary key, n int);
create table bins (b varbinary(30) primary key, n double);
create table loose (a int, b varchar(20));
create table still (a int, b varchar(20));
create table none (id int primary key);`

const columns: Readonly<Record<string, readonly string[]>> = {
  nums: ['id', 'n', 'v'],
  pairs: ['a', 'b', 'n'],
  words: ['w', 'n'],
  bins: ['b', 'n'],
  loose: ['a', 'b'],
  still: ['a', 'b'],
  none: ['id'],
}

/** Where servers name transactions, where they do not, and where snapshots name their places. */
const servers: Readonly<Record<string, () => Promise<MysqlServer>>> = {
  'mysql-9 with GTIDs': () =>
    mysql('mysql-9', { settings: { 'gtid-mode': 'ON', 'enforce-gtid-consistency': 'ON' } }),
  'mysql-9': () => mysql('mysql-9'),
  'mysql-5.6': () => mysql('mysql-5.6'),
  'mariadb-10.11': () => mysql('mariadb-10.11'),
}

async function fill(db: MysqlDatabase, rows: number): Promise<void> {
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
function load(db: MysqlDatabase, busy: boolean): { stop(): Promise<number> } {
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

async function readAsItWas(source: Source, snapshot: Snapshot, table: Table): Promise<string> {
  try {
    const copied = await copyOf(source, snapshot, [table])
    const [rows] = [...copied.values()]
    return `${rows?.rows.size ?? 0} rows`
  } catch (error) {
    if (error instanceof Fault) return error.code
    throw error
  }
}

async function contents(db: MysqlDatabase): Promise<Contents> {
  const all = new Map<string, readonly string[]>()
  for (const [name, names] of Object.entries(columns)) {
    const rows = await db.query(`select * from ${name}`)
    all.set(name, rows.map((row) => JSON.stringify(names.map((one) => row[one] ?? null))).sort())
  }
  return new Map([...all].sort(([a], [b]) => (a < b ? -1 : 1)))
}

async function started(t: TestContext, server: MysqlServer, busy: boolean) {
  const db = await mysqlDatabase(t, server)
  await fill(db, 600)
  const source: Source = await sourceOf(t, db)
  return { db, source, writing: load(db, busy) }
}

for (const [name, start] of Object.entries(servers)) {
  test(`a snapshot and the stream after it are the database, under load, ${name}`, async (t) => {
    const { db, source, writing } = await started(t, await start(), false)
    const { tables: described } = await source.inspect()
    await source.prepare(described)
    const copies: [Awaited<ReturnType<typeof copyOf>>, Parameters<typeof readAll>[0]['after']][] =
      []
    for (let round = 0; round < 4; round++) {
      await using snapshot = await source.snapshot({ keep: round === 0 }, never)
      copies.push([await copyOf(source, snapshot, described), snapshot.positions])
    }
    assert.ok((await writing.stop()) > 20)
    const wanted = await contents(db)
    for (const [copied, after] of copies) {
      const read = await readAll({ source, after, tables: described })
      assertSame(withChanges(copied, read), wanted)
    }
  })

  test(`tables without a key that change all the time are copied at one place, ${name}`, async (t) => {
    const { db, source, writing } = await started(t, await start(), true)
    const { tables: described } = await source.inspect()
    const snapshot = await source.snapshot({ keep: true }, never)
    const copied = await copyOf(source, snapshot, described)
    await snapshot[Symbol.asyncDispose]()
    await writing.stop()
    const read = await readAll({ source, after: snapshot.positions, tables: described })
    assertSame(withChanges(copied, read), await contents(db))
  })

  test(`a table that is altered or emptied under a snapshot is not taken for what it was, ${name}`, async (t) => {
    const db = await mysqlDatabase(t, await start())
    await fill(db, 50)
    const source = await sourceOf(t, db)
    const { tables: described } = await source.inspect()
    await using snapshot = await source.snapshot({ keep: true }, never)
    await db.query(
      'alter table nums add column more int first, engine = innodb; truncate words; drop table bins',
    )
    const outcomes: Record<string, string> = {}
    for (const table of described.filter((one) => ['nums', 'words', 'bins'].includes(one.name))) {
      outcomes[table.name] = await readAsItWas(source, snapshot, table)
    }
    // MySQL 5.6 shows a table that was emptied as empty, and the stream empties it, too.
    assert.deepEqual(outcomes, {
      nums: 'HF-L109',
      words: name === 'mysql-5.6' ? '0 rows' : 'HF-L109',
      bins: 'HF-L109',
    })
  })
}
