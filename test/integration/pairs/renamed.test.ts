import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fault } from '../../../src/model/fault.ts'
import { mirror } from '../../../testkit/mirror.ts'
import { database, mongoDatabase, mysqlDatabase } from '../../../testkit/servers/index.ts'

/** What follows the copy: each kind of change, and a column that comes. */
const changes = (table: string): readonly string[] => [
  `insert into ${table} (id, mail, city, street) values (4, 'd@x', 'Bonn', null)`,
  `update ${table} set city = 'Essen' where id = 2`,
  `update ${table} set id = 9 where id = 1`,
  `delete from ${table} where id = 3`,
  `alter table ${table} add column note varchar(20)`,
  `update ${table} set note = 'n' where id = 2`,
]

const made = (table: string, key = ''): readonly string[] => [
  `create table ${table} (id int primary key, mail varchar(40) not null, city varchar(20),
    street varchar(20), born date default '2020-02-29'${key})`,
  `insert into ${table} (id, mail, city, street) values
    (1, 'a@x', 'Köln', 'Ring'), (2, 'b@x', null, null), (3, 'c@x', 'Ulm', 'Weg')`,
]

function refusal(code: string, words: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof Fault)
    assert.equal(error.code, code)
    assert.match(error.message, words)
    return true
  }
}

test('tables and columns of PostgreSQL are called otherwise in PostgreSQL', async (t) => {
  const source = await database(t, 18)
  const target = await database(t, 17)
  for (const sql of made('users')) await source.query(sql)
  await source.query(`create table orders (no int primary key,
    who int references users (id) on update cascade, code text, unique (code, who))`)
  await source.query('create index by_city on users (city, mail)')
  await source.query('create index by_part on users (mail) where city is not null')
  await source.query(`insert into orders values (7, 1, 'x')`)
  const ends = mirror(t, {
    source: source.url,
    target: target.url,
    limits: { memoryBytes: 1 << 14 },
    rename: [
      'public.users -> app.people',
      'public.users.id -> person',
      'public.users.mail -> "e mail"',
      'public.orders.who -> person',
    ],
  })
  const said = await ends.catchUp()
  assert.match(said.join('\n'), /these indexes are not made: by_part of .*another name/)
  assert.deepEqual(await ends.differences(), [])
  for (const sql of changes('users')) await source.query(sql)
  // A large one is applied while it is read.
  await source.query(
    `insert into users (id, mail) select i, 'm' || i from generate_series(100, 3000) i`,
  )
  await ends.catchUp()
  assert.deepEqual(await ends.differences(), [])
  await source.query('delete from users where id >= 100')
  await ends.catchUp()
  assert.deepEqual(
    await target.query(`select person, "e mail", city, note from app.people order by person`),
    [
      { person: '2', 'e mail': 'b@x', city: 'Essen', note: 'n' },
      { person: '4', 'e mail': 'd@x', city: 'Bonn', note: null },
      { person: '9', 'e mail': 'a@x', city: 'Köln', note: null },
    ],
  )
  assert.deepEqual(await target.query('select no, person from orders'), [{ no: '7', person: '9' }])
  const keys = await target.query(
    `select pg_get_constraintdef(oid) as def from pg_constraint where contype in ('f', 'u')
     and connamespace::regnamespace::text in ('public', 'app') order by 1`,
  )
  assert.deepEqual(
    keys.map(({ def }) => def),
    [
      'FOREIGN KEY (person) REFERENCES app.people(person) ON UPDATE CASCADE',
      'UNIQUE (code, person)',
    ],
  )
  const indexes = await target.query(
    `select indexdef from pg_indexes where tablename = 'people' and indexname like 'by%'`,
  )
  assert.deepEqual(
    indexes.map(({ indexdef }) => indexdef),
    ['CREATE INDEX by_city ON app.people USING btree (city, "e mail")'],
  )
  // What is planted at the target is found under its name there, and named as the source has it.
  await target.query(`update app.people set "e mail" = 'z' where person = 4`)
  const [found] = await ends.differences()
  assert.match(found ?? '', /^public\.users .*"target":"app\.people".*"columns":\["mail"\]/)
})

