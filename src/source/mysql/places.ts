import { Fault } from '../../model/fault.ts'
import {
  type Comparison,
  inShort,
  OneLane,
  type Position,
  type Positions,
} from '../../model/position.ts'
import {
  compareFiles,
  comparePlaces,
  type FilePlace,
  type Known,
  LANE,
  type Landmark,
  lastingOf,
  type Place,
  parseLandmark,
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

  at(place: Place, landmark?: Landmark): Positions {
    return new OneLane(LANE, this.position(place, landmark))
  }

  position(place: Place, landmark?: Landmark): Position {
    const { at } = place
    const order = at === null || at.server !== this.#server.key ? 0n : this.ruler.at(at)
    const shown = at === null ? {} : { shown: `${at.file}:${at.position}` }
    const lasting = at === null ? {} : { lasting: lastingOf(at) }
    const mark = landmark === undefined ? {} : { landmark: writeLandmark(landmark) }
    const token = writePlace(place)
    const position = { log: this.log, order, ...lasting, token, ...mark, ...shown }
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
    const [one, other] = [this.#fileOf(a), this.#fileOf(b)]
    const distance = one === null || other === null ? null : compareFiles(one, other)
    if (distance !== null) return distance === 0 ? 'equal' : distance < 0 ? 'before' : 'after'
    return comparePlaces(this.placeOf(a), this.placeOf(b))
  }

  /** The place in the only lane. Throws Fault HF-L106 when it is one of another log. */
  in(positions: Positions): { readonly place: Place; readonly landmark: Landmark | null } {
    const position = positions.get(LANE)
    if (position === undefined || position.log !== this.log) {
      const [token, log] = [position?.token ?? 'none', position?.log ?? 'none']
      const what = `the position ${inShort(token)} of log ${log} is not one of ${this.log}`
      throw new Fault('HF-L106', { what, side: 'source', evidence: { position: token } })
    }
    const { landmark } = position
    return {
      place: this.placeOf(position),
      landmark: landmark === undefined ? null : parseLandmark(landmark),
    }
  }

  #fileOf(position: Position): FilePlace | null {
    return 'file' in position ? (position as Known).file : this.placeOf(position).at
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
