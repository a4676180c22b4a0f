import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Child, type Ended, holdfast } from '../../testkit/child.ts'
import { askFor, request, showLog } from '../../testkit/debezium.ts'
import { eventually } from '../../testkit/eventually.ts'
import { records } from '../../testkit/records.ts'
import {
  type ConnectServer,
  connect,
  database,
  kafka,
  mysqlDatabase,
  ownConnect,
  postgres,
  type TestDatabase,
} from '../../testkit/servers/index.ts'
import { dropSlot } from '../../testkit/slot.ts'

interface Said extends Ended {
  readonly out: string
  readonly err: string
}

/** Runs `holdfast connectors …` to its end. */
async function connectors(
  worker: ConnectServer | string,
  ...args: readonly string[]
): Promise<Said> {
  const at = typeof worker === 'string' ? worker : worker.url
  await using child: Child = holdfast(['connectors', ...args, '--connect', at])
  const ended = await child.end({ within: 120_000 })
  return { ...ended, out: child.stdout.join('\n'), err: child.stderr.join('\n') }
}

/** The shared worker, which shows its log when the test fails. */
async function stand(t: TestContext): Promise<ConnectServer> {
  const worker = await connect()
  t.after(() => showLog(t, worker))
  return worker
}

/** What to type after `create` for a database of PostgreSQL. */
async function settings(db: { readonly url: string }): Promise<readonly string[]> {
  return ['--source', db.url, '--kafka', (await kafka()).bootstrap]
}

function named(): string {
  return `c${process.pid}_${Math.random().toString(36).slice(2, 10)}`
}

async function gone(worker: ConnectServer, name: string): Promise<void> {
  await request(worker, `DELETE /connectors/${name}`)
}

function slotIsRead(db: TestDatabase): Promise<true> {
  return eventually(
    'the slot is read',
    async () => {
      const [slot] = await db.query('select active::text as active from pg_replication_slots')
      return slot?.active === 'true'
    },
    { within: 60_000 },
  )
}

async function tables(db: TestDatabase): Promise<readonly string[]> {
  const rows = await db.query(
    `select table_schema || '.' || table_name as name from information_schema.tables
      where table_schema not in ('pg_catalog', 'information_schema') order by 1`,
  )
  return rows.map(({ name }) => name ?? '')
}

test('a connector made from the template is configured, then started, and tells of everything', async (t) => {
  const worker = await stand(t)
  const db = await database(t, 18)
  await db.query('create table item (id int primary key, name text, "od.d" numeric)')
  await db.query('create table other (id int primary key)')
  await db.query(`insert into item values (1, 'a', 1.50), (2, 'b', null)`)
  const name = named()
  const made = await connectors(
    worker,
    'create',
    name,
    ...(await settings(db)),
    '--include',
    'public.i*',
  )
  assert.equal(made.code, 0, made.err)
  assert.match(made.out, /configured; nothing runs yet/)
  assert.match((await connectors(worker, 'status', name)).out, /stopped/)
  assert.match((await connectors(worker, 'list')).out, new RegExp(`${name} +source +stopped +0/0`))
  const started = await connectors(worker, 'resume', name)
  assert.equal(started.code, 0, started.err)
  const topic = `${name}.public.item`
  await eventually('the copy', async () => (await records(topic)).length === 2, { within: 60_000 })
  await db.query('delete from item where id = 1')
  await db.query('truncate item')
  await db.query('insert into other values (1)')
  const ops = async (): Promise<string> =>
    (await records(topic)).map(({ value }) => value?.['op'] ?? '-').join('')
  await eventually('the delete and the truncate', async () => (await ops()) === 'rrd-t')
  await eventually(
    'a heartbeat',
    async () => (await records(`__debezium-heartbeat.${name}`)).length > 0,
  )
  await assert.rejects(records(`${name}.public.other`), /topic/i)
  assert.deepEqual(await tables(db), ['public.item', 'public.other'])
  const status = await connectors(worker, 'status', name, '--json', '--exit-code')
  assert.equal(status.code, 0)
  assert.equal(JSON.parse(status.out).result[0].condition, 'running')
  await gone(worker, name)
})

