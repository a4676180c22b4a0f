import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import type { Point } from '../../../../src/async/point.ts'
import { parseUrl } from '../../../../src/config/url.ts'
import { type AnewOptions, tellTablesAnew } from '../../../../src/mirror/anew.ts'
import { defaultLimits } from '../../../../src/mirror/options.ts'
import type { Fault } from '../../../../src/model/fault.ts'
import type { Wish } from '../../../../src/source/source.ts'
import { type Child, holdfast } from '../../../../testkit/child.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { mirror } from '../../../../testkit/mirror.ts'
import { database, kafka, mongoDatabase, mysqlDatabase } from '../../../../testkit/servers/index.ts'
import { type TestRecord, TestTopics } from '../../../../testkit/topics.ts'
import { Envelopes } from './envelopes.ts'
import { halts, TOPIC } from './stand.ts'

const LONG = { within: 120_000 }
const OTHER = 'public.u'
const onExisting = 'refuse'

interface Target {
  readonly url: string
  query(sql: string): Promise<readonly Readonly<Record<string, unknown>>[]>
}

/** Topics of two tables, a mirror of them, and a connector that takes a snapshot when it is asked. */
async function stand(t: TestContext, how: { partitions?: number; target?: Target } = {}) {
  const broker = await kafka()
  const topics = TestTopics.at(t, broker)
  await topics.make(TOPIC, { partitions: how.partitions ?? 1 })
  await topics.make(OTHER)
  const target: Target = how.target ?? (await database(t, 17))
  const log = { lsn: 1000, commit: null, time: 1_767_225_600_000_000 }
  const [own, other] = ['t', 'u'].map((table) => new Envelopes(topics.prefix, { table, log }))
  assert.ok(own !== undefined && other !== undefined)
  const name = `anew_${topics.prefix}`
  const from = { source: broker.url(), target: target.url, name }
  const ends = { ...from, selection: { include: [`${topics.prefix}.*`] } }
  const { catchUp } = mirror(t, ends)
  const rows = async (table = 't', columns = 'id, a'): Promise<string> => {
    const found = await target.query(`select ${columns} from ${table} order by id`)
    return found.map((row) => Object.values(row).join(' ')).join(', ')
  }
  const resync = (
    told: () => Promise<unknown>,
    { names = null, wait = 120_000 }: { names?: readonly string[] | null; wait?: number } = {},
  ) => {
    const wishes: Wish[] = []
    const options: AnewOptions = {
      ...{ name, names, wait, onExisting, copyWorkers: 1, patience: 0, limits: defaultLimits },
      source: parseUrl(from.source, 'the source'),
      target: parseUrl(from.target, 'the target'),
      selection: { ...ends.selection, exclude: [], keyless: 'refuse' },
      ask: async (wanted) => {
        wishes.push(...wanted)
        await told()
      },
    }
    return tellTablesAnew(options, t.signal).then((anew) => ({ ...anew, wishes }))
  }
  const put = (topic: string, records: readonly TestRecord[]) => topics.put(topic, records)
  /** Nine rows that were copied, and a change of each that was not read yet. */
  const behind = async (): Promise<void> => {
    await put(TOPIC, own.snapshot(...several(0, 9)))
    await put(OTHER, other.snapshot({ id: 1, a: 'u' }))
    await catchUp()
    await put(
      TOPIC,
      several(0, 9, 'w').map((row) => own.update(row)),
    )
  }
  return { topics, target, from, own, other, catchUp, rows, resync, put, behind }
}

const several = (from: number, to: number, a = 'v') =>
  Array.from({ length: to - from }, (_, i) => ({ id: from + i, a: `${a}${from + i}` }))
const shown = (rows: readonly { readonly id: number; readonly a: string }[]): string =>
  rows.map(({ id, a }) => `${id} ${a}`).join(', ')

