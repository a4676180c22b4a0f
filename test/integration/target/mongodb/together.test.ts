import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parseUrl } from '../../../../src/config/url.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { openMongoTarget } from '../../../../src/target/mongodb/index.ts'
import { type Child, holdfast } from '../../../../testkit/child.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { startProxy } from '../../../../testkit/proxy.ts'
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

test('a connection that breaks while the mirror stands still is a loss that passes', async (t) => {
  const to = await mongoDatabase(t)
  const leases = to.db.collection<{ _id: string; standing?: string }>('_holdfast')
  const _id = 'test/lease'
  for (let round = 0; round < 3; round++) {
    await using proxy = await startProxy({ port: Number(new URL(to.url).port) })
    const endpoint = parseUrl(proxy.url(to.url), 'the test')
    const options = { endpoint, mirror: 'test', position: () => assert.fail() }
    await using target = await openMongoTarget(options)
    const request = { settings: {}, patience: 0 }
    const claim = await target.claim(request, new AbortController().signal)
    const until = new Date('2100-01-01')
    await leases.updateOne({ _id }, { $set: { still: { token: 'a wish', until } } })
    const stands = async (): Promise<boolean> =>
      (await leases.findOne({ _id }))?.standing === 'a wish'
    await eventually('the mirror stands still', stands, { every: 20 })
    // It asks all the time whether it may go on: most of these fall into an answer.
    proxy.delay = 25
    const broken = async (): Promise<boolean> => {
      proxy.cutAll()
      return claim.lost.aborted
    }
    await eventually('the claim is lost', broken, { every: 70 })
    const { reason } = claim.lost
    assert.ok(reason instanceof Fault && reason.transient, String(reason))
    proxy.delay = 0
    await leases.updateOne({ _id }, { $set: { token: null } })
  }
})
