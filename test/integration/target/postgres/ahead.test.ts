import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Part, Step } from '../../../../src/model/batch.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { at, batch, orderOf, rows, type Stand, stand, table, types } from './support.ts'

const things = table('things', { id: types.int, name: types.text })

function born(...ids: readonly number[]): Step {
  return {
    kind: 'insert',
    table: things,
    rows: rows(...ids.map((id) => [String(id), 'x'])),
    existing: 'refuse',
  }
}

/** Enough rows for a COPY. */
function many(from: number): Step {
  return born(...Array.from({ length: 50 }, (_, i) => from + i))
}

const added = { additive: true }

async function ids({ db }: Stand): Promise<string> {
  const [row] = await db.query(
    `select coalesce(string_agg(id::text, ' ' order by id), '') as ids from public.things`,
  )
  return String(row?.['ids'])
}

/** Sessions of the mirror that have written in a transaction which waits for more. */
async function waiting({ db }: Stand): Promise<readonly string[]> {
  const found = await db.query(`select pid::text as pid from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
      and backend_xid is not null and wait_event = 'ClientRead'`)
  return found.map((row) => String(row['pid']))
}

async function written(made: Stand): Promise<string> {
  return await eventually('rows are written ahead', async () => (await waiting(made))[0])
}

for (const major of [14, 18] as const) {
  test(`${major}: rows that are written ahead are seen after those before them`, async (t) => {
    await using made = await stand(t, major, [things])
    const { target } = made
    const before = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    async function* parts(): AsyncIterable<Part> {
      yield { steps: [many(1)] }
      await release.promise
    }
    const first = target.apply({ ...batch(1, 2, [], added), parts: parts() }, 'values')
    const ahead = target.ahead?.(batch(2, 3, [many(100)], added), 'values', before.promise)
    await written(made)
    assert.equal(await ids(made), '')
    release.resolve()
    await first
    assert.equal((await ids(made)).split(' ').length, 50)
    assert.equal(await orderOf(target), 2n)
    // The third is written over the first's connection while the second waits.
    const turn = (ahead ?? assert.fail()).then(() => undefined)
    const third = target.ahead?.(batch(3, 4, [born(200), born(201)], added), 'values', turn)
    await eventually('both are written', async () => (await waiting(made)).length === 2)
    assert.equal((await ids(made)).split(' ').length, 50)
    before.resolve()
    assert.deepEqual([await ahead, await third], [true, true])
    assert.equal((await ids(made)).split(' ').length, 102)
    assert.equal(await orderOf(target), 4n)
    assert.deepEqual(
      await eventually('all is durable', async () => {
        const durable = await target.durable()
        return durable.get('wal')?.order === 4n ? durable : undefined
      }),
      at(4),
    )
  })

  test(`${major}: what is written ahead of a batch that fails is not there`, async (t) => {
    await using made = await stand(t, major, [things])
    const { target } = made
    const before = Promise.withResolvers<void>()
    const ahead = target.ahead?.(batch(2, 3, [many(100)], added), 'values', before.promise)
    await written(made)
    before.reject(new Error('refused'))
    assert.equal(await ahead, false)
    assert.equal(await ids(made), '')
    await target.apply(batch(1, 2, [born(1)]), 'values')
    await target.apply(batch(2, 3, [born(2)]), 'values')
    assert.equal(await ids(made), '1 2')
  })

  test(`${major}: what is written ahead never stands before what comes before it`, async (t) => {
    await using made = await stand(t, major, [things])
    const { target } = made
    // Somebody who says that it is done although it is not.
    const ahead = target.ahead?.(batch(2, 3, [many(100)], added), 'values', Promise.resolve())
    assert.equal(await ahead, false)
    assert.equal(await ids(made), '')
    assert.equal(await orderOf(target), 1n)
  })

  test(`${major}: who is ahead gives way to a batch that needs its rows or its connection`, async (t) => {
    await using made = await stand(t, major, [things])
    const { target } = made
    const before = Promise.withResolvers<void>()
    const ahead = target.ahead?.(batch(2, 3, [many(100)], added), 'values', before.promise)
    await written(made)
    await target.apply(batch(1, 2, [born(100)]), 'values')
    assert.equal(await ahead, false)
    assert.equal(await ids(made), '100')
  })

  test(`${major}: who is ahead gives way to a batch that waits for its rows`, async (t) => {
    await using made = await stand(t, major, [things])
    const { target } = made
    const release = Promise.withResolvers<void>()
    async function* parts(): AsyncIterable<Part> {
      await release.promise
      yield { steps: [many(100)] }
    }
    const first = target.apply({ ...batch(1, 2, [], added), parts: parts() }, 'values')
    const ahead = target.ahead?.(batch(2, 3, [many(100)], added), 'values', first)
    await written(made)
    release.resolve()
    await first
    assert.equal(await ahead, false)
    assert.equal((await ids(made)).split(' ').length, 50)
    assert.equal(await orderOf(target), 2n)
  })

  test(`${major}: a row that is refused ahead of its turn is named in its turn`, async (t) => {
    await using made = await stand(t, major, [things])
    const { target, db } = made
    await db.query(`insert into public.things values (120, 'theirs')`)
    const before = Promise.withResolvers<void>()
    const second = batch(2, 3, [many(100)], added)
    const ahead = target.ahead?.(second, 'values', before.promise)
    await target.apply(batch(1, 2, [born(1)]), 'values')
    before.resolve()
    assert.equal(await ahead, false)
    await assert.rejects(target.apply(second, 'values'), (error: unknown) => {
      return error instanceof Fault && error.code === 'HF-T205'
    })
    assert.equal(await ids(made), '1 120')
  })

  test(`${major}: who was taken over from writes nothing ahead`, async (t) => {
    await using made = await stand(t, major, [things])
    const { target, db } = made
    const before = Promise.withResolvers<void>()
    const ahead = target.ahead?.(batch(1, 2, [many(100)], added), 'values', before.promise)
    await written(made)
    await db.query(`update _holdfast.mirrors set epoch = epoch + 1`)
    await db.query(`update _holdfast.lanes set epoch = epoch + 1`)
    before.resolve()
    assert.equal(await ahead, false)
    assert.equal(await ids(made), '')
  })

  test(`${major}: the connection of who is ahead may break`, async (t) => {
    await using made = await stand(t, major, [things])
    const { target, db } = made
    const release = Promise.withResolvers<void>()
    async function* parts(): AsyncIterable<Part> {
      await release.promise
      yield { steps: [born(1)] }
    }
    const first = target.apply({ ...batch(1, 2, [], added), parts: parts() }, 'values')
    const second = batch(2, 3, [many(100)], added)
    const ahead = target.ahead?.(second, 'values', first)
    // Whether the commit was on its way then is not known to who had sent it.
    const outcome = ahead?.catch((error: unknown) => {
      assert.ok(error instanceof Fault && error.transient, String(error))
      return false
    })
    await db.query(`select pg_terminate_backend(${await written(made)})`)
    release.resolve()
    await first
    assert.equal(await outcome, false)
    assert.equal(await ids(made), '1')
    await target.apply(second, 'values')
    // It is let be for some batches, and then tried over a new connection.
    const went: (boolean | undefined)[] = []
    for (let order = 3; order < 23; order++) {
      const one = batch(order, order + 1, [born(order)], added)
      went.push(await target.ahead?.(one, 'values', Promise.resolve()))
      if (went.at(-1) !== true) await target.apply(one, 'values')
    }
    assert.deepEqual([went[0], went.at(-1)], [false, true])
    assert.equal(await orderOf(target), 23n)
  })
}
