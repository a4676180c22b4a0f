import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, type TestContext, test } from 'node:test'
import type { Point } from '../../../../src/async/point.ts'
import { type Child, holdfast } from '../../../../testkit/child.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { mirror } from '../../../../testkit/mirror.ts'
import { database, kafka } from '../../../../testkit/servers/index.ts'
import { TestTopics } from '../../../../testkit/topics.ts'
import { boundary, Envelopes } from './envelopes.ts'

const PATIENT = { within: 120_000, every: 100 }

/** Topics whose names begin alike, and a mirror of them all but those of `other`. */
async function stand(t: TestContext) {
  const topics = TestTopics.at(t, await kafka())
  const target = await database(t, 17)
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-later-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const broker = await kafka()
  const ends = ['--source', broker.url(), '--target', target.url, '--name', 'later']
  const which = ['--include', `${topics.prefix}.*`, '--exclude', `${topics.prefix}.other.*`]
  const start = (flags: readonly string[], env: Readonly<Record<string, string>> = {}): Child => {
    const child = holdfast(['run', ...ends, ...flags], { cwd: folder, env })
    t.after(() => child[Symbol.asyncDispose]())
    return child
  }
  const rows = async (table: string): Promise<string> => {
    const found = await target.query(`select id, a from public.${table} order by id`)
    return found.map(({ id, a }) => `${id} ${a}`).join(', ')
  }
  const becomes = (table: string, wanted: string): Promise<true> =>
    eventually(
      `the rows of ${table}`,
      async () => {
        const found = await rows(table)
        if (found !== wanted) throw new Error(found.slice(0, 400))
        return true
      },
      PATIENT,
    )
  const tables = async (): Promise<string> => {
    const found = await target.query(
      `select table_name as name from information_schema.tables where table_schema = 'public' order by 1`,
    )
    return found.map(({ name }) => name).join()
  }
  const logs = (table: string): Envelopes => new Envelopes(topics.prefix, { table })
  return { topics, target, ends, which, start, rows, becomes, tables, logs }
}

const caughtUp = async (child: Child): Promise<Child> => {
  const { code } = await child.end({ within: 120_000 })
  assert.equal(code, 0, child.lines.join('\n'))
  return child
}

