import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mirror } from '../../../testkit/mirror.ts'
import { database, mysqlDatabase } from '../../../testkit/servers/index.ts'

const mysqls = ['mysql-9', 'mariadb-10.11'] as const

for (const kind of mysqls) {
  test(`indexes and defaults of PostgreSQL 18 are made in ${kind}`, async (t) => {
    const source = await database(t, 18)
    const target = await mysqlDatabase(t, kind)
    await source.query(`create table things (id int primary key, code varchar(20) default 'it''s',
      n int not null default -5, on_hand boolean default true, born date default '2020-02-29',
      price numeric(6,2) default 1.5, made timestamptz default now(), words text default 'a b',
      constraint by_code unique (code, n))`)
    await source.query('create index by_words on things (words, born)')
    await source.query('create unique index by_born on things (born) where n > 0')
    await source.query('create unique index long_words on things (words)')
    await source.query(`insert into things (id, code, born, words)
      values (1, 'a', null, 'x'), (2, 'b', null, 'y')`)
    const ends = mirror(t, { source: source.url, target: target.url })
    await ends.catchUp()
    assert.deepEqual(await ends.differences(), [])
    const indexes = await target.query(
      `select concat(index_name, ' ', non_unique, ' ', column_name, ' ', coalesce(sub_part, '')) as i
       from information_schema.statistics where table_schema = database() and table_name = 'things'
       order by index_name, seq_in_index`,
    )
    const found = indexes.map(({ i }) => i)
    assert.deepEqual(found, [
      'by_code 0 code ',
      'by_code 0 n ',
      'by_words 1 words 191',
      'by_words 1 born ',
      'PRIMARY 0 id ',
    ])
    // Two rows that swap a unique value are rows like others.
    await source.query(`begin; update things set code = '' where id = 1;
      update things set code = 'a' where id = 2; update things set code = 'b' where id = 1; commit`)
    await ends.catchUp()
    assert.deepEqual(await ends.differences(), [])
    await target.query('insert into things (id) values (3)')
    const [row] = await target.query(
      'select code, n, on_hand, concat(born) as born, price, made, words from things where id = 3',
    )
    const wanted = { code: "it's", n: '-5', on_hand: '1', born: '2020-02-29', price: '1.50' }
    assert.deepEqual(row, { ...wanted, made: null, words: 'a b' })
    await assert.rejects(
      target.query(`insert into things (id, code, n) values (4, 'a', -5)`),
      /Duplicate/,
    )
  })

  test(`indexes and defaults of ${kind} are made in PostgreSQL 18`, async (t) => {
    const source = await mysqlDatabase(t, kind)
    const target = await database(t, 18)
    await source.query(`create table things (id int primary key auto_increment,
      code varchar(20) default 'it''s', n int not null default -5, born date default '2020-02-29',
      price decimal(6,2) default 1.5, made datetime default current_timestamp, words text,
      mood enum('good','bad') default 'bad',
      unique key by_code (code, n), key by_born (born, mood), key by_words (words(10)),
      unique key wide (code, price)) default charset=utf8mb4`)
    await source.query('create table other (id int primary key, born date, key by_born (born))')
    await source.query(`insert into things (code) values ('a'), ('b')`)
    await source.query(`insert into other values (1, null)`)
    const long = ['a', 'b'].map((end) => 'x'.repeat(60) + end)
    for (const name of long) await source.query(`create table ${name} (id int primary key)`)
    const ends = mirror(t, { source: source.url, target: target.url })
    await ends.catchUp()
    assert.deepEqual(await ends.differences(), [])
    const rows = await target.query(
      `select replace(indexdef, schemaname || '.', '') as i from pg_indexes
       where schemaname not like 'pg\\_%' and schemaname <> '_holdfast'
         and indexdef not like '%(id)%' order by indexname`,
    )
    assert.deepEqual(
      rows.map(({ i }) => i),
      [
        'CREATE INDEX other_by_born ON other USING btree (born)',
        'CREATE INDEX things_by_born ON things USING btree (born, mood)',
        'CREATE UNIQUE INDEX things_by_code ON things USING btree (code, n)',
        'CREATE UNIQUE INDEX things_wide ON things USING btree (code, price)',
      ],
    )
    const place = `"${source.name}".things`
    await target.query(`insert into ${place} (id) values (3)`)
    const [row] = await target.query(
      `select code, n, born::text, price, made, words, mood from ${place} where id = 3`,
    )
    const wanted = { code: "it's", n: '-5', born: '2020-02-29', price: '1.50', mood: 'bad' }
    assert.deepEqual({ ...row }, { ...wanted, made: null, words: null })
    // Keys that are made at once, whose names the server would cut off alike.
    const keys = await target.query(
      `select conname as c from pg_constraint where contype = 'p'
         and conrelid::regclass::text like '%xxx%'`,
    )
    assert.equal(keys.filter(({ c }) => /^x+_[0-9a-f]{8}$/.test(c ?? '')).length, 2)
  })
}
