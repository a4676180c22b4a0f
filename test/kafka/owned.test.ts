import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, type TestContext, test } from 'node:test'
import { type Child, holdfast } from '../../testkit/child.ts'
import { request } from '../../testkit/debezium.ts'
import { eventually } from '../../testkit/eventually.ts'
import {
  type ConnectServer,
  connect,
  database,
  kafka,
  type TestDatabase,
} from '../../testkit/servers/index.ts'

const LONG = { within: 120_000 }

interface Stand {
  readonly source: TestDatabase
  readonly target: TestDatabase
  readonly worker: ConnectServer
  readonly name: string
  /** `holdfast …` in the folder of the configuration. */
  command(...args: readonly string[]): Child
  said(...args: readonly string[]): Promise<{ readonly code: number | null; readonly out: string }>
  /** What the worker calls the connector. */
  state(): Promise<string>
  count(): Promise<number>
}

/** A configured connector that nothing runs of yet, and a mirror that owns it. */
async function stand(t: TestContext): Promise<Stand> {
  const [source, target] = [await database(t, 18), await database(t, 17)]
  await source.query('create table item (id int primary key, name text)')
  await source.query(`insert into item select i, 'a' from generate_series(1, 50) i`)
  const [worker, broker] = [await connect(), await kafka()]
  const cwd = await mkdtemp(join(tmpdir(), 'holdfast-owned-'))
  t.after(() => rm(cwd, { recursive: true, force: true }))
  const name = `o${process.pid}_${Math.random().toString(36).slice(2, 8)}`
  const text = `version: 1
mirrors:
  - name: shop
    source:
      kafka:
        brokers: ["${broker.bootstrap}"]
        topics: ["${name}.public.*"]
        connect_url: "${worker.url}"
        connectors: [${name}]
        source_url: "${source.url}"
    target: { url: "${target.url}" }
`
  await writeFile(join(cwd, 'holdfast.yaml'), text)
  const command = (...args: readonly string[]): Child => holdfast(args, { cwd })
  const said: Stand['said'] = async (...args) => {
    await using child = command(...args)
    const { code } = await child.end(LONG)
    return { code, out: child.lines.join('\n') }
  }
  const settings = ['--source', source.url, '--kafka', broker.bootstrap, '--connect', worker.url]
  const made = await said('connectors', 'create', name, ...settings)
  assert.equal(made.code, 0, made.out)
  t.after(() => request(worker, `DELETE /connectors/${name}`))
  const state = async (): Promise<string> => {
    const { connector } = (await request(worker, `GET /connectors/${name}/status`)) as {
      readonly connector: { readonly state: string }
    }
    return connector.state
  }
  const count = async (): Promise<number> => {
    const [row] = await target.query('select count(*) as n from public.item')
    return Number(row?.['n'])
  }
  return { source, target, worker, name, command, said, state, count }
}

suite('a mirror that owns its connectors', () => {
  test('they start together, are shown together, and stop together', async (t) => {
    const { source, name, command, said, state, count } = await stand(t)
    assert.equal(await state(), 'STOPPED')
    {
      await using child = command('run')
      await eventually('the first copy', async () => (await count()) === 50, LONG)
      assert.equal(await state(), 'RUNNING')
      await source.query(`insert into item values (100, 'b')`)
      await eventually('a change', async () => (await count()) === 51, LONG)
      const status = await eventually(
        'healthy',
        async () => {
          const { out } = await said('status', '--json')
          const { result } = JSON.parse(out)
          return result.overall === 'healthy' ? result : null
        },
        LONG,
      )
      assert.deepEqual(status.connector.tasks, [{ id: 0, state: 'RUNNING' }])
      assert.equal(status.connectors[0].name, name)
      assert.equal(status.connectors[0].condition, 'running')
      assert.match((await said('verify')).out, /verify PASS/)
      child.signal('SIGTERM')
      assert.equal((await child.end(LONG)).code, 0, child.lines.join('\n'))
    }
    assert.equal(await state(), 'STOPPED')
    await source.query(`insert into item values (101, 'c')`)
    const later = await said('status')
    assert.match(later.out, new RegExp(`${name} +stopped +called STOPPED`))
    await using again = command('run')
    await eventually('what came while both were stopped', async () => (await count()) === 52, LONG)
    again.signal('SIGTERM')
    assert.equal((await again.end(LONG)).code, 0)
  })

  test('what a person paused stays paused, and is shown', async (t) => {
    const { source, name, command, said, state, count } = await stand(t)
    assert.equal((await said('run', '--until', 'caught-up')).code, 0)
    assert.equal(await state(), 'STOPPED')
    const at = ['--connect', (await connect()).url]
    assert.equal((await said('connectors', 'resume', name, ...at)).code, 0)
    assert.equal((await said('connectors', 'pause', name, ...at)).code, 0)
    await using child = command('run')
    await child.line(/was paused by a person and stays so/, LONG)
    const status = await eventually(
      'it is shown',
      async () => {
        const { out } = await said('status', '--json')
        const { result } = JSON.parse(out)
        return result.phase === 'streaming' ? result : null
      },
      LONG,
    )
    assert.equal(status.overall, 'degraded')
    assert.equal(status.connectors[0].condition, 'paused')
    assert.equal(await state(), 'PAUSED')
    assert.equal((await said('connectors', 'resume', name, ...at)).code, 0)
    await source.query(`insert into item values (100, 'b')`)
    await eventually('a change', async () => (await count()) === 51, LONG)
    assert.equal((await said('connectors', 'pause', name, ...at)).code, 0)
    child.signal('SIGTERM')
    assert.equal((await child.end(LONG)).code, 0)
    assert.equal(await state(), 'PAUSED')
  })

  test('what a person has to mend halts the mirror at once, with the kind of the trace', async (t) => {
    const { source, name, command, said } = await stand(t)
    await using child = command('run')
    await child.line(/streaming/, LONG)
    // The slot that the connector reads from is gone, and its place with it.
    const slot = `select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '${name}' and active`
    await eventually(
      'the slot is dropped',
      async () => {
        await source.query(slot)
        await source.query(`select pg_drop_replication_slot('${name}')`)
        return true
      },
      LONG,
    )
    const { code } = await child.end({ within: 240_000 })
    assert.equal(code, 1, child.lines.join('\n'))
    assert.match(child.lines.join('\n'), /HF-K413/)
    const later = await said('status')
    assert.match(later.out, new RegExp(`${name} +failed`))
    assert.match(later.out, /HF-K413/)
  })

  test('nothing is started where one of both could not', async (t) => {
    const { said, state, target } = await stand(t)
    const gone = target.url.replace(/\/[^/]*$/, '/nowhere')
    const refused = await said('run', '--set', `target.url=${gone}`)
    assert.notEqual(refused.code, 0)
    assert.equal(await state(), 'STOPPED', refused.out)
    const unknown = await said('run', '--set', 'source.kafka.connectors=who')
    assert.match(unknown.out, /HF-K403/)
    assert.equal(await state(), 'STOPPED')
  })
})
