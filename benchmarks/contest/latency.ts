import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monotonic, sleep } from '../../src/async/clock.ts'
import { openSession, type TestSession } from '../../testkit/servers/index.ts'
import { type Pair, processSeconds, serverSeconds } from '../machine.ts'
import type { Figures, Result } from '../report.ts'
import { clearSource, NAME, untilTrue } from '../stage.ts'
import { percentile, spreadOf } from '../statistics.ts'
import { type Bench, type Contest, type Contestant, type Cpu, interleaved } from './contest.ts'
import { startNative, startOurs } from './contestants.ts'

/** Transactions per second, and the sessions that make them. */
const RATE = 1_000
const SESSIONS = 4
/** Seconds that are measured at scale 1, and what passes before. */
const SECONDS = 20
const WARM_SECONDS = 2

const TABLES = [
  'create table load (id bigint primary key, a int, b text, ts timestamptz)',
  'create table probes (id int primary key)',
]

/** Gaps of random length, so that transactions meet as those of strangers do. */
const SOURCE = [
  ...TABLES,
  'create publication native for all tables',
  `create procedure work(lane int, seconds float8) language plpgsql as $$
   declare began timestamptz := clock_timestamp(); due float8 := 0; n bigint := 0; ahead float8;
   begin
     loop
       due := due - ln(1 - random()) * ${SESSIONS / RATE};
       exit when due > seconds;
       ahead := due - extract(epoch from clock_timestamp() - began);
       if ahead > 0 then perform pg_sleep(ahead); end if;
       n := n + 1;
       insert into public.load values (lane * 1000000000::bigint + n, 1, md5(n::text), clock_timestamp());
       commit;
     end loop;
   end $$`,
  `create procedure probe(i int, inout done float8) language plpgsql as $$ begin
     insert into public.probes values (i);
     commit;
     done := extract(epoch from clock_timestamp());
   end $$`,
]

/** Looks from inside the server, by the clock that the source has, too. */
const AWAIT = `create procedure bench.await(i int, inout seen float8) language plpgsql as $$ begin
   while not exists (select from public.probes where id = i) loop
     perform pg_sleep(0.0001);
     commit;
   end loop;
   seen := extract(epoch from clock_timestamp());
 end $$`

interface Seen {
  /** Milliseconds from the answer to COMMIT at the source to being visible at the target. */
  readonly p50: number
  readonly p99: number
  readonly probes: number
  readonly cpu: Cpu
}

/** How long a small transaction is on its way while others are made at a steady rate. */
export const latencyContest: Contest = {
  name: 'latency',
  run: async ({ pair, scale, repetitions }: Bench) => {
    await using admin = await openSession(pair.source.url())
    await admin.query(`create database ${NAME}`)
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
    try {
      await using source = await openSession(pair.source.url(NAME))
      for (const sql of SOURCE) await source.query(sql)
      const seconds = Math.max(5, Math.round(SECONDS * scale))
      const once = (contestant: Contestant): Promise<Seen> =>
        observe({ pair, source, folder, seconds }, contestant)
      const runs = await interleaved({
        name: 'latency',
        repetitions,
        run: once,
        tell: tell,
      })
      return { results: [resultOf('p50', runs), resultOf('p99', runs)] }
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

async function observe(scene: Scene, contestant: Contestant): Promise<Seen> {
  const { pair, source, folder, seconds } = scene
  await source.query('truncate load, probes')
  {
    await using admin = await openSession(pair.target.url())
    await admin.query('drop database if exists run with (force)')
    await admin.query('create database run')
  }
  await using target = await openSession(pair.target.url('run'))
  if (contestant === 'native') for (const sql of TABLES) await target.query(sql)
  const tool =
    contestant === 'native'
      ? await startNative(pair, target, { publications: ['native'], slot: null, copy: true })
      : startOurs(pair, folder)
  await target.query('create schema bench')
  const there = untilTrue(target, `to_regclass('public.probes') is not null`)
  await Promise.race([there, tool.failed])
  await target.query(AWAIT)
  await Promise.race([probe(source, target, 0), tool.failed])
  const work = Array.from({ length: SESSIONS }, async (_, lane) => {
    await using session = await openSession(pair.source.url(NAME))
    await session.query(`call work(${lane}, ${WARM_SECONDS + seconds})`)
  })
  await sleep(WARM_SECONDS * 1000)
  const cpuOf = (): Cpu => ({
    source: serverSeconds(pair.source),
    target: serverSeconds(pair.target),
    tool: tool.pid === null ? 0 : processSeconds(tool.pid),
  })
  const before = cpuOf()
  const taken = await probes(source, target, seconds)
  const after = cpuOf()
  await Promise.all(work)
  await tool.stop()
  if (contestant === 'holdfast') await clearSource(source)
  return {
    p50: percentile(taken, 0.5),
    p99: percentile(taken, 0.99),
    probes: taken.length,
    cpu: {
      source: after.source - before.source,
      target: after.target - before.target,
      tool: after.tool - before.tool,
    },
  }
}

/** Milliseconds of one transaction. */
async function probe(source: TestSession, target: TestSession, i: number): Promise<number> {
  const seen = target.query(`call bench.await(${i}, null)`)
  const [made] = await source.query(`call probe(${i}, null)`)
  const [arrived] = await seen
  return (Number(arrived?.['seen']) - Number(made?.['done'])) * 1000
}

/** In rising order; between two of them passes a random while. */
async function probes(
  source: TestSession,
  target: TestSession,
  seconds: number,
): Promise<number[]> {
  const taken: number[] = []
  const until = monotonic() + seconds * 1000
  for (let i = 1; monotonic() < until; i++) {
    await sleep(5 + Math.random() * 20)
    taken.push(Math.max(0, await probe(source, target, i)))
  }
  return taken.toSorted((a, b) => a - b)
}

function resultOf(
  which: 'p50' | 'p99',
  runs: Readonly<Record<Contestant, readonly Seen[]>>,
): Result {
  const ratios = runs.native.map((run, i) => (runs.holdfast[i]?.[which] ?? 0) / run[which])
  const figures = (seen: readonly Seen[]): Figures => ({
    taken: spreadOf(seen.map((run) => run[which])),
    ...{ perSecond: null, memory: 0, source: null },
    cpu: {
      source: spreadOf(seen.map(({ cpu }) => cpu.source)).median,
      target: spreadOf(seen.map(({ cpu }) => cpu.target)).median,
      tool: spreadOf(seen.map(({ cpu }) => cpu.tool)).median,
    },
  })
  return {
    ...{ name: `latency ${which}`, ratio: spreadOf(ratios), goal: 'most', must: 1.5, aim: 1 },
    native: figures(runs.native),
    holdfast: figures(runs.holdfast),
  }
}

function tell({ p50, p99, probes: count, cpu }: Seen): string {
  const spent = [cpu.source, cpu.target, cpu.tool].map((one) => one.toFixed(1)).join('/')
  return `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms of ${count}, CPU ${spent}`
}
