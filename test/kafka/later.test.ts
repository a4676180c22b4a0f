import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Child, holdfast } from '../../testkit/child.ts'
import { askFor, request, showLog } from '../../testkit/debezium.ts'
import { eventually } from '../../testkit/eventually.ts'
import { records } from '../../testkit/records.ts'
import { connect, database, kafka, type TestDatabase } from '../../testkit/servers/index.ts'

const LONG = { within: 120_000, every: 100 }

async function count(db: TestDatabase, table: string): Promise<number> {
  const [row] = await db.query(`select count(*)::int as n from public.${table}`)
  return Number(row?.['n'])
}

function becomes(db: TestDatabase, table: string, wanted: number): Promise<true> {
  return eventually(
    `${wanted} rows of ${table}`,
    async () => {
      const found = await count(db, table)
      if (found !== wanted) throw new Error(String(found))
      return true
    },
    LONG,
  )
}

test('a table that the connector takes later is mirrored with the rows that it had, and is compared', async (t) => {
  const [source, target] = [await database(t, 17), await database(t, 18)]
  const [worker, broker] = [await connect(), await kafka()]
  t.after(() => showLog(t, worker))
  await source.query(`
    create table item (id int primary key, name text);
    insert into item select i, 'a' from generate_series(1, 50) i`)
  const cwd = await mkdtemp(join(tmpdir(), 'holdfast-later-'))
  t.after(() => rm(cwd, { recursive: true, force: true }))
  const run = (...args: readonly string[]): Child => {
    const child = holdfast(args, { cwd })
    t.after(() => child[Symbol.asyncDispose]())
    return child
  }
  const done = async (...args: readonly string[]): Promise<string> => {
    const child = run(...args)
    assert.equal((await child.end(LONG)).code, 0, child.lines.join('\n'))
    return child.lines.join('\n')
  }
  const name = `l${process.pid}_${Math.random().toString(36).slice(2, 8)}`
  const at = ['--connect', worker.url]
  const often = ['--setting', 'heartbeat.interval.ms=300']
  const from = ['--source', source.url, '--kafka', broker.bootstrap]
  await done('connectors', 'create', name, ...from, ...often, '--start', ...at)
  t.after(() => request(worker, `DELETE /connectors/${name}`))
  const topic = (table: string): string => `${name}.public.${table}`
  await eventually('the copy', async () => (await records(topic('item'))).length === 50, LONG)
  const ends = ['--source', broker.url(), '--target', target.url, '--name', name]
  const mirror = run('run', ...ends, '--include', `${name}.public.*`)
  await becomes(target, 'item', 50)
  await source.query(`
    create table later (id int primary key, name text);
    insert into later select i, 'old' from generate_series(1, 40) i`)
  // The publication is of the tables that there were when the connector was started.
  await done('connectors', 'stop', name, ...at)
  await done('connectors', 'resume', name, ...at)
  // A task is called running before it has looked at its tables; what is written until then is of
  // none that it tells of.
  const published = `select from pg_publication_tables where pubname = '${name}' and tablename = 'later'`
  await eventually('the table is published', async () => (await source.query(published))[0], LONG)
  await source.query(
    `insert into later values (100, 'new'); update later set name = 'b' where id = 1`,
  )
  await becomes(target, 'later', 2)
  await askFor(name, 'public.later')
  await becomes(target, 'later', 41)
  await source.query(`delete from later where id = 2; update later set name = 'c' where id = 3`)
  await becomes(target, 'later', 40)
  const behind = ['--set', `source.kafka.source_url=${source.url}`]
  assert.match(await done('verify', ...ends, ...behind), /verify PASS +2 of 2 tables equal/)
  assert.equal((await records(topic('item'))).length, 50, 'nothing else is told again')
  const [made] = await source.query(`select count(*)::int as n from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema')`)
  assert.equal(Number(made?.['n']), 2, 'no table is made at the source')
  mirror.signal('SIGTERM')
  assert.equal((await mirror.end(LONG)).code, 0, mirror.lines.join('\n'))
})
