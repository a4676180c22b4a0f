import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Binary, Decimal128, type Document, Double, Int32 } from 'mongodb'
import { mirror } from '../../../../testkit/mirror.ts'
import { mongoDatabase, mysqlDatabase, mysqlServers } from '../../../../testkit/servers/index.ts'

const ddl = [
  `create table kinds (id bigint unsigned primary key, tiny tinyint, medium mediumint unsigned,
    whole int, exact decimal(20,4), free decimal(65,30), single float, twice double,
    words varchar(50) character set utf8mb4, raw varbinary(20), day date, clock time(2),
    coarse datetime(3), fine datetime(6), at timestamp(3) null, y year, bits bit(5),
    mood enum('sad', 'o''k'), many set('a', 'b', 'c'))`,
  'create table pairs (b varchar(20) not null, a int not null, v text, primary key (a, b))',
]

const copied = [
  `insert into kinds values (18446744073709551615, -128, 16777215, 7, 1.5, 1.5, 0.1, -0.0, 'é',
    x'00ff', '2024-02-29', '-123:45:56.5', '2024-02-29 12:34:56.78', '2024-02-29 12:00:00.000001',
    '2024-02-29 12:34:56.78', 1999, b'101', 'o''k', 'a,c')`,
  `insert into kinds (id) values (1)`,
  `insert into pairs values ('x', 1, 'one'), ('y', 2, null)`,
]

const streamed = [
  `update kinds set tiny = 5, words = 'changed' where id = 1`,
  `update pairs set b = 'z' where a = 1`,
  `insert into pairs values ('x', 1, 'new'), ('gone', 3, null)`,
  `delete from pairs where a = 3`,
  `update kinds set twice = 5e-324 where id > 1`,
]

const raw = { promoteValues: false, promoteLongs: false, promoteBuffers: false }

for (const kind of mysqlServers) {
  for (const shape of ['mirror', 'history'] as const) {
    test(`${kind} into documents, ${shape}: copied, streamed, compared`, async (t) => {
      const from = await mysqlDatabase(t, kind)
      const to = await mongoDatabase(t)
      for (const sql of [...ddl, ...copied]) await from.query(sql)
      const run = mirror(t, { source: from.url, target: to.url, name: from.name, shape })
      await run.catchUp()
      assert.deepEqual(await run.differences(), [])
      for (const sql of streamed) {
        await from.query(sql)
        await run.catchUp()
      }
      assert.deepEqual(await run.differences(), [])
      if (shape === 'history') {
        const changes = to.db.collection<Document>('row_changes')
        const found = await changes
          .find({ op: { $ne: 'copy' } })
          .sort({ at: 1 })
          .toArray()
        const ops = found.map(({ op, key }) => `${op} ${JSON.stringify(Object.values(key))}`)
        assert.equal(ops.filter((op) => op.startsWith('delete')).length, 2, ops.join())
        const updated = found.find(({ after }) => after?.words === 'changed')
        assert.equal(updated?.['before'].words, null)
        assert.equal(updated?.['before'].tiny, null)
        return
      }
      const all = await to.db.collection('kinds').find({}, raw).sort({ _id: -1 }).toArray()
      const { _id, _holdfast, ...fields } = all[0] ?? assert.fail()
      assert.deepEqual(_id, Decimal128.fromString('18446744073709551615'))
      assert.deepEqual(fields, {
        id: Decimal128.fromString('18446744073709551615'),
        tiny: new Int32(-128),
        medium: new Int32(16777215),
        whole: new Int32(7),
        exact: Decimal128.fromString('1.5000'),
        free: `1.5${'0'.repeat(29)}`,
        single: new Double(Math.fround(0.1)),
        twice: new Double(5e-324),
        words: 'é',
        raw: new Binary(Buffer.from([0, 255])),
        day: '2024-02-29',
        clock: '-123:45:56.5',
        coarse: new Date('2024-02-29T12:34:56.780Z'),
        fine: '2024-02-29 12:00:00.000001',
        at: new Date('2024-02-29T12:34:56.780Z'),
        y: new Int32(1999),
        bits: '00101',
        mood: "o'k",
        many: 'a,c',
      })
    })
  }
}
