import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { Child } from '../../../testkit/child.ts'
import { eventually } from '../../../testkit/eventually.ts'
import { startProxy, type TcpProxy } from '../../../testkit/proxy.ts'
import { postgres } from '../../../testkit/servers/index.ts'
import { halted, rows, type Stage, stage } from './stage.ts'

// A large transaction that the target is at work with while the rest of it is still being read.

const ITEMS = `create table items (id int primary key, v int, x text);
  insert into items select g, g, 'x' from generate_series(1, 1000) g`
const LARGE = `insert into items select g, g, repeat('z', 90) from generate_series(10001, 40000) g;
  update items set v = -v where id % 10 = 0; delete from items where id % 7 = 0`
const SMALL = { apply: { memory: '1MiB' } }
const WINDOWS = { HOLDFAST_CATCHUP: 'always' }
/** Bytes in a millisecond: the transaction takes more than ten seconds. */
const SLOW = 300

/** A mirror that has stopped before the source wrote the transaction, and a slow way to it. */
async function behind(t: TestContext): Promise<Stage & { readonly proxy: TcpProxy }> {
  const proxy = await startProxy(await postgres(18))
  t.after(() => proxy[Symbol.asyncDispose]())
  const source = (url: string): string => `${proxy.url(url)}?sslmode=disable`
  const pair = await stage(t, 18, { sql: ITEMS, through: { source }, ...SMALL })
  await pair.caughtUp()
  await pair.source.query(`begin; ${LARGE}; commit`)
  proxy.pace = SLOW
  return { ...pair, proxy }
}

/** Waits until the target has rows of a transaction that is still being read. */
async function atWork({ target }: Stage, child: Child): Promise<void> {
  const working = `select 1 from pg_locks l join pg_stat_activity a using (pid)
    where a.datname = current_database() and a.application_name like 'holdfast:%'
      and l.relation = 'items'::regclass and l.mode = 'RowExclusiveLock'`
  const seen = async (): Promise<boolean> => (await target.query(working)).length > 0
  const works = eventually('the target is at work', seen, { within: 60_000 })
  const ended = child.ended.then(() => assert.fail(child.lines.join('\n')))
  works.catch(() => undefined)
  ended.catch(() => undefined)
  await Promise.race([works, ended])
  assert.deepEqual(await rows(target, 'select count(*) from items'), ['1000'])
}

describe('a transaction that the target is at work with', () => {
  test('what is killed at it leaves nothing of the transaction, and it comes whole', async (t) => {
    const pair = await behind(t)
    const first = pair.run([], WINDOWS)
    await atWork(pair, first)
    await first.kill('SIGKILL')
    await eventually('the target took it back', async () => {
      const [n] = await rows(pair.target, 'select count(*) from items')
      return n === '1000'
    })
    pair.proxy.pace = Number.POSITIVE_INFINITY
    await pair.equal(pair.run([], WINDOWS))
  })

  test('a reading that breaks off is taken back, said, and begun again', async (t) => {
    const pair = await behind(t)
    const child = pair.run([], WINDOWS)
    await atWork(pair, child)
    await pair.source.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name like 'holdfast:%:catch-up%'`,
    )
    await child.line(/HF-(L119|S1)/)
    pair.proxy.pace = Number.POSITIVE_INFINITY
    await pair.equal(child)
  })

  test('who is asked to stop reads it to its end first', async (t) => {
    const pair = await behind(t)
    const child = pair.run([], WINDOWS)
    await atWork(pair, child)
    const ending = child.kill('SIGTERM')
    await child.line(/Stopping/)
    pair.proxy.pace = Number.POSITIVE_INFINITY
    assert.deepEqual(await ending, { code: 0, signal: null }, child.lines.join('\n'))
    const hash = 'select count(*), sum(hashtext(i::text)) from items i'
    assert.deepEqual(await rows(pair.target, hash), await rows(pair.source, hash))
  })

  test('what the target refuses in it is named with its place, and nothing of it stands', async (t) => {
    const pair = await stage(t, 18, { sql: ITEMS, ...SMALL })
    await pair.caughtUp()
    await pair.target.query('delete from items where id = 1000')
    await pair.source.query(`begin; ${LARGE}; commit`)
    await halted(pair.run([], WINDOWS), 'HF-D201', /in the transaction that committed at/)
    assert.deepEqual(await rows(pair.target, 'select count(*), max(id) from items'), ['999|999'])
  })
})
