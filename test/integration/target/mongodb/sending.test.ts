import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mirror } from '../../../../testkit/mirror.ts'
import { database, mongoDatabase } from '../../../../testkit/servers/index.ts'

/** As many changes as one command holds. */
const FULL = 1000

/** Each line fills a command, and the next one is about the same documents. */
const changes = `
begin;
insert into t select i, 'a' from generate_series(1, ${FULL}) i;
delete from t where id <= ${FULL};
insert into t select i, 'b' from generate_series(1, ${FULL}) i;
update t set v = 'c';
update t set id = id + ${FULL / 2} where id > ${FULL / 2};
delete from t where id <= ${FULL / 2};
insert into t select i, 'd' from generate_series(1, ${FULL / 2}) i;
delete from t where id > ${FULL};
insert into t select i, 'e' from generate_series(${3 * FULL + 1}, ${4 * FULL}) i;
delete from t where id > ${3 * FULL};
insert into u select i % 7 from generate_series(1, ${2 * FULL}) i;
delete from u where a > 3;
insert into u select i % 7 from generate_series(1, ${FULL}) i;
commit;`

test('changes of one document arrive in their order, however many commands are under way', async (t) => {
  const from = await database(t, 18)
  const to = await mongoDatabase(t)
  await from.query('create table t (id int primary key, v text); create table u (a int)')
  await from.query('alter table u replica identity full')
  const run = mirror(t, { source: from.url, target: to.url })
  await run.catchUp()
  for (let round = 0; round < 2; round++) {
    await from.query(changes)
    await run.catchUp()
    assert.deepEqual(await run.differences(), [])
    await from.query('delete from t; delete from u where a = 5')
  }
})
