import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Major } from '../../../testkit/servers/index.ts'
import { differences, tableNamed, twoEnds } from './ends.ts'

/** Values that are easily taken for one another: type, the value at the source, at the target. */
const lookalikes: readonly (readonly [string, string, string])[] = [
  ['float8', "'-0'", '0'],
  ['float4', "'-0'", '0'],
  ['numeric', '1.0', '1.00'],
  ['numeric', "'NaN'", 'null'],
  ['int8', '1', '4294967296'],
  ['int2', '0', 'null'],
  ['bool', 'false', 'null'],
  ['text', "''", 'null'],
  ['text', "'a'", "'A'"],
  ['text', "U&'\\00e9'", "U&'e\\0301'"],
  ['varchar(10)', "'a'", "'a '"],
  ['char', "'a'", "'b'"],
  ['json', '\'{"a":1}\'', '\'{"a": 1}\''],
  ['jsonb', '\'{"a":1.0}\'', '\'{"a":1.00}\''],
  ['bytea', "'\\x00'", "'\\x0000'"],
  ['timestamptz', "'2024-01-01 00:00:00+00'", "'2024-01-01 01:11:34.967295+00'"],
  ['timestamp', "'infinity'", "'-infinity'"],
  ['time', "'24:00'", "'00:00'"],
  ['timetz', "'12:00+00'", "'13:00+01'"],
  ['interval', "'1 month'", "'30 days'"],
  ['interval', "'1 day'", "'24 hours'"],
  ['int4[]', "'{1,2}'", "'[0:1]={1,2}'"],
  ['int4[]', "'{}'", 'null'],
  ['int4[]', "'{1,NULL}'", "'{1}'"],
  ['numeric[]', "'{1.0}'", "'{1.00}'"],
  ['text[]', "'{NULL}'", '\'{"NULL"}\''],
  ['mood', "'ok'", "'bad'"],
  ['mood[]', "'{ok}'", "'{bad}'"],
  ['pair', "'(1,)'", '\'(1,"")\''],
  ['pair[]', "array['(1,x)'::pair]", "array['(1,y)'::pair]"],
  ['posint', '1', '2'],
  ['numrange', "'[1.0,2)'", "'[1.00,2)'"],
  ['moods', "'[bad,ok]'", "'[ok,ok]'"],
  ['int8multirange', "'{[1,2)}'", "'{[1,4294967298)}'"],
  ['bit(8)', "b'00000001'", "b'00000010'"],
  ['varbit', "b'1'", "b'10'"],
  ['money', "'1.00'", "'1.01'"],
  ['inet', "'10.0.0.1'", "'10.0.0.1/24'"],
  ['macaddr', "'00:00:00:00:00:01'", "'00:00:00:00:00:02'"],
  ['point', "'(0,0)'", "'(-0,0)'"],
  ['box', "'(1,1),(0,0)'", "'(2,0.5),(0,0)'"],
  ['circle', "'<(0,0),1>'", "'<(1,0),1>'"],
  ['xml', "'<a/>'", "'<a></a>'"],
  ['tsvector', "'a:1'", "'a:2'"],
  ['tsquery', "'a&b'", "'a|b'"],
  ['jsonpath', "'$.a'", "'$.b'"],
  ['pg_lsn', "'0/1'", "'1/0'"],
  ['regtype', "'int4'", "'int8'"],
  ['name', "'a'", "'b'"],
]

const types = `
create type mood as enum ('bad', 'ok');
create type pair as (a int, b text);
create domain posint as int8 check (value > 0);
create type moods as range (subtype = mood);`

const pairs: readonly (readonly [Major, Major, 'values'?])[] = [
  [14, 14],
  [14, 18],
  [14, 18, 'values'],
]

for (const [from, to, form] of pairs) {
  const how = form === undefined ? '' : ` as ${form}`
  test(`a value is never taken for one that only looks like it, ${from} to ${to}${how}`, async (t) => {
    const tables = lookalikes.map(
      ([type], i) => `create table t${i} (id int primary key, v ${type})`,
    )
    const ddl = [types, ...tables].join(';')
    const ends = await twoEnds(t, {
      source: from,
      target: to,
      ddl,
      ...(form === undefined ? {} : { form }),
    })
    const both = lookalikes.map(
      ([, ours, theirs], i) => `insert into t${i} values (1, ${ours}), (2, ${theirs}), (3, null)`,
    )
    await ends.source.query(both.join(';'))
    await ends.feed()
    const equal = await ends.verify()
    const wrong = equal.tables.filter(({ state }) => state !== 'equal')
    assert.deepEqual(
      wrong.map(({ table }) => lookalikes[Number(table.slice('public.t'.length))]),
      [],
    )
    const planted = lookalikes.map(
      ([, , theirs], i) => `update t${i} set v = ${theirs} where id = 1`,
    )
    await ends.target.query(planted.join(';'))
    const result = await ends.verify()
    for (const [i, lookalike] of lookalikes.entries()) {
      const found = differences(tableNamed(result, `t${i}`))
      assert.deepEqual(found, ['changed 1 [v]'], lookalike.join(' '))
    }
  })
}

test('values that rows of one bucket have swapped are found', async (t) => {
  const ddl = 'create table s (id int primary key, a bigint, b bigint, c text)'
  const ends = await twoEnds(t, { source: 18, target: 18, ddl })
  await ends.source.query("insert into s select i, i, -i, 'c' || i from generate_series(1, 3000) i")
  await ends.feed()
  // Rows of one bucket, so that only the sum of their digests can tell.
  const near = await ends.source.query(`
    select min(id) as x, max(id) as y from s
    group by hash_record_extended(row(id), 0) & 1023 having count(*) = 2 order by 1 limit 12`)
  assert.equal(near.length, 12)
  const expected: string[] = []
  for (const [i, { x, y }] of near.entries()) {
    const column = ['a', 'b', 'c'][i % 3] ?? 'a'
    await ends.target.query(`update s set ${column} = o.${column} from s o
      where (s.id, o.id) in ((${x}, ${y}), (${y}, ${x}))`)
    expected.push(`changed ${x} [${column}]`, `changed ${y} [${column}]`)
  }
  assert.deepEqual(differences(tableNamed(await ends.verify(), 's')), expected.sort())
})

test('encodings of the databases do not make a difference', async (t) => {
  const ddl = 'create table e (id text primary key, v text, j json, a text[])'
  const ends = await twoEnds(t, {
    source: 18,
    target: 18,
    ddl,
    sourceDatabase: "encoding 'LATIN1' locale 'C' template template0",
  })
  const values = "'ké', 'naïve', '{\"ü\": 1}', '{ö}'"
  await ends.source.query(`insert into e values (${values})`)
  await ends.feed()
  assert.equal((await ends.verify()).verdict, 'PASS')
  await ends.target.query("update e set v = 'naive'")
  assert.deepEqual(differences(tableNamed(await ends.verify(), 'e')), ['changed ké [v]'])
})

test('a column of another type at the target is compared as text', async (t) => {
  const ddl = 'create table w (id int primary key, v int, s varchar(10))'
  const ends = await twoEnds(t, { source: 18, target: 18, ddl })
  await ends.target.query('alter table w alter v type bigint, alter s type text')
  await ends.source.query("insert into w values (1, 5, 'a'), (2, -5, 'b')")
  await ends.feed()
  assert.equal((await ends.verify()).verdict, 'PASS')
  await ends.target.query('update w set v = 4294967301 where id = 1')
  assert.deepEqual(differences(tableNamed(await ends.verify(), 'w')), ['changed 1 [v]'])
})
