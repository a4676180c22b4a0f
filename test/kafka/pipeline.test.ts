import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, type TestContext, test } from 'node:test'
import { holdfast } from '../../testkit/child.ts'
import { type DebeziumConnector, debezium } from '../../testkit/debezium.ts'
import { eventually } from '../../testkit/eventually.ts'
import { mirror } from '../../testkit/mirror.ts'
import { held, records } from '../../testkit/records.ts'
import { database, kafka, mysqlDatabase, type TestDatabase } from '../../testkit/servers/index.ts'

const TABLES = ['orders', 'pairs'] as const

async function make(source: TestDatabase): Promise<void> {
  await source.query(`
    create table orders (
      id bigint primary key, customer text not null, amount numeric(12, 2), qty int,
      paid boolean, doc jsonb, at timestamptz, d date, u uuid, b bytea, long text
    );
    create table pairs (a int, b text, note text, primary key (a, b));
    alter table orders alter column long set storage external;
    insert into orders
      select i, 'customer ' || i, i * 1.01, i % 9, i % 2 = 0, jsonb_build_object('i', i),
        '2026-01-01 10:00:00.123456+02'::timestamptz + i * interval '1 second',
        '2026-01-01'::date + i, md5(i::text)::uuid, decode(md5(i::text), 'hex'), repeat('x', 20)
      from generate_series(1, 500) i;
    insert into pairs select i, 'b' || i, null from generate_series(1, 100) i`)
}

/** A digest of all rows, as the server writes them. */
async function digest(db: TestDatabase, table: string): Promise<string> {
  const sql = `select count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' order by t::text)), '') as d from ${table} t`
  const [row] = await db.query(sql)
  return String(Object.values(row ?? {})[0])
}

/** Both ends are equal once the connector has told of everything. */
async function becomeEqual(
  source: TestDatabase,
  target: TestDatabase,
  catchUp: () => Promise<unknown>,
): Promise<void> {
  for (const table of TABLES) {
    const wanted = await digest(source, table)
    await eventually(
      `${table} as at the source, ${wanted}`,
      async () => {
        await catchUp()
        const found = await digest(target, table)
        if (found !== wanted) throw new Error(found)
        return true
      },
      { within: 60_000, every: 200 },
    )
  }
}

/** A mirror follows the topics that hold rows when it is made: those of the snapshot are there. */
const told = ({ prefix }: DebeziumConnector): Promise<void> =>
  held({ [`${prefix}.public.orders`]: 500, [`${prefix}.public.pairs`]: 100 })

async function stand(t: TestContext, connector: DebeziumConnector, target: TestDatabase) {
  const broker = await kafka()
  return mirror(t, {
    source: broker.url(),
    target: target.url,
    selection: { include: [`${connector.prefix}.public.*`] },
    params: { transaction_wait: '3600000' },
  })
}