test('a new snapshot is asked for through a topic, and nothing is written to the source for it', async (t) => {
  const worker = await stand(t)
  const db = await database(t, 17)
  await db.query('create table item (id int primary key)')
  await db.query('insert into item values (1), (2), (3)')
  const name = named()
  const made = await connectors(worker, 'create', name, ...(await settings(db)), '--start')
  assert.equal(made.code, 0, made.err)
  const topic = `${name}.public.item`
  await eventually('the copy', async () => (await records(topic)).length === 3, { within: 60_000 })
  await askFor(name, 'public.item')
  await eventually('the rows again', async () => (await records(topic)).length === 6, {
    within: 60_000,
  })
  assert.deepEqual(await tables(db), ['public.item'])
  await gone(worker, name)
})

test('what the connector’s own code refuses is not created, and no password is shown', async (t) => {
  const worker = await stand(t)
  const db = await database(t, 18)
  const name = named()
  const kept = (await settings(db)).slice(2)
  const at = new URL(db.url)
  at.password = 'pa55word'
  const plain = await connectors(worker, 'create', name, '--source', at.href, ...kept)
  assert.equal(plain.code, 5)
  assert.match(plain.err, /HF-K409/)
  at.pathname = '/no_such_database'
  for (const verb of ['create', 'validate']) {
    const said = await connectors(
      worker,
      verb,
      name,
      '--source',
      at.href,
      ...kept,
      '--plain-secrets',
    )
    assert.equal(said.code, 4, said.err)
    assert.match(said.out, /HF-K405/)
    assert.match(said.out, /no_such_database/)
    assert.doesNotMatch(said.out + said.err + plain.out + plain.err, /pa55word/)
  }
  const oracle = await connectors(worker, 'validate', name, '--source', 'oracle://u@h/d', ...kept)
  assert.equal(oracle.code, 4)
  assert.match(oracle.err, /HF-K406/)
  const missing = await connectors(worker, 'status', name)
  assert.equal(missing.code, 2)
  assert.match(missing.err, /HF-K403/)
})

test('a slot that is gone is not healed, and is named', async (t) => {
  const worker = await stand(t)
  const db = await database(t, 18)
  await db.query('create table item (id int primary key)')
  const name = named()
  await connectors(worker, 'create', name, ...(await settings(db)), '--start')
  await db.query('insert into item values (1)')
  await eventually('the row', async () => (await records(`${name}.public.item`)).length === 1, {
    within: 60_000,
  })
  assert.equal((await connectors(worker, 'stop', name)).code, 0)
  await dropSlot(db, name)
  await connectors(worker, 'resume', name)
  const said = await eventually(
    'the task has failed',
    async () => {
      const status = await connectors(worker, 'status', name, '--exit-code')
      return status.code === 4 && status
    },
    { within: 60_000 },
  )
  assert.match(said.out, /connector +RUNNING/)
  assert.match(said.out, /task 0 +FAILED/)
  assert.match(said.out, /HF-K413/)
  const restart = await connectors(worker, 'restart', name)
  assert.equal(restart.code, 1, restart.err + restart.out)
  assert.match(restart.err, /HF-K413/)
  await gone(worker, name)
})

test('a task that lost its database is started again until it runs', async (t) => {
  const worker = await stand(t)
  await using server = await postgres(16, {})
  const db = await database(t, server)
  await db.query('create table item (id int primary key)')
  const name = named()
  const once = [
    '--setting',
    'errors.max.retries=0',
    '--setting',
    'retriable.restart.connector.wait.ms=100',
  ]
  await connectors(worker, 'create', name, ...(await settings(db)), ...once, '--start')
  await slotIsRead(db)
  await server.stop('immediate')
  const failed = await eventually(
    'the task has failed',
    async () => {
      const status = await connectors(worker, 'status', name, '--json')
      const [one] = JSON.parse(status.out).result
      return one.condition === 'failed' && one
    },
    { within: 60_000 },
  )
  assert.equal(failed.state, 'RUNNING')
  assert.equal(failed.faults[0].code, 'HF-K411')
  await using child = holdfast(['connectors', 'restart', name, '--connect', worker.url])
  await child.line(/attempt 1/)
  await server.start()
  const ended = await child.end({ within: 120_000 })
  assert.equal(ended.code, 0, child.stderr.join('\n'))
  await db.query('insert into item values (1)')
  await eventually('the row', async () => (await records(`${name}.public.item`)).length === 1, {
    within: 60_000,
  })
  await gone(worker, name)
})