suite('topics that come while they are mirrored', () => {
  test('one that is made, and one that gets its first row, are taken in; an excluded one is not', async (t) => {
    const { topics, which, start, rows, becomes, tables, logs } = await stand(t)
    const [a, b, c, d, other] = [logs('a'), logs('b'), logs('c'), logs('d'), logs('e')]
    await topics.make('public.a')
    await topics.make('public.b', { partitions: 3 })
    await topics.make('other.e')
    await topics.put('public.a', a.snapshot({ id: 1, a: 'one' }))
    const first = start(which)
    await becomes('a', '1 one')
    await topics.put('other.e', other.snapshot({ id: 1, a: 'not meant' }))
    await topics.put(
      'public.b',
      b.snapshot({ id: 1, a: 'x' }, { id: 2, a: 'y' }, { id: 3, a: 'z' }),
    )
    await topics.put('public.b', [...b.remove(2), b.update({ id: 3, a: 'changed' })])
    await topics.put('public.a', [a.create({ id: 2, a: 'two' })])
    await becomes('b', '1 x, 3 changed')
    await topics.make('public.c')
    await topics.put('public.c', c.snapshot({ id: 7, a: 'seven' }))
    await becomes('c', '7 seven')
    await topics.put('public.b', [b.create({ id: 4, a: 'four' })])
    await topics.put('public.c', [c.update({ id: 7, a: 'sept' })])
    await becomes('b', '1 x, 3 changed, 4 four')
    await becomes('c', '7 sept')
    await becomes('a', '1 one, 2 two')
    assert.equal((await first.kill('SIGTERM')).code, 0)
    await topics.make('public.d', { partitions: 2 })
    await topics.put('public.d', d.snapshot({ id: 1, a: 'd' }, { id: 2, a: 'dd' }))
    await topics.put('public.c', [...c.remove(7)])
    // What is meant stands in the checkpoint, so that nobody has to say it again.
    await caughtUp(start(['--until', 'caught-up']))
    assert.equal(await rows('d'), '1 d, 2 dd')
    assert.equal(await rows('c'), '')
    assert.equal(await tables(), 'a,b,c,d')
  })

  test('one is taken in once, whenever the process is killed', async (t) => {
    const { topics, which, start, rows, logs } = await stand(t)
    const logOf = new Map<string, Envelopes>()
    await topics.make('public.a')
    const a = logs('a')
    await topics.put('public.a', a.snapshot({ id: 1, a: 'one' }))
    await caughtUp(start([...which, '--until', 'caught-up']))
    const points: readonly Point[] = ['target-prepared', 'copy-begun', 'copy-finished']
    for (const [i, point] of points.entries()) {
      const table = `t${i}`
      const log = logs(table)
      logOf.set(table, log)
      await topics.make(`public.${table}`, { partitions: 2 })
      await topics.put(
        `public.${table}`,
        log.snapshot({ id: 1, a: 'x' }, { id: 2, a: 'y' }, { id: 3, a: 'z' }),
      )
      await topics.put(`public.${table}`, [...log.remove(1), log.update({ id: 2, a: point })])
      const killed = await start(['--until', 'caught-up'], { HOLDFAST_KILL_AT: point }).end(PATIENT)
      assert.equal(killed.signal, 'SIGKILL', point)
      await caughtUp(start(['--until', 'caught-up']))
      assert.equal(await rows(table), `2 ${point}, 3 z`)
    }
    for (const [table, log] of logOf) {
      await topics.put(`public.${table}`, [log.create({ id: 9, a: 'last' })])
    }
    await caughtUp(start(['--until', 'caught-up']))
    for (const [i, point] of points.entries()) {
      assert.equal(await rows(`t${i}`), `2 ${point}, 3 z, 9 last`)
    }
    assert.equal(await rows('a'), '1 one')
  })

  test('a mirror that begins while the connector takes its first snapshot gets all of it', async (t) => {
    const { topics, which, start, becomes, logs } = await stand(t)
    const log = logs('a')
    const several = Array.from({ length: 20 }, (_, id) => ({ id, a: `v${id}` }))
    const [begun, rest] = [log.snapshot(...several), log.snapshot(...several).slice(10)]
    await topics.make('public.a', { partitions: 3 })
    await topics.put('public.a', begun.slice(0, 10))
    const running = start(which)
    await becomes(
      'a',
      several
        .slice(0, 10)
        .map(({ id, a }) => `${id} ${a}`)
        .join(', '),
    )
    assert.equal(rest.length, 10)
    await topics.put('public.a', begun.slice(10))
    for (const table of ['b', 'c']) {
      const next = logs(table)
      await topics.make(`public.${table}`, { partitions: 2 })
      const all = next.snapshot(...several)
      await topics.put(`public.${table}`, all.slice(0, 1))
      await topics.put(`public.${table}`, all.slice(1))
      await topics.put(`public.${table}`, [
        next.update({ id: 0, a: 'after it' }),
        ...next.remove(1),
      ])
    }
    const wanted = several.map(({ id, a }) => `${id} ${a}`)
    await becomes('a', wanted.join(', '))
    for (const table of ['b', 'c']) {
      await becomes(table, ['0 after it', ...wanted.slice(2)].join(', '))
    }
    assert.equal((await running.kill('SIGTERM')).code, 0)
  })

  test('K14 rows of transactions that ended before their topic came are not waited with', async (t) => {
    const { topics, target, rows } = await stand(t)
    const log = { lsn: 1000, commit: null, time: 1_767_225_600_000_000 }
    const [a, b] = ['a', 'b'].map((table) => new Envelopes(topics.prefix, { table, log }))
    assert.ok(a !== undefined && b !== undefined)
    await topics.make('public.a')
    await topics.make('transaction')
    await topics.put('public.a', a.snapshot({ id: 0, a: 'x' }))
    const { catchUp } = mirror(t, {
      source: (await kafka()).url(),
      target: target.url,
      selection: { include: [`${topics.prefix}.*`] },
      params: { transaction_wait: '3600000' },
    })
    await catchUp()
    const both = (id: number) => {
      const ends = boundary(`${id}:${log.lsn}`, { a: 1, b: 1 })
      a.member = { id: `${id}:${log.lsn + 1}`, own: 1, total: 1 }
      b.member = { id: `${id}:${log.lsn + 2}`, own: 1, total: 2 }
      return { a: a.create({ id, a: 'new' }), b: b.create({ id, a: 'new' }), ends }
    }
    const before = [both(1), both(2)]
    await topics.put(
      'public.a',
      before.map((one) => one.a),
    )
    await topics.put(
      'transaction',
      before.map((one) => one.ends),
    )
    await catchUp()
    await topics.make('public.b')
    await topics.put(
      'public.b',
      before.map((one) => one.b),
    )
    const notices = [...(await catchUp())]
    const after = both(3)
    await topics.put('public.b', [after.b])
    await topics.put('public.a', [after.a])
    await topics.put('transaction', [after.ends])
    notices.push(...(await catchUp()))
    assert.equal(await rows('a'), '0 x, 1 new, 2 new, 3 new')
    assert.equal(await rows('b'), '1 new, 2 new, 3 new')
    assert.doesNotMatch(notices.join(), /in pieces/)
  })

  test('one that cannot be taken in is named, and the others go on', async (t) => {
    const { topics, target, which, start, rows, becomes, logs } = await stand(t)
    const [a, b, c, d, e] = [logs('a'), logs('b'), logs('c'), logs('d'), logs('e')]
    await topics.make('public.a')
    await topics.put('public.a', a.snapshot({ id: 1, a: 'one' }))
    const running = start(which)
    await becomes('a', '1 one')
    await target.query('create table public.c (id int primary key, a text)')
    await target.query(`insert into public.c values (5, 'of somebody')`)
    // A topic that is found before its oldest record is thrown away holds no row yet.
    await topics.make('public.e')
    await topics.put('public.e', e.remove(1).slice(1))
    await topics.empty('public.e')
    const keyless = b.snapshot({ id: 1, a: 'b' }).map((record) => ({ ...record, key: null }))
    for (const [topic, records] of [
      ['public.b', keyless],
      ['public.c', c.snapshot({ id: 1, a: 'c' })],
      ['public.again', a.snapshot({ id: 8, a: 'of another topic' })],
      ['public.e', [e.create({ id: 1, a: 'what was before is gone' })]],
      ['public.d', d.snapshot({ id: 1, a: 'd' })],
    ] as const) {
      if (topic !== 'public.e') await topics.make(topic)
      await topics.put(topic, records)
    }
    await becomes('d', '1 d')
    await running.line(/HF-K106 .*public\.b.* left out until/)
    await running.line(/HF-T2\d\d .*public\.c.* left out until/)
    await running.line(/HF-K107 .*public\.e begins at offset 1 .* left out until/)
    await running.line(/HF-C114 .*public\.a and public\.a.* left out until/)
    await topics.put('public.a', [a.create({ id: 2, a: 'two' })])
    await becomes('a', '1 one, 2 two')
    assert.equal(await rows('c'), '5 of somebody')
    assert.equal((await running.kill('SIGTERM')).code, 0)
    await target.query('drop table public.c')
    await topics.put('public.c', [c.create({ id: 2, a: 'cc' })])
    await caughtUp(start(['--until', 'caught-up']))
    assert.equal(await rows('c'), '1 c, 2 cc')
    assert.equal(await rows('a'), '1 one, 2 two')
    await topics.put('public.e', e.snapshot({ id: 1, a: 'all of it' }, { id: 2, a: 'ee' }))
    await caughtUp(start(['--until', 'caught-up']))
    assert.equal(await rows('e'), '1 all of it, 2 ee')
  })

  test('of processes that share a mirror exactly one takes it in', async (t) => {
    const { topics, target, which, start, becomes, logs } = await stand(t)
    const [a, b] = [logs('a'), logs('b')]
    await topics.make('public.a', { partitions: 2 })
    await topics.put('public.a', a.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }))
    const processes = [start([...which, '--share']), start([...which, '--share'])]
    await becomes('a', '1 one, 2 two')
    await topics.make('public.b', { partitions: 2 })
    await topics.put(
      'public.b',
      b.snapshot({ id: 1, a: 'x' }, { id: 2, a: 'y' }, { id: 3, a: 'z' }),
    )
    await topics.put('public.b', [...b.remove(1), b.update({ id: 2, a: 'changed' })])
    await becomes('b', '2 changed, 3 z')
    await eventually(
      'each has two of the lanes',
      async () => {
        const found = await target.query(`
          select m.epoch, (select count(*) from _holdfast.lanes l where l.epoch = m.epoch) as lanes
          from _holdfast.members m order by m.epoch`)
        return found.map(({ lanes }) => Number(lanes)).join() === '2,2'
      },
      PATIENT,
    )
    await topics.put('public.a', [a.update({ id: 1, a: 'uno' })])
    await topics.put('public.b', [b.create({ id: 4, a: 'four' })])
    await becomes('a', '1 uno, 2 two')
    await becomes('b', '2 changed, 3 z, 4 four')
    const taken = processes.flatMap(({ lines }) => lines).filter((line) => /has come/.test(line))
    assert.equal(taken.length, 1, taken.join('\n'))
    for (const one of processes) {
      assert.equal((await one.kill('SIGTERM')).code, 0, one.lines.join('\n'))
    }
  })

  test('K3 a topic that gets more partitions while it is mirrored halts the mirror then', async (t) => {
    const { topics, which, start, rows, becomes, logs } = await stand(t)
    const a = logs('a')
    await topics.make('public.a')
    await topics.put('public.a', a.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }))
    const running = start(which)
    await becomes('a', '1 one, 2 two')
    await topics.widen('public.a', 3)
    assert.equal((await running.end({ within: 120_000 })).code, 1)
    assert.match(running.lines.join('\n'), /HF-K104 [\s\S]*public\.a had 1 partitions and has 3/)
    assert.equal(await rows('a'), '1 one, 2 two')
  })
})
