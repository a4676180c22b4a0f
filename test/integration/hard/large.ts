import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { type Form, mirror } from '../../../testkit/mirror.ts'
import { database, type Major, type TestDatabase } from '../../../testkit/servers/index.ts'

const MB = 1 << 20

async function digests(db: TestDatabase) {
  return await db.query(`select id, n, octet_length(b) as bytes, md5(b) as b,
    octet_length(t) as length, md5(t) as t from own order by id`)
}

/**
 * Bytes that are copied, a text that is inserted and then left unchanged by an update, and bytes
 * that an update brings.
 */
export async function largeValue(
  t: TestContext,
  how: {
    readonly from: Major
    readonly to: Major
    readonly megabytes: number
    readonly form?: Form
  },
): Promise<void> {
  const source = await database(t, how.from)
  const target = await database(t, how.to)
  const pieces = (how.megabytes * MB) / 4
  // As hexadecimal text all of it would be longer than a value can be.
  const bytes = `(select string_agg(decode(repeat('00ff5c0a', ${MB / 4}), 'hex'), '')
    from generate_series(1, ${how.megabytes}))`
  await source.query(`create table own (id int primary key, n int, b bytea, t text);
    alter table own alter b set storage external, alter t set storage external;
    insert into own values (1, 0, ${bytes}, null)`)
  const { form = 'best' } = how
  const running = mirror(t, { source: source.url, target: target.url, form })
  await running.catchUp()
  await source.query(`insert into own values (2, 0, null, repeat(E'a\\\\é', ${pieces}))`)
  await running.catchUp()
  await source.query(`update own set n = 1; update own set b = (select b from own where id = 1)
    where id = 2`)
  await running.catchUp()
  assert.deepEqual(await digests(target), await digests(source))
}
