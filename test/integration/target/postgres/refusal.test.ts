import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Step } from '../../../../src/model/batch.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { database } from '../../../../testkit/servers/index.ts'
import { batch, open, orderOf, rows, stand, table, types } from './support.ts'

const things = table('things', { id: types.int, name: types.text })
const born: Step = {
  kind: 'insert',
  table: things,
  rows: rows(['1', 'a'], ['2', 'b']),
  existing: 'refuse',
}

/** The fault of work that must fail, with nothing in it that rows hold. */
async function faultOf(work: Promise<unknown>, ...secrets: readonly string[]): Promise<Fault> {
  const thrown = await work.then(
    () => assert.fail('it was not refused'),
    (error: unknown) => error,
  )
  assert.ok(thrown instanceof Fault, String(thrown))
  const said = JSON.stringify([thrown.message, thrown.detail])
  for (const secret of secrets) assert.ok(!said.includes(secret), said)
  return thrown
}

for (const major of [14, 18] as const) {
  for (const count of [1, 100]) {
    const many = Array.from({ length: count }, (_, i) => [String(i + 2), 'x'])
    const steps: Readonly<Record<string, Step>> = {
      update: { kind: 'update', table: things, set: [1], rows: rows(...many), old: null },
      delete: { kind: 'delete', table: things, old: rows(...many) },
      move: {
        kind: 'update',
        table: things,
        set: [0, 1],
        rows: rows(['9', 'x']),
        old: rows(['8', null]),
      },
    }
    for (const [kind, step] of Object.entries(steps)) {
      test(`${major}: ${kind} of ${count} rows of which one is missing is refused whole`, async (t) => {
        await using made = await stand(t, major, [things])
        const { target, db } = made
        await target.apply(batch(1, 2, [born]), 'pg-text')
        if (kind !== 'move') await db.query('delete from things where id = 2')
        const more = { ...born, rows: rows(['77', 'more']) }
        const fault = await faultOf(target.apply(batch(2, 3, [more, step]), 'pg-text'))
        assert.equal(fault.code, 'HF-D201')
        assert.equal(fault.detail.table, 'public.things')
        assert.equal(fault.detail.evidence?.['key'], 'id')
        assert.equal(await orderOf(target), 2n)
        assert.deepEqual(await db.query('select id from things where id = 77'), [])
        await target.apply(batch(2, 3, [more]), 'pg-text')
        assert.deepEqual(await db.query('select id from things where id = 77'), [{ id: '77' }])
        await db.query(`insert into things select g from generate_series(2, 200) g
          on conflict do nothing`)
        if (kind !== 'move') await target.apply(batch(3, 4, [step]), 'pg-text')
      })
    }

    test(`${major}: ${count} rows that a unique index refuses are named without values`, async (t) => {
      await using made = await stand(t, major, [things])
      const { target, db } = made
      await db.query('create unique index "only one" on things (name)')
      const twice = Array.from({ length: count }, (_, i) => [String(i + 10), `secret ${i}`])
      const step: Step = { ...born, rows: rows(...twice, ['9999', 'secret 0']) }
      const fault = await faultOf(target.apply(batch(1, 2, [step]), 'pg-text'), 'secret')
      assert.equal(fault.code, 'HF-T205')
      assert.equal(fault.detail.evidence?.['sqlstate'], '23505')
      assert.equal(fault.detail.evidence?.['constraint'], 'only one')
      assert.equal(fault.detail.evidence?.['columns'], 'name')
      assert.match(fault.message, /by constraint only one on name \(SQLSTATE/)
      assert.equal(await orderOf(target), 1n)
      await target.apply(batch(1, 2, [born]), 'pg-text')
    })
  }

  test(`${major}: a value that does not fit is refused without being shown`, async (t) => {
    await using made = await stand(
      t,
      major,
      [things],
      'create table things (id int primary key, name varchar(3))',
    )
    const step: Step = { ...born, rows: rows(['1', 'topsecret']) }
    const fault = await faultOf(made.target.apply(batch(1, 2, [step]), 'pg-text'), 'topsecret')
    assert.equal(fault.code, 'HF-T205')
    for (const count of [1, 100]) {
      const right = Array.from({ length: count }, (_, i) => [String(i), 'x'])
      const wrong: Step = { ...born, rows: rows(...right, ['topsecret: x', 'x']) }
      const other = await faultOf(made.target.apply(batch(1, 2, [wrong]), 'pg-text'), 'topsecret')
      assert.equal(other.code, 'HF-T205')
      // The name comes from the table, whatever stands in the server's words.
      assert.equal(other.detail.evidence?.['column'], 'id')
      assert.match(other.message, /public\.things \(found by id\) in column id \(SQLSTATE 22P02\)/)
    }
  })

  for (const encoding of ['values', 'pg-text']) {
    test(`P12 U+0000 in a text, from a source that can hold it, is refused by name and nothing of it stays, as ${encoding}, ${major}`, async (t) => {
      await using made = await stand(t, major, [things])
      const { target, db } = made
      await target.apply(batch(1, 2, [born]), encoding)
      const evil = `secret\0rest`
      const many = Array.from({ length: 100 }, (_, i) => [String(i + 10), 'x'])
      const steps: readonly Step[] = [
        { ...born, rows: rows(['3', evil]) },
        { ...born, rows: rows(...many, ['3', evil]) },
        { kind: 'update', table: things, set: [1], rows: rows(['1', evil]), old: null },
      ]
      for (const step of steps) {
        const fault = await faultOf(target.apply(batch(2, 3, [step]), encoding), 'secret', 'rest')
        assert.equal(fault.code, 'HF-T205')
        assert.match(fault.message, /public\.things \(found by id\).*SQLSTATE 22021/)
      }
      assert.deepEqual(await db.query('select id, name from things order by id'), [
        { id: '1', name: 'a' },
        { id: '2', name: 'b' },
      ])
      assert.equal(await orderOf(target), 2n)
    })
  }

  test(`${major}: a batch that does not begin where the checkpoint stands is refused`, async (t) => {
    await using made = await stand(t, major, [things])
    const fault = await faultOf(made.target.apply(batch(5, 6, [born]), 'pg-text'))
    assert.equal(fault.code, 'HF-X107')
    assert.ok(fault.transient)
    assert.equal(await orderOf(made.target), 1n)
  })

  test(`${major}: a truncate does not empty a table that is not mirrored`, async (t) => {
    await using made = await stand(t, major, [things])
    const { db, target } = made
    await db.query('create table others (id int references things)')
    await target.apply(batch(1, 2, [born]), 'pg-text')
    await db.query('insert into others values (1)')
    const step: Step = { kind: 'truncate', tables: [things], restartSequences: false }
    const fault = await faultOf(target.apply(batch(2, 3, [step]), 'pg-text'))
    assert.equal(fault.code, 'HF-T219')
    assert.match(fault.message, /others/)
    assert.deepEqual(await db.query('select count(*) as n from things'), [{ n: '2' }])
  })

  test(`${major}: triggers and foreign keys at the target stay silent`, async (t) => {
    await using made = await stand(t, major, [things])
    const { db, target } = made
    await db.query(`create table parents (id int primary key);
      alter table things add foreign key (id) references parents;
      create function stop() returns trigger language plpgsql as
        $$ begin raise exception 'stop'; end $$;
      create trigger stop before insert on things for each row execute function stop()`)
    await target.apply(batch(1, 2, [born]), 'pg-text')
    assert.deepEqual(await db.query('select count(*) as n from things'), [{ n: '2' }])
  })
}

test('a table or column that is gone at the target is named', async (t) => {
  await using made = await stand(t, 18, [things])
  const { db, target } = made
  await db.query('alter table things rename column name to label')
  const fault = await faultOf(target.apply(batch(1, 2, [born]), 'pg-text'))
  assert.equal(fault.code, 'HF-T218')
  assert.match(fault.message, /name/)
  await db.query('alter table things rename column label to name')
  await target.apply(batch(1, 2, [born]), 'pg-text')
  await db.query('drop table things')
  const other = await faultOf(target.apply(batch(2, 3, [born]), 'pg-text'))
  assert.equal(other.code, 'HF-T218')
})

test('a read-only target is respected and named', async (t) => {
  const db = await database(t, 18)
  await db.query(`alter database "${db.name}" set default_transaction_read_only = on`)
  await using target = await open(db.url)
  const claim = target.claim({ settings: {}, patience: 0 }, AbortSignal.timeout(20_000))
  assert.equal((await faultOf(claim)).code, 'HF-T215')
  const [state] = await db.query(`select to_regnamespace('_holdfast') as state`)
  assert.deepEqual(state, { state: null })
})

test('a target that becomes read-only says so at the next batch', async (t) => {
  await using made = await stand(t, 18, [things])
  await made.db.query(`alter database "${made.db.name}" set default_transaction_read_only = on`)
  await made.db.query(`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`)
  const fault = await faultOf(made.target.apply(batch(1, 2, [born]), 'pg-text'))
  assert.ok(fault.transient, fault.message)
})

test('the failure of whoever makes the parts leaves the session usable', async (t) => {
  await using made = await stand(t, 18, [things])
  const failing = {
    ...batch(1, 2, []),
    parts: (async function* () {
      yield { steps: [born] }
      await Promise.resolve()
      throw new Error('the spill is gone')
    })(),
  }
  await assert.rejects(made.target.apply(failing, 'pg-text'), /the spill is gone/)
  await made.target.apply(batch(1, 2, [born]), 'pg-text')
  assert.equal(await orderOf(made.target), 2n)
})
