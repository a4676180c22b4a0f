import { monotonic, sleep } from '../../src/async/clock.ts'
import { eventually } from '../eventually.ts'
import { openSession, type TestSession } from '../servers/index.ts'
import { type Done, hit, missed, nameOf, type Scene, type Ways } from './faults.ts'
import { roomy } from './watch.ts'

/** Somebody waits for it, and gives up after a while. */
async function soon(ask: () => Promise<boolean> | boolean, ms = 2000): Promise<boolean> {
  const until = monotonic() + ms
  while (monotonic() < until) {
    if (await ask()) return true
    await sleep(3)
  }
  return false
}

async function placeIn(session: TestSession): Promise<string | null> {
  const [row] = await session.query(
    `select string_agg(token, ' ') as at from _holdfast.lanes where mirror = 'oracle'`,
  )
  return row?.at ?? null
}

/** A batch is sent and commits, and nobody hears of it: what became of it is for the next to see. */
export async function replyLost({ random, target }: Scene): Promise<Done> {
  const way = target.proxy.open.find((one) => nameOf(one) === 'apply')
  if (way === undefined) return missed('none was open')
  await using session = await openSession(target.url)
  way.mute()
  const before = await placeIn(session)
  const committed = await soon(async () => !way.open || (await placeIn(session)) !== before)
  const unheard = committed && way.open
  await sleep(random.below(30))
  way.cut()
  return unheard ? hit() : missed('nothing was committed')
}

/** The next batches are refused with this SQLSTATE, as a busy server does. */
export async function refuse({ random, target }: Scene, codes: readonly string[]): Promise<Done> {
  await using session = await openSession(target.url)
  const [there] = await session.query(
    `select to_regclass('oracle_watch.refusal') is not null as is`,
  )
  if (there?.is !== 't') return missed('nothing was copied yet')
  const code = random.pick(codes)
  await session.query('update oracle_watch.refusal set code = $1', [code])
  await session.query(`select setval('oracle_watch.refusals', $1)`, [random.between(1, 3)])
  const refused = await soon(async () => {
    const [left] = await session.query('select last_value as n from oracle_watch.refusals')
    return left?.n === '0'
  })
  return refused ? hit(code) : missed(`${code} is still to come`)
}

/** Somebody holds tables for a moment. */
export async function lock({ random, target }: Scene): Promise<Done> {
  await using session = await openSession(target.url)
  const found = await session.query(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'oracle'`,
  )
  if (found.length === 0) return missed('nothing was there')
  const mode = random.pick(['share', 'access exclusive', 'share row exclusive'])
  const chosen = random.some(found, random.between(1, 3))
  try {
    await session.query(`begin; set local lock_timeout = '3s'`)
    for (const { name } of chosen) {
      await session.query(`lock table only ${name} in ${mode} mode`)
      await sleep(random.between(5, 200))
    }
    await session.query('rollback')
  } catch {
    // The deadlock was ended at our expense.
  }
  return hit(mode)
}

/** What the session that waits for the markers holds beside: the name of a table. */
const holderSql = `
select (select format('%I.%I', n.nspname, c.relname) from pg_locks h
    join pg_class c on c.oid = h.relation join pg_namespace n on n.oid = c.relnamespace
    where h.pid = w.pid and h.granted and h.mode = 'RowExclusiveLock' and c.relkind = 'r'
      and n.nspname = 'oracle' limit 1) as held
from pg_locks w where not w.granted and w.relation = 'oracle.marker'::regclass`

/** The mirror waits for what we hold, and we for what it holds; the server ends one of us. */
export async function deadlock({ target }: Scene): Promise<Done> {
  await using session = await openSession(target.url)
  const [there] = await session.query(
    `select to_regclass('oracle.marker') is not null as is, to_regclass('_holdfast.lanes') is not null as too`,
  )
  if (there?.is !== 't' || there.too !== 't') return missed('nothing was there')
  await session.query(`begin; set local deadlock_timeout = '2s'; set local lock_timeout = '3s'`)
  try {
    await session.query('lock table only oracle.marker in share mode')
    let held: string | null = null
    const waits = await soon(async () => {
      const [waiting] = await session.query(holderSql)
      held = waiting?.held ?? null
      return waiting !== undefined
    })
    if (!waits) return missed('nothing was written')
    await session.query(
      held === null
        ? 'select 1 from _holdfast.lanes for update'
        : `lock table only ${held} in share mode`,
    )
    return hit(held ?? 'checkpoint')
  } catch {
    return missed('ended at the expense of the other')
  } finally {
    await session.query('rollback')
  }
}

/** A statement of the mirror is cancelled by somebody who may. */
export async function cancel({ target }: Scene): Promise<Done> {
  await using session = await openSession(target.url)
  let purpose = ''
  const found = await soon(async () => {
    const [one] = await session.query(
      `select application_name as name, pg_cancel_backend(pid) from pg_stat_activity
       where application_name like 'holdfast%' and datname = current_database()
         and state = 'active' limit 1`,
    )
    purpose = one?.name?.split(':')[2] ?? ''
    return one !== undefined
  })
  return found ? hit(purpose) : missed('nothing ran')
}

/** The disk has no byte left, until the mirror has met it or there was nothing to write. */
export async function fullDisk({ random, mirror, target }: Scene): Promise<Done> {
  const { disk } = target
  if (disk === null) return missed('no disk of its own')
  const child = mirror.child
  const from = child?.lines.length ?? 0
  disk.resize(0)
  try {
    const met = await soon(
      () =>
        (mirror.child?.lines ?? []).some(
          (line, i) => (mirror.child !== child || i >= from) && /HF-T203/.test(line),
        ),
      random.between(1000, 4000),
    )
    return met ? hit() : missed('there was room enough')
  } finally {
    disk.resize(roomy)
  }
}

/** The server stands still as a whole, as a machine does that is moved. */
export async function pause({ random, target }: Ways): Promise<Done> {
  target.proxy.freezeAll()
  await sleep(random.between(200, 2000))
  target.proxy.thawAll()
  return hit()
}

/**
 * One process is stopped, another one takes the mirror, the first one wakes: it must give up, unless
 * the other one let go of the mirror meanwhile and is the one that has to.
 */
export async function twoProcesses({ mirror }: Ways): Promise<Done> {
  const first = mirror.child
  if (first === null) return missed('none was running')
  first.signal('SIGSTOP')
  mirror.replace()
  try {
    await eventually(
      'another process takes the mirror',
      async () => {
        const second = await eventually('it starts', () => mirror.child !== first && mirror.child)
        return second.lines.some((line) => /following|streaming/.test(line))
      },
      { within: 60_000 },
    )
  } finally {
    first.signal('SIGCONT')
  }
  const end = await first.end({ within: 60_000 })
  if (end.code === 0) throw new Error('a process that lost the mirror ended with 0')
  return hit()
}
