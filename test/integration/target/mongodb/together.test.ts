import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Child, holdfast } from '../../../../testkit/child.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import {
  database,
  type MongoDatabase,
  mongoDatabase,
  type TestDatabase,
} from '../../../../testkit/servers/index.ts'

/** Nothing is proven by how long it takes. */
const LONG = { within: 240_000 }

interface Scene {
  readonly from: TestDatabase
  readonly to: MongoDatabase
  /** Each in a folder of its own, as on another machine. */
  start(verb: string, flags?: readonly string[]): Promise<Child>
  /** One more round of changes of every row, a quarter of them gone and back. */
  change(): Promise<void>
  /** The target holds what the source holds, seen by nothing but the driver. */
  arrived(): Promise<void>
}

async function scene(t: TestContext): Promise<Scene> {
  const from = await database(t, 18)
  const to = await mongoDatabase(t)
  await from.query(`create table t (id int primary key, n int, v text);
    insert into t select i, 0, 'row ' || i from generate_series(1, 200) i`)
  const urls = ['--source', from.url, '--target', to.url, '--name', from.name]
  let round = 0
  return {
    from,
    to,
    async start(verb, flags = []) {
      const cwd = await mkdtemp(join(tmpdir(), 'holdfast-together-'))
      const child = holdfast([verb, ...urls, ...flags], { cwd })
      t.after(async () => {
        await child[Symbol.asyncDispose]()
        await rm(cwd, { recursive: true, force: true })
      })
      return child
    },
    async change() {
      round++
      await from.query(`update t set n = ${round}; delete from t where id % 4 = ${round % 4}`)
      await from.query(`insert into t select i, ${round}, 'again' from generate_series(1, 200) i
        where i % 4 = ${round % 4}`)
    },
    async arrived() {
      const rows = await from.query('select id, n, v from t order by id')
      const wanted = rows.map(({ id, n, v }) => ({ id: Number(id), n: Number(n), v }))
      await eventually(
        'the rows are there',
        async () => {
          const projection = { _id: 0, _holdfast: 0 }
          const found = await to.db
            .collection('t')
            .find({}, { projection })
            .sort({ id: 1 })
            .toArray()
          return JSON.stringify(found) === JSON.stringify(wanted)
        },
        LONG,
      )
    },
  }
}

test('G1 a holder that was stopped and taken over from writes nothing more', async (t) => {
  const { start, change, arrived } = await scene(t)
  const first = await start('run')
  await first.line(/streaming/, LONG)
  await change()
  await arrived()
  first.signal('SIGSTOP')
  await change()
  const second = await start('run')
  await second.line(/streaming/, LONG)
  await change()
  await arrived()
  first.signal('SIGCONT')
  const { code } = await first.end(LONG)
  assert.notEqual(code, 0)
  assert.match(first.lines.join('\n'), /HF-X102/)
  await arrived()
  await change()
  await arrived()
  assert.equal((await second.kill('SIGTERM')).code, 0)
  const proof = await start('verify')
  assert.equal((await proof.end(LONG)).code, 0, proof.lines.join('\n'))
})

test('a comparison beside a running mirror has it stand still and go on', async (t) => {
  const { from, to, start, change, arrived } = await scene(t)
  const run = await start('run')
  await run.line(/streaming/, LONG)
  let writing = true
  const writer = (async () => {
    while (writing) await change()
  })()
  try {
    for (let i = 0; i < 2; i++) {
      const verify = await start('verify')
      const { code } = await verify.end(LONG)
      assert.equal(code, 0, verify.lines.join('\n'))
    }
  } finally {
    writing = false
    await writer
  }
  await arrived()
  await to.db.collection('t').updateOne({ id: 7 }, { $set: { v: 'forged' } })
  const verify = await start('verify')
  assert.equal((await verify.end(LONG)).code, 4, verify.lines.join('\n'))
  await from.query(`update t set v = 'of the source' where id = 7`)
  await arrived()
  assert.equal((await run.kill('SIGTERM')).code, 0)
})