test('K21 a connector that is called RUNNING while its database refuses it is failed', async (t) => {
  const worker = await stand(t)
  await using server = await postgres(16, {})
  const db = await database(t, server)
  await db.query('create table item (id int primary key)')
  await db.query(`create role reader superuser login`)
  const name = named()
  const at = new URL(db.url)
  at.username = 'reader'
  await connectors(worker, 'create', name, ...(await settings({ url: at.href })), '--start')
  await slotIsRead(db)
  assert.equal((await connectors(worker, 'status', name, '--exit-code')).code, 0)
  await db.query('alter role reader nologin')
  const refused = await connectors(worker, 'status', name, '--exit-code')
  assert.equal(refused.code, 4)
  assert.match(refused.out, /task 0 +RUNNING/)
  assert.match(refused.out, /HF-K412/)
  await server.stop('immediate')
  const away = await connectors(worker, 'status', name, '--exit-code')
  assert.equal(away.code, 4)
  assert.match(away.out, /HF-K411/)
  await gone(worker, name)
})

test('what a person paused stays paused; offsets are touched only when stopped', async (t) => {
  const worker = await stand(t)
  const db = await database(t, 18)
  await db.query('create table item (id int primary key)')
  await db.query('insert into item values (1)')
  const name = named()
  await connectors(worker, 'create', name, ...(await settings(db)), '--start')
  await eventually('the row', async () => (await records(`${name}.public.item`)).length === 1, {
    within: 60_000,
  })
  assert.equal((await connectors(worker, 'pause', name)).code, 0)
  const restart = await connectors(worker, 'restart', name)
  assert.equal(restart.code, 0)
  assert.match(restart.out, /paused: left alone/)
  assert.match((await connectors(worker, 'status', name)).out, /paused by a person/)
  const early = await connectors(worker, 'offsets', name, '--reset', '--confirm', name)
  assert.equal(early.code, 4)
  assert.match(early.err, /HF-K408/)
  assert.equal((await connectors(worker, 'stop', name)).code, 0)
  const offsets = await connectors(worker, 'offsets', name, '--json')
  const read = JSON.parse(offsets.out).result
  assert.match(read.offsets[0].partition.server, new RegExp(name))
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-offsets-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'offsets.json')
  read.offsets[0].offset.ts_usec = 1
  await writeFile(file, JSON.stringify(read))
  assert.equal((await connectors(worker, 'offsets', name, '--alter', file)).code, 5)
  const altered = await connectors(worker, 'offsets', name, '--alter', file, '--confirm', name)
  assert.equal(altered.code, 0, altered.err)
  const now = JSON.parse((await connectors(worker, 'offsets', name, '--json')).out).result
  assert.deepEqual(now, read)
  assert.equal((await connectors(worker, 'offsets', name, '--reset')).code, 5)
  assert.equal((await connectors(worker, 'offsets', name, '--reset', '--confirm', name)).code, 0)
  assert.match((await connectors(worker, 'offsets', name)).out, /begins with a snapshot/)
  assert.equal((await connectors(worker, 'delete', name)).code, 5)
  assert.equal((await connectors(worker, 'delete', name, '--confirm', name)).code, 0)
  assert.equal((await connectors(worker, 'status', name)).code, 2)
})

test('MySQL and MariaDB have templates of their own', async (t) => {
  const worker = await stand(t)
  for (const kind of ['mysql-9', 'mariadb-10.11'] as const) {
    const db = await mysqlDatabase(t, kind)
    await db.query('create table item (id bigint unsigned primary key)')
    await db.query('insert into item values (18446744073709551615)')
    const name = named()
    const url = kind === 'mysql-9' ? db.url : db.url.replace('mysql:', 'mariadb:')
    const made = await connectors(worker, 'create', name, ...(await settings({ url })), '--start')
    assert.equal(made.code, 0, made.err + made.out)
    const topic = `${name}.${db.name}.item`
    await eventually('the row', async () => (await records(topic)).length === 1, { within: 60_000 })
    const [row] = await records(topic)
    // 2^64 - 1 as the bytes of a decimal, and not -1.
    assert.equal(JSON.parse(JSON.stringify(row?.value)).after.id, 'AP//////////')
    await gone(worker, name)
  }
})

test('a worker that is away is named, and is spoken to again when it is back', async () => {
  const broker = await kafka()
  await using worker = await ownConnect(broker)
  await worker.stop('crash')
  const away = await connectors(worker, 'list')
  assert.equal(away.code, 3)
  assert.match(away.err, /HF-K401/)
  await worker.start()
  assert.equal((await connectors(worker, 'list')).code, 0)
  const other = await connectors(`${worker.url}/elsewhere`, 'list')
  assert.equal(other.code, 3)
  assert.match(other.err, /HF-K410/)
})