suite('a database whose changes come through Debezium and Kafka', () => {
  test('K14 is copied out of its topics and followed in whole transactions', async (t) => {
    const [source, target] = [await database(t, 18), await database(t, 17)]
    await make(source)
    const config = { 'provide.transaction.metadata': 'true' }
    await using connector = await debezium(t, source, { config })
    const made = await stand(t, connector, target)
    const notices: string[] = []
    const catchUp = async (): Promise<unknown> => notices.push(...(await made.catchUp()))
    const same = () => becomeEqual(source, target, catchUp)
    await told(connector)
    await source.query(`update pairs set note = 'first' where a = 1`)
    const ends = `${connector.prefix}.transaction`
    const tells = async (): Promise<boolean> => (await records(ends)).length > 0
    await eventually('a topic of transactions', tells, { within: 120_000 })
    await same()
    await source.query(`
      insert into orders (id, customer, long) select i, 'new', repeat('y', 9000) from generate_series(1001, 1200) i;
      update orders set qty = qty + 1, paid = null where id % 3 = 0;
      delete from orders where id % 7 = 0;
      update pairs set b = b || '!' where a % 2 = 0;
      update pairs set note = 'n' where a % 5 = 0`)
    await same()
    // Values that were long before are not in the log of an update that leaves them alone.
    await source.query(`update orders set customer = 'changed' where id > 1000`)
    await source.query('update orders set id = id + 5000 where id > 1100')
    await same()
    await source.query('truncate pairs')
    await source.query(`insert into pairs values (1, 'after', null)`)
    await same()
    // The connector counts changed keys, emptied tables and unknown values as they come here.
    assert.doesNotMatch(notices.join(), /in pieces/)
    const lanes = await target.query('select token from _holdfast.lanes')
    assert.match(JSON.stringify(lanes), new RegExp(`${ends}/0:[1-9]`))
  })

  for (const kind of ['mysql-9', 'mariadb-10.11'] as const) {
    test(`is followed out of ${kind}, too, over a restart of the worker`, async (t) => {
      const [source, target] = [await mysqlDatabase(t, kind), await database(t, 18)]
      await source.query(
        `create table item (id int primary key, name varchar(40), v decimal(10, 2))`,
      )
      await source.query(`insert into item values (1, 'a', 1.5), (2, 'ü', null), (3, 'c', -3)`)
      await using connector = await debezium(t, source)
      const made = mirror(t, {
        source: (await kafka()).url(),
        target: target.url,
        selection: { include: [`${connector.prefix}.${source.name}.*`] },
      })
      const sql = (schema: string): string => `select id, name, v from ${schema}item order by id`
      const same = async (): Promise<void> => {
        const wanted = JSON.stringify((await source.query(sql(''))).map(Object.values))
        await eventually(
          `rows as at the source, ${wanted}`,
          async () => {
            await made.catchUp()
            const found = await target.query(sql(`"${source.name}".`))
            if (JSON.stringify(found.map(Object.values)) === wanted) return true
            throw new Error(JSON.stringify(found.map(Object.values)))
          },
          { within: 60_000, every: 200 },
        )
      }
      await same()
      await source.query(`update item set v = v + 0.25; update item set id = 7 where id = 3`)
      await connector.worker.stop('crash')
      await connector.worker.start()
      await source.query(`insert into item values (9, 'n', 9), (10, 'm', 10);
        delete from item where id = 1; update item set name = 'x' where id = 9`)
      await same()
    })
  }

  test('SIGKILL of the mirror and of the worker of Connect under load loses and doubles nothing', async (t) => {
    const [source, target] = [await database(t, 18), await database(t, 17)]
    await make(source)
    await using connector = await debezium(t, source, {
      config: { 'topic.creation.default.partitions': '3' },
    })
    const cwd = await mkdtemp(join(tmpdir(), 'holdfast-kill-'))
    t.after(() => rm(cwd, { recursive: true, force: true }))
    const ends = ['--source', (await kafka()).url(), '--target', target.url]
    const topics = ['--include', `${connector.prefix}.public.orders`]
    const also = ['--include', `${connector.prefix}.public.pairs`]
    const run = (...flags: readonly string[]): ReturnType<typeof holdfast> =>
      holdfast(['run', ...ends, ...topics, ...also, ...flags], { cwd })
    await told(connector)
    {
      await using child = run('--until', 'caught-up')
      assert.equal((await child.end()).code, 0, child.stderr.join('\n'))
    }
    const newest = async (): Promise<number> => {
      const [row] = await target.query('select max(id) as id from orders')
      return Number(Object.values(row ?? {})[0])
    }
    for (let round = 1; round <= 4; round++) {
      await using child = run()
      const id = 10_000 * round
      await load(source, id)
      if (round === 2) await connector.worker.stop('crash')
      if (round === 2) await connector.worker.start()
      await eventually('some of it is there', async () => (await newest()) >= id, {
        within: 60_000,
      })
      await child.kill()
    }
    await becomeEqual(source, target, async () => {
      await using child = run('--until', 'caught-up')
      return await child.end()
    })
  })
})

/** Rows come, change, get other keys and go; each round differs. */
async function load(source: TestDatabase, id: number): Promise<void> {
  for (let i = 0; i < 20; i++) {
    await source.query(`
      insert into orders (id, customer, long) values (${id + i}, 'c', repeat('z', ${i * 700}));
      update orders set qty = ${i}, customer = customer || '.' where id % 20 = ${i};
      update orders set id = id + 500000 where id = ${id + i - 3};
      delete from orders where id = ${500000 + id + i - 9};
      update pairs set note = '${id + i}' where a % 20 = ${i};
      update pairs set b = b || '${i % 3}' where a = ${i}`)
  }
}
