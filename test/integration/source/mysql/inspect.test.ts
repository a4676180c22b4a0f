import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { MysqlSchema } from '../../../../src/dialect/mysql/schema.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { openMysqlSource } from '../../../../src/source/mysql/index.ts'
import type { Selection, Source } from '../../../../src/source/source.ts'
import { endpointOf } from '../../../../testkit/binlog.ts'
import {
  type MysqlDatabase,
  mysqlDatabase,
  mysqlServers,
} from '../../../../testkit/servers/index.ts'

async function sourceOf(
  t: TestContext,
  db: MysqlDatabase,
  selection: Partial<Selection> = {},
): Promise<Source> {
  const source = await openMysqlSource({
    endpoint: { ...endpointOf(db.server), database: db.name },
    mirror: 'test',
    selection: { include: [], exclude: [], keyless: 'refuse', ...selection },
  })
  t.after(() => source[Symbol.asyncDispose]())
  return source
}

for (const kind of mysqlServers) {
  test(`tables are described in neutral types with their keys, on ${kind}`, async (t) => {
    const db = await mysqlDatabase(t, kind)
    await db.query(`
create table keyed (a int unsigned not null, b varchar(20) character set latin1, e enum('x','it''s'),
  d decimal(12,3), ts timestamp null, id bigint auto_increment, primary key (id, a));
create table promoted (b int not null, a int not null, z int, unique late (b), unique early (z),
  unique another (a));
create table loose (a int, b text);
create view seen as select 1 as a;
insert into keyed (a) values (1), (2)`)
    const source = await sourceOf(t, db)
    const blueprint = await source.inspect()
    const [keyed, loose, promoted, ...more] = blueprint.tables
    assert.ok(keyed && promoted && loose && more.length === 0)
    assert.deepEqual(
      keyed.columns.map(({ name, type, nullable }) => [name, type.kind, nullable]),
      [
        ['a', 'int', false],
        ['b', 'text', true],
        ['e', 'enum', true],
        ['d', 'decimal', true],
        ['ts', 'timestamptz', true],
        ['id', 'int', false],
      ],
    )
    assert.match(keyed.columns[1]?.native ?? '', /^varchar\(20\).* character set latin1$/)
    assert.deepEqual(keyed.identity, { by: 'key', columns: [5, 0] })
    assert.deepEqual(promoted.identity, { by: 'key', columns: [0] })
    assert.deepEqual(loose.identity, { by: 'row' })
    assert.equal(keyed.id, `\`${db.name}\`.\`keyed\``)
    const native = blueprint.native as MysqlSchema
    assert.deepEqual(native.omitted, [{ schema: db.name, name: 'seen', what: 'view' }])
    assert.equal(native.tables[0]?.columns[5]?.extra, 'auto_increment')
    const estimates = await source.estimates([loose, keyed])
    assert.deepEqual(
      estimates.map(({ rows }) => rows),
      [0, 2],
    )
    assert.deepEqual(await source.inspect(), blueprint)
  })

  test(`patterns choose among all databases, without one the URL's is meant, on ${kind}`, async (t) => {
    const [db, other] = [await mysqlDatabase(t, kind), await mysqlDatabase(t, kind)]
    await db.query('create table `Odd.name` (id int primary key); create table two (id int)')
    await other.query('create table two (id int primary key)')
    const named = async (selection: Partial<Selection>): Promise<readonly string[]> => {
      const source = await sourceOf(t, db, selection)
      return (await source.inspect()).tables.map(({ schema, name }) => `${schema}.${name}`)
    }
    assert.deepEqual(await named({}), [`${db.name}.Odd.name`, `${db.name}.two`])
    assert.deepEqual(await named({ exclude: ['two'] }), [`${db.name}.Odd.name`])
    assert.deepEqual(await named({ include: [`${other.name}.*`] }), [`${other.name}.two`])
    assert.deepEqual(await named({ include: ['"Odd.name"'] }), [`${db.name}.Odd.name`])
    await assert.rejects(named({ include: ['tow'] }), (error) => {
      assert.ok(error instanceof Fault && error.code === 'HF-C105')
      assert.match(error.message, /near: .*two/)
      return true
    })
  })
}
