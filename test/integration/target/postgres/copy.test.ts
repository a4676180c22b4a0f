import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fault } from '../../../../src/model/fault.ts'
import { frame } from '../../../../src/model/tuple.ts'
import type { Target } from '../../../../src/target/target.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { database, openSession } from '../../../../testkit/servers/index.ts'
import { at, copyData, open, planFor, rows, table, types } from './support.ts'

const things = table('things', { id: types.int, name: types.text, data: types.bytes })
const loose = table('loose', { id: types.int, name: types.text }, { by: 'none' })
const never = new AbortController().signal

/** The bytes cut into pieces of `size`. */
async function* cut(bytes: Buffer, size = 7): AsyncGenerator<Buffer> {
  for (let from = 0; from < bytes.length; from += size) {
    yield await Promise.resolve(bytes.subarray(from, from + size))
  }
}

/** The bytes as CopyData messages that have nothing to do with rows. */
async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for await (const piece of cut(bytes)) yield copyData(piece)
}

const fixed = Buffer.from('1\tone\t\\\\x0001\n2\t\\N\t\\N\n')
/** The last row's id is no number. */
const text = Buffer.concat([fixed, Buffer.from('x\ty\t\\N\n')])

function binaryCopy(ids: readonly number[]): Buffer {
  const head = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')
  const body = ids.map((id) => {
    const row = Buffer.from([0, 3, 0, 0, 0, 4, 0, 0, 0, id, 0, 0, 0, 1, 0x41, 255, 255, 255, 255])
    return row
  })
  return Buffer.concat([head, ...body, Buffer.from([255, 255])])
}

async function begun(
  url: string,
  how: 'refuse' | 'merge' | 'replace' = 'refuse',
): Promise<{ readonly target: Target } & AsyncDisposable> {
  const target = await open(url)
  const claim = await target.claim({ settings: {}, patience: 0 }, never)
  await target.prepare(planFor([things, loose], how))
  await target.begin([things, loose], { positions: at(1), source: {}, first: true })
  return {
    target,
    [Symbol.asyncDispose]: async () => {
      await claim[Symbol.asyncDispose]()
      await target[Symbol.asyncDispose]()
    },
  }
}

