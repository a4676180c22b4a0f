import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sleep } from '../../src/async/clock.ts'
import { openSession, type TestSession } from '../../testkit/servers/index.ts'
import type { Pair } from '../machine.ts'
import type { Figures, Result } from '../report.ts'
import { clearSource, NAME, untilFinished, untilTrue } from '../stage.ts'
import { spreadOf } from '../statistics.ts'
import { tpcbTables, tpcbTransaction } from '../workload/tpcb.ts'
import { type Contest, type Contestant, interleaved } from './contest.ts'
import { type Started, startNative, startOurs } from './contestants.ts'

const SESSIONS = 4
/** Transactions per second of the first step, and how much more each next one asks. */
const FIRST = 2_000
const STEP = 1.3
/** What is asked where even the first step was too much begins with this share of it. */
const LESS = 0.25
const SECONDS = 8
/** Seconds that a change may be late. */
const LATE = 1
/** A source that makes less than this share of what is asked is at its end itself. */
const KEPT = 0.95

const WORK = `create procedure work(rate float8, seconds float8, inout made bigint) language plpgsql
as $$ declare began timestamptz := clock_timestamp(); due float8 := 0; ahead float8;
begin
  made := 0;
  loop
    due := due + 1 / rate;
    ahead := due - extract(epoch from clock_timestamp() - began);
    exit when due > seconds or ahead < due - seconds;
    if ahead > 0.001 then perform pg_sleep(ahead); end if;
    call transact();
    commit;
    made := made + 1;
  end loop;
end $$`

const BEAT = `create procedure beat(seconds float8) language plpgsql as $$
declare until timestamptz := clock_timestamp() + seconds * interval '1 s'; begin
  while clock_timestamp() < until loop
    update public.beats set at = clock_timestamp();
    commit;
    perform pg_sleep(0.05);
  end loop;
end $$`

interface Sustained {
  /** Transactions per second. */
  readonly rate: number
  /** The source made no more than that. */
  readonly limited: boolean
}

/** The highest steady rate of TPC-B at which what is committed is seen within a second. */
export const sustainedContest: Contest = {
  name: 'sustained',
  run: async ({ pair, scale }) => {
    await using admin = await openSession(pair.source.url())
    await admin.query(`create database ${NAME}`)
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
    try {
      await using source = await openSession(pair.source.url(NAME))
      const beats = 'create table beats (id int primary key, at timestamptz)'
      const made = [beats, 'insert into beats values (1, now())', tpcbTransaction(), WORK, BEAT]
      for (const sql of [...tpcbTables(), ...made]) await source.query(sql)
      await source.query(
        'create publication native for table beats, accounts, tellers, branches, history',
      )
      await source.query('alter table history replica identity full')
      const seconds = Math.max(3, SECONDS * scale)
      const scene = { pair, source, folder, seconds }
      const runs = await interleaved({
        name: 'sustained',
        repetitions: 1,
        run: (contestant) => climb(scene, contestant),
        tell: ({ rate, limited }) => `${Math.round(rate)} tx/s${limited ? ', all there were' : ''}`,
      })
      return { results: [resultOf(runs)] }
    } finally {
      await admin.query(`drop database if exists ${NAME} with (force)`)
      await rm(folder, { recursive: true, force: true })
    }
  },
}

interface Scene {
  readonly pair: Pair
  readonly source: TestSession
  readonly folder: string
  readonly seconds: number
}

async function climb(scene: Scene, contestant: Contestant): Promise<Sustained> {
  const { pair, source } = scene
  await using admin = await openSession(pair.target.url())
  await admin.query('drop database if exists run with (force)')
  await admin.query('create database run')
  await using target = await openSession(pair.target.url('run'))
  const tool = await begin(scene, contestant, target)
  let best: Sustained = { rate: 0, limited: false }
  let rate = FIRST
  while (!best.limited) {
    const { made, late } = await step(scene, target, rate)
    if (late <= LATE) {
      best = { rate: made, limited: made < rate * KEPT }
      rate *= STEP
    } else if (rate === FIRST) rate *= LESS
    else break
  }
  await tool.stop()
  if (contestant === 'holdfast') await clearSource(source)
  return best
}

async function begin(
  { pair, folder }: Scene,
  contestant: Contestant,
  target: TestSession,
): Promise<Started> {
  if (contestant === 'holdfast') {
    const tool = startOurs(pair, folder, ['--keyless', 'append'])
    await Promise.race([untilFinished(target), tool.failed])
    return tool
  }
  const schema = tpcbTables().filter((sql) => sql.startsWith('create table'))
  const beats = 'create table beats (id int primary key, at timestamptz)'
  for (const sql of [...schema, beats]) await target.query(sql)
  const how = { publications: ['native'], slot: null, copy: true }
  const tool = await startNative(pair, target, how)
  const copying = `srsubstate not in ('r', 's')`
  await untilTrue(target, `not exists (select from pg_subscription_rel where ${copying})`)
  return tool
}

/** One rate for some seconds, and how late the last changes are then. */
async function step(
  { pair, seconds }: Scene,
  target: TestSession,
  rate: number,
): Promise<{ readonly made: number; readonly late: number }> {
  const on = async (sql: string): Promise<number> => {
    await using session = await openSession(pair.source.url(NAME))
    const [row] = await session.query(sql)
    return Number(row?.['made'] ?? 0)
  }
  const lanes = Array.from({ length: SESSIONS }, () =>
    on(`call work(${rate / SESSIONS}, ${seconds}, null)`),
  )
  const beating = on(`call beat(${seconds + 0.5})`)
  const all = (await Promise.all(lanes)).reduce((sum, made) => sum + made, 0)
  const [row] = await target.query(
    'select extract(epoch from clock_timestamp() - at) as late from beats',
  )
  await beating
  await untilTrue(target, `exists (select from beats where at > now() - interval '60 s')`)
  await sleep(500)
  return { made: all / seconds, late: Number(row?.['late']) }
}

function resultOf(runs: Readonly<Record<Contestant, readonly Sustained[]>>): Result {
  const figures = (found: readonly Sustained[]): Figures => ({
    taken: spreadOf(found.map(({ rate }) => rate)),
    ...{ perSecond: null, cpu: null, memory: 0, source: null },
  })
  const ratios = runs.native.map(({ rate }, i) => (runs.holdfast[i]?.rate ?? 0) / rate)
  return {
    ...{ name: 'sustained tx/s', ratio: spreadOf(ratios), goal: 'least', must: null, aim: null },
    native: figures(runs.native),
    holdfast: figures(runs.holdfast),
  }
}
