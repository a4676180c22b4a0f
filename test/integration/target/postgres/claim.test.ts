import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Step } from '../../../../src/model/batch.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { database } from '../../../../testkit/servers/index.ts'
import { at, batch, copyData, LANE, open, orderOf, rows, stand, table, types } from './support.ts'

const things = table('things', { id: types.int, name: types.text })
const born: Step = {
  kind: 'insert',
  table: things,
  rows: rows(['1', 'a'], ['2', 'b']),
  existing: 'refuse',
}
const never = new AbortController().signal

async function codeOf(work: Promise<unknown>): Promise<string> {
  const thrown = await work.then(
    () => assert.fail('it was not refused'),
    (error: unknown) => error,
  )
  assert.ok(thrown instanceof Fault, String(thrown))
  return thrown.code
}

/** As if the holder had not been heard of for an hour, however often it renews. */
const silence = `
create function unheard() returns trigger language plpgsql as $unheard$
begin
  if new.epoch = old.epoch then
    new.renewed_at := now() - interval '1 hour';
  end if;
  return new;
end $unheard$;
create trigger unheard before update on _holdfast.leases
  for each row execute function unheard();
update _holdfast.leases set renewed_at = now()`

for (const major of [14, 18] as const) {
  test(`${major}: the first claim makes the state, a later one finds it`, async (t) => {
    const db = await database(t, major)
    await using target = await open(db.url)
    assert.equal(await target.checkpoint(), null)
    assert.deepEqual(await target.mirrors(), [])
    const settings = { include: ['public.*'] }
    {
      await using claim = await target.claim({ settings, patience: 0 }, never)
      assert.equal(claim.checkpoint, null)
      assert.equal(claim.epoch, 1n)
      await target.prepare({
        blueprint: { dialect: 'test', tables: [things], native: null },
        tables: [{ table: things, target: { schema: 'public', name: 'things' }, mode: 'exact' }],
        onExisting: 'refuse',
      })
      await target.begin([things], {
        positions: at(5),
        source: { slot: { value: 'x', changed: 'HF-L106' } },
        first: true,
      })
    }
    await using second = await open(db.url)
    await using claim = await second.claim({ settings: {}, patience: 0 }, never)
    assert.equal(claim.epoch, 2n)
    assert.deepEqual(claim.checkpoint, {
      mirror: 'shop',
      source: { slot: { value: 'x', changed: 'HF-L106' } },
      positions: at(5),
      tables: [
        {
          table: things,
          target: { schema: 'public', name: 'things' },
          mode: 'exact',
          state: 'copying',
          start: at(5),
          rowsCopied: 0,
        },
      ],
      settings,
      finished: false,
    })
    assert.deepEqual(await second.mirrors(), ['shop'])
    assert.deepEqual(await second.durable(), at(5))
    const [open_] = await db.query(
      `select has_schema_privilege('public', '_holdfast', 'usage') as public`,
    )
    assert.equal(open_?.['public'], 'f')
  })

  test(`${major}: a live holder is waited for and then named`, async (t) => {
    await using made = await stand(t, major, [things])
    await using other = await open(made.db.url)
    const refused = other.claim({ settings: {}, patience: 300 }, never)
    await assert.rejects(refused, (error: unknown) => {
      assert.ok(error instanceof Fault)
      assert.equal(error.code, 'HF-X101')
      assert.ok(error.message.includes(String(process.pid)))
      return true
    })
    const waiting = other.claim({ settings: {}, patience: 20_000 }, never)
    await made.claim[Symbol.asyncDispose]()
    await using claim = await waiting
    assert.equal(claim.epoch, 2n)
  })

  test(`${major}: who lost the mirror writes nothing more and is told`, async (t) => {
    await using made = await stand(t, major, [things])
    await made.db.query(silence)
    await using other = await open(made.db.url)
    await using claim = await other.claim({ settings: {}, patience: 0 }, never)
    assert.equal(claim.epoch, 2n)
    assert.notEqual(await codeOf(made.target.apply(batch(1, 2, [born]), 'pg-text')), 'HF-D201')
    await eventually('the loser is told', () => made.claim.lost.aborted)
    assert.equal(await orderOf(other), 1n)
    await other.apply(batch(1, 2, [born]), 'pg-text')
    assert.equal(await orderOf(other), 2n)
  })

  test(`${major}: the epoch is asserted inside the server by batch, copy and every mark`, async (t) => {
    await using made = await stand(t, major, [things])
    const { db, target } = made
    await db.query('update _holdfast.mirrors set epoch = 7')
    await db.query('update _holdfast.lanes set epoch = 7')
    const chunk = { table: things, index: 0, of: 1 }
    const data = (async function* () {
      yield await Promise.resolve(copyData(Buffer.from('5\tx\n')))
    })()
    assert.equal(await codeOf(target.apply(batch(1, 2, [born]), 'pg-text')), 'HF-X102')
    assert.equal(
      await codeOf(target.copy(chunk, { encoding: 'pg-copy-text', data: data }, never)),
      'HF-X102',
    )
    assert.equal(await codeOf(target.copied(things)), 'HF-X102')
    assert.equal(
      await codeOf(target.begin([things], { positions: at(9), source: {}, first: true })),
      'HF-X102',
    )
    assert.deepEqual(await db.query('select * from things'), [])
    assert.equal(await orderOf(target), 1n)
  })

  test(`${major}: of many that claim at once one wins, each in its turn`, async (t) => {
    const db = await database(t, major)
    const targets = await Promise.all(Array.from({ length: 4 }, () => open(db.url)))
    const epochs = await Promise.all(
      targets.map(async (target) => {
        await using claim = await target.claim({ settings: {}, patience: 20_000 }, never)
        return claim.epoch
      }),
    )
    assert.deepEqual(
      epochs.toSorted((a, b) => Number(a - b)),
      [1n, 2n, 3n, 4n],
    )
    await Promise.all(targets.map((target) => target[Symbol.asyncDispose]()))
  })
}

