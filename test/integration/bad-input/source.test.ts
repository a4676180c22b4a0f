import { test } from 'node:test'
import { postgres } from '../../../testkit/servers/index.ts'
import { as, pair, refused } from './support.ts'

test('a source without a logical log', async (t) => {
  await using server = await postgres(18, { settings: { wal_level: 'replica' } })
  const { source, target, ends } = await pair(t, server)
  const words = ['run', ...ends]
  const says = /ALTER SYSTEM SET wal_level = 'logical'/
  await refused(t, { untouched: [source, target], words, code: 'HF-S201', exit: 4, says })
})

test('a source role without the right to replicate', async (t) => {
  const { source, target, ends } = await pair(t)
  const url = await as(t, source, 'login', ['grant select on all tables in schema public to'])
  const words = ['run', ...ends, '--source', url]
  const says = /REPLICATION/
  await refused(t, { untouched: [source, target], words, code: 'HF-S207', exit: 4, says })
})

test('a source role that may not read a table', async (t) => {
  const { source, target, ends } = await pair(t)
  const url = await as(t, source, 'login replication')
  const words = ['run', ...ends, '--source', url]
  const says = /item/
  await refused(t, { untouched: [source, target], words, code: 'HF-S221', exit: 4, says })
})

test('a source without a free slot', async (t) => {
  await using server = await postgres(18, { settings: { max_replication_slots: '1' } })
  const { source, target, ends } = await pair(t, server)
  await source.query("select pg_create_logical_replication_slot('other', 'pgoutput')")
  const words = ['run', ...ends]
  const says = /pg_replication_slots/
  await refused(t, { untouched: [source, target], words, code: 'HF-S204', exit: 4, says })
})

test('a table without identity', async (t) => {
  const { source, target, ends } = await pair(t)
  await source.query('create table note (body text)')
  const words = ['run', ...ends]
  const says = /note[\s\S]*REPLICA IDENTITY FULL[\s\S]*exclude[\s\S]*append/
  await refused(t, { untouched: [source, target], words, code: 'HF-S203', exit: 4, says })
})

test('a type that cannot be carried', async (t) => {
  const { source, target, ends } = await pair(t)
  await source.query('create table odd (id int primary key, whole item)')
  const words = ['run', ...ends]
  const says = /odd\.whole/
  await refused(t, { untouched: [source, target], words, code: 'HF-D405', exit: 4, says })
})
