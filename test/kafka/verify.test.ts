import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { parseUrl } from '../../src/config/url.ts'
import { verifyMirror } from '../../src/mirror/verify.ts'
import { Fault } from '../../src/model/fault.ts'
import type { Verification } from '../../src/verify/report.ts'
import { type DebeziumConnector, debezium, request } from '../../testkit/debezium.ts'
import { eventually } from '../../testkit/eventually.ts'
import { mirror } from '../../testkit/mirror.ts'
import { held } from '../../testkit/records.ts'
import { database, kafka, type TestDatabase } from '../../testkit/servers/index.ts'

const SHOP = `
  create table orders (
    id bigint primary key, customer varchar(40), amount numeric(12, 2), qty int, small smallint,
    paid boolean, doc jsonb, raw json, at timestamptz, local timestamp, d date, u uuid, b bytea,
    r real, f double precision, c char(5), free numeric, tags text[], long text
  );
  alter table orders alter column long set storage external;
  create table pairs (a int, b text, note text, primary key (a, b));
  insert into orders
    select i, 'customer ' || i, i * 1.01, i % 9, i % 7, i % 2 = 0, jsonb_build_object('i', i, 'a', null),
      '{"z": 1,  "a": [1, 2]}', '2026-01-01 10:00:00.123456+02'::timestamptz + i * interval '1 second',
      '2026-01-01 10:00:00.5'::timestamp + i * interval '1 day', '2026-01-01'::date + i,
      md5(i::text)::uuid, decode(md5(i::text), 'hex'), i * 0.1, i * 0.3, 'c' || i % 10,
      i + 0.5, array['a', null, 'ü' || i], repeat('x', 20 + i % 3 * 4000)
    from generate_series(1, 300) i;
  insert into orders (id) values (1000);
  insert into pairs select i, 'b' || i, null from generate_series(1, 100) i`

interface Stand {
  readonly source: TestDatabase
  readonly target: TestDatabase
  readonly connector: DebeziumConnector
  catchUp(): Promise<unknown>
  verify(more?: { readonly patience?: number; readonly url?: string }): Promise<Verification>
}

/** A mirror of a shop out of topics; its first copy is there. */
async function stand(
  t: TestContext,
  partitions = 1,
  more: Readonly<Record<string, string>> = {},
): Promise<Stand> {
  const [source, target] = [await database(t, 18), await database(t, 17)]
  await source.query(SHOP)
  const config = { 'topic.creation.default.partitions': String(partitions), ...more }
  const connector = await debezium(t, source, { config })
  t.after(() => connector[Symbol.asyncDispose]())
  const include = ['orders', 'pairs'].map((table) => `${connector.prefix}.public.${table}`)
  const name = `v_${connector.prefix}`.toLowerCase().slice(0, 40)
  const url = (await kafka()).url()
  const ends = { source: url, target: target.url, name }
  const made = mirror(t, { ...ends, selection: { include } })
  await held({ [include[0] ?? '']: 301, [include[1] ?? '']: 100 })
  await made.catchUp()
  const verify: Stand['verify'] = ({ patience = 60_000, url: behind = source.url } = {}) => {
    const database = behind === '' ? null : parseUrl(behind, 'the database')
    const both = { source: parseUrl(url, 'x'), target: parseUrl(target.url, 'x') }
    return verifyMirror({ name, ...both, database, patience }, t.signal)
  }
  return { source, target, connector, catchUp: () => made.catchUp(), verify }
}

function judged({ verdict, missing, extra, changed, tables }: Verification): string {
  const notes = tables.flatMap(({ note }) => note ?? [])
  const differ = tables.flatMap(({ table, differences }) =>
    differences.map(({ kind, key, columns }) => {
      const where = Object.values(key ?? {}).join(',')
      return `${table} ${kind} ${where}${columns === null ? '' : ` ${columns}`}`
    }),
  )
  return [`${verdict} ${missing}/${extra}/${changed}`, ...differ, ...notes].join('; ')
}

/** Rows come, change, get other keys and go. */
async function write(source: TestDatabase, from: number): Promise<void> {
  for (let round = from; round < from + ROUNDS; round++) await writeRound(source, round)
}

const ROUNDS = 15