for (const major of [14, 18] as const) {
  test(`${major}: chunks in each encoding, several at once, with their marks`, async (t) => {
    const db = await database(t, major)
    await using made = await begun(db.url)
    const { target } = made
    const framed = frame([...rows(['20', 'ä\t\\', '\0\x01'], ['21', null, null])])
    const counts = await Promise.all([
      target.copy(
        { table: things, index: 0, of: 3 },
        { encoding: 'pg-copy-text', data: pieces(fixed) },
        never,
      ),
      target.copy(
        { table: things, index: 1, of: 3 },
        { encoding: 'pg-copy-binary', data: pieces(binaryCopy([10, 11])) },
        never,
      ),
      target.copy(
        { table: things, index: 2, of: 3 },
        { encoding: 'values', data: cut(framed, 5) },
        never,
      ),
    ])
    assert.deepEqual(counts, [2, 2, 2])
    const [before] = (await target.checkpoint())?.tables ?? []
    assert.deepEqual([before?.state, before?.rowsCopied], ['copying', 6])
    await target.copied(things)
    const [after] = (await target.checkpoint())?.tables ?? []
    assert.equal(after?.state, 'copied')
    const found = await db.query(
      `select id, name, encode(data, 'hex') as data from things order by id`,
    )
    assert.deepEqual(found, [
      { id: '1', name: 'one', data: '0001' },
      { id: '2', name: null, data: null },
      { id: '10', name: 'A', data: null },
      { id: '11', name: 'A', data: null },
      { id: '20', name: 'ä\t\\', data: '0001' },
      { id: '21', name: null, data: null },
    ])
    const keys = await db.query(
      `select indisprimary as p from pg_index where indrelid = 'things'::regclass`,
    )
    assert.deepEqual(keys, [{ p: 't' }])
  })

  test(`${major}: a chunk that fails leaves neither rows nor mark`, async (t) => {
    const db = await database(t, major)
    await using made = await begun(db.url)
    const { target } = made
    const chunk = { table: things, index: 0, of: 1 }
    const wrong = target.copy(chunk, { encoding: 'pg-copy-text', data: pieces(text) }, never)
    await assert.rejects(
      wrong,
      (error: unknown) => error instanceof Fault && error.code === 'HF-T205',
    )
    const broken = (async function* () {
      yield* pieces(fixed.subarray(0, 20))
      throw new Error('the snapshot is gone')
    })()
    await assert.rejects(
      target.copy(chunk, { encoding: 'pg-copy-text', data: broken }, never),
      /the snapshot is gone/,
    )
    const stop = new AbortController()
    const endless = (async function* () {
      for (let i = 0; ; i++) {
        yield copyData(Buffer.from(`${i}\tx\t\\N\n`.repeat(1000)))
        if (i === 20) stop.abort(new Error('stopped by a person'))
        await Promise.resolve()
      }
    })()
    await assert.rejects(
      target.copy(chunk, { encoding: 'pg-copy-text', data: endless }, stop.signal),
      /by a person/,
    )
    assert.deepEqual(await db.query('select count(*) as n from things'), [{ n: '0' }])
    const [state] = (await target.checkpoint())?.tables ?? []
    assert.equal(state?.rowsCopied, 0)
    assert.equal(
      await target.copy(chunk, { encoding: 'pg-copy-text', data: pieces(fixed) }, never),
      2,
    )
  })

  test(`${major}: a table of ours that is copied at once needs no VACUUM, unless somebody reads it`, async (t) => {
    const db = await database(t, major)
    await using made = await begun(db.url)
    const { target } = made
    await using reader = await openSession(db.url)
    await reader.query('begin isolation level repeatable read')
    await reader.query('select 1')
    const chunk = { table: things, index: 0, of: 1, bytes: 1 << 20 }
    await target.copy(chunk, { encoding: 'pg-copy-text', data: pieces(fixed) }, never)
    // Rows that are older than every snapshot are seen in this one, too.
    assert.deepEqual(await reader.query('select count(*) as n from things'), [{ n: '2' }])
    await reader.query('select count(*) from loose')
    const other = { table: loose, index: 0, of: 1, bytes: 1 << 20 }
    const data = pieces(Buffer.from('5\tx\n'))
    assert.equal(await target.copy(other, { encoding: 'pg-copy-text', data }, never), 1)
    assert.deepEqual(await reader.query('select count(*) as n from loose'), [{ n: '0' }])
    assert.deepEqual(await db.query('select count(*) as n from loose'), [{ n: '1' }])
  })

  test(`${major}: rows of a table that was there before are new to those who read it`, async (t) => {
    const db = await database(t, major)
    await db.query('create table things (id int primary key, name text, data bytea)')
    await using made = await begun(db.url)
    const { target } = made
    await using reader = await openSession(db.url)
    await reader.query('begin isolation level repeatable read')
    await reader.query('select 1')
    const chunk = { table: things, index: 0, of: 1, bytes: 1 << 20 }
    await target.copy(chunk, { encoding: 'pg-copy-text', data: pieces(fixed) }, never)
    assert.deepEqual(await reader.query('select count(*) as n from things'), [{ n: '0' }])
  })

  test(`${major}: beginning again empties what was copied, with a start of its own`, async (t) => {
    const db = await database(t, major)
    await using made = await begun(db.url)
    const { target } = made
    await target.copy(
      { table: things, index: 0, of: 2 },
      { encoding: 'pg-copy-text', data: pieces(fixed) },
      never,
    )
    await target.copied(loose)
    await target.begin([things], { positions: at(9), source: {}, first: false })
    assert.deepEqual(await db.query('select count(*) as n from things'), [{ n: '0' }])
    const checkpoint = await target.checkpoint()
    assert.deepEqual(checkpoint?.positions, at(1))
    assert.deepEqual(
      checkpoint?.tables.map((one) => [one.state, one.start, one.rowsCopied]),
      [
        ['copying', at(9), 0],
        ['copied', at(1), 0],
      ],
    )
  })

  test(`${major}: merging keeps rows that were there and overwrites those of the source`, async (t) => {
    const db = await database(t, major)
    await db.query(`create table things (id int primary key, name text, data bytea);
      insert into things values (1, 'old', null), (99, 'kept', null)`)
    await using made = await begun(db.url, 'merge')
    const { target } = made
    const chunk = { table: things, index: 0, of: 1 }
    await target.copy(chunk, { encoding: 'pg-copy-text', data: pieces(fixed) }, never)
    await target.begin([things], { positions: at(2), source: {}, first: false })
    await target.copy(chunk, { encoding: 'pg-copy-text', data: pieces(fixed) }, never)
    await target.copied(things)
    const found = await db.query('select id, name from things order by id')
    assert.deepEqual(found, [
      { id: '1', name: 'one' },
      { id: '2', name: null },
      { id: '99', name: 'kept' },
    ])
  })

  test(`${major}: merging rows without a key is never done twice`, async (t) => {
    const db = await database(t, major)
    await db.query(`create table loose (id int, name text); insert into loose values (1, 'mine')`)
    await using made = await begun(db.url, 'merge')
    const { target } = made
    await target.begin([loose], { positions: at(2), source: {}, first: false })
    const rowsOf = Buffer.from('5\tx\n')
    await target.copy(
      { table: loose, index: 0, of: 2 },
      { encoding: 'pg-copy-text', data: pieces(rowsOf) },
      never,
    )
    const again = target.begin([loose], { positions: at(3), source: {}, first: false })
    await assert.rejects(
      again,
      (error: unknown) => error instanceof Fault && error.code === 'HF-T220',
    )
    assert.deepEqual(await db.query('select count(*) as n from loose'), [{ n: '2' }])
  })

  test(`${major}: replacing empties a table that held rows`, async (t) => {
    const db = await database(t, major)
    await db.query(`create table things (id int primary key, name text, data bytea);
      insert into things values (99, 'gone', null)`)
    await using made = await begun(db.url, 'replace')
    await made.target.copied(things)
    assert.deepEqual(await db.query('select count(*) as n from things'), [{ n: '0' }])
  })

  test(`${major}: sequences are set as they stand at the source`, async (t) => {
    const db = await database(t, major)
    await db.query('create sequence "Odd s"; create sequence fresh')
    await using made = await begun(db.url)
    await made.target.setSequences([
      { schema: 'public', name: 'Odd s', value: '9007199254740993', called: true },
      { schema: 'public', name: 'fresh', value: '5', called: false },
      { schema: 'public', name: 'absent', value: '5', called: false },
    ])
    const [next] = await db.query(`select nextval('"Odd s"') as a, nextval('fresh') as b`)
    assert.deepEqual(next, { a: '9007199254740994', b: '5' })
  })
}

test('what is finished says so', async (t) => {
  const db = await database(t, 18)
  await using made = await begun(db.url)
  await Promise.all([made.target.copied(things), made.target.copied(loose)])
  assert.equal((await made.target.checkpoint())?.finished, false)
  await made.target.finish()
  await eventually('connections of the copy are closed', async () => {
    const [count] = await db.query(`select count(*) as n from pg_stat_activity
      where datname = current_database() and application_name like 'holdfast:shop:%'`)
    return count?.['n'] === '3'
  })
  assert.equal((await made.target.checkpoint())?.finished, true)
})
