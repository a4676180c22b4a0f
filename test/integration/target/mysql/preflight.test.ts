import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Step } from '../../../../src/model/batch.ts'
import type { Fault, Finding } from '../../../../src/model/fault.ts'
import type { Table } from '../../../../src/model/table.ts'
import type { Type } from '../../../../src/model/value.ts'
import { rightsIn } from '../../../../src/target/mysql/check/facts.ts'
import type { TargetPlan } from '../../../../src/target/target.ts'
import {
  type MysqlDatabase,
  type MysqlKind,
  type MysqlServer,
  mysql,
  mysqlDatabase,
  openMysql,
} from '../../../../testkit/servers/index.ts'
import { at, batch, planFor, rows, table, types } from '../postgres/support.ts'
import { kinds, open } from './support.ts'

const things = table('things', { id: types.int, name: types.text })
const words = table('words', { word: types.text, n: types.int })

interface Look {
  readonly tables?: readonly Table[]
  readonly onExisting?: TargetPlan['onExisting']
}

async function look(url: string, { tables = [things], onExisting }: Look): Promise<Finding[]> {
  await using target = await open(url)
  return [...(await target.preflight(planFor(tables, onExisting)))]
}

function faults(findings: readonly Finding[]): readonly Fault[] {
  return findings.flatMap((finding) => (finding.level === 'ok' ? [] : [finding.fault]))
}

async function codes(
  t: TestContext,
  where: MysqlKind | MysqlServer,
  options: Look & { readonly sql?: string },
): Promise<readonly string[]> {
  const db = await mysqlDatabase(t, where)
  if (options.sql !== undefined) await db.query(options.sql)
  return faults(await look(db.url, options)).map(({ code }) => code)
}

const made = 'create table things (id int primary key, name longtext)'
const inArrays: Type = { kind: 'array', of: types.int }
const int = types.int

const cases: Readonly<Record<string, Look & { readonly sql?: string; readonly codes: string[] }>> =
  {
    'nothing is there': { codes: [] },
    'the table is there as it would be made': { sql: made, codes: [] },
    'the table has another type': {
      sql: 'create table things (id smallint primary key, name text)',
      codes: ['HF-T223'],
    },
    'a column is missing': { sql: 'create table things (id int primary key)', codes: ['HF-T223'] },
    'a column more has to be filled': {
      sql: 'create table things (id int primary key, name text, more int not null)',
      codes: ['HF-T223'],
    },
    'a column more fills itself': {
      sql: 'create table things (id int primary key, name text, more int not null default 7)',
      codes: [],
    },
    'the engine knows no transactions': { sql: `${made} engine = MyISAM`, codes: ['HF-T223'] },
    'there is no key': { sql: 'create table things (id int, name text)', codes: ['HF-T230'] },
    'the key takes texts for equal': {
      tables: [words],
      sql: 'create table words (word varchar(50) primary key, n int) character set utf8mb4',
      codes: ['HF-T223'],
    },
    'there are further rules': {
      sql: 'create table things (id int primary key, name varchar(9) not null unique)',
      codes: ['HF-T231'],
    },
    'a trigger would act': {
      sql: `${made}; create trigger act before insert on things for each row set new.name = 'x'`,
      codes: ['HF-T228'],
    },
    'there are rows': { sql: `${made}; insert into things values (1, '')`, codes: ['HF-T222'] },
    'there are rows, to be replaced': {
      sql: `${made}; insert into things values (1, '')`,
      onExisting: 'replace',
      codes: [],
    },
    'a view has the name': { sql: 'create view things as select 1 as id', codes: ['HF-T236'] },
    'a name is one of the mirror': {
      tables: [table('_holdfast_lanes', { id: int })],
      codes: ['HF-T236'],
    },
    'a name is too long or no name': {
      tables: [table('x'.repeat(65), { id: int, 'a ': int, '🐢': int })],
      codes: ['HF-T238', 'HF-T238', 'HF-T238'],
    },
    'columns differ in case only': {
      tables: [table('twins', { id: int, a: int, A: int })],
      codes: ['HF-T261'],
    },
    'tables of two schemas have one name': {
      tables: [things, { ...things, id: 'other', schema: 'other' }],
      codes: ['HF-T261'],
    },
    'there are no columns': { tables: [table('none', {}, { by: 'none' })], codes: ['HF-T261'] },
    'the key is too long': {
      tables: [
        table('long', Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`c${i}`, int])), {
          by: 'key',
          columns: Array.from({ length: 17 }, (_, i) => i),
        }),
      ],
      codes: ['HF-T261'],
    },
    'columns are kept as text': {
      tables: [table('lists', { id: int, list: inArrays })],
      codes: ['HF-T262'],
    },
  }

