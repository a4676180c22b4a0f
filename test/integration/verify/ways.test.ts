import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pgbouncer } from '../../../testkit/pgbouncer.ts'
import { postgres } from '../../../testkit/servers/index.ts'
import { differences, tableNamed, twoEnds } from './ends.ts'

const ddl = `
create type mood as enum ('bad', 'ok');
create table a (id int primary key, f float8, at timestamptz, d date, i interval, m mood, b bytea);
create table c (id text collate "C" primary key, n numeric);
create table w (v text); alter table w replica identity full;`

const rows = `
insert into a select i, i / 7.0, timestamptz '2024-01-02 03:04:05.678+00' + i * interval '1 day',
  date '2024-02-03' + i, i * interval '1 month 2 days 3.5 s', 'ok', decode(md5(i::text), 'hex')
  from generate_series(1, 300) i;
insert into c select 'k' || i, i / 3.0 from generate_series(1, 300) i;
insert into w select 'w' || i from generate_series(1, 300) i;`

const strange = `
datestyle = 'SQL, DMY'; extra_float_digits = 0; intervalstyle = 'sql_standard';
timezone = 'Asia/Tokyo'; bytea_output = 'escape'; search_path = nowhere;
default_transaction_read_only = on; statement_timeout = '1h'; enable_nestloop = off`

for (const major of [14, 18] as const) {
  for (const size of ['1', '3']) {
    const name = `through a pooler with ${size} connections and strange settings, ${major}`
    test(`verification works ${name}`, async (t) => {
      const ends = await twoEnds(t, { source: major, target: major, ddl })
      await ends.source.query(rows)
      await ends.feed()
      await ends.source.query("update a set f = 0.1 + 0.2, m = 'bad' where id < 5")
      await ends.source.query("update w set v = 'x' where v = 'w7'")
      for (const db of [ends.source, ends.target]) {
        for (const setting of strange.split(';')) {
          await db.query(`alter database "${db.name}" set ${setting}`)
        }
      }
      await using pooler = await pgbouncer(await postgres(major), {
        settings: { default_pool_size: size },
      })
      const urls = { target: pooler.url(ends.target.name) }
      const equal = await ends.verify({}, urls)
      assert.equal(equal.verdict, 'PASS', JSON.stringify(equal.tables.map(differences)))
      await ends.target.query('update a set f = f * (1 + 1e-15) where id = 100')
      const result = await ends.verify({}, urls)
      assert.deepEqual(differences(tableNamed(result, 'a')), ['changed 100 [f]'])
    })
  }

  test(`roles that may do no more than they must can verify, ${major}`, async (t) => {
    const ends = await twoEnds(t, { source: major, target: major, ddl })
    await ends.source.query(rows)
    await ends.feed()
    await ends.source.query('update c set n = n + 1')
    const reader = `reader_${ends.source.name}`
    const looker = `looker_${ends.target.name}`
    await ends.source.query(`create role "${reader}" login replication;
      grant select on all tables in schema public to "${reader}"`)
    await ends.target.query(`create role "${looker}" login;
      grant select on all tables in schema public to "${looker}";
      grant usage on schema _holdfast to "${looker}";
      grant select on all tables in schema _holdfast to "${looker}"`)
    const as = (url: string, role: string): string => url.replace('postgres@', `${role}@`)
    const urls = { source: as(ends.source.url, reader), target: as(ends.target.url, looker) }
    // Somebody else's open transaction, of which the role sees nothing.
    const other = await ends.source.session()
    await other.query("begin; insert into w values ('open')")
    const result = await ends.verify({}, urls)
    await other.query('rollback')
    await ends.source.query(`drop owned by "${reader}"; drop role "${reader}"`)
    await ends.target.query(`drop owned by "${looker}"; drop role "${looker}"`)
    assert.equal(result.verdict, 'PASS')
  })
}
