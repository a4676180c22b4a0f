import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Db, type Document, MongoClient, type OptionalId } from 'mongodb'
import { every, monotonic } from '../../src/async/clock.ts'
import { eventually } from '../../testkit/eventually.ts'
import {
  type MysqlServer,
  mysql,
  openMysql,
  openSession,
  ownMongo,
  postgres,
  type TestSession,
} from '../../testkit/servers/index.ts'
import { peakBytes, processSeconds } from '../machine.ts'
import { PATIENCE, start } from '../stage.ts'
import { DATABASE, type Shape, type Stretch, write } from './log.ts'

/** A backlog that was applied. */
export interface Applied {
  readonly seconds: number
  /** CPU seconds of the tool; null where it is part of a server. */
  readonly cpu: number | null
  /** The highest resident size of the tool, bytes; null where it is part of a server. */
  readonly memory: number | null
}

export interface Contest {
  readonly native: Applied
  readonly ours: Applied
}

export interface Compared {
  readonly shape: Shape
  readonly changes: number
  readonly contests: readonly Contest[]
}

const all = `select count(*) as n, sum(id) as ids, sum(amount) as amounts from rows_of_log`

/** Both apply one backlog that often; who is second of a contest is first of the next. */
const CONTESTS = 3
/** The target as it was before the backlog. */
const BASE = 'base'

/** MariaDB's own replica and the product with PostgreSQL, by turns on one backlog. */
export async function intoPostgres(
  source: MysqlServer,
  shape: Shape,
  rows: number,
): Promise<Compared> {
  const settings = { shared_buffers: '512MB', min_wal_size: '1GB' }
  await using target = await postgres(17, { settings })
  await using admin = await openSession(target.url())
  await admin.query(`create database ${DATABASE}`)
  await fillLog(admin)
  await using mirror = openMirror(source, target.url(DATABASE))
  await mirror.run()
  await admin.query(`alter database ${DATABASE} rename to ${BASE}`)
  const stretch = await write(source, shape, rows)
  await using from = await openMysql(source.url(DATABASE))
  const [wanted] = await from.query(all)
  const native = async (): Promise<Applied> => {
    await using replica = await openReplica(source)
    await settle(source)
    const applied = await replica.follow(stretch)
    assert.deepEqual(await replica.sums(), { ...wanted })
    return applied
  }
  const ours = async (): Promise<Applied> => {
    await admin.query(`create database ${DATABASE} template ${BASE}`)
    await admin.query('checkpoint')
    await settle(source)
    const applied = await mirror.run()
    const sums = await sumsAt(target.url(DATABASE))
    assert.deepEqual(sums, { ...wanted })
    await admin.query(`drop database ${DATABASE}`)
    return applied
  }
  const contests: Contest[] = []
  for (let i = 0; i < CONTESTS; i++) {
    const ahead = i % 2 === 0 ? await native() : null
    const own = await ours()
    contests.push({ native: ahead ?? (await native()), ours: own })
  }
  return { shape, changes: stretch.changes, contests }
}

/** The log of a server that has worked for a while has its files, as the replica's has. */
async function fillLog(admin: TestSession): Promise<void> {
  await admin.query(`create table made as
    select repeat('x', 600) as text from generate_series(1, 1500000)`)
  await admin.query('drop table made')
  await admin.query('checkpoint')
}

/**
 * Waits until the source has written its pages out, and whoever ran before: what they leave to be
 * done would be done in the time of whoever is next.
 */
async function settle(source: MysqlServer): Promise<void> {
  await using session = await openMysql(source.url())
  await session.query('set global innodb_max_dirty_pages_pct = 0')
  const dirty = `show global status like 'Innodb_buffer_pool_pages_dirty'`
  await eventually(
    'the source has written its pages out',
    async () => Number((await session.query(dirty))[0]?.['Value']) === 0,
    { within: PATIENCE },
  )
  execFileSync('sync')
}

async function sumsAt(url: string): Promise<unknown> {
  await using to = await openSession(url)
  const [got] = await to.query(all.replace('rows_of_log', `${DATABASE}.rows_of_log`))
  return got
}