for (const kind of kinds) {
  for (const [what, wanted] of Object.entries(cases)) {
    test(`${kind}: ${what}`, async (t) => {
      assert.deepEqual(await codes(t, kind, wanted), wanted.codes)
    })
  }

  test(`${kind}: a table that passes is written to, and what is said mends what is refused`, async (t) => {
    const db = await mysqlDatabase(t, kind)
    await db.query('create table words (word varchar(50), n int) character set utf8mb4')
    for (const code of ['HF-T230', 'HF-T223']) {
      const [fault] = faults(await look(db.url, { tables: [words] }))
      assert.equal(fault?.code, code)
      await db.query(fault?.todo[0]?.sql ?? '')
    }
    assert.deepEqual(faults(await look(db.url, { tables: [words] })), [])
    await mirrors(db.url, db)
  })

  test(`${kind}: an account is told what it lacks, and has enough with that`, async (t) => {
    const db = await mysqlDatabase(t, kind)
    const user = `u${db.name.slice(-12)}`
    await db.query(`create user ${user}@'%' identified by 'pw'`)
    t.after(async () => {
      await using session = await openMysql(db.server.url())
      await session.query(`drop user ${user}@'%'`)
    })
    await db.query(`grant select on \`${db.name}\`.* to ${user}@'%'`)
    const url = new URL(db.url)
    url.username = user
    url.password = 'pw'
    const [fault] = faults(await look(url.href, { tables: [words] }))
    assert.equal(fault?.code, 'HF-T221')
    assert.match(fault?.message ?? '', /lacks INSERT, UPDATE, DELETE, CREATE, ALTER, DROP on/)
    await db.query(fault?.todo[0]?.sql ?? '')
    assert.deepEqual(faults(await look(url.href, { tables: [words] })), [])
    await mirrors(url.href, db)
  })

  test(`${kind}: a server that is read-only or logs statements is refused`, async (t) => {
    const logs = kind === 'mysql-9' ? {} : { 'binlog-format': 'STATEMENT' }
    await using server = await mysql(kind, { settings: logs })
    const db = await mysqlDatabase(t, server)
    const user = `create user app@'%'; grant all on \`${db.name}\`.* to app@'%'`
    await db.query(`${user}; set global read_only = 1`)
    const url = new URL(db.url)
    url.username = 'app'
    const found = faults(await look(url.href, {})).map(({ code }) => code)
    await db.query('set global read_only = 0')
    assert.deepEqual(found, kind === 'mysql-9' ? ['HF-T215'] : ['HF-T215', 'HF-T263'])
  })
}

/** A whole life with the rights of this URL. */
async function mirrors(url: string, db: MysqlDatabase): Promise<void> {
  await using target = await open(url)
  await using claim = await target.claim({ settings: {}, patience: 0 }, AbortSignal.timeout(20_000))
  assert.equal(claim.checkpoint, null)
  await target.prepare(planFor([words]))
  await target.begin([words], { positions: at(1), source: {}, first: true })
  await target.copied(words)
  await target.finish()
  const cells = rows(['a', '1'], ['A', '2'], ['a ', '3'])
  const insert: Step = { kind: 'insert', table: words, rows: cells, existing: 'refuse' }
  const wider: Table = {
    ...words,
    version: '2',
    columns: [...words.columns, { name: 'more', type: types.text, native: '', nullable: true }],
  }
  const steps: readonly Step[] = [
    insert,
    { kind: 'schema', from: words, to: wider },
    { kind: 'update', table: wider, set: [2], rows: rows(['A', '2', 'x']), old: null },
    { kind: 'truncate', tables: [], restartSequences: false },
  ]
  await target.apply(batch(1, 2, steps, { flush: true }), 'values')
  assert.deepEqual(await db.query('select word, n, more from words order by n'), [
    { word: 'a', n: '1', more: null },
    { word: 'A', n: '2', more: 'x' },
    { word: 'a ', n: '3', more: null },
  ])
  await claim[Symbol.asyncDispose]()
  assert.equal((await target.destroy()).length, 2)
}

test('rights are read as they are granted', () => {
  const rights = (...lines: string[]): unknown => {
    const found = rightsIn(lines, 'my_shop')
    return found === null ? null : [...found]
  }
  const tail = 'TO `u`@`%`'
  assert.deepEqual(
    rights(`GRANT USAGE ON *.* ${tail}`, `GRANT SELECT ON \`my\\_shop\`.* ${tail}`),
    ['USAGE', 'SELECT'],
  )
  const [wide, exact] = ['my_shop', 'my\\_shop'].map((name) => `ON \`${name}\`.* ${tail}`)
  assert.deepEqual(rights(`GRANT DROP ${wide}`, `GRANT ALTER ${exact}`), ['ALTER'])
  assert.deepEqual(rights(`GRANT ALTER ${exact}`, `GRANT DROP ${wide}`), ['ALTER'])
  assert.deepEqual(rights(`GRANT SELECT, INSERT ON \`my%\`.* ${tail}`), ['SELECT', 'INSERT'])
  assert.deepEqual(rights(`GRANT SELECT ON \`my\\_shops\`.* ${tail}`), [])
  assert.deepEqual(rights(`GRANT SELECT ON \`my_shop\`.\`t\` ${tail}`), [])
  assert.deepEqual(rights(`GRANT SELECT ON "my\\_shop".* TO "u"@"%"`), ['SELECT'])
  assert.deepEqual(rights(`GRANT ALL PRIVILEGES ON *.* ${tail} WITH GRANT OPTION`), [
    'ALL PRIVILEGES',
  ])
  assert.equal(rights('GRANT `role`@`%` TO `u`@`%`'), null)
})