for (const kind of ['mysql-9', 'mariadb-10.11'] as const) {
  const twin = kind === 'mysql-9' ? 'mariadb-10.11' : 'mysql-9'
  test(`tables and columns of ${kind} are called otherwise in ${twin} and PostgreSQL`, async (t) => {
    const source = await mysqlDatabase(t, kind)
    const [alike, other] = [await mysqlDatabase(t, twin), await database(t, 18)]
    for (const sql of made('users', ', key by_city (city, mail)')) await source.query(sql)
    await source.query(`create table orders (no int primary key auto_increment, who int,
      foreign key one_who (who) references users (id))`)
    await source.query('insert into orders values (7, 2)')
    const { name } = source
    const rename = [
      `${name}.users -> people`,
      `${name}.users.id -> person`,
      `${name}.users.mail -> email`,
      `${name}.orders -> "some orders"`,
    ]
    const ends = [alike, other].map((target) =>
      mirror(t, { source: source.url, target: target.url, rename }),
    )
    for (const one of ends) await one.catchUp()
    for (const sql of changes('users')) await source.query(sql)
    await source.query('insert into orders values (8, 4)')
    for (const one of ends) {
      await one.catchUp()
      assert.deepEqual(await one.differences(), [])
    }
    const wanted = ['2 b@x Essen n', '4 d@x Bonn -', '9 a@x Köln -']
    const rows = await alike.query(
      `select concat(person, ' ', email, ' ', city, ' ', coalesce(note, '-')) as r
       from people order by person`,
    )
    assert.deepEqual(
      rows.map(({ r }) => r),
      wanted,
    )
    const others = await other.query(
      `select concat(person, ' ', email, ' ', city, ' ', coalesce(note, '-')) as r
       from "${name}".people order by person`,
    )
    assert.deepEqual(
      others.map(({ r }) => r),
      wanted,
    )
    const [key] = await alike.query(
      `select concat(table_name, '.', column_name, ' ', referenced_table_name, '.',
         referenced_column_name) as k from information_schema.key_column_usage
       where table_schema = database() and referenced_table_name is not null`,
    )
    assert.equal(key?.['k'], 'some orders.who people.person')
    const [parts] = await alike.query(
      `select group_concat(column_name order by seq_in_index) as c from information_schema.statistics
       where table_schema = database() and index_name = 'by_city'`,
    )
    assert.equal(parts?.['c'], 'city,email')
    const [next] = await alike.query(
      `select auto_increment as n from information_schema.tables
       where table_schema = database() and table_name = 'some orders'`,
    )
    assert.ok(Number(next?.['n']) >= 9)
  })
}

test('columns nest in documents where a name says so, in copy, stream and verification', async (t) => {
  const source = await mysqlDatabase(t, 'mysql-9')
  const target = await mongoDatabase(t)
  const { name } = source
  for (const sql of made('users')) await source.query(sql)
  await source.query('create table pairs (a int, b int, c text, primary key (a, b))')
  await source.query(`insert into pairs values (1, 1, 'x'), (1, 2, null)`)
  const ends = mirror(t, {
    source: source.url,
    target: target.url,
    rename: [
      `${name}.users -> people`,
      `${name}.users.mail -> contact.mail`,
      `${name}.users.city -> address.of.city`,
      `${name}.users.street -> address.street`,
      `${name}.pairs.b -> key.b`,
    ],
  })
  await ends.catchUp()
  assert.deepEqual(await ends.differences(), [])
  for (const sql of changes('users')) await source.query(sql)
  await source.query('set session binlog_row_image = minimal')
  await source.query(`update users set street = 'Allee' where id = 2`)
  await source.query(`update users set city = 'Celle', street = null where id = 9`)
  await source.query(`update pairs set c = 'y' where b = 2`)
  await ends.catchUp()
  assert.deepEqual(await ends.differences(), [])
  const people = await target.db
    .collection('people')
    .find({}, { projection: { _holdfast: 0, born: 0 } })
    .sort({ _id: 1 })
    .toArray()
  assert.deepEqual(people, [
    {
      ...{ _id: 2, id: 2, contact: { mail: 'b@x' } },
      ...{ address: { of: { city: 'Essen' }, street: 'Allee' }, note: 'n' },
    },
    {
      ...{ _id: 4, id: 4, contact: { mail: 'd@x' } },
      ...{ address: { of: { city: 'Bonn' }, street: null } },
    },
    {
      ...{ _id: 9, id: 9, contact: { mail: 'a@x' } },
      ...{ address: { of: { city: 'Celle' }, street: null } },
    },
  ])
  await target.db.collection('people').updateOne({ id: 4 }, { $set: { 'address.street': 'X' } })
  const [found] = await ends.differences()
  assert.match(found ?? '', /users .*"columns":\["street"\]/)
})

