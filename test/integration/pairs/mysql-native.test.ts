import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mirror } from '../../../testkit/mirror.ts'
import { type MysqlDatabase, mysql, mysqlDatabase } from '../../../testkit/servers/index.ts'

const pairs = [
  ['mysql-9', 'mysql-9'],
  ['mariadb-10.11', 'mariadb-10.11'],
  ['mariadb-10.11', 'mysql-9'],
  ['mysql-9', 'mariadb-10.11'],
  ['mysql-5.6', 'mysql-9'],
] as const

const people = `create table people (
  id int unsigned not null auto_increment,
  name varchar(40) character set latin1 collate latin1_swedish_ci not null default 'it''s',
  email varchar(80) character set utf8mb4 collate utf8mb4_unicode_ci,
  born year default null,
  awake time(3) not null default '08:30:00.000',
  mood enum('fine','so ''so''','Bad') not null default 'fine',
  likes set('tea','cake','Ü') default 'tea,cake',
  code char(4) character set ascii collate ascii_bin not null default 'none',
  pin int(5) unsigned zerofill default '42',
  price decimal(8,2) unsigned not null default '0.50',
  ratio double default '1.5',
  flags bit(3) default b'101',
  mark binary(4),
  seen timestamp(3) not null default current_timestamp(3) on update current_timestamp(3),
  note text character set utf8mb4 collate utf8mb4_bin,
  primary key (id),
  unique key by_email (email),
  key by_name (name, born),
  key by_note (note(20))
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_general_ci`

const orders = `create table orders (
  person int unsigned not null,
  number bigint not null,
  item varchar(20) character set utf8mb4 collate utf8mb4_general_ci not null,
  primary key (item, number),
  key by_person (person),
  constraint orders_person foreign key (person) references people (id) on delete restrict
) engine=InnoDB default charset=utf8mb4`

const catalogue = [
  `select concat(table_name, '.', column_name, ' ', column_type, ' ', is_nullable, ' ',
     coalesce(character_set_name, ''), ' ', coalesce(collation_name, ''), ' ',
     coalesce(column_default, 'NULL'), ' ', extra) as line
   from information_schema.columns`,
  `select concat(table_name, '/', index_name, ' ', non_unique, ' ', seq_in_index, ' ',
     column_name, ' ', coalesce(sub_part, '')) as line
   from information_schema.statistics`,
  `select concat(constraint_name, ' ', table_name, '.', column_name, ' ',
     coalesce(concat(referenced_table_name, '.', referenced_column_name), '')) as line
   from information_schema.key_column_usage`,
]

/** What the catalogue says of the tables, in words that servers of all versions share. */
async function described(db: MysqlDatabase): Promise<readonly string[]> {
  const all: string[] = []
  for (const sql of catalogue) {
    const of = `where table_schema = database() and table_name in ('people', 'orders')`
    for (const { line } of await db.query(`${sql} ${of}`)) all.push(plainly(line ?? ''))
  }
  return all.sort()
}

/** Widths that newer servers leave out, two names of one thing, and the quotes of a default. */
function plainly(line: string): string {
  const shared = line
    .toLowerCase()
    .replace(/\b(int|bigint|year)\(\d+\)(?! unsigned zero)/g, '$1')
    .replaceAll('utf8mb3', 'utf8')
    .replaceAll('default_generated', '')
    .replace(/ +/g, ' ')
    .trim()
  if (/ (?:enum|set)\(/.test(shared))
    return shared.replace(/\) (.*)$/, (rest) => rest.replaceAll("'", ''))
  return /\bb'/.test(shared)
    ? shared
    : shared.replaceAll("''", "'").replace(/(?<=^| )'(.*)'(?= |$)/, '$1')
}

