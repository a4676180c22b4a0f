import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, type TestContext, test } from 'node:test'
import type { Status } from '../../../../src/observe/status.ts'
import { type Child, holdfast } from '../../../../testkit/child.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { database, kafka, type TestDatabase } from '../../../../testkit/servers/index.ts'
import { TestTopics } from '../../../../testkit/topics.ts'
import { Envelopes } from './envelopes.ts'

const TOPIC = 'public.t'
const PATIENT = { within: 120_000, every: 100 }

/** A mirror of one topic of four partitions, and processes that share it. */
async function stand(t: TestContext) {
  const broker = await kafka()
  const topics = TestTopics.at(t, broker)
  await topics.make(TOPIC, { partitions: 4 })
  const target = await database(t, 17)
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-shared-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const ends = ['--source', broker.url(), '--target', target.url]
  const which = ['--name', 'shared', '--include', `${topics.prefix}.*`]
  const start = (...flags: readonly string[]): Child => {
    const child = holdfast(['run', ...ends, ...which, ...flags], { cwd: folder })
    t.after(() => child[Symbol.asyncDispose]())
    return child
  }
  const rows = async (): Promise<string> => {
    const found = await target.query('select id, a from public.t order by id')
    return found.map(({ id, a }) => `${id} ${a}`).join(', ')
  }
  const becomes = (wanted: string): Promise<true> =>
    eventually(
      `the rows ${wanted.slice(0, 200)}`,
      async () => {
        const found = await rows()
        if (found !== wanted) throw new Error(found.slice(0, 400))
        return true
      },
      PATIENT,
    )
  /** What `status` says in the folder of the processes, or somewhere else. */
  const status = async (where: 'here' | 'elsewhere'): Promise<Status> => {
    const flags = where === 'here' ? [] : ['--target', target.url, '--name', 'shared']
    const cwd = where === 'here' ? folder : tmpdir()
    const child = holdfast(['status', '--json', ...flags], { cwd })
    t.after(() => child[Symbol.asyncDispose]())
    await child.end({ within: 120_000 })
    return JSON.parse(child.stdout.join('')).result
  }
  return { topics, target, log: new Envelopes(topics.prefix), start, becomes, ends, status }
}

/** The living processes with the number of their lanes. */
function sharesOf({ members }: Status): readonly string[] {
  return members.filter(({ recent }) => recent).map(({ pid, lanes }) => `${pid} ${lanes.length}`)
}

/** How many lanes each living process has, the eldest first. */
async function lanesOf(target: TestDatabase): Promise<readonly number[]> {
  const found = await target.query(`
    select m.epoch, (select count(*) from _holdfast.lanes l where l.epoch = m.epoch) as lanes
    from _holdfast.members m order by m.epoch`)
  return found.map(({ lanes }) => Number(lanes))
}

function spread(target: TestDatabase, wanted: readonly number[]): Promise<true> {
  return eventually(
    `lanes of processes: ${wanted.join()}`,
    async () => {
      const found = await lanesOf(target)
      if (found.join() !== wanted.join()) throw new Error(found.join())
      return true
    },
    PATIENT,
  )
}

/** Counts each write of a row, whoever writes it. */
async function count(target: TestDatabase): Promise<() => Promise<number>> {
  await target.query(`
    create table public.writes (n bigserial primary key, id int);
    create function public.note() returns trigger language plpgsql as $$
      begin insert into public.writes (id) values (new.id); return null; end $$;
    create trigger note after insert or update on public.t for each row execute function public.note();
    alter table public.t enable always trigger note`)
  return async () => {
    const [row] = await target.query('select count(*) as n from public.writes')
    return Number(row?.n)
  }
}

const ids = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from }, (_, i) => from + i)
const written = (of: readonly number[], a: string): string =>
  of.map((id) => `${id} ${a}`).join(', ')

