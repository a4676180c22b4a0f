import { monotonic, sleep } from '../../src/async/clock.ts'
import { points } from '../../src/async/point.ts'
import { eventually } from '../eventually.ts'
import type { ProxyConnection, TcpProxy } from '../proxy.ts'
import { openSession, type PostgresServer } from '../servers/index.ts'
import type { MirrorProcess } from './mirror.ts'
import type { Random } from './random.ts'

/** Everything that can go wrong, by how often it does. */
export const faultKinds = {
  kill: 4,
  'kill at a point': 5,
  cut: 4,
  'cut after bytes': 3,
  'reply lost': 4,
  'half open': 2,
  slow: 2,
  'source restarted': 1,
  'source crashed': 1,
  'target restarted': 1,
  'target crashed': 2,
  'session terminated': 4,
  'target refuses': 4,
  'target locked': 3,
  'target paused': 1,
  'two processes': 1,
  verify: 3,
} as const

export type FaultKind = keyof typeof faultKinds

export interface Scene {
  readonly random: Random
  readonly mirror: MirrorProcess
  readonly source: Place
  readonly target: Place
}

/** A server, a database in it, and the proxy that the mirror goes through. */
export interface Place {
  readonly server: PostgresServer
  readonly url: string
  readonly proxy: TcpProxy
}

/** SQLSTATEs that a target gives up a batch with and that pass. */
const passing = ['40001', '40P01', '55P03', '53100', '53200', '57014']

/** Named points at which a resumed mirror can die. */
const later = points.slice(points.indexOf('stream-opened'))

type Deed = (scene: Scene) => Promise<string>

const deeds: Readonly<Record<FaultKind, Deed>> = {
  async kill({ mirror }) {
    await mirror.kill()
    return ''
  },
  async 'kill at a point'({ random, mirror }) {
    const at = `${random.pick(later)}:${random.between(1, 6)}`
    await mirror.kill(at)
    return at
  },
  async cut({ random, source, target }) {
    const way = anyWay(random, [source, target])
    way?.cut()
    return nameOf(way)
  },
  async 'cut after bytes'({ random, source, target }) {
    const way = anyWay(random, [source, target])
    way?.cutAfter(random.below(random.pick([10, 200, 20_000])))
    return nameOf(way)
  },
  'reply lost': replyLost,
  'half open': halfOpen,
  async slow({ random, source, target }) {
    const { proxy } = random.pick([source, target])
    proxy.delay = random.between(1, 30)
    await sleep(random.between(100, 600))
    proxy.delay = 0
    return ''
  },
  'source restarted': (scene) => restart(scene, 'source', 'fast'),
  'source crashed': (scene) => restart(scene, 'source', 'immediate'),
  'target restarted': (scene) => restart(scene, 'target', 'fast'),
  'target crashed': (scene) => restart(scene, 'target', 'immediate'),
  'session terminated': terminate,
  'target refuses': refuse,
  'target locked': lock,
  'target paused': pause,
  'two processes': twoProcesses,
  verify: verifies,
}

/** Does it, and says what it was. Throws when the mirror answers it wrongly. */
export async function inflict(kind: FaultKind, scene: Scene): Promise<string> {
  const more = await deeds[kind](scene)
  return more === '' ? kind : `${kind} (${more})`
}

function anyWay(random: Random, places: readonly Place[]): ProxyConnection | undefined {
  const open = places.flatMap(({ proxy }) => proxy.open)
  return open.length === 0 ? undefined : random.pick(open)
}

/** What a connection is for, by the name that it gave itself. */
function nameOf(way: ProxyConnection | undefined): string {
  if (way === undefined) return 'none was open'
  return /holdfast:[^:\0]*:([a-z-]+)/.exec(way.greeting)?.[1] ?? 'unnamed'
}

/** What was said last arrives, COMMIT perhaps, and nobody hears the answer. */
async function replyLost({ random, target }: Scene): Promise<string> {
  const way = target.proxy.open.find((one) => nameOf(one) === 'apply')
  if (way === undefined) return 'none was open'
  const before = way.sent
  way.mute()
  const until = monotonic() + 1500
  while (way.open && way.sent === before && monotonic() < until) await sleep(2)
  await sleep(random.below(30))
  way.cut()
  return way.sent === before ? 'nothing was said' : 'apply'
}

async function halfOpen({ random, source, target }: Scene): Promise<string> {
  const way = anyWay(random, [source, target])
  if (way === undefined) return 'none was open'
  if (random.chance(0.3)) way.mute()
  else way.freeze()
  await sleep(random.between(100, 1500))
  if (random.chance(0.5)) way.thaw()
  else way.cut()
  return nameOf(way)
}

async function restart(
  { source, target }: Scene,
  side: 'source' | 'target',
  mode: 'fast' | 'immediate',
): Promise<string> {
  const { server } = side === 'source' ? source : target
  await server.restart(mode)
  await eventually(`the ${side} is up again`, async () => {
    await using session = await openSession((side === 'source' ? source : target).url)
    return await session.query('select 1')
  })
  return ''
}

async function terminate({ random, source, target }: Scene): Promise<string> {
  const { url } = random.pick([source, target])
  await using session = await openSession(url)
  const found = await session.query(
    `select pid, application_name from pg_stat_activity
     where application_name like 'holdfast%' and datname = current_database() order by pid`,
  )
  if (found.length === 0) return 'none was there'
  const one = random.pick(found)
  await session.query('select pg_terminate_backend($1)', [one.pid])
  return one.application_name?.split(':')[2] ?? ''
}

/** The next batches are refused as a busy or full server does. */
async function refuse({ random, target }: Scene): Promise<string> {
  await using session = await openSession(target.url)
  const [there] = await session.query(
    `select to_regclass('oracle_watch.refusal') is not null as is`,
  )
  if (there?.is !== 't') return 'nothing was copied yet'
  const code = random.pick(passing)
  await session.query('update oracle_watch.refusal set code = $1', [code])
  await session.query(`select setval('oracle_watch.refusals', $1)`, [random.between(1, 3)])
  return code
}

/** Somebody holds tables, and wants more of them than he has. */
async function lock({ random, target }: Scene): Promise<string> {
  await using session = await openSession(target.url)
  const found = await session.query(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'oracle'`,
  )
  if (found.length === 0) return 'nothing was there'
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
  return mode
}

/** The server stands still as a whole, as a machine does that is moved. */
async function pause({ random, target }: Scene): Promise<string> {
  target.proxy.freezeAll()
  await sleep(random.between(200, 2000))
  target.proxy.thawAll()
  return ''
}

/** One process is stopped, another one takes the mirror, the first one wakes: it must give up. */
async function twoProcesses({ mirror }: Scene): Promise<string> {
  const first = mirror.child
  if (first === null) return 'none was running'
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
  if (end.code === 0 || end.code === null) {
    throw new Error(`a process that lost the mirror ended with ${end.code ?? end.signal}`)
  }
  return ''
}

/** A verification at a moment of no choice: it may be kept from its end, never be wrong. */
async function verifies({ mirror }: Scene): Promise<string> {
  const child = mirror.command(['verify'])
  const { code } = await child.end({ within: 120_000 })
  const said = child.lines.join('\n')
  if (/verify FAIL/.test(said)) throw new Error(`verify saw a difference:\n${said}`)
  return code === 0 ? 'PASS' : (/HF-[A-Z]\d+/.exec(said)?.[0] ?? `exit ${code}`)
}