test('the lease of a process that was killed is taken over at once', async (t) => {
  const db = await database(t, 18)
  const script = fileURLToPath(new URL('./holder.ts', import.meta.url))
  const child = spawn(process.execPath, [script, db.url], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  await Promise.race([
    once(child.stdout, 'data'),
    exited.then(() => assert.fail('the holder ended by itself')),
  ])
  child.kill('SIGKILL')
  await exited
  await using target = await open(db.url)
  await using claim = await target.claim({ settings: {}, patience: 0 }, never)
  assert.equal(claim.epoch, 2n)
  assert.equal(claim.checkpoint?.positions.get(LANE), undefined)
})

test('a batch that a stopped process left open is ended by who takes over', async (t) => {
  await using made = await stand(t, 18, [things])
  const { db, target } = made
  const many = Array.from({ length: 20_000 }, (_, i) => [String(i + 10), 'x'])
  const stuck = {
    ...batch(1, 2, []),
    parts: (async function* () {
      yield { steps: [{ ...born, rows: rows(...many) }] }
      await new Promise(() => undefined)
    })(),
  }
  void target.apply(stuck, 'pg-text').catch(() => undefined)
  await eventually('the batch has begun', async () => {
    const [open] = await db.query(`select 1 from pg_locks l join pg_stat_activity a using (pid)
      where a.application_name = 'holdfast:shop:apply:1' and l.mode = 'RowExclusiveLock'
        and l.relation = '_holdfast.lanes'::regclass`)
    return open !== undefined
  })
  await db.query(silence)
  await using other = await open(db.url)
  await using claim = await other.claim({ settings: {}, patience: 10_000 }, never)
  assert.equal(claim.epoch, 2n)
  assert.deepEqual(await db.query('select * from things'), [])
})

test('a state of a later version is left alone', async (t) => {
  await using made = await stand(t, 18, [things])
  await made.db.query('update _holdfast.about set version = 99')
  await using other = await open(made.db.url)
  assert.equal(await codeOf(other.claim({ settings: {}, patience: 0 }, never)), 'HF-X106')
  assert.equal(await codeOf(other.checkpoint()), 'HF-X106')
  assert.equal(await codeOf(other.mirrors()), 'HF-X106')
})

test('what is destroyed leaves the tables and no state', async (t) => {
  await using made = await stand(t, 18, [things])
  await made.target.apply(batch(1, 2, [born]), 'pg-text')
  const removed = await made.target.destroy()
  assert.equal(removed.length, 2)
  const [state] = await made.db.query(`select to_regnamespace('_holdfast') as state`)
  assert.deepEqual(state, { state: null })
  assert.deepEqual(await made.db.query('select count(*) as n from things'), [{ n: '2' }])
  assert.deepEqual(await made.target.destroy(), [])
})
