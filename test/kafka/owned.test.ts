import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { Admin } from '@platformatic/kafka'
import { request } from '../../testkit/debezium.ts'
import { eventually } from '../../testkit/eventually.ts'
import { type Folder, folder } from '../../testkit/folder.ts'
import { records } from '../../testkit/records.ts'
import {
  type ConnectServer,
  connect,
  database,
  kafka,
  type PostgresServer,
  postgres,
  type TestDatabase,
} from '../../testkit/servers/index.ts'

/** Throws away the records of its one partition before an offset. */
async function cut(topic: string, offset: bigint): Promise<void> {
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: [(await kafka()).bootstrap] })
  await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset }] }] })
  await admin.close()
}

const LONG = { within: 120_000 }

interface Stand extends Folder {
  readonly source: TestDatabase
  readonly target: TestDatabase
  readonly worker: ConnectServer
  readonly name: string
  /** What the worker calls the connector. */
  state(): Promise<string>
  count(): Promise<number>
}

/** A configured connector that nothing runs of yet, and a mirror that owns it. */
async function stand(t: TestContext, own: PostgresServer | null = null): Promise<Stand> {
  const [source, target] = [await database(t, own ?? 18), await database(t, 17)]
  await source.query('create table item (id int primary key, name text)')
  await source.query(`insert into item select i, 'a' from generate_series(1, 50) i`)
  const [worker, broker] = [await connect(), await kafka()]
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
        connect_attempts: 2
        source_url: "${source.url}"
    target: { url: "${target.url}" }
`
  const { command, said } = await folder(t, text)
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

  test('what does not come back is started again some times, and halts the mirror then', async (t) => {
    await using server = await postgres(16, {})
    const { command, said, state } = await stand(t, server)
    await using child = command('run')
    await child.line(/streaming/, LONG)
    await server.stop('immediate')
    const { code } = await child.end({ within: 240_000 })
    const out = child.lines.join('\n')
    assert.equal(code, 1, out)
    assert.match(out, /attempt 1 to start it again in 2 s/)
    assert.match(out, /attempt 2 to start it again in 4 s/)
    assert.doesNotMatch(out, /attempt 3/)
    assert.match(out, /HF-K411/)
    assert.equal(await state(), 'STOPPED')
    const later = await said('status')
    assert.match(later.out, /failed +halted since 20[\s\S]*fault +HF-K411/)
    await server.start()
  })

  test('K1 what its topics have lost is told anew by the connector, and the mirror goes on', async (t) => {
    const { source, target, worker, name, said, state, count } = await stand(t)
    assert.equal((await said('run', '--until', 'caught-up')).code, 0)
    await source.query(`
      delete from item where id <= 10;
      update item set name = 'lost' where id > 40;
      insert into item values (100, 'b')`)
    const at = ['--connect', (await connect()).url]
    assert.equal((await said('connectors', 'resume', name, ...at)).code, 0)
    const topic = `${name}.public.item`
    // 50 rows, 10 deletes with their tombstones, 10 updates and a row.
    await eventually('the changes', async () => (await records(topic)).length === 81, LONG)
    assert.equal((await said('connectors', 'stop', name, ...at)).code, 0)
    await cut(topic, 60n)
    const halted = await said('run', '--until', 'caught-up')
    assert.equal(halted.code, 1)
    assert.match(halted.out, /HF-K101[\s\S]*holdfast resync-tables/)
    assert.equal(await count(), 50)
    await source.query('delete from item where id = 11')
    await request(worker, `PATCH /connectors/${name}/config`, { 'signal.enabled.channels': null })
    const deaf = await said('resync-tables')
    assert.equal(deaf.code, 4, deaf.out)
    assert.match(deaf.out, /HF-K421[\s\S]*does not listen to a topic of signals/)
    const patch = /curl -X PATCH .*?(\/connectors\/\S+) -d '(\{.*\})'/.exec(deaf.out)
    assert.ok(patch, deaf.out)
    await request(worker, `PATCH ${patch[1]}`, JSON.parse(patch[2] ?? ''))
    const told = await said('resync-tables')
    assert.equal(told.code, 0, told.out)
    assert.match(told.out, /asked for a snapshot: .*execute-snapshot.*item/)
    assert.equal(await state(), 'STOPPED')
    await source.query(`insert into item values (101, 'c')`)
    const run = await said('run', '--until', 'caught-up')
    assert.equal(run.code, 0, run.out)
    await eventually(
      'both are equal',
      async () => {
        assert.equal((await said('run', '--until', 'caught-up')).code, 0)
        return (await count()) === 41
      },
      LONG,
    )
    const [gone] = await target.query('select count(*) as n from public.item where id <= 11')
    assert.equal(gone?.['n'], '0')
    assert.equal((await said('connectors', 'resume', name, ...at)).code, 0)
    const verified = await said('verify')
    assert.match(verified.out, /verify PASS/)
    const tables = await source.query(
      `select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace`,
    )
    assert.deepEqual(
      tables.map(({ relname }) => relname),
      ['item'],
    )
  })

  test('nothing is started where one of both could not', async (t) => {
    const { said, state, target } = await stand(t)
    const gone = target.url.replace(/\/[^/]*$/, '/nowhere')
    const refused = await said('run', '--set', `target.url=${gone}`)
    assert.notEqual(refused.code, 0)
    assert.equal(await state(), 'STOPPED', refused.out)
    const unknown = await said('run', '--set', 'source.kafka.connectors=who')
    assert.match(unknown.out, /HF-K403/)
    const other = 'source.kafka.modes=time.precision.mode=connect'
    const misread = await said('run', '--set', other)
    assert.match(misread.out, /HF-K307[\s\S]*has time\.precision\.mode=\w+, and .* says connect/)
    assert.equal(await state(), 'STOPPED')
  })
})
