import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Document } from 'mongodb'
import { Fault } from '../../../../src/model/fault.ts'
import { holdfast } from '../../../../testkit/child.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { mirror } from '../../../../testkit/mirror.ts'
import { database, mongoDatabase, mysqlDatabase } from '../../../../testkit/servers/index.ts'

/** Nothing is proven by how long it takes. */
const LONG = { within: 240_000 }

const ddl = `
create table orders (id int, line int, status text, note text, primary key (line, id));
alter table orders alter note set storage external;
create table people (id int primary key, name text, mail text);
alter table people replica identity full;
create table bare (a int, b text);
alter table bare replica identity full;
create table kept (id int primary key, v text);`

const long = `(select string_agg(md5(i::text), '') from generate_series(1, 200) i)`

const copied = `
insert into orders values (1, 1, 'new', ${long}), (2, 1, 'new', 'short'), (3, 1, 'new', null);
insert into people values (1, 'Ann', 'a@x'), (2, 'Bob', null);
insert into bare values (1, 'x'), (1, 'x'), (2, null);
insert into kept values (1, 'a'), (2, 'b');`

const work = [
  `update orders set status = 'paid' where id = 1`,
  `update orders set id = 9, status = 'moved' where id = 1; update orders set line = 2 where id = 9`,
  `insert into orders values (1, 1, 'again', 'other'); delete from orders where id = 2`,
  `update people set mail = 'ann@x' where id = 1; update people set id = 5 where id = 2`,
  `update bare set b = 'y' where ctid = (select min(ctid) from bare where a = 1);
   delete from bare where a = 2; insert into bare values (2, null), (3, 'z')`,
  `truncate kept; insert into kept values (2, 'after')`,
  `alter table people add column born date; insert into people values (7, 'Cid', null, '2001-02-03')`,
  `update people set born = '1999-12-31' where id = 1; delete from people where id = 5`,
]

test('every change is a document, and together they come to the rows', async (t) => {
  const from = await database(t, 18)
  const to = await mongoDatabase(t)
  await from.query(ddl)
  await from.query(copied)
  const name = from.name
  const run = mirror(t, { source: from.url, target: to.url, shape: 'history', name })
  await run.catchUp()
  assert.deepEqual(await run.differences(), [])
  for (const sql of work) {
    await from.query(`begin; ${sql}; commit`)
    await run.catchUp()
    assert.deepEqual(await run.differences(), [], sql)
  }
  const changes = to.db.collection<Document>('row_changes')
  const ops = await changes.aggregate([{ $group: { _id: '$op', n: { $sum: 1 } } }]).toArray()
  assert.deepEqual(
    Object.fromEntries(ops.map(({ _id, n }) => [_id, n])),
    // Each change of a key is an update of the new one and a delete of the old one.
    { copy: 10, insert: 5, update: 7, delete: 6, truncate: 1, schema: 1 },
  )
  const [paid] = await changes.find({ 'after.status': 'paid' }).toArray()
  assert.ok(paid !== undefined)
  const { _id, at, version, position, event_time, event_micros, applied_time, ...rest } = paid
  assert.equal(_id, `${name}/${at}`)
  assert.match(at, /^[0-9a-f]{16}\.00000001$/)
  assert.match(position.token, /^[0-9A-F]+\/[0-9A-F]+/)
  assert.equal(rest.transaction, position.token)
  assert.ok(event_time instanceof Date && applied_time instanceof Date)
  assert.equal(Math.floor(Number(event_micros) / 1000), event_time.getTime())
  assert.ok(typeof version === 'string')
  assert.deepEqual(rest, {
    mirror: name,
    table: 'public.orders',
    op: 'update',
    transaction: position.token,
    key: { line: 1, id: 1 },
    before: null,
    after: { id: 1, line: 1, status: 'paid' },
    unchanged: ['note'],
  })
  // Who changed the column mail, and what it was?
  const mails = await changes
    .find({ table: 'public.people', op: 'update', key: { id: 1 } })
    .sort({ at: 1 })
    .toArray()
  assert.deepEqual(
    mails.map(({ before, after }) => [before.mail, after.mail]),
    [
      ['a@x', 'ann@x'],
      ['ann@x', 'ann@x'],
    ],
  )
})

