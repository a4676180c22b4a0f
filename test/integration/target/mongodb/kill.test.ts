import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, type TestContext, test } from 'node:test'
import { Decimal128, type Document } from 'mongodb'
import pg from 'pg'
import type { Point } from '../../../../src/async/point.ts'
import { startLoad } from '../../../../src/demo/load.ts'
import { openShop } from '../../../../src/demo/shop.ts'
import { holdfast } from '../../../../testkit/child.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import {
  database,
  type MongoDatabase,
  mongoDatabase,
  type TestDatabase,
} from '../../../../testkit/servers/index.ts'

const CUSTOMERS = 60
const SHOP = 'shop'
/** Nothing is proven by how long it takes. */
const LONG = { within: 240_000 }

interface Pair {
  readonly source: TestDatabase
  readonly target: MongoDatabase
  command(verb: 'run' | 'verify', flags?: readonly string[], killAt?: string): Child
}

type Child = ReturnType<typeof holdfast>

async function openPair(t: TestContext): Promise<Pair> {
  const source = await database(t, 18)
  const target = await mongoDatabase(t)
  const cwd = await mkdtemp(join(tmpdir(), 'holdfast-kill-'))
  t.after(() => rm(cwd, { recursive: true, force: true }))
  const client = new pg.Client({ connectionString: source.url })
  await client.connect()
  await openShop(client, CUSTOMERS)
  await client.end()
  const urls = ['--source', source.url, '--target', target.url]
  return {
    source,
    target,
    command: (verb, flags = [], killAt) => {
      const env = killAt === undefined ? {} : { HOLDFAST_KILL_AT: killAt }
      return holdfast([verb, '--name', source.name, ...urls, ...flags], { cwd, env })
    },
  }
}

async function underLoad(pair: Pair, work: () => Promise<void>): Promise<void> {
  const failures: unknown[] = []
  const load = startLoad({
    url: pair.source.url,
    customers: CUSTOMERS,
    rate: 100,
    sessions: 2,
    failed: (error) => failures.push(error),
  })
  try {
    await work()
  } finally {
    await load.stop()
  }
  assert.deepEqual(failures, [])
}

async function endsEqual(pair: Pair): Promise<void> {
  const last = pair.command('run', ['--until', 'caught-up'])
  assert.deepEqual(await last.end(LONG), { code: 0, signal: null }, last.lines.join('\n'))
  const proof = pair.command('verify')
  assert.deepEqual(await proof.end(LONG), { code: 0, signal: null }, proof.lines.join('\n'))
  for (const { name, columns } of await pair.source.query(
    `select table_name as name, string_agg(column_name, ', ' order by ordinal_position) as columns
     from information_schema.columns
     where table_schema = '${SHOP}' and is_generated = 'NEVER' group by 1`,
  )) {
    const rows = await pair.source.query(`select ${columns} from ${SHOP}.${name}`)
    const documents = await pair.target.db
      .collection(String(name))
      .find({}, { promoteValues: false })
      .toArray()
    assert.deepEqual(documents.map(textOf).sort(), rows.map((row) => JSON.stringify(row)).sort())
    assert.ok(rows.length > 0)
  }
}

/** A document of the shop as PostgreSQL tells its row, by none of the product's own code. */
function textOf({ _id, _holdfast, ...fields }: Document): string {
  const cells = Object.entries(fields).map(([name, value]) => {
    if (value === null) return [name, null]
    if (typeof value === 'boolean') return [name, value ? 't' : 'f']
    return [name, value instanceof Decimal128 ? value.toString() : String(value)]
  })
  return JSON.stringify(Object.fromEntries(cells))
}

const places: Readonly<Partial<Record<Point, number>>> = {
  'copy-begun': 1,
  'chunk-copied': 3,
  'batch-sent': 5,
  'batch-applied': 5,
}

// A dead process is not taken over from at once, so that these wait beside each other.
suite('a mirror into documents is killed', { concurrency: 4 }, () => {
  for (const [point, nth] of Object.entries(places)) {
    test(`G1 at ${point}, and again at the next start, loses nothing`, async (t) => {
      const pair = await openPair(t)
      await underLoad(pair, async () => {
        const first = pair.command('run', [], `${point}:${nth}`)
        assert.equal((await first.end(LONG)).signal, 'SIGKILL', first.lines.join('\n'))
        const second = pair.command('run', ['--until', 'caught-up'], `${point}:1`)
        const end = await second.end(LONG)
        assert.ok(end.signal === 'SIGKILL' || end.code === 0, second.lines.join('\n'))
      })
      await endsEqual(pair)
    })
  }

  test('G1 at random moments under load loses nothing', async (t) => {
    const pair = await openPair(t)
    await underLoad(pair, async () => {
      for (let round = 0; round < 4; round++) {
        const child = pair.command('run')
        const events = pair.target.db.collection('events')
        const wanted = (await events.countDocuments()) + 20 + Math.floor(Math.random() * 60)
        await eventually(
          'the target moves on',
          async () => (await events.countDocuments()) > wanted,
          LONG,
        )
        assert.equal((await child.kill()).signal, 'SIGKILL', child.lines.join('\n'))
      }
    })
    await endsEqual(pair)
  })
})
