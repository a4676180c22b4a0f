import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mirror } from '../../../../testkit/mirror.ts'
import { database, mongoDatabase, mysqlDatabase } from '../../../../testkit/servers/index.ts'

function asked(url: string, form: string): string {
  return `${url}${url.includes('?') ? '&' : '?'}json=${form}`
}

for (const shape of ['mirror', 'history'] as const) {
  test(`JSON is a document where that is asked for, ${shape}`, async (t) => {
    const source = await database(t, 18)
    const to = await mongoDatabase(t)
    await source.query(`create table things (id int primary key, doc jsonb, words json);
      insert into things values (1, '{"b": [1, 2.50, null], "a": {"x": "é"}}', '{"a":  1}'),
        (2, null, null)`)
    const settings = { name: 'forms', source: source.url, target: asked(to.url, 'document'), shape }
    const ends = mirror(t, settings)
    await ends.catchUp()
    await source.query(`update things set doc = jsonb_set(doc, '{a,x}', '18446744073709551616')
      where id = 1; insert into things values (3, '[]', '[]')`)
    await ends.catchUp()
    assert.deepEqual(await ends.differences(), [])
    if (shape === 'mirror') {
      const found = await to.db.collection('things').findOne({ 'doc.b': 2 })
      assert.equal(found, null)
      const one = await to.db.collection('things').findOne({ 'doc.b': 1 })
      assert.equal(one?.['words'], '{"a":  1}')
      assert.deepEqual(Object.keys(one?.['doc']), ['a', 'b'])
      await to.db
        .collection('things')
        .updateOne({ 'doc.b': 1 }, { $set: { 'doc.b': [1, 2.51, null] } })
      assert.equal((await ends.differences()).length, 1)
    }
    // What documents there are is known to the state, whatever a later URL says.
    const other = mirror(t, { ...settings, target: asked(to.url, 'text') })
    await assert.rejects(other.catchUp(), { code: 'HF-C111' })
  })
}

test('G5 JSON that a document would print in another way halts by name', async (t) => {
  const source = await mysqlDatabase(t, 'mysql-9')
  const to = await mongoDatabase(t)
  await source.query('create table things (id int primary key, doc json)')
  await source.query(`insert into things values (1, '{"a": 1.5, "b": [1e100, -3]}')`)
  const ends = mirror(t, { source: source.url, target: asked(to.url, 'document') })
  await ends.catchUp()
  assert.deepEqual(await ends.differences(), [])
  await source.query(`insert into things values (2, '{"a.b": "secret"}')`)
  await assert.rejects(ends.catchUp(), (error: { code?: string; message: string }) => {
    assert.equal(error.code, 'HF-T251')
    assert.ok(!error.message.includes('secret'))
    return true
  })
})