for (const [from, to] of pairs) {
  test(`tables are made as they are, ${from} to ${to}`, async (t) => {
    const source = await mysqlDatabase(t, from)
    const server = await mysql(to, from === to ? { settings: {} } : undefined)
    t.after(() => server[Symbol.asyncDispose]())
    const target = await mysqlDatabase(t, server)
    await source.query(`set sql_mode = 'NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES'`)
    await source.query(people)
    await source.query(orders)
    const add = async (name: string): Promise<void> => {
      await source.query(`insert into people (name, email, born, mood, likes, mark, note) values
        ('${name}', '${name}@x', 1999, 'so ''so''', 'tea,Ü', 'ab', 'a note ')`)
    }
    await add('Ann')
    await add('Zoë')
    await source.query(`insert into orders values (1, 7, 'a'), (2, -1, 'B')`)
    const ends = mirror(t, { source: source.url, target: target.url })
    await ends.catchUp()
    assert.deepEqual(await described(target), await described(source))
    assert.deepEqual(await ends.differences(), [])
    // A row that is gone has used a number up, and the time of an update is the source's.
    await add('Eve')
    await source.query(`delete from people where name = 'Eve'`)
    await source.query('update people set price = 3, seen = seen where id = 1')
    await source.query('update people set born = 2000 where id = 2')
    await source.query(`update orders set item = 'A' where item = 'a'`)
    await source.query(`update people set email = if(id = 1, null, 'ann@x') order by id`)
    await ends.catchUp()
    assert.deepEqual(await ends.differences(), [])
    const next = `insert into people (name) values ('next')`
    for (const db of [source, target]) await db.query(next)
    const id = `select id from people where name = 'next'`
    assert.deepEqual(await target.query(id), await source.query(id))
  })
}

for (const kind of ['mysql-9', 'mariadb-10.11'] as const) {
  test(`columns get more room and new ones come while rows do, in ${kind}`, async (t) => {
    const source = await mysqlDatabase(t, kind)
    const server = await mysql(kind, { settings: {} })
    t.after(() => server[Symbol.asyncDispose]())
    const target = await mysqlDatabase(t, server)
    await source.query(`create table words (id int primary key, short varchar(3) not null default 'x',
      latin varchar(9) character set latin1, long_ tinytext, raw varbinary(2)) charset utf8mb4`)
    await source.query(`insert into words values (1, 'abc', 'é', 'b', 'c')`)
    const ends = mirror(t, { source: source.url, target: target.url })
    await ends.catchUp()
    await source.query(`update words set latin = 'ü' where id = 1`)
    await source.query(`alter table words modify short varchar(30) not null default 'x',
      modify latin varchar(9) character set utf8mb4, modify long_ mediumtext,
      modify raw varbinary(20)`)
    await source.query(`insert into words values
      (3, '${'s'.repeat(30)}', 'ж', '${'l'.repeat(400)}', '${'r'.repeat(20)}')`)
    await source.query(`alter table words add column mood enum('fine','bad')`)
    await source.query(`insert into words values
      (2, '${'s'.repeat(30)}', 'ж', '${'l'.repeat(400)}', '${'r'.repeat(20)}', 'bad')`)
    await ends.catchUp()
    assert.deepEqual(await ends.differences(), [])
    const types = `select column_name as c, column_type as t, column_default as d
      from information_schema.columns where table_schema = database() and table_name = 'words'
      order by ordinal_position`
    assert.deepEqual(await target.query(types), await source.query(types))
  })
}

test('a column that the target would give the time keeps what the source says', async (t) => {
  const source = await mysqlDatabase(t, 'mariadb-10.11')
  const target = await mysqlDatabase(t, 'mysql-9')
  const columns = 'id int primary key, n int, m int, seen datetime(3)'
  await source.query(`create table stamps (${columns})`)
  await target.query(`create table stamps (${columns} on update current_timestamp(3))`)
  await source.query(`insert into stamps select seq, 0, 0, '2001-01-01' from seq_1_to_20`)
  const ends = mirror(t, { source: source.url, target: target.url })
  await ends.catchUp()
  // An image that says of `n` alone; by one row and by many.
  await source.query(`set binlog_row_image = 'minimal'`)
  await source.query('update stamps set n = 1 where id = 1')
  await ends.catchUp()
  await source.query('update stamps set n = 2')
  await ends.catchUp()
  await source.query('update stamps set id = id + 100 where id = 3')
  await ends.catchUp()
  assert.deepEqual(await ends.differences(), [])
})
