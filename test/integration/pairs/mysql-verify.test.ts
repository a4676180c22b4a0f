import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseUrl } from '../../../src/config/url.ts'
import { laneLags } from '../../../src/mirror/lanes.ts'
import { eventually } from '../../../testkit/eventually.ts'
import { mirror } from '../../../testkit/mirror.ts'
import { database, type MysqlServer, mysql, mysqlDatabase } from '../../../testkit/servers/index.ts'
import { fill, load } from '../source/mysql/load.ts'

const servers: Readonly<Record<string, () => Promise<MysqlServer>>> = {
  'mysql-9 with GTIDs': () =>
    mysql('mysql-9', { settings: { 'gtid-mode': 'ON', 'enforce-gtid-consistency': 'ON' } }),
  'mysql-9': () => mysql('mysql-9'),
  'mysql-5.6': () => mysql('mysql-5.6'),
  'mariadb-10.11': () => mysql('mariadb-10.11'),
}

interface Found {
  readonly missing: number
  readonly extra: number
  readonly changed: number
  readonly differences: readonly { readonly kind: string; readonly key: unknown }[]
}

for (const [name, start] of Object.entries(servers)) {
  test(`rows are compared exactly while they change and the target is behind, ${name}`, async (t) => {
    const source = await mysqlDatabase(t, await start())
    const target = await database(t, 18)
    await fill(source, 300)
    const selection = { exclude: [`${source.name}.loose`] }
    const ends = mirror(t, { source: source.url, target: target.url, selection })
    await ends.catchUp()
    const writing = load(source, false)
    t.after(() => writing.stop())
    for (let round = 0; round < 3; round++) {
      assert.deepEqual(await ends.differences(), [], `round ${round}, nothing applied since`)
      await ends.catchUp()
    }
    const schema = `"${source.name}"`
    await target.query(`
      update ${schema}.still set b = 'other' where ctid = (select ctid from ${schema}.still limit 1);
      insert into ${schema}.none values (77);
      insert into ${schema}.words values ('only here', 1)`)
    const found = (await ends.differences()).map((line): [string, Found] => {
      const at = line.indexOf(' ')
      return [line.slice(source.name.length + 1, at), JSON.parse(line.slice(at + 1))]
    })
    await writing.stop()
    const counts = found.map(([table, { missing, extra, changed }]) => [
      table,
      missing,
      extra,
      changed,
    ])
    assert.deepEqual(counts.sort(), [
      ['none', 0, 1, 0],
      ['still', 1, 1, 0],
      ['words', 0, 1, 0],
    ])
    const words = found.find(([table]) => table === 'words')?.[1]
    assert.deepEqual(words?.differences[0]?.key, { w: 'only here' })
    await ends.catchUp()
    await target.query(`update ${schema}.bins set n = 0.3
      where b = (select b from ${schema}.bins order by b limit 1)`)
    const last = (await ends.differences()).filter((line) =>
      line.startsWith(`${source.name}.bins `),
    )
    assert.match(
      last.join(),
      /"changed":1,.*"kind":"changed","key":\{"b":"\\\\x[0-9a-f]+"\}.*"columns":\["n"\]/,
    )
  })
}

test('what a stopped mirror is behind by is counted over files of the log; a comparison says that they are gone', async (t) => {
  // A server of its own: its log begins at its first file.
  await using server = await mysql('mariadb-10.11', {})
  const source = await mysqlDatabase(t, server)
  const target = await database(t, 18)
  await source.query('create table t (id int primary key, v text); flush logs')
  const ends = mirror(t, { source: source.url, target: target.url, name: 'behind' })
  await ends.catchUp()
  await source.query(`insert into t values (1, 'a'); flush logs; insert into t values (2, 'b')`)
  // The process that applies this counts from the newest file that it finds.
  await ends.catchUp()
  const behind = async (): Promise<bigint | undefined> => {
    const [lag] = await laneLags({
      name: 'behind',
      source: parseUrl(source.url, 'the source'),
      target: parseUrl(target.url, 'the target'),
      selection: { include: [], exclude: [], keyless: 'refuse' },
    })
    return lag?.behind
  }
  // The server adds a few bytes of its own to a new file whenever it likes.
  const level = (await behind()) ?? -1n
  assert.ok(level >= 0n && level < 1000n, `${level} bytes`)
  await source.query(`insert into t values (3, repeat('x', 5000)); flush logs`)
  const more = (await behind()) ?? 0n
  assert.ok(more > 5000n && more < 10_000n, `${more} bytes`)
  const newest = (await source.query('show binary logs')).at(-1)?.['Log_name']
  await eventually('all but the newest file are purged', async () => {
    await source.query(`purge binary logs to '${newest}'`)
    return (await source.query('show binary logs')).length === 1
  })
  await assert.rejects(ends.differences(), { code: 'HF-L111' })
})
