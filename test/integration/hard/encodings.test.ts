import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Fault } from '../../../src/model/fault.ts'
import { assertExact } from '../../../testkit/exact.ts'
import { type Form, mirror } from '../../../testkit/mirror.ts'
import { database, type Major, type TestDatabase } from '../../../testkit/servers/index.ts'

function inEncoding(name: string): string {
  return `encoding '${name}' lc_collate 'C' lc_ctype 'C' template template0`
}

const LATIN1 = Buffer.from(
  Array.from({ length: 256 }, (_, i) => i).filter((i) => i > 31 && (i < 127 || i > 159)),
).toString('latin1')

const tables = `
create type "mööd" as enum ('é', 'ß');
create table "tëst" (id int primary key, "ñ" text, c char(300), n name, m "mööd", j json, jb jsonb,
  x xml, a text[], v tsvector, b bytea, r text);
create table kéyed (k text, m "mööd", n int, primary key (k, m));
create table whole (k text, x xml); alter table whole replica identity full;`

/** Rows of every character that the encoding has. */
function rows(first: number, count: number): string {
  const text = `'${LATIN1.replaceAll("'", "''")}'`
  return `insert into "tëst" select g, ${text}, ${text}, 'é', 'é', to_json(${text}::text),
      to_jsonb(${text}::text), '<a ü="ÿ">é</a>', array[${text}, 'é'], 'é:1 ß:2', '\\xff00', 'é' || g
      from generate_series(${first}, ${first + count - 1}) g;
    insert into kéyed select 'é' || g, 'ß', g from generate_series(${first}, ${first + count - 1}) g;
    insert into whole select 'é' || g, '<é/>' from generate_series(${first}, ${first + count - 1}) g;`
}

const changes = `
update "tëst" set r = 'ÿ' || r where id % 2 = 0; update "tëst" set n = 'ü', m = 'ß' where id % 3 = 0;
update kéyed set n = -n; update kéyed set k = 'ö' || k, m = 'é' where n > -5;
delete from kéyed where k like 'é1%'; delete from whole where k like 'é2%'; update whole set x = '<ö/>' where k = 'é3';`

async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof Fault, String(error))
  return error
}

async function between(
  t: TestContext,
  ends: {
    readonly from: Major
    readonly to: Major
    readonly source: string
    readonly target: string
  },
): Promise<{ readonly source: TestDatabase; readonly target: TestDatabase }> {
  const source = await database(t, ends.from, { how: inEncoding(ends.source) })
  const target = await database(t, ends.to, { how: inEncoding(ends.target) })
  return { source, target }
}

for (const [from, to] of [
  [14, 18],
  [18, 14],
] as const) {
  for (const form of ['pg-binary', 'pg-text', 'values'] as const satisfies readonly Form[]) {
    test(`P30 every character of a LATIN1 source arrives in UTF8 as ${form}, ${from} to ${to}`, async (t) => {
      const { source, target } = await between(t, { from, to, source: 'LATIN1', target: 'UTF8' })
      await source.query(`${tables}${rows(1, 3)}`)
      const running = mirror(t, { source: source.url, target: target.url, form })
      await running.catchUp()
      await source.query(`${rows(10, 5)}${rows(100, 90)}`)
      await running.catchUp()
      await source.query(changes)
      assert.deepEqual(await running.differences(), [])
      await running.catchUp()
      await assertExact(source, target)
    })
  }

  test(`P30 a LATIN1 target takes what it has characters for and refuses the rest by name, ${from} to ${to}`, async (t) => {
    const { source, target } = await between(t, { from, to, source: 'UTF8', target: 'LATIN1' })
    await source.query(`${tables}${rows(1, 3)}`)
    const running = mirror(t, { source: source.url, target: target.url })
    await running.catchUp()
    await source.query(`${rows(10, 90)}${changes}`)
    await running.catchUp()
    await assertExact(source, target)
    await source.query(`update kéyed set k = '漢' where k = 'é30'`)
    const fault = await faultOf(running.catchUp())
    assert.equal(fault.code, 'HF-T205', fault.message)
    assert.match(fault.message, /public\.kéyed/)
  })

  test(`P30 a SQL_ASCII source is refused before the start, ${from} to ${to}`, async (t) => {
    const { source, target } = await between(t, { from, to, source: 'SQL_ASCII', target: 'UTF8' })
    await source.query(
      `create table own (id int primary key, v text); insert into own values (1, E'\\xff')`,
    )
    const fault = await faultOf(mirror(t, { source: source.url, target: target.url }).catchUp())
    assert.equal(fault.code, 'HF-S223', fault.message)
    const [state] = await target.query(`select to_regnamespace('_holdfast') is null as untouched`)
    assert.equal(state?.['untouched'], 't')
  })
}

test('P30 bytes of "char" that are no ASCII are exact or refused by name', async (t) => {
  for (const encoding of ['UTF8', 'LATIN1']) {
    for (const from of [14, 18] as const) {
      for (const form of ['pg-binary', 'pg-text'] as const) {
        const { source, target } = await between(t, {
          from,
          to: 18,
          source: encoding,
          target: 'UTF8',
        })
        await source.query(`create table own (id int primary key, c "char");
          insert into own select g, g::"char" from generate_series(-128, 127) g where g <> 0`)
        const running = mirror(t, { source: source.url, target: target.url, form })
        const ended = await running.catchUp().then(
          () => null,
          (error: unknown) => error,
        )
        const what = `${encoding} ${from} ${form}`
        if (ended instanceof Fault) {
          assert.ok(
            ['UTF8 14 pg-text', 'LATIN1 14 pg-text', 'LATIN1 14 pg-binary'].includes(what),
            what,
          )
          assert.match(ended.message, /public\.own/, what)
        } else {
          assert.equal(ended, null, what)
          const codes = 'select id, c::int from own order by 1'
          assert.deepEqual(await target.query(codes), await source.query(codes), what)
        }
      }
    }
  }
})
