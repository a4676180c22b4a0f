import type { Lane } from '../model/position.ts'

/** One of the processes that share a mirror. */
export interface Member {
  readonly epoch: string
  /** Lanes that it needs all of. */
  readonly wanted: readonly Lane[]
}

export interface HeldLane {
  readonly lane: Lane
  /** Of the process that has it, or had it last. */
  readonly epoch: string
}

/** What a process is to do with its lanes. */
export interface Shares {
  /** To be given up: others are to have them. */
  readonly give: readonly Lane[]
  /** Free ones that it is to have. */
  readonly take: readonly Lane[]
  /** Those that it needs all of, while nobody came first who needs one of them. */
  readonly wanted: readonly Lane[]
}

/**
 * Lanes as they are to be spread. Everybody comes to the same answer by the same rows: lanes that
 * one needs all of are that one's, the rest is spread evenly, and who has what it may have keeps it.
 */
export function sharesOf(
  self: string,
  { members, lanes }: { readonly members: readonly Member[]; readonly lanes: readonly HeldLane[] },
): Shares {
  const eldest = [...members].sort((a, b) => (BigInt(a.epoch) < BigInt(b.epoch) ? -1 : 1))
  const gathered = gatheredBy(eldest)
  const alive = new Set(eldest.map(({ epoch }) => epoch))
  const isFree = ({ epoch }: HeldLane): boolean => !alive.has(epoch)
  const names = (of: readonly HeldLane[]): readonly Lane[] => of.map(({ lane }) => lane)
  const apart = lanes.filter(({ lane }) => gathered.has(lane))
  const rest = lanes.filter(({ lane }) => !gathered.has(lane))
  const mine = (of: readonly HeldLane[]): readonly HeldLane[] =>
    of.filter(({ epoch }) => epoch === self)
  const at = eldest.findIndex(({ epoch }) => epoch === self)
  const even = Math.floor(rest.length / eldest.length)
  const quota = even + (at < rest.length % eldest.length ? 1 : 0)
  const own = mine(rest)
  const free = rest.filter(isFree).slice(0, Math.max(0, quota - own.length))
  return {
    give: [
      ...names(own.slice(quota)),
      ...names(mine(apart).filter(({ lane }) => gathered.get(lane) !== self)),
    ],
    take: [
      ...names(free),
      ...names(apart.filter((one) => gathered.get(one.lane) === self && isFree(one))),
    ],
    wanted: [...gathered].flatMap(([lane, epoch]) => (epoch === self ? [lane] : [])),
  }
}

/** Who is to have the lanes that somebody needs all of: the eldest who asks for any of them. */
function gatheredBy(eldest: readonly Member[]): ReadonlyMap<Lane, string> {
  const gathered = new Map<Lane, string>()
  for (const { epoch, wanted } of eldest) {
    if (wanted.some((lane) => gathered.has(lane))) continue
    for (const lane of wanted) gathered.set(lane, epoch)
  }
  return gathered
}