/** The driver's own `bulkWrite` of the documents that the product made, and the product. */
export async function intoDocuments(source: MysqlServer, rows: number): Promise<Compared> {
  await using server = await ownMongo()
  const url = server.url(DATABASE)
  await using mirror = openMirror(source, url)
  await mirror.run()
  const client = new MongoClient(url)
  try {
    const collection = client.db(DATABASE).collection('rows_of_log')
    const before = await collection.countDocuments()
    const stretch = await write(source, 'rows', rows)
    const ours = await mirror.run()
    assert.equal((await collection.countDocuments()) - before, rows)
    const seconds = await writeAgain(client.db(DATABASE))
    const native = { seconds, cpu: null, memory: null }
    return { shape: 'rows', changes: stretch.changes, contests: [{ native, ours }] }
  } finally {
    await client.close()
  }
}

/** Seconds that the driver takes to write the documents into another collection, a thousand at once. */
async function writeAgain(db: Db): Promise<number> {
  const made = db.collection('rows_of_log').find({}, { promoteValues: false, batchSize: 1000 })
  const plain = db.collection('plain')
  let [piece, taken]: [OptionalId<Document>[], number] = [[], 0]
  const put = async (): Promise<void> => {
    const began = monotonic()
    const inserts = piece.map((document) => ({ insertOne: { document } }))
    await plain.bulkWrite(inserts, { ordered: false })
    taken += monotonic() - began
    piece = []
  }
  for await (const document of made) if (piece.push(document) === 1000) await put()
  if (piece.length > 0) await put()
  return taken / 1000
}

interface Mirror extends AsyncDisposable {
  /** Until it has caught up, from the start of its process to its end. */
  run(): Promise<Applied>
}

function openMirror(source: MysqlServer, target: string): Mirror {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
  return {
    async run() {
      const ends = ['--source', source.url(DATABASE), '--target', target, '--name', 'bench']
      const began = monotonic()
      await using child = start(['run', ...ends, '--until', 'caught-up'], folder)
      const seen = { cpu: 0, memory: 0 }
      const look = (): void => {
        seen.cpu = Math.max(seen.cpu, processSeconds(child.pid))
        seen.memory = Math.max(seen.memory, peakBytes(child.pid))
      }
      await using _looking = every(50, look, () => undefined)
      const { code } = await child.end({ within: PATIENCE })
      assert.equal(code, 0, child.lines.join('\n'))
      return { seconds: (monotonic() - began) / 1000, ...seen }
    },
    [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }),
  }
}

interface Replica extends AsyncDisposable {
  follow(stretch: Stretch): Promise<Applied>
  sums(): Promise<unknown>
}

/**
 * A replica of its own, with the one thread that applies unless told otherwise, and no log. Its
 * table is empty, as that of the source was before the backlog.
 */
async function openReplica(source: MysqlServer): Promise<Replica> {
  const server = await mysql('mariadb-10.11', {
    settings: {
      'log-slave-updates': 'OFF',
      'innodb-buffer-pool-size': '512M',
      'innodb-log-file-size': '512M',
    },
  })
  await using from = await openMysql(source.url(DATABASE))
  await using session = await openMysql(server.url())
  const [made] = await from.query('show create table rows_of_log')
  await session.query(`create database ${DATABASE}; use ${DATABASE}; ${made?.['Create Table']};
    create table marker (id int primary key)`)
  return {
    async follow({ from: at, to }) {
      await using control = await openMysql(server.url())
      await control.query(`change master to master_host = '127.0.0.1', master_user = 'root',
        master_port = ${source.port}, master_log_file = '${at.file}',
        master_log_pos = ${at.position}, master_use_gtid = no`)
      const began = monotonic()
      await control.query('start slave')
      const [done] = await control.query(
        `select master_pos_wait('${to.file}', ${to.position}, 600) as done`,
      )
      assert.ok(done?.['done'] != null && Number(done['done']) >= 0, 'the replica follows')
      return { seconds: (monotonic() - began) / 1000, cpu: null, memory: null }
    },
    async sums() {
      await using control = await openMysql(server.url(DATABASE))
      const [row] = await control.query(all)
      return { ...row }
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