suite('tables that a connector tells anew', () => {
  for (const kind of ['PostgreSQL', 'mysql-9', 'mariadb-10.11'] as const) {
    test(`K1 go on behind a gap with the rows of a new snapshot, the others where they stood: ${kind}`, async (t) => {
      const target = kind === 'PostgreSQL' ? {} : { target: await mysqlDatabase(t, kind) }
      const { topics, own, other, catchUp, rows, resync, put } = await stand(t, target)
      await put(TOPIC, own.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }))
      await put(OTHER, other.snapshot({ id: 1, a: 'u' }))
      await catchUp()
      await put(TOPIC, [...own.remove(2), own.update({ id: 1, a: 'lost' })])
      await put(OTHER, [other.create({ id: 2, a: 'uu' })])
      await topics.cut(TOPIC, 0, 4n)
      await assert.rejects(catchUp(), halts('HF-K101'))
      const late = own.update({ id: 3, a: 'of the snapshot' })
      const anew = await resync(async () => {
        await put(TOPIC, [own.create({ id: 3, a: 'before it' })])
        await put(TOPIC, own.snapshot({ id: 1, a: 'uno' }, { id: 3, a: 'drei' }))
        await put(TOPIC, [late, own.create({ id: 4, a: 'after it' })])
      })
      assert.deepEqual(anew, {
        ...{ ended: 'moved', known: true, tables: ['public.t'] },
        wishes: [{ server: topics.prefix, collection: 'public.t' }],
      })
      assert.equal(await rows(), '1 one, 2 two')
      await catchUp()
      assert.equal(await rows(), '1 uno, 3 drei, 4 after it')
      assert.equal(await rows('u'), '1 u, 2 uu')
      await put(TOPIC, [own.update({ id: 4, a: 'followed' }), ...own.remove(3)])
      await catchUp()
      assert.equal(await rows(), '1 uno, 4 followed')
      assert.equal((await resync(() => assert.fail('nobody is asked'))).ended, 'nothing')
    })
  }

  test('are asked for again where nothing comes', async (t) => {
    const { own, other, catchUp, rows, resync, put } = await stand(t)
    await put(TOPIC, own.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }))
    await put(OTHER, other.snapshot({ id: 1, a: 'u' }))
    await catchUp()
    let asked = 0
    const { ended, wishes } = await resync(
      async () => {
        if (asked++ > 0) await put(TOPIC, own.snapshot({ id: 1, a: 'uno' }, { id: 3, a: 'drei' }))
      },
      { names: ['public.t'], wait: 20_000 },
    )
    assert.deepEqual({ ended, wishes: wishes.length }, { ended: 'moved', wishes: asked })
    await catchUp()
    assert.equal(await rows(), '1 uno, 3 drei')
  })

  test('K3 all partitions are followed from then on', async (t) => {
    const { topics, own, other, catchUp, rows, resync, put } = await stand(t)
    await put(TOPIC, own.snapshot(...several(0, 20)))
    await put(OTHER, other.snapshot({ id: 1, a: 'u' }))
    await catchUp()
    await topics.widen(TOPIC, 4)
    await put(
      TOPIC,
      several(0, 20, 'moved').map((row) => own.update(row)),
    )
    await assert.rejects(catchUp(), halts('HF-K104'))
    await resync(() => put(TOPIC, own.snapshot(...several(5, 20, 'new'))))
    await put(TOPIC, [own.create({ id: 99, a: 'after' }), ...own.remove(5)])
    await catchUp()
    assert.equal(await rows(), `${shown(several(6, 20, 'new'))}, 99 after`)
    await put(
      TOPIC,
      several(6, 20, 'again').map((row) => own.update(row)),
    )
    await catchUp()
    assert.equal(await rows(), `${shown(several(6, 20, 'again'))}, 99 after`)
    assert.equal(await rows('u'), '1 u')
  })

  test('K2 a topic that was deleted is waited for, and followed once it is there', async (t) => {
    const { topics, own, catchUp, rows, resync, put, behind } = await stand(t, { partitions: 3 })
    await behind()
    await catchUp()
    await topics.remove(TOPIC)
    await eventually(
      'the mirror halts',
      async () => {
        await assert.rejects(catchUp(), halts('HF-K103'))
        return true
      },
      LONG,
    )
    await resync(async () => {
      await eventually(
        'it is made again',
        async () => (await topics.make(TOPIC, { partitions: 3 })) !== '',
        LONG,
      )
      await put(TOPIC, own.snapshot({ id: 2, a: 'two' }, { id: 3, a: 'three' }))
      await put(TOPIC, [own.update({ id: 3, a: 'drei' })])
    })
    await catchUp()
    assert.equal(await rows(), '2 two, 3 drei')
    assert.equal(await rows('u'), '1 u')
  })

  test('K7 a log that went back goes on behind the old one', async (t) => {
    const { topics, own, other, catchUp, rows, resync, put } = await stand(t)
    await put(TOPIC, own.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }))
    await put(OTHER, other.snapshot({ id: 1, a: 'u' }))
    await put(TOPIC, [own.update({ id: 1, a: 'uno' })])
    await catchUp()
    const later = { lsn: 500, commit: null, time: 1_800_000_000_000_000 }
    const restored = new Envelopes(topics.prefix, { log: later })
    await put(TOPIC, [restored.update({ id: 1, a: 'back' })])
    await assert.rejects(catchUp(), halts('HF-K109'))
    await resync(() => put(TOPIC, restored.snapshot({ id: 1, a: 'back' }, { id: 3, a: 'new' })), {
      names: ['public.t'],
    })
    await put(TOPIC, [restored.update({ id: 3, a: 'newer' })])
    await catchUp()
    assert.equal(await rows(), '1 back, 3 newer')
  })

  test('a snapshot that was under way before is not taken for the one that was asked for', async (t) => {
    const { topics, own, other, catchUp, rows, resync, put } = await stand(t, { partitions: 3 })
    await put(TOPIC, own.snapshot(...several(0, 9)))
    await put(OTHER, other.snapshot({ id: 1, a: 'u' }))
    await catchUp()
    const under = own.snapshot(...several(0, 9, 'half'))
    await put(TOPIC, under.slice(0, 7))
    await topics.empty(TOPIC)
    await assert.rejects(catchUp(), halts('HF-K101'))
    const nobody = resync(async () => undefined, { wait: 3_000 })
    await assert.rejects(nobody, halts('HF-K122'))
    await assert.rejects(catchUp(), halts('HF-K101'))
    // Two rows of it come late, and then the one that was asked for.
    await resync(async () => {
      await put(TOPIC, under.slice(7))
      await put(TOPIC, own.snapshot(...several(3, 9, 'whole')))
    })
    await catchUp()
    assert.equal(await rows(), shown(several(3, 9, 'whole')))
    // A row alone is its own beginning and end: a second one tells.
    const last = own.snapshot(...several(0, 9, 'half')).slice(8)
    const answers = [last, own.snapshot({ id: 7, a: 'alone' })]
    await resync(() => put(TOPIC, answers.shift() ?? []), { names: ['public.t'] })
    assert.deepEqual(answers, [], 'it was asked for twice')
    await catchUp()
    assert.equal(await rows(), '7 alone')
  })

  test('K1 a first copy that cannot begin begins at the snapshot that is asked for', async (t) => {
    const { topics, own, other, catchUp, rows, resync, put } = await stand(t)
    await put(TOPIC, [...own.snapshot({ id: 1, a: 'one' }), own.update({ id: 1, a: 'uno' })])
    await put(OTHER, other.snapshot({ id: 1, a: 'u' }))
    await topics.cut(TOPIC, 0, 1n)
    await assert.rejects(catchUp(), halts('HF-K107'))
    const rest = { id: 2, a: 'zwei' }
    const anew = await resync(() => put(TOPIC, own.snapshot({ id: 1, a: 'ein' }, rest)))
    assert.deepEqual([anew.ended, anew.known, anew.tables], ['left', false, ['public.t']])
    await catchUp()
    assert.equal(await rows(), '1 ein, 2 zwei')
  })

  test('K19 a column that came with a value is followed once all rows are told with it', async (t) => {
    const { own, other, catchUp, rows, resync, put } = await stand(t, { partitions: 2 })
    await put(TOPIC, own.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }))
    await put(OTHER, other.snapshot({ id: 1, a: 'u' }))
    await catchUp()
    own.add({ type: 'string', optional: true, field: 'b', default: 'x' })
    await put(TOPIC, [own.create({ id: 3, a: 'three', b: 'x' })])
    const command = 'holdfast resync-tables public.t'
    await assert.rejects(catchUp(), (error: Fault) => {
      return halts('HF-K110')(error) && error.todo[0]?.run === command
    })
    const all = [1, 2, 3].map((id) => ({ id, a: `a${id}`, b: `b${id}` }))
    await resync(() => put(TOPIC, own.snapshot(...all)), { names: ['public.t'] })
    await put(TOPIC, [own.update({ id: 3, a: 'drei', b: 'y' }), ...own.remove(2)])
    await catchUp()
    assert.equal(await rows('t', 'id, a, b'), '1 a1 b1, 3 drei y')
    // The first one that brings a column does not come to its end.
    own.add({ type: 'string', optional: true, field: 'c' })
    await put(TOPIC, own.snapshot({ id: 1, a: 'half' }, { id: 2, a: 'half' }).slice(0, 1))
    await put(TOPIC, own.snapshot(...all.map((row) => ({ ...row, c: 'c' }))))
    await put(TOPIC, own.remove(1))
    await catchUp()
    assert.equal(await rows('t', 'id, a, b, c'), '2 a2 b2 c, 3 a3 b3 c')
  })

  test('columns that cannot be followed, a wrong name and MongoDB are refused', async (t) => {
    const { own, other, catchUp, rows, resync, put, topics, from } = await stand(t)
    await put(TOPIC, own.snapshot({ id: 1, a: 'one' }))
    await put(OTHER, other.snapshot({ id: 1, a: 'u' }))
    await catchUp()
    await assert.rejects(
      resync(() => assert.fail(), { names: ['public.x'] }),
      halts('HF-C105'),
    )
    own.drop('a')
    own.add({ type: 'string', optional: true, field: 'b' })
    await assert.rejects(
      resync(() => put(TOPIC, own.snapshot({ id: 1 }, { id: 2 })), { names: [topics.name(TOPIC)] }),
      halts('HF-K110'),
    )
    assert.equal(await rows(), '1 one')
    const documents = await mongoDatabase(t)
    const to = { ...from, target: documents.url, selection: { include: [topics.name(OTHER)] } }
    await mirror(t, to).catchUp()
    const options: AnewOptions = {
      ...{ name: from.name, names: ['public.u'], wait: 1, onExisting, copyWorkers: 1, patience: 0 },
      source: parseUrl(to.source, 'the source'),
      target: parseUrl(to.target, 'the target'),
      selection: { ...to.selection, exclude: [], keyless: 'refuse' },
      limits: defaultLimits,
      ask: async () => assert.fail(),
    }
    await assert.rejects(tellTablesAnew(options, t.signal), (error: Fault) => {
      assert.match(error.todo.at(-1)?.run ?? '', /^holdfast destroy/)
      return halts('HF-T254')(error)
    })
  })

  test('K1 the command ends the same whenever it, or the run after it, is killed', async (t) => {
    const { topics, own, rows, put, from, behind } = await stand(t, { partitions: 2 })
    const ends = ['--source', from.source, '--target', from.target, '--name', from.name]
    const start = (what: readonly string[], kill?: Point): Child => {
      const child = holdfast([...what, ...ends], { env: kill ? { HOLDFAST_KILL_AT: kill } : {} })
      t.after(() => child[Symbol.asyncDispose]())
      return child
    }
    await behind()
    await topics.empty(TOPIC)
    const halted = await start(['run', '--until', 'caught-up']).end(LONG)
    assert.equal(halted.code, 1)
    for (const kill of ['tables-asked', 'tables-told', 'lanes-moved'] as const) {
      const child = start(['resync-tables', 'public.t'], kill)
      await child.line(/put {"type":"execute-snapshot".* with the key t[0-9a-f]{8} /, LONG)
      await put(TOPIC, own.snapshot(...several(2, 9, kill)))
      assert.equal((await child.end(LONG)).signal, 'SIGKILL', kill)
      assert.equal(await rows(), shown(several(0, 9)))
      const after = kill === 'lanes-moved' ? 'batch-begun' : null
      const run = start(['run', '--until', 'caught-up'], after ?? undefined)
      const { code, signal } = await run.end(LONG)
      if (after === null) assert.equal(code, 1, run.lines.join('\n'))
      else assert.equal(signal, 'SIGKILL')
      assert.equal(await rows(), shown(several(0, 9)))
    }
    const last = start(['run', '--until', 'caught-up'])
    assert.equal((await last.end(LONG)).code, 0, last.lines.join('\n'))
    assert.equal(await rows(), shown(several(2, 9, 'lanes-moved')))
  })

  test('a mirror that runs takes a doubted table by itself', async (t) => {
    const { own, other, rows, put, resync, from, topics } = await stand(t)
    await put(TOPIC, own.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }))
    await put(OTHER, other.snapshot({ id: 1, a: 'u' }))
    const ends = ['--source', from.source, '--target', from.target, '--name', from.name]
    const run = holdfast(['run', ...ends, '--include', `${topics.prefix}.*`])
    t.after(() => run[Symbol.asyncDispose]())
    const become = (wanted: string) =>
      eventually('the rows', async () => (await rows().catch(() => '')) === wanted, LONG)
    await become('1 one, 2 two')
    const anew = await resync(
      () => put(TOPIC, own.snapshot({ id: 2, a: 'zwei' }, { id: 3, a: 'drei' })),
      {
        names: ['public.t'],
      },
    )
    assert.equal(anew.ended, 'left')
    await become('2 zwei, 3 drei')
    assert.equal((await run.kill('SIGTERM')).code, 0)
  })
})
