import { sleep } from '../../src/async/clock.ts'
import { points } from '../../src/async/point.ts'
import { eventually } from '../eventually.ts'
import type { ProxyConnection, TcpProxy } from '../proxy.ts'
import type { Disk } from '../servers/disk.ts'
import { openSession, type PostgresServer } from '../servers/index.ts'
import type { MirrorProcess } from './mirror.ts'
import * as obstacles from './obstacles.ts'
import type { Random } from './random.ts'

/** Everything that can go wrong, by how often it does. */
export const faultKinds = {
  kill: 4,
  'kill at a point': 5,
  'connection cut': 4,
  'connection cut after some bytes': 3,
  'connection half open': 2,
  'COMMIT sent but reply lost': 4,
  'network delayed': 1,
  'network slow': 1,
  'source restarted': 1,
  'source crashed': 1,
  'target restarted': 1,
  'target crashed': 2,
  'session terminated': 4,
  'statement cancelled': 2,
  'serialization failure': 2,
  'lock timeout': 2,
  'deadlock with the mirror': 3,
  'target out of memory': 1,
  'target disk full': 3,
  'target locked': 2,
  'target paused': 1,
  'SIGSTOP and takeover and SIGCONT': 1,
  'clock jump': 3,
  'reading path changed': 3,
  verification: 3,
} as const

export type FaultKind = keyof typeof faultKinds

/** The mirror and the ways that it goes to its two ends, whatever they are. */
export interface Ways {
  readonly random: Random
  readonly mirror: MirrorProcess
  readonly source: { readonly proxy: TcpProxy }
  readonly target: { readonly proxy: TcpProxy }
}

export interface Scene extends Ways {
  readonly source: Place
  readonly target: Place
}

/** A server, a database in it, and the proxy that the mirror goes through. */
export interface Place {
  readonly server: PostgresServer
  readonly url: string
  readonly proxy: TcpProxy
  /** Where the database lies; null for that of the server. */
  readonly disk: Disk | null
}

/** What became of a fault: one that met nothing is not counted. */
export interface Done {
  readonly hit: boolean
  readonly what: string
}

export function hit(what = ''): Done {
  return { hit: true, what }
}
export function missed(what: string): Done {
  return { hit: false, what }
}

/** Named points at which a resumed mirror can die. */
const later = points.slice(points.indexOf('stream-opened'))

/** What befalls a mirror between ends of any kind. */
export const commonDeeds = {
  async kill({ mirror }) {
    await mirror.kill()
    return hit()
  },
  async 'kill at a point'({ random, mirror }) {
    const at = `${random.pick(later)}:${random.between(1, 6)}`
    await mirror.kill({ at })
    return hit(at)
  },
  async 'connection cut'({ random, source, target }) {
    const way = anyWay(random, [source, target])
    way?.cut()
    return met(way)
  },
  async 'connection cut after some bytes'({ random, source, target }) {
    const way = anyWay(random, [source, target])
    const bytes = random.below(random.pick([10, 200, 20_000]))
    way?.cutAfter(bytes, random.pick(['server', 'client']))
    return met(way)
  },
  'connection half open': halfOpen,
  async 'network delayed'({ random, source, target }) {
    const { proxy } = random.pick([source, target])
    proxy.delay = random.between(1, 30)
    await sleep(random.between(100, 600))
    proxy.delay = 0
    return hit()
  },
  async 'network slow'({ random, source, target }) {
    const { proxy } = random.pick([source, target])
    proxy.pace = random.pick([5, 50, 500])
    await sleep(random.between(100, 1000))
    proxy.pace = Number.POSITIVE_INFINITY
    return hit()
  },
  'target paused': obstacles.pause,
  'SIGSTOP and takeover and SIGCONT': obstacles.twoProcesses,
  'clock jump': jump,
  verification: verifies,
} as const satisfies Partial<Record<FaultKind, (ways: Ways) => Promise<Done>>>

type Deed = (scene: Scene) => Promise<Done>

