import type { Positions } from '../../../model/position.ts'
import type { Places } from '../../../model/run.ts'
import { Landmark, type Lsn } from '../position.ts'

const SMALLEST = 8

/** Where transactions committed, one after another; nothing is made for one until it is asked for. */
export class Passages implements Places {
  readonly #make: (lsn: Lsn, landmark: Landmark | null) => Positions
  readonly #before: Landmark | null
  #ends: BigUint64Array
  #times: BigInt64Array
  /** The number of the newest transaction up to each that held rows; -1 for none. */
  #marks: Int32Array
  length = 0

  /** With room for about so many. */
  constructor(
    make: (lsn: Lsn, landmark: Landmark | null) => Positions,
    before: Landmark | null,
    room = 0,
  ) {
    const size = Math.max(room, SMALLEST)
    this.#make = make
    this.#before = before
    this.#ends = new BigUint64Array(size)
    this.#times = new BigInt64Array(size)
    this.#marks = new Int32Array(size)
  }

  /** `touched`: it held rows. */
  add(lsn: Lsn, committedAt: bigint, touched: boolean): void {
    if (this.length === this.#ends.length) this.#grow()
    const mark = this.length === 0 ? -1 : (this.#marks[this.length - 1] ?? -1)
    this.#ends[this.length] = lsn
    this.#times[this.length] = committedAt
    this.#marks[this.length] = touched ? this.length : mark
    this.length++
  }

  positions(index: number): Positions {
    return this.#make(this.#ends[index] ?? 0n, this.#landmarkAt(index))
  }

  committedAt(index: number): bigint {
    return this.#times[index] ?? 0n
  }

  /** Of the newest transaction. */
  get landmark(): Landmark | null {
    return this.length === 0 ? this.#before : this.#landmarkAt(this.length - 1)
  }

  #landmarkAt(index: number): Landmark | null {
    const mark = this.#marks[index] ?? -1
    if (mark < 0) return this.#before
    return new Landmark(this.#ends[mark] ?? 0n, this.#times[mark] ?? 0n)
  }

  #grow(): void {
    const size = this.#ends.length * 2
    const [ends, times, marks] = [
      new BigUint64Array(size),
      new BigInt64Array(size),
      new Int32Array(size),
    ]
    ends.set(this.#ends)
    times.set(this.#times)
    marks.set(this.#marks)
    ;[this.#ends, this.#times, this.#marks] = [ends, times, marks]
  }
}