test('a history has the names of the target, each column by itself', async (t) => {
  const source = await database(t, 18)
  const target = await mongoDatabase(t)
  for (const sql of made('users')) await source.query(sql)
  const of = { source: source.url, target: target.url, shape: 'history' } as const
  const nested = mirror(t, { ...of, rename: ['public.users.mail -> contact.mail'] })
  await assert.rejects(nested.catchUp(), refusal('HF-T254', /nests columns of public\.users/))
  const rename = ['public.users -> people', 'public.users.mail -> email']
  const ends = mirror(t, { ...of, rename })
  await ends.catchUp()
  for (const sql of changes('users')) await source.query(sql)
  await ends.catchUp()
  assert.deepEqual(await ends.differences(), [])
  const found = await target.db
    .collection('row_changes')
    .find({ table: 'public.people', op: 'insert' })
    .toArray()
  assert.deepEqual(
    found.map(({ after }) => after.email),
    ['d@x'],
  )
})

test('a name that cannot be given is refused before anything is made', async (t) => {
  const source = await database(t, 18)
  const target = await database(t, 18)
  for (const sql of made('users')) await source.query(sql)
  await source.query(
    'create table people (id int primary key, twice int generated always as (id * 2) stored)',
  )
  const refused = async (rename: readonly string[], code: string, words: RegExp): Promise<void> => {
    const ends = mirror(t, { source: source.url, target: target.url, rename })
    await assert.rejects(ends.catchUp(), refusal(code, words))
  }
  await refused(['public.user -> x'], 'HF-C114', /public\.user: no table of that name/)
  await refused(['public.users.maill -> x'], 'HF-C114', /maill: the table has no column/)
  await refused(['public.users -> people'], 'HF-C114', /would be one table, public\.people/)
  await refused(['public.users.mail -> city'], 'HF-D412', /mail and city .* both be city/)
  await refused(['public.people.id -> no'], 'HF-C114', /twice is computed/)
  assert.deepEqual(await target.query(`select 1 from pg_class where relname = 'people'`), [])
})

test('a mirror goes on with its names when nobody gives them again, and refuses others', async (t) => {
  const source = await database(t, 18)
  const target = await database(t, 18)
  for (const sql of made('users')) await source.query(sql)
  const ends = { source: source.url, target: target.url, name: 'kept' }
  const rename = ['public.users -> people', 'public.users.mail -> email']
  await mirror(t, { ...ends, rename }).catchUp()
  for (const sql of changes('users')) {
    await source.query(sql)
    await mirror(t, ends).catchUp()
  }
  assert.deepEqual(await mirror(t, ends).differences(), [])
  const other = mirror(t, { ...ends, rename: ['public.users -> others'] })
  await assert.rejects(other.catchUp(), refusal('HF-C111', /rename \["public\.users -> people"/))
  await mirror(t, { ...ends, rename }).catchUp()
  // A column that comes may not take the name that another one has.
  await source.query('alter table users add column email text')
  await source.query(`update users set email = 'q' where id = 2`)
  await assert.rejects(mirror(t, ends).catchUp(), refusal('HF-D412', /mail and email/))
  assert.equal((await target.query('select 1 from people')).length, 3)
})
