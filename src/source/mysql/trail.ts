import { DomainPosition } from './log/domains.ts'
import { GtidSet } from './log/gtid.ts'
import type { Passed } from './place.ts'

/** The name of a transaction. */
export type Gtid =
  | { readonly kind: 'set'; readonly origin: string; readonly number: bigint }
  | {
      readonly kind: 'domain'
      readonly domain: number
      readonly server: number
      readonly sequence: bigint
    }

const SMALLEST = 64

/**
 * What had been passed at some place, and the transactions since, in order. Nothing is made for
 * one of them. It only grows, so that many places can share it, each with how many it had then.
 */
export class Trail {
  readonly #base: Passed | null
  /** One of the transactions of each neighbourhood with the same origin, or domain and server. */
  readonly #origins: Gtid[] = []
  #origin = new Int32Array(SMALLEST)
  #numbers = new BigUint64Array(SMALLEST)
  length = 0

  /** `base` must not change any more. */
  constructor(base: Passed | null) {
    this.#base = base
  }

  add(gtid: Gtid): void {
    if (this.length === this.#origin.length) this.#grow()
    const last = this.#origins.length - 1
    const same = last >= 0 && isAlike(this.#origins[last], gtid)
    this.#origin[this.length] = same ? last : this.#origins.push(gtid) - 1
    this.#numbers[this.length++] = gtid.kind === 'set' ? gtid.number : gtid.sequence
  }

  /** What had been passed after the first `count`; null where that is not followed. */
  passed(count: number): Passed | null {
    if (this.#base === null || count === 0) return this.#base
    const passed = this.#base.clone()
    for (let from = 0; from < count; ) {
      let to = from
      while (to + 1 < count && this.#follows(to + 1)) to++
      add(passed, this.at(from), this.at(to))
      from = to + 1
    }
    return passed
  }

  at(index: number): Gtid {
    const origin = this.#origins[this.#origin[index] ?? -1]
    const number = this.#numbers[index]
    if (origin === undefined || number === undefined) throw new RangeError(`no name ${index}`)
    if (origin.kind === 'set') return { ...origin, number: BigInt.asIntN(64, number) }
    return { ...origin, sequence: number }
  }

  /** True when both come to the same as the later one of a domain, or as an interval of a set. */
  #follows(index: number): boolean {
    const number = this.#origin[index] ?? -1
    if (number !== this.#origin[index - 1]) return false
    const isNext = (this.#numbers[index - 1] ?? 0n) + 1n === this.#numbers[index]
    return isNext || this.#origins[number]?.kind === 'domain'
  }

  #grow(): void {
    const [origin, numbers] = [this.#origin, this.#numbers]
    this.#origin = new Int32Array(2 * this.length)
    this.#numbers = new BigUint64Array(2 * this.length)
    this.#origin.set(origin)
    this.#numbers.set(numbers)
  }
}

function isAlike(a: Gtid | undefined, b: Gtid): boolean {
  if (a?.kind === 'domain') {
    return b.kind === 'domain' && a.domain === b.domain && a.server === b.server
  }
  return a?.kind === 'set' && b.kind === 'set' && a.origin === b.origin
}

function add(passed: Passed, from: Gtid, to: Gtid): void {
  if (from.kind === 'set' && to.kind === 'set') {
    if (passed instanceof GtidSet) passed.add(from.origin, from.number, to.number)
  } else if (to.kind === 'domain' && passed instanceof DomainPosition) passed.advance(to)
}

export function gtidText(gtid: Gtid): string {
  if (gtid.kind === 'set') return `${gtid.origin}:${gtid.number}`
  return `${gtid.domain}-${gtid.server}-${gtid.sequence}`
}