const deeds: Readonly<Record<FaultKind, Deed>> = {
  ...commonDeeds,
  'COMMIT sent but reply lost': obstacles.replyLost,
  'source restarted': (scene) => restart(scene, 'source', 'fast'),
  'source crashed': (scene) => restart(scene, 'source', 'immediate'),
  'target restarted': (scene) => restart(scene, 'target', 'fast'),
  'target crashed': (scene) => restart(scene, 'target', 'immediate'),
  'session terminated': terminate,
  'statement cancelled': obstacles.cancel,
  'serialization failure': (scene) => obstacles.refuse(scene, ['40001']),
  'lock timeout': (scene) => obstacles.refuse(scene, ['55P03']),
  'deadlock with the mirror': obstacles.deadlock,
  'target out of memory': (scene) => obstacles.refuse(scene, ['53200']),
  'target disk full': obstacles.fullDisk,
  'target locked': obstacles.lock,
  async 'reading path changed'({ random, mirror }) {
    const path = random.pick(['never', 'always', 'random'].filter((one) => one !== mirror.path))
    await mirror.kill({ path })
    return hit(path)
  },
}

/** Does it, and says what it was. Throws when the mirror answers it wrongly. */
export async function inflict(kind: FaultKind, scene: Scene): Promise<Done> {
  const { hit: met, what } = await deeds[kind](scene)
  return { hit: met, what: what === '' ? kind : `${kind} (${what})` }
}

function anyWay(random: Random, places: readonly Ways['source'][]): ProxyConnection | undefined {
  const open = places.flatMap(({ proxy }) => proxy.open)
  return open.length === 0 ? undefined : random.pick(open)
}

function met(way: ProxyConnection | undefined): Done {
  return way === undefined ? missed('none was open') : hit(nameOf(way))
}

/** What a connection is for, by the name that it gave itself. */
export function nameOf(way: ProxyConnection): string {
  return /holdfast:[^:\0]*:([a-z-]+)/.exec(way.greeting)?.[1] ?? 'unnamed'
}

async function halfOpen({ random, source, target }: Ways): Promise<Done> {
  const way = anyWay(random, [source, target])
  if (way === undefined) return missed('none was open')
  if (random.chance(0.3)) way.mute()
  else way.freeze()
  await sleep(random.between(100, 1500))
  if (random.chance(0.5)) way.thaw()
  else way.cut()
  return met(way)
}

async function restart(
  { source, target }: Scene,
  side: 'source' | 'target',
  mode: 'fast' | 'immediate',
): Promise<Done> {
  const { server } = side === 'source' ? source : target
  await server.restart(mode)
  await eventually(`the ${side} is up again`, async () => {
    await using session = await openSession((side === 'source' ? source : target).url)
    return await session.query('select 1')
  })
  return hit()
}

async function terminate({ random, source, target }: Scene): Promise<Done> {
  const { url } = random.pick([source, target])
  await using session = await openSession(url)
  const found = await session.query(
    `select pid, application_name from pg_stat_activity
     where application_name like 'holdfast%' and datname = current_database() order by pid`,
  )
  if (found.length === 0) return missed('none was there')
  const one = random.pick(found)
  await session.query('select pg_terminate_backend($1)', [one.pid])
  return hit(one.application_name?.split(':')[2] ?? '')
}

/** Somebody sets the mirror's clock, and perhaps sets it right again. */
async function jump({ random, mirror }: Ways): Promise<Done> {
  const by = random.pick([50, 5000, 3_600_000, 86_400_000, 12_000_000_000]) * random.pick([1, -1])
  mirror.setClock(by)
  await sleep(random.below(600))
  if (random.chance(0.6)) mirror.setClock(0)
  return hit(`${by} ms`)
}

/** A verification at a moment of no choice: it may be kept from its end, never be wrong. */
async function verifies({ mirror }: Ways): Promise<Done> {
  const child = mirror.command(['verify'])
  const { code } = await child.end({ within: 120_000 })
  const said = child.lines.join('\n')
  if (/verify FAIL/.test(said)) throw new Error(`verify saw a difference:\n${said}`)
  return hit(code === 0 ? 'PASS' : (/HF-[A-Z]\d+/.exec(said)?.[0] ?? `exit ${code}`))
}
