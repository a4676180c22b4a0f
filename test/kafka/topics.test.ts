import assert from 'node:assert/strict'
import { test } from 'node:test'
import { holdfast } from '../../testkit/child.ts'
import { debezium } from '../../testkit/debezium.ts'
import { eventually } from '../../testkit/eventually.ts'
import { records } from '../../testkit/records.ts'
import { database, kafka } from '../../testkit/servers/index.ts'
import { TestTopics } from '../../testkit/topics.ts'

async function said(...args: readonly string[]) {
  await using child = holdfast(args)
  const { code } = await child.end({ within: 120_000 })
  return { code, out: child.stdout.join('\n'), err: child.stderr.join('\n') }
}

test('topics are listed with what they hold, and read from either end', async (t) => {
  const broker = await kafka()
  const topics = TestTopics.at(t, broker)
  const name = await topics.make('item', { partitions: 2, settings: { 'retention.ms': '60000' } })
  const values = ['a', 'b', 'c', null]
  await topics.put(
    'item',
    values.map((value) => ({ key: 'k', value, partition: 1 })),
  )
  const source = ['--source', broker.url()]
  const listed = await said('topics', 'list', `${topics.prefix}.*`, ...source)
  assert.equal(listed.code, 0, listed.err)
  assert.match(listed.out, new RegExp(`^${name} +2 +4 +1m 00s$`, 'm'))
  const oldest = await said('topics', 'read', name, '--from', 'begin', '--limit', '2', ...source)
  assert.match(oldest.out, /^1\/0 .* k {2}a\n1\/1 .* k {2}b$/)
  const newest = await said('topics', 'read', name, '--limit', '2', '--json', ...source)
  const { result } = JSON.parse(newest.out)
  assert.deepEqual(
    result.map(({ offset, value }: Record<string, unknown>) => [offset, value]),
    [
      ['2', 'c'],
      ['3', null],
    ],
  )
  const from = await said('topics', 'read', name, '--from', '3', '--partition', '1', ...source)
  assert.match(from.out, /^1\/3 .* k {2}null$/)
  assert.equal((await said('topics', 'read', `${name}.none`, ...source)).code, 2)
})

test('K21 lag is counted partition by partition, from the brokers and the checkpoint', async (t) => {
  const broker = await kafka()
  const db = await database(t, 18)
  const copy = await database(t, 17)
  await db.query('create table item (id int primary key, name text)')
  await db.query(`insert into item values (1, 'a'), (2, 'b')`)
  await using connector = await debezium(t, db)
  const topic = `${connector.prefix}.public.item`
  await eventually('the copy', async () => (await records(topic)).length === 2, { within: 60_000 })
  const mirror = ['--source', broker.url(), '--include', topic, '--target', copy.url]
  const run = await said('run', ...mirror, '--until', 'caught-up')
  assert.equal(run.code, 0, run.err)
  assert.match((await said('lag', ...mirror)).out, /^behind by 0$/)
  await db.query(`insert into item values (3, 'c'), (4, 'd'), (5, 'e')`)
  await eventually('the changes', async () => (await records(topic)).length === 5)
  const late = await said('lag', '--by', 'partition', '--max', '2', ...mirror)
  assert.equal(late.code, 4, late.err)
  assert.match(late.out, new RegExp(`^${topic}/0 +2 +5 +3 +0$`, 'm'))
  assert.equal((await said('lag', '--max', '3', ...mirror)).code, 0)
})
