import { type Comparison, OneLane, type Position, type Positions } from '../../model/position.ts'
import {
  comparePlaces,
  type Known,
  LANE,
  type Landmark,
  type Place,
  parsePlace,
  writeLandmark,
  writePlace,
} from './place.ts'
import { Ruler } from './ruler.ts'
import type { Server } from './server.ts'

/** Positions of one open source: how its places are named, sorted and compared. */
export class Places {
  readonly ruler = new Ruler()
  readonly #places = new WeakMap<Position, Place>()
  #server: Server

  constructor(server: Server) {
    this.#server = server
  }

  /** The server, with transactions named as the mirror names them. */
  get server(): Server {
    return this.#server
  }

  get byFiles(): boolean {
    return this.#server.naming === 'files'
  }

  /** What is followed: the history that servers share, or the files of one. */
  get log(): string {
    const { flavour, key, naming } = this.#server
    return naming === 'files' ? `${flavour} ${key}` : `${flavour} transactions`
  }

  at(place: Place): Positions {
    return new OneLane(LANE, this.position(place))
  }

  position(place: Place): Position {
    const { at } = place
    const order = at === null || at.server !== this.#server.key ? 0n : this.ruler.at(at)
    const position = { log: this.log, order, token: writePlace(place) }
    this.#places.set(position, place)
    return position
  }

  /**
   * A mirror that began by files goes on so at its server, although transactions have names there
   * by now. Throws Fault HF-L107.
   */
  parse(token: string): Position {
    const { flavour, key } = this.#server
    const place = parsePlace(token, { flavour, server: key })
    const byFiles = place.passed === null && place.at?.server === key && token.includes('/')
    if (byFiles && flavour === 'mysql') this.#server = { ...this.#server, naming: 'files' }
    return this.position(place)
  }

  compare(a: Position, b: Position): Comparison {
    if (a.log !== b.log) return 'unrelated'
    return comparePlaces(this.placeOf(a), this.placeOf(b))
  }

  /** What the token of a position says. Throws Fault HF-L107. */
  placeOf(position: Position): Place {
    if ('place' in position) return (position as Known).place
    const known = this.#places.get(position)
    if (known !== undefined) return known
    const { flavour, key } = this.#server
    const place = parsePlace(position.token, { flavour, server: key })
    this.#places.set(position, place)
    return place
  }
}

/** What comes last before a place that the stream passes. */
export function withLandmark(position: Position, landmark: Landmark | null): Position {
  return landmark === null ? position : { ...position, landmark: writeLandmark(landmark) }
}