interface Questions {
  stateAt(changes: unknown, of: Document): Promise<Document | null>
  whoChanged(changes: unknown, of: Document): { toArray(): Promise<Document[]> }
}

/** The functions of the how-to page, as they stand there. */
async function questions(): Promise<Questions> {
  const url = new URL('../../../../docs/how-to/mongodb-history.md', import.meta.url)
  const page = await readFile(url, 'utf8')
  const blocks = page.split('```js\n').slice(2)
  const code = blocks.map((block) => block.split('```')[0]).join('\n')
  return new Function(`${code}; return { stateAt, whoChanged }`)()
}

test('the questions of the how-to page are answered', async (t) => {
  const from = await database(t, 18)
  const to = await mongoDatabase(t)
  await from.query(ddl)
  await from.query(copied)
  const settings = { source: from.url, target: to.url, name: from.name }
  const run = mirror(t, { ...settings, shape: 'history' })
  await run.catchUp()
  const changes = to.db.collection<Document>('row_changes')
  const { stateAt, whoChanged } = await questions()
  const of = { mirror: from.name, table: 'public.orders' }
  const note = (await from.query('select note from orders where id = 1'))[0]?.note
  const times: Date[] = []
  for (const sql of work.slice(0, 3)) {
    await from.query(`begin; ${sql}; commit`)
    await run.catchUp()
    const [last] = await changes.find().sort({ at: -1 }).limit(1).toArray()
    times.push(last?.['event_time'])
  }
  const [paid, moved, again] = times
  const one = { line: 1, id: 1 }
  const states = [
    await stateAt(changes, { ...of, key: one, time: new Date(0) }),
    await stateAt(changes, { ...of, key: one, time: paid }),
    await stateAt(changes, { ...of, key: one, time: moved }),
    await stateAt(changes, { ...of, key: { line: 2, id: 9 }, time: moved }),
    await stateAt(changes, { ...of, key: one, time: again }),
    await stateAt(changes, { ...of, key: { line: 1, id: 2 }, time: again }),
  ]
  assert.deepEqual(states, [
    { ...one, status: 'new', note },
    { ...one, status: 'paid', note },
    null,
    { line: 2, id: 9, status: 'moved', note },
    { ...one, status: 'again', note: 'other' },
    null,
  ])
  const who = await whoChanged(changes, { ...of, key: one, column: 'status' }).toArray()
  assert.deepEqual(
    who.map(({ op, is }) => [op, is]),
    [
      ['copy', 'new'],
      ['update', 'paid'],
      ['insert', 'again'],
    ],
  )
})

test('a change that is missing, or that was written over, is found', async (t) => {
  const from = await database(t, 18)
  const to = await mongoDatabase(t)
  await from.query(ddl)
  await from.query(copied)
  const settings = { source: from.url, target: to.url, name: from.name }
  const run = mirror(t, { ...settings, shape: 'history' })
  await run.catchUp()
  await from.query(work.slice(0, 4).join(';'))
  await run.catchUp()
  const changes = to.db.collection<Document>('row_changes')
  await changes.deleteOne({ op: 'copy', 'key.id': 3 })
  await changes.updateOne({ 'after.mail': 'ann@x' }, { $set: { 'after.mail': 'eve@x' } })
  const found = await run.differences()
  assert.deepEqual(
    found.map((text) => text.split(' ')[0]),
    ['public.orders', 'public.people'],
  )
  const other = mirror(t, { ...settings, name: `${from.name}x`, shape: 'history' })
  await other.catchUp()
  assert.deepEqual(await other.differences(), [])
})

