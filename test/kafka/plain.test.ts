import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { request } from '../../testkit/debezium.ts'
import { eventually } from '../../testkit/eventually.ts'
import { type Folder, folder } from '../../testkit/folder.ts'
import { records } from '../../testkit/records.ts'
import { connect, database, kafka, type TestDatabase } from '../../testkit/servers/index.ts'

const LONG = { within: 120_000 }
const MODES = ['decimal.handling.mode=precise', 'time.precision.mode=adaptive']
const BYTES = 'binary.handling.mode=bytes'

interface Stand extends Folder {
  readonly source: TestDatabase
  readonly target: TestDatabase
  readonly name: string
}

/** A mirror of the topics of a connector that writes JSON without schemas; it is running. */
async function stand(t: TestContext, setup: string): Promise<Stand> {
  const [source, target] = [await database(t, 18), await database(t, 17)]
  await source.query(setup)
  const [worker, broker] = [await connect(), await kafka()]
  const name = `p${process.pid}_${Math.random().toString(36).slice(2, 8)}`
  const text = `version: 1
mirrors:
  - name: shop
    source:
      kafka:
        brokers: ["${broker.bootstrap}"]
        topics: ["${name}.public.*"]
        source_url: "${source.url}"
        modes: [${[...MODES, BYTES].join(', ')}]
    target: { url: "${target.url}" }
`
  const { command, said } = await folder(t, text)
  const ends = ['--source', source.url, '--kafka', broker.bootstrap, '--connect', worker.url]
  const plain = ['key', 'value'].flatMap((of) => [
    '--setting',
    `${of}.converter.schemas.enable=false`,
  ])
  const made = await said('connectors', 'create', name, ...ends, ...plain, '--start')
  assert.equal(made.code, 0, made.out)
  t.after(() => request(worker, `DELETE /connectors/${name}`))
  return { source, target, name, command, said }
}

/** Waits until the connector has told of the row. */
async function told({ name }: Stand, id: number): Promise<void> {
  const has = (value: unknown): boolean =>
    JSON.stringify(value ?? {}).includes(`"after":{"id":${id},`)
  const found = async (): Promise<boolean> =>
    (await records(`${name}.public.item`)).some(({ value }) => has(value))
  await eventually(`row ${id} is in the topic`, found, LONG)
}

/** Waits until the first copy can begin, and makes it. */
async function copied({ said }: Stand): Promise<void> {
  await eventually(
    'the first copy',
    async () => {
      const { code, out } = await said('run', '--until', 'caught-up')
      assert.equal(code, 0, out)
      return true
    },
    LONG,
  )
}

const TYPES = `
  create type mood as enum ('glad', 'sad');
  create table item (id int primary key, s smallint, big bigint, n numeric(12,4), v numeric, f real,
    d double precision, b bool, t text, c char(5), u uuid, j jsonb, raw bytea, day date,
    at timestamp, ms timestamp(3), tz timestamptz, clock time, m mood, tags text[], ns numeric(8,2)[],
    ip inet, r int4range);
  insert into item values
    (1, -7, 9007199254740993, 12345678.9012, 1e20, 1.5, 0.1, true, 'a"ü', 'ab', gen_random_uuid(),
      '{"a": [1, 2.50]}', '\\xdeadbeef', '2026-02-03', '2026-02-03 04:05:06.123456',
      '2026-02-03 04:05:06.123', '2026-02-03 04:05:06.123456+02', '23:59:59.999999', 'sad',
      '{a,NULL}', '{1.50,2}', '10.0.0.1', '[1,5)'),
    (2, null, null, -0.0001, 0.5000, 'NaN', 'Infinity', false, '', '', null, 'null', '', '0044-03-15',
      'infinity', '1969-12-31 23:59:59.999', '-infinity', '00:00', 'glad', '{}', null, null, null)`

const ROW = `
  create table item (id int primary key, at timestamp(3));
  insert into item values (1, '2026-02-03 04:05:06.789'), (2, null)`

suite('JSON without a schema', () => {
  test('K13 is read by the columns of the database behind it, and ends equal', async (t) => {
    const at = await stand(t, TYPES)
    const { source, said, command } = at
    await copied(at)
    await using child = command('run')
    await child.line(/streaming/, LONG)
    await source.query(`insert into item (id, n, at) values (3, 0.1, '2026-01-01 00:00:00.000001')`)
    await source.query(`update item set n = n + 1, raw = '\\xff' where id = 1`)
    await source.query('delete from item where id = 2')
    await source.query('alter table item add column note text')
    await source.query(`update item set note = 'later' where id = 3`)
    await eventually(
      'what was added',
      async () => {
        const rows = await at.target.query(`select note from item where id = 3`)
        return rows[0]?.['note'] === 'later'
      },
      LONG,
    )
    const verified = await said('verify')
    assert.match(verified.out, /verify PASS/, verified.out)
    child.signal('SIGTERM')
    assert.equal((await child.end(LONG)).code, 0, child.lines.join('\n'))
  })

  test('K13 is refused where the database, or how it is written, is not known', async (t) => {
    const at = await stand(t, ROW)
    await eventually('the row', async () => (await at.said('check')).code === 0, LONG)
    const nobody = await at.said('check', '--set', 'source.kafka.source_url=null')
    assert.equal(nobody.code, 1, nobody.out)
    assert.match(nobody.out, /HF-K307[\s\S]*source\.kafka\.source_url=URL/)
    const unsaid = await at.said('check', '--set', `source.kafka.modes=${BYTES}`)
    assert.equal(unsaid.code, 1, unsaid.out)
    assert.match(unsaid.out, /HF-K303[\s\S]*the column at: /)
    const wrong = await at.said('check', '--set', 'source.kafka.modes=decimal.handling.mode=double')
    assert.match(wrong.out, /HF-C103[\s\S]*decimal\.handling\.mode/)
  })

  test('K13 a column that was altered since is refused, until its table is told anew', async (t) => {
    const at = await stand(t, ROW)
    await eventually('the row', async () => (await at.said('check')).code === 0, LONG)
    // What was told as milliseconds would be taken for microseconds.
    await at.source.query('alter table item alter column at type timestamp(6)')
    // A snapshot that is asked for says that it was taken at the newest change that was told.
    await at.source.query('delete from item where id = 2')
    await at.source.query(`insert into item values (3, '2026-02-03 04:05:06.789012')`)
    await told(at, 3)
    const refused = await at.said('run', '--until', 'caught-up')
    assert.equal(refused.code, 4, refused.out)
    assert.match(refused.out, /HF-K107[\s\S]*column at may have been declared otherwise/)
    const resynced = await at.said('resync-tables', '--signal-topic', `${at.name}.signals`)
    assert.equal(resynced.code, 0, resynced.out)
    assert.equal((await at.said('run', '--until', 'caught-up')).code, 0)
    await at.source.query('alter table item alter column at type timestamp(3)')
    await at.source.query(`insert into item values (4, '2026-02-03 04:05:06.123')`)
    await told(at, 4)
    const halted = await at.said('run', '--until', 'caught-up')
    assert.equal(halted.code, 1, halted.out)
    assert.match(halted.out, /HF-K110[\s\S]*column at has another type now/)
    const rows = await at.target.query('select id, at::text as at from item order by id')
    assert.deepEqual(rows, [
      { id: '1', at: '2026-02-03 04:05:06.789' },
      { id: '3', at: '2026-02-03 04:05:06.789012' },
    ])
  })
})