suite('processes that share a mirror of topics', () => {
  test('K16 each follow a fair share; one that is killed or stopped loses its own, and writes no more', async (t) => {
    const { topics, target, log, start, becomes, status } = await stand(t)
    await topics.put(TOPIC, log.snapshot(...ids(0, 40).map((id) => ({ id, a: 'one' }))))
    const first = start('--share')
    await becomes(written(ids(0, 40), 'one'))
    await spread(target, [4])
    const writes = await count(target)
    const second = start('--share')
    await spread(target, [2, 2])
    // One of them answers for itself, and says who else there is.
    const here = await status('here')
    assert.deepEqual(sharesOf(here), [`${first.pid} 2`, `${second.pid} 2`])
    let sent = 0
    const update = async (a: string): Promise<void> => {
      const records = ids(0, 40).map((id) => log.update({ id, a }))
      sent += records.length
      await topics.put(TOPIC, records)
    }
    await update('two')
    await becomes(written(ids(0, 40), 'two'))
    const third = start('--share')
    await spread(target, [2, 1, 1])
    const elsewhere = await status('elsewhere')
    assert.deepEqual(sharesOf(elsewhere), [`${first.pid} 2`, `${second.pid} 1`, `${third.pid} 1`])
    assert.equal(elsewhere.overall, 'healthy')
    assert.match(elsewhere.reason ?? '', /share this mirror: 3; followed: 4 of 4 lanes/)
    // Killed without a word while changes come.
    await update('three')
    await second.kill()
    await update('four')
    await becomes(written(ids(0, 40), 'four'))
    await spread(target, [2, 2])
    // Stopped with changes on their way; it goes on long after others have its lanes.
    await update('five')
    first.signal('SIGSTOP')
    await update('six')
    await becomes(written(ids(0, 40), 'six'))
    await spread(target, [4])
    first.signal('SIGCONT')
    await update('seven')
    await becomes(written(ids(0, 40), 'seven'))
    await spread(target, [2, 2])
    // One that ends well gives its lanes back at once.
    assert.equal((await third.kill('SIGTERM')).code, 0)
    await update('eight')
    await becomes(written(ids(0, 40), 'eight'))
    await spread(target, [4])
    assert.ok((await writes()) <= sent, `${await writes()} writes of ${sent} changes`)
    assert.equal((await first.kill('SIGTERM')).code, 0)
    const gone = await status('elsewhere')
    assert.deepEqual([gone.phase, gone.overall, gone.members], ['stopped', 'degraded', []])
  })

  test('one that others took for gone, and that did not notice, says so and joins again', async (t) => {
    const { topics, target, log, start, becomes } = await stand(t)
    await topics.put(TOPIC, log.snapshot(...ids(0, 40).map((id) => ({ id, a: 'one' }))))
    const only = start('--share')
    await becomes(written(ids(0, 40), 'one'))
    await spread(target, [4])
    // What others do to one that is silent, without the end of its session.
    await target.query('delete from _holdfast.members')
    await only.line(/HF-X103/, PATIENT)
    await topics.put(
      TOPIC,
      ids(0, 40).map((id) => log.update({ id, a: 'two' })),
    )
    await becomes(written(ids(0, 40), 'two'))
    await spread(target, [4])
    assert.equal((await only.kill('SIGTERM')).code, 0)
  })

  test('follow a truncate, a new snapshot, a new column and a change of key together', async (t) => {
    const { topics, target, log, start, becomes } = await stand(t)
    await topics.put(TOPIC, log.snapshot(...ids(0, 40).map((id) => ({ id, a: 'one' }))))
    const processes = [start('--share'), start('--share')]
    await becomes(written(ids(0, 40), 'one'))
    await spread(target, [2, 2])
    await topics.put(TOPIC, [
      log.truncate(),
      ...ids(5, 30).map((id) => log.create({ id, a: 'two' })),
    ])
    await becomes(written(ids(5, 30), 'two'))
    await topics.put(TOPIC, log.snapshot(...ids(10, 40).map((id) => ({ id, a: 'three' }))))
    await topics.put(
      TOPIC,
      ids(10, 40).map((id) => log.update({ id, a: 'four' })),
    )
    await becomes(written(ids(10, 40), 'four'))
    log.add({ type: 'string', optional: true, field: 'b' })
    await topics.put(
      TOPIC,
      ids(10, 40).map((id) => log.update({ id, a: 'five', b: 'new' })),
    )
    await becomes(written(ids(10, 40), 'five'))
    const found = await target.query(`select count(*) as n from public.t where b = 'new'`)
    assert.equal(Number(found[0]?.n), 30)
    await spread(target, [2, 2])
    for (const one of processes) assert.equal((await one.kill('SIGTERM')).code, 0)
  })

  test('are refused where they cannot be, and let nobody take the mirror alone', async (t) => {
    const { topics, target, log, start, ends, becomes } = await stand(t)
    await topics.put(TOPIC, log.snapshot({ id: 1, a: 'one' }))
    const until = start('--share', '--until', 'caught-up')
    assert.equal((await until.end()).code, 2)
    assert.match(until.stderr.join('\n'), /HF-C116/)
    start('--share')
    await becomes('1 one')
    await spread(
      target,
      [1].map(() => 4),
    )
    const alone = start()
    const [, , ...toTarget] = ends
    const source = await database(t, 17)
    const native = holdfast(['run', '--share', '--source', source.url, ...toTarget])
    t.after(() => native[Symbol.asyncDispose]())
    assert.equal((await native.end()).code, 2)
    assert.match(native.stderr.join('\n'), /HF-C116/)
    assert.equal((await alone.end()).code, 4)
    assert.match(alone.stderr.join('\n'), /HF-X101/)
  })
})