async function writeRound(source: TestDatabase, round: number): Promise<void> {
  const id = 10_000 + round
  await source.query(`
    insert into orders (id, customer, long) values (${id}, 'new', repeat('z', ${round % 9} * 700));
    update orders set qty = coalesce(qty, 0) + 1, paid = not paid where id % 25 = ${round % 25};
    update orders set long = long || '.' where id = ${id - 1};
    delete from orders where id = ${id - 9};
    update pairs set note = '${round}' where a % 20 = ${round % 20};
    update pairs set b = b || '${round % 3}' where a = ${round % 100}`)
}

suite('a mirror out of topics is compared with the database behind them', () => {
  for (const partitions of [1, 3]) {
    test(`equal while it is written, followed or not, out of ${partitions} partitions`, async (t) => {
      const { source, verify, catchUp } = await stand(t, partitions)
      assert.equal(judged(await verify()), 'PASS 0/0/0')
      for (let i = 0; i < 2; i++) {
        const [behind] = await Promise.all([verify(), write(source, i * 100)])
        assert.equal(judged(behind), 'PASS 0/0/0', `behind by what is written, ${i}`)
        const [along] = await Promise.all([verify(), catchUp(), write(source, i * 100 + 50)])
        assert.equal(judged(along), 'PASS 0/0/0', `while it is followed, ${i}`)
      }
      await source.query('truncate pairs')
      await source.query(`insert into pairs values (1, 'after', null)`)
      const last = await verify()
      assert.equal(judged(last), 'PASS 0/0/0')
      assert.ok(last.folded > 0, 'something was on its way')
      await catchUp()
      assert.equal(judged(await verify()), 'PASS 0/0/0')
    })
  }

  test('equal while a large transaction waits in the connector to be sent', async (t) => {
    // Each request to the broker takes one small batch of each partition.
    const { source, verify } = await stand(t, 2, { 'producer.override.batch.size': '1000' })
    for (const from of [20_000, 40_000]) {
      await source.query(
        `insert into orders (id, customer) select i, 'old' from generate_series(${from}, ${from + 9_999}) i`,
      )
      assert.equal(judged(await verify()), 'PASS 0/0/0')
    }
  })

  test('what somebody else did at the target is found, row by row, under load', async (t) => {
    const { source, target, verify, catchUp } = await stand(t)
    await target.query(`
      update public.orders set amount = amount + 0.01 where id = 26;
      delete from public.pairs where a = 77;
      insert into public.orders (id) values (424242)`)
    // None of the rows that differ is written to.
    const load = async (): Promise<void> => {
      for (let i = 1; i < 50; i++) {
        await source.query(`update orders set qty = ${i} where id between 100 and 110`)
      }
    }
    const expected = [
      'FAIL 1/1/1',
      'public.orders changed 26 amount',
      'public.orders extra 424242',
      'public.pairs missing 77,b77',
    ].join('; ')
    const [behind] = await Promise.all([verify(), load()])
    assert.equal(judged(behind), expected)
    const [along] = await Promise.all([verify(), catchUp(), load()])
    assert.equal(judged(along), expected)
    // A row that is written again is told whole, and is right from then on.
    await source.query('update orders set qty = 0 where id = 26')
    await catchUp()
    assert.equal(
      judged(await verify()),
      expected.replace('1/1/1', '1/1/0').replace(/; [^;]* 26 amount/, ''),
    )
  })

  test('nothing is claimed where the topics do not reach up to the view', async (t) => {
    const { connector, source, target, verify } = await stand(t)
    const unheard = (error: unknown): boolean => {
      assert.ok(error instanceof Fault, String(error))
      assert.equal(error.code, 'HF-K114', error.message)
      return true
    }
    await assert.rejects(verify({ url: '' }), (error) => {
      return error instanceof Fault && error.code === 'HF-K112'
    })
    const other = await database(t, 18)
    await other.query(SHOP)
    await assert.rejects(verify({ url: other.url, patience: 3000 }), unheard)
    await request(connector.worker, `PUT /connectors/${connector.name}/pause`)
    await eventually('it is paused', async () =>
      (await connector.status()).tasks.every(({ state }) => state === 'PAUSED'),
    )
    await source.query(`update orders set customer = 'later'`)
    await target.query('delete from public.orders where id = 5')
    await assert.rejects(verify({ patience: 3000 }), unheard)
    await request(connector.worker, `PUT /connectors/${connector.name}/resume`)
    assert.equal(judged(await verify()), 'FAIL 1/0/0; public.orders missing 5')
  })
})
