import { OneLane, type Positions } from '../../model/position.ts'
import type { Places as RunPlaces } from '../../model/run.ts'
import { DomainPosition } from './log/domains.ts'
import { GtidSet } from './log/gtid.ts'
import {
  type FilePlace,
  type Known,
  LANE,
  type Landmark,
  lastingOf,
  type Passed,
  type Place,
  writeLandmark,
  writePlace,
} from './place.ts'
import type { Places } from './places.ts'
import { type Gtid, gtidText, Trail } from './trail.ts'

/** Names after which what was passed is put together anew. */
const TRAIL = 4096
const SMALLEST = 8

/** A transaction that was prepared and has not ended. */
export interface Held {
  readonly gtid: Gtid | null
  /** What had been passed before it. */
  readonly before: Passed | null
  readonly at: FilePlace
}

/** A transaction that was read, as far as places need it. */
export interface Read {
  readonly gtid: Gtid | null
  /** Where it begins in its file. */
  readonly start: number
  /** Microseconds since 1970. */
  readonly time: bigint
}

/**
 * What a stream has passed so far. There is a place for each transaction, and few are ever written
 * down: they are made, and their tokens put together, when they are asked for.
 */
export class Passage {
  readonly #places: Places
  #trail: Trail
  /** What the whole trail comes to, once somebody has asked. */
  #passed: { readonly trail: Trail; readonly count: number; readonly all: Passed | null }
  /** Those that are prepared, oldest first; replaced, never changed. */
  #held: readonly Held[] = []
  readonly #before: Landmark | null
  /** The transaction that came last, and its place among the names; -1 for one without. */
  #last: Read | null = null
  #lastFile = ''
  #lastName = -1
  /** The newest place of the files that was handed out. */
  #newest: { readonly file: string; readonly position: number } | null = null
  /** Places of transactions that are to go together; null while there is none. */
  #passages: Passages | null = null
  /** How many there were the last time. */
  #room = SMALLEST

  constructor(
    places: Places,
    start: { readonly place: Place; readonly landmark: Landmark | null },
  ) {
    const { passed, at } = start.place
    this.#places = places
    this.#trail = new Trail(passed)
    this.#passed = { trail: this.#trail, count: 0, all: passed }
    this.#before = start.landmark
    if (at?.server === places.server.key) this.#newest = at
  }

  has(gtid: Gtid): boolean {
    const passed = this.passed()
    if (gtid.kind === 'set') {
      return passed instanceof GtidSet && passed.has(gtid.origin, gtid.number)
    }
    return passed instanceof DomainPosition && passed.has(gtid)
  }

  /** Everything that was passed; not to be changed. */
  passed(): Passed | null {
    const trail = this.#trail
    const count = trail.length
    const known = this.#passed
    if (known.trail === trail && known.count === count) return known.all
    this.#passed = { trail, count, all: trail.passed(count) }
    return this.#passed.all
  }

  /** What is called so is passed. */
  add(gtid: Gtid | null): void {
    if (gtid !== null) this.#trail.add(gtid)
  }

