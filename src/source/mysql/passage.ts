import { OneLane, type Positions } from '../../model/position.ts'
import { DomainPosition } from './log/domains.ts'
import { GtidSet } from './log/gtid.ts'
import {
  type FilePlace,
  type Known,
  LANE,
  type Landmark,
  type Passed,
  type Place,
  writeLandmark,
  writePlace,
} from './place.ts'
import type { Places } from './places.ts'

/** The name of a transaction. */
export type Gtid =
  | { readonly kind: 'set'; readonly origin: string; readonly number: bigint }
  | {
      readonly kind: 'domain'
      readonly domain: number
      readonly server: number
      readonly sequence: bigint
    }

export function gtidText(gtid: Gtid | null): string {
  if (gtid === null) return ''
  if (gtid.kind === 'set') return `${gtid.origin}:${gtid.number}`
  return `${gtid.domain}-${gtid.server}-${gtid.sequence}`
}

/** Transactions that share one copy of what was passed before the first of them. */
const RUN = 512

/** A copy of what was passed, and the transactions since, in order. */
interface Run {
  readonly base: Passed | null
  readonly added: Gtid[]
}

/** A transaction that was prepared and has not ended. */
export interface Held {
  readonly gtid: Gtid | null
  /** What had been passed before it. */
  readonly before: Passed | null
  readonly at: FilePlace
}

/**
 * What a stream has passed so far. A place is made for each transaction, and few are ever written
 * down: their tokens are put together when they are asked for.
 */
export class Passage {
  readonly #places: Places
  readonly #server: string
  #run: Run
  /** Those that are prepared, oldest first; replaced, never changed. */
  #held: readonly Held[] = []
  #landmark: Landmark | null
  /** The newest place of the files that was handed out. */
  #newest: FilePlace | null = null

  constructor(
    places: Places,
    start: { readonly place: Place; readonly landmark: Landmark | null },
  ) {
    this.#places = places
    this.#server = places.server.key
    this.#run = { base: start.place.passed, added: [] }
    this.#landmark = start.landmark
    const { at } = start.place
    if (at?.server === this.#server) this.#newest = at
  }

  has(gtid: Gtid): boolean {
    const { base, added } = this.#run
    if (gtid.kind === 'set') {
      if (base instanceof GtidSet && base.has(gtid.origin, gtid.number)) return true
      return added.some(
        (one) => one.kind === 'set' && one.origin === gtid.origin && one.number === gtid.number,
      )
    }
    return this.passed() instanceof DomainPosition && holds(this.passed(), gtid)
  }

  /** Everything that was passed, as a copy. */
  passed(): Passed | null {
    return passedIn(this.#run, this.#run.added.length)
  }

  add(gtid: Gtid | null): void {
    if (gtid === null) return
    if (this.#run.added.length >= RUN) this.#run = { base: this.passed(), added: [] }
    this.#run.added.push(gtid)
  }

  hold(held: Held): void {
    this.#held = [...this.#held, held]
  }

  release(held: Held): void {
    this.#held = this.#held.filter((one) => one !== held)
  }

  /** The transaction that came last. */
  mark(landmark: Landmark): void {
    this.#landmark = landmark
  }

  /** True when what begins there was passed. */
  isBefore(file: string, position: number): boolean {
    const newest = this.#newest
    return newest !== null && this.#distance(newest, file, position) < 0n
  }

  /** True when places as far as this, or further, were handed out. */
  isPast(file: string, position: number): boolean {
    const newest = this.#newest
    return newest !== null && this.#distance(newest, file, position) <= 0n
  }

  #distance(from: FilePlace, file: string, position: number): bigint {
    const { ruler } = this.#places
    return ruler.at({ file, position }) - ruler.at(from)
  }

  /** Where the stream stands now. */
  at(file: string, position: number): Positions {
    const at: FilePlace = { server: this.#server, file, position }
    this.#newest = at
    const count = this.#run.added.length
    const facts: Facts = { at, run: this.#run, count, held: this.#held }
    const landmark = this.#landmark
    const made =
      landmark === null
        ? new PassedPosition(this.#places, facts)
        : new MarkedPosition(this.#places, facts, landmark)
    return new OneLane(LANE, made)
  }
}

function holds(passed: Passed | null, gtid: Extract<Gtid, { kind: 'domain' }>): boolean {
  return passed instanceof DomainPosition && passed.has(gtid)
}

function passedIn({ base, added }: Run, count: number): Passed | null {
  if (base === null) return null
  const passed = base.clone()
  for (let i = 0; i < count; i++) {
    const gtid = added[i]
    if (gtid?.kind === 'set' && passed instanceof GtidSet) passed.add(gtid.origin, gtid.number)
    if (gtid?.kind === 'domain' && passed instanceof DomainPosition) passed.advance(gtid)
  }
  return passed
}

interface Facts {
  readonly at: FilePlace
  readonly run: Run
  readonly count: number
  readonly held: readonly Held[]
}

class PassedPosition implements Known {
  readonly log: string
  readonly #places: Places
  readonly #facts: Facts
  #place: Place | null = null

  constructor(places: Places, facts: Facts) {
    this.log = places.log
    this.#places = places
    this.#facts = facts
  }

  get order(): bigint {
    return this.#places.ruler.at(this.#facts.at)
  }

  get token(): string {
    return writePlace(this.place)
  }

  /** Where it is in the files, for comparisons that need no more. */
  get file(): FilePlace {
    return this.#facts.at
  }

  get place(): Place {
    this.#place ??= placeOf(this.#facts)
    return this.#place
  }
}

class MarkedPosition extends PassedPosition {
  readonly #landmark: Landmark

  constructor(places: Places, facts: Facts, landmark: Landmark) {
    super(places, facts)
    this.#landmark = landmark
  }

  get landmark(): string {
    return writeLandmark(this.#landmark)
  }
}

function placeOf({ at, run, count, held }: Facts): Place {
  const passed = passedIn(run, count)
  const [oldest] = held
  if (oldest === undefined) return { passed, at, from: null }
  if (!(passed instanceof GtidSet)) {
    return { passed, at, from: { passed: oldest.before, at: oldest.at } }
  }
  const without = GtidSet.empty()
  for (const { gtid } of held) if (gtid?.kind === 'set') without.add(gtid.origin, gtid.number)
  return { passed, at, from: { passed: passed.minus(without), at: oldest.at } }
}
