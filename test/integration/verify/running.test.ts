import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseUrl } from '../../../src/config/url.ts'
import { verifyMirror } from '../../../src/mirror/verify.ts'
import type { Verification } from '../../../src/verify/report.ts'
import { holdfast } from '../../../testkit/child.ts'
import { eventually } from '../../../testkit/eventually.ts'
import { database, type Major, type TestDatabase } from '../../../testkit/servers/index.ts'
import { differences, tableNamed } from './ends.ts'

const ddl = `
create table account (id int primary key, balance bigint not null, note text);
alter table account alter note set storage external;
create table entry (id bigint generated always as identity primary key, account int, amount bigint);
create table tag (a int, b text, primary key (a, b));
create table loose (a int, b text);
alter table loose replica identity full;
insert into account select i, 0, repeat('note ' || i || ' ', 600) from generate_series(1, 200) i;
insert into tag select i, 'x' from generate_series(1, 100) i;
insert into loose select i % 10, 'l' from generate_series(1, 100) i;`

const load = `
begin;
update account set balance = balance + 1 where id = 1;
update account set balance = balance - 1 where id = 2 + (random() * 190)::int;
insert into entry (account, amount) values (1, 1), (2, -1);
delete from entry where id = (select min(id) from entry where id > (random() * 1000)::int);
update tag set b = b || 'y' where a = (random() * 100)::int and length(b) < 40;
update loose set b = left(md5(random()::text), 3)
  where ctid = (select ctid from loose where a = (random() * 10)::int limit 1);
commit`

/** Sessions that write as fast as they can, until disposed. */
async function writers(db: TestDatabase, count: number): Promise<AsyncDisposable> {
  let stopped = false
  const work = async (): Promise<void> => {
    const session = await db.session()
    // Two sessions may want the same rows in another order; the server ends one of them.
    while (!stopped) await session.query(load).catch(() => session.query('rollback'))
  }
  const all = Promise.all(Array.from({ length: count }, work))
  return {
    async [Symbol.asyncDispose]() {
      stopped = true
      await all
    },
  }
}

function wrongIn(result: Verification): unknown[] {
  return result.tables
    .filter(({ state }) => state !== 'equal')
    .map((table) => [table.table, table.note, differences(table).slice(0, 5)])
}

for (const [from, to, rounds] of [
  [14, 14, 8],
  [18, 18, 50],
  [14, 18, 8],
] as readonly (readonly [Major, Major, number])[]) {
  test(`beside a mirror under load no difference is invented, ${from} to ${to}`, async (t) => {
    const source = await database(t, from)
    const target = await database(t, to)
    await source.query(ddl)
    const urls = ['--source', source.url, '--target', target.url]
    await using mirror = holdfast(['run', ...urls])
    const verify = (): Promise<Verification> =>
      verifyMirror(
        {
          name: 'default',
          source: parseUrl(source.url, 'source'),
          target: parseUrl(target.url, 'target'),
        },
        new AbortController().signal,
      )
    await eventually('the first copy is complete', async () => {
      return (await verify()).verdict === 'PASS'
    })
    {
      await using _load = await writers(source, 4)
      let folded = 0
      for (let round = 0; round < rounds; round++) {
        const result = await verify()
        assert.deepEqual(wrongIn(result), [], `round ${round}`)
        assert.equal(result.verdict, 'PASS')
        folded += result.folded
      }
      t.diagnostic(`${folded} rows in motion in ${rounds} verifications`)
      // A hot row in every round, and a cold one.
      await target.query("update account set note = 'lost' where id in (1, 200)")
      const result = await verify()
      assert.deepEqual(differences(tableNamed(result, 'account')), [
        'changed 1 [note]',
        'changed 200 [note]',
      ])
    }
    await using child = holdfast(['verify', ...urls])
    assert.equal((await child.end()).code, 4)
    assert.match(child.stdout.join('\n'), /id=1 {3}changed: note/)
    assert.match(child.stdout.join('\n'), /verify FAIL/)
    await target.query(`update account set note = repeat('note ' || id || ' ', 600)
      where note = 'lost'`)
    await mirror.kill('SIGTERM')
    await using json = holdfast(['verify', '--json', ...urls])
    assert.equal((await json.end()).code, 0)
    const envelope = JSON.parse(json.stdout.join(''))
    assert.equal(envelope.ok, true)
    assert.equal(envelope.result.verdict, 'PASS')
  })
}