test('a history is not continued as rows, and not begun on top of another one', async (t) => {
  const from = await database(t, 18)
  const to = await mongoDatabase(t)
  await from.query(ddl)
  const settings = { source: from.url, target: to.url, name: from.name } as const
  await mirror(t, { ...settings, shape: 'history' }).catchUp()
  await mirror(t, settings).catchUp()
  const include = { selection: { include: ['public.*'] } }
  const refused = async (work: Promise<unknown>): Promise<string> => {
    const fault = await work.then(
      () => assert.fail('it was not refused'),
      (error: unknown) => error,
    )
    return fault instanceof Fault ? fault.code : assert.fail(String(fault))
  }
  assert.equal(await refused(mirror(t, { ...settings, ...include }).catchUp()), 'HF-C111')
  const plain = await database(t, 18)
  const toRows = { source: from.url, target: plain.url, name: `${from.name}p` }
  assert.equal(await refused(mirror(t, { ...toRows, shape: 'history' }).catchUp()), 'HF-T254')
})

test('SIGKILL between the changes and their checkpoint: none is there twice', async (t) => {
  const from = await database(t, 18)
  const to = await mongoDatabase(t)
  const cwd = await mkdtemp(join(tmpdir(), 'holdfast-history-'))
  t.after(() => rm(cwd, { recursive: true, force: true }))
  await from.query(ddl)
  await from.query(copied)
  const urls = ['--source', from.url, '--target', to.url, '--name', from.name]
  const command = (verb: string, flags: readonly string[], killAt?: string) =>
    holdfast([verb, ...urls, ...flags], {
      cwd,
      env: killAt === undefined ? {} : { HOLDFAST_KILL_AT: killAt },
    })
  const shape = ['--set', 'target.shape=history', '--until', 'caught-up']
  const first = command('run', shape)
  assert.deepEqual(await first.end(LONG), { code: 0, signal: null }, first.lines.join('\n'))
  for (const sql of work) await from.query(`begin; ${sql}; commit`)
  const killed = command('run', ['--until', 'caught-up'], 'batch-sent')
  assert.equal((await killed.end(LONG)).signal, 'SIGKILL', killed.lines.join('\n'))
  const changes = to.db.collection('row_changes')
  const before = await changes.countDocuments()
  assert.ok(before > 10)
  const last = command('run', ['--until', 'caught-up'])
  assert.deepEqual(await last.end(LONG), { code: 0, signal: null }, last.lines.join('\n'))
  assert.equal(await changes.countDocuments(), 30)
  const proof = command('verify', [])
  assert.deepEqual(await proof.end(LONG), { code: 0, signal: null }, proof.lines.join('\n'))
})

for (const kind of ['mariadb-10.11', 'mysql-9'] as const) {
  test(`a change behind a new file of the log is one document, also for the next process, from ${kind}`, async (t) => {
    const from = await mysqlDatabase(t, kind)
    const to = await mongoDatabase(t)
    await from.query('create table t (id int primary key, v int); insert into t values (0, 0)')
    const cwd = await mkdtemp(join(tmpdir(), 'holdfast-history-'))
    t.after(() => rm(cwd, { recursive: true, force: true }))
    const run = (flags: readonly string[], env: Readonly<Record<string, string>> = {}) => {
      const urls = ['--source', from.url, '--target', to.url, '--set', 'target.shape=history']
      return holdfast(['run', '--name', from.name, ...urls, ...flags], { cwd, env })
    }
    const child = run([], { HOLDFAST_KILL_AT: 'batch-sent:4' })
    await child.line(/streaming/, LONG)
    let ended = false
    void child.ended.finally(() => {
      ended = true
    })
    const changes = to.db.collection<Document>('row_changes')
    let rows = 1
    for (; !ended; rows++) {
      await from.query(`flush binary logs; insert into t values (${rows}, 0)`)
      const arrived = async (): Promise<boolean> =>
        ended || (await changes.countDocuments({ 'key.id': rows })) > 0
      await eventually(`row ${rows} is there, or the end`, arrived, LONG)
    }
    assert.equal((await child.ended).signal, 'SIGKILL', child.lines.join('\n'))
    const last = run(['--until', 'caught-up'])
    assert.equal((await last.end(LONG)).code, 0, last.lines.join('\n'))
    const all = await changes.find().sort({ at: 1 }).toArray()
    assert.deepEqual(
      all.map(({ op, key }) => [op, key?.['id']]),
      Array.from({ length: rows }, (_, id) => [id === 0 ? 'copy' : 'insert', id]),
    )
  })
}