  /** The transaction came last, in this file. */
  pass(read: Read, file: string): void {
    if (this.#passages === null && this.#trail.length >= TRAIL) this.#roll()
    this.#lastName = read.gtid === null ? -1 : this.#trail.length
    this.add(read.gtid)
    this.#last = read
    this.#lastFile = file
  }

  hold(held: Held): void {
    this.#held = [...this.#held, held]
  }

  release(held: Held): void {
    this.#held = this.#held.filter((one) => one !== held)
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

  #distance(
    from: { readonly file: string; readonly position: number },
    file: string,
    position: number,
  ): bigint {
    const { ruler } = this.#places
    return ruler.at({ file, position }) - ruler.at(from)
  }

  /** Where the stream stands now. */
  at(file: string, position: number): Positions {
    const at: FilePlace = { server: this.#places.server.key, file, position }
    this.#newest = at
    const facts = { at, trail: this.#trail, count: this.#trail.length, held: this.#held }
    return positionsOf(this.#places, facts, this.#landmark)
  }

  /** The transaction that was passed last ends here, and is one of those that come as a run. */
  place(position: number): void {
    const [last, file] = [this.#last, this.#lastFile]
    if (last === null) return
    this.#passages ??= this.#fresh(file)
    this.#passages.add(last, { end: position, name: this.#lastName, count: this.#trail.length })
  }

  /** True when a place in this file can be one of the same run. */
  fits(file: string): boolean {
    const common = this.#passages?.common
    return common === undefined || (common.file === file && common.held === this.#held)
  }

  /** The places of the run; there must be one. */
  take(): RunPlaces {
    const passages = this.#passages ?? this.#fresh('')
    const { common, length } = passages
    this.#newest = { file: common.file, position: passages.end(length - 1) }
    this.#passages = null
    this.#room = Math.max(length, SMALLEST)
    return passages
  }

  get #landmark(): Landmark | null {
    const last = this.#last
    if (last === null) return this.#before
    const gtid = last.gtid === null ? '' : gtidText(last.gtid)
    const server = this.#places.server.key
    return { at: { server, file: this.#lastFile, position: last.start }, gtid, time: last.time }
  }

  #roll(): void {
    this.#trail = new Trail(this.passed())
    this.#passed = { trail: this.#trail, count: 0, all: this.#passed.all }
  }

  #fresh(file: string): Passages {
    const server = this.#places.server.key
    const common = { places: this.#places, server, file, trail: this.#trail, held: this.#held }
    return new Passages(common, this.#room)
  }
}

/** What all places of a run share. */
interface Common {
  readonly places: Places
  readonly server: string
  readonly file: string
  readonly trail: Trail
  readonly held: readonly Held[]
}

/** Where the transactions of a run begin and end. */
class Passages implements RunPlaces {
  readonly common: Common
  #starts: Float64Array
  #ends: Float64Array
  #times: BigInt64Array
  /** The number of the transaction's own name in the trail, and of all up to it. */
  #names: Int32Array
  #counts: Int32Array
  length = 0

  /** With room for about so many. */
  constructor(common: Common, room: number) {
    this.common = common
    this.#starts = new Float64Array(room)
    this.#ends = new Float64Array(room)
    this.#times = new BigInt64Array(room)
    this.#names = new Int32Array(room)
    this.#counts = new Int32Array(room)
  }

  add(
    { start, time }: Read,
    at: { readonly end: number; readonly name: number; readonly count: number },
  ): void {
    const i = this.length
    if (i === this.#starts.length) this.#grow()
    this.#starts[i] = start
    this.#times[i] = time
    this.#ends[i] = at.end
    this.#names[i] = at.name
    this.#counts[i] = at.count
    this.length++
  }

  end(index: number): number {
    return this.#ends[index] ?? 0
  }

  committedAt(index: number): bigint {
    return this.#times[index] ?? 0n
  }

  positions(index: number): Positions {
    const { places, server, file, trail, held } = this.common
    const name = this.#names[index] ?? -1
    const landmark = {
      at: { server, file, position: this.#starts[index] ?? 0 },
      gtid: name < 0 ? '' : gtidText(trail.at(name)),
      time: this.committedAt(index),
    }
    const at = { server, file, position: this.end(index) }
    return positionsOf(places, { at, trail, count: this.#counts[index] ?? 0, held }, landmark)
  }

  #grow(): void {
    const size = 2 * this.length
    const [starts, ends, times] = [this.#starts, this.#ends, this.#times]
    const [names, counts] = [this.#names, this.#counts]
    this.#starts = new Float64Array(size)
    this.#ends = new Float64Array(size)
    this.#times = new BigInt64Array(size)
    this.#names = new Int32Array(size)
    this.#counts = new Int32Array(size)
    this.#starts.set(starts)
    this.#ends.set(ends)
    this.#times.set(times)
    this.#names.set(names)
    this.#counts.set(counts)
  }
}

interface Facts {
  readonly at: FilePlace
  readonly trail: Trail
  /** How many names of the trail had been passed. */
  readonly count: number
  readonly held: readonly Held[]
}

function positionsOf(places: Places, facts: Facts, landmark: Landmark | null): Positions {
  const made =
    landmark === null
      ? new PassedPosition(places, facts)
      : new MarkedPosition(places, facts, landmark)
  return new OneLane(LANE, made)
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

  get lasting(): bigint {
    return lastingOf(this.#facts.at)
  }

  get token(): string {
    return writePlace(this.place)
  }

  get shown(): string {
    const { file, position } = this.#facts.at
    return `${file}:${position}`
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

function placeOf({ at, trail, count, held }: Facts): Place {
  const passed = trail.passed(count)
  const [oldest] = held
  if (oldest === undefined) return { passed, at, from: null }
  if (!(passed instanceof GtidSet)) {
    return { passed, at, from: { passed: oldest.before, at: oldest.at } }
  }
  const without = GtidSet.empty()
  for (const { gtid } of held) if (gtid?.kind === 'set') without.add(gtid.origin, gtid.number)
  return { passed, at, from: { passed: passed.minus(without), at: oldest.at } }
}
