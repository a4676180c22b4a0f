import { Bytes, misread } from './bytes.ts'

/** Numbers of transactions, from and to inclusive. */
export interface Interval {
  from: bigint
  to: bigint
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
/** libs/mysql/gtid/tag.h: a letter or underscore, then up to 31 of these. */
const TAG = /^[a-z_][a-z0-9_]{0,31}$/
const LAST = (1n << 63n) - 2n

/**
 * A set of MySQL's transaction identifiers: for each origin (`uuid`, or `uuid:tag`) the numbers
 * as intervals that neither touch nor overlap, in order.
 */
export class GtidSet {
  readonly #origins: Map<string, Interval[]>

  private constructor(origins: Map<string, Interval[]>) {
    this.#origins = origins
  }

  static empty(): GtidSet {
    return new GtidSet(new Map())
  }

  /** `uuid:1-5:7:tag:1-3,uuid:…` as the server prints it. Throws Fault HF-L107. */
  static parse(text: string): GtidSet {
    const set = GtidSet.empty()
    for (const part of text.split(',')) {
      const [uuid = '', ...rest] = part.trim().toLowerCase().split(':')
      if (uuid === '' && rest.length === 0) continue
      if (!UUID.test(uuid) || rest.length === 0) throw misread('a GTID set cannot be read')
      let origin = uuid
      for (const word of rest) {
        if (TAG.test(word.trim())) origin = `${uuid}:${word.trim()}`
        else set.#insert(origin, intervalOf(word.trim()))
      }
    }
    return set
  }

  /**
   * The form of PREVIOUS_GTIDS events and COM_BINLOG_DUMP_GTID (sql/rpl_gtid_set.cc, encode).
   * Throws Fault HF-L107.
   */
  static decode(buffer: Buffer): GtidSet {
    const bytes = new Bytes(buffer, 'a GTID set')
    const { tagged, count } = headOf(bytes)
    const set = GtidSet.empty()
    let uuid = ''
    for (let i = 0; i < count; i++) {
      uuid = formatUuid(bytes.slice(16))
      const tag = tagged ? bytes.text(bytes.byte() >> 1) : ''
      if (tag !== '' && !TAG.test(tag)) throw misread('a GTID set holds a tag that is none')
      const intervals = bytes.uint64()
      if (intervals > BigInt(bytes.left)) throw misread('a GTID set is longer than its bytes')
      for (let n = 0n; n < intervals; n++) {
        const from = bytes.int64()
        const to = bytes.int64() - 1n
        set.#insert(tag === '' ? uuid : `${uuid}:${tag}`, checked(from, to))
      }
    }
    bytes.done()
    return set
  }

  /** In the tagged form only where there is a tag: older servers know the other one. */
  encode(): Buffer {
    const origins = [...this.#origins].toSorted(([a], [b]) => (a < b ? -1 : 1))
    const tagged = origins.some(([origin]) => origin.includes(':'))
    const head = Buffer.alloc(8)
    head.writeBigUInt64LE(BigInt(origins.length))
    if (tagged) {
      head[0] = 1
      head.writeUIntLE(origins.length, 1, 6)
      head[7] = 1
    }
    const pieces: Buffer[] = [head]
    for (const [origin, intervals] of origins) {
      const [uuid = '', tag = ''] = origin.split(':')
      pieces.push(Buffer.from(uuid.replaceAll('-', ''), 'hex'))
      if (tagged) pieces.push(Buffer.from([tag.length << 1]), Buffer.from(tag, 'latin1'))
      const body = Buffer.alloc(8 + intervals.length * 16)
      body.writeBigUInt64LE(BigInt(intervals.length))
      intervals.forEach(({ from, to }, index) => {
        body.writeBigInt64LE(from, 8 + index * 16)
        body.writeBigInt64LE(to + 1n, 16 + index * 16)
      })
      pieces.push(body)
    }
    return Buffer.concat(pieces)
  }

  get isEmpty(): boolean {
    return this.#origins.size === 0
  }

  /** How many transactions it holds. */
  get size(): bigint {
    let sum = 0n
    for (const intervals of this.#origins.values())
      for (const { from, to } of intervals) sum += to - from + 1n
    return sum
  }

  /** `origin` is `uuid` or `uuid:tag`, in lower case. */
  add(origin: string, from: bigint, to: bigint = from): void {
    const last = this.#origins.get(origin)?.at(-1)
    if (last !== undefined && last.to + 1n === from) last.to = to
    else this.#insert(origin, { from, to })
  }

  addAll(other: GtidSet): void {
    for (const [origin, intervals] of other.#origins)
      for (const { from, to } of intervals) this.#insert(origin, { from, to })
  }

  has(origin: string, number: bigint): boolean {
    const intervals = this.#origins.get(origin) ?? []
    const at = firstEndingFrom(intervals, number)
    return (intervals[at]?.from ?? number + 1n) <= number
  }

  contains(other: GtidSet): boolean {
    return other.minus(this).isEmpty
  }

  equals(other: GtidSet): boolean {
    return this.contains(other) && other.contains(this)
  }

  /** What it holds and `other` does not. */
  minus(other: GtidSet): GtidSet {
    const left = new Map<string, Interval[]>()
    for (const [origin, intervals] of this.#origins) {
      const kept = subtract(intervals, other.#origins.get(origin) ?? [])
      if (kept.length > 0) left.set(origin, kept)
    }
    return new GtidSet(left)
  }

  clone(): GtidSet {
    return this.minus(GtidSet.empty())
  }

  /** As the server prints it: sorted, tags of one uuid behind its untagged numbers. */
  toString(): string {
    const texts: string[] = []
    let before = ''
    for (const [origin, intervals] of [...this.#origins].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const [uuid = '', tag] = origin.split(':')
      const numbers = intervals.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`))
      const own = [...(tag === undefined ? [] : [tag]), ...numbers].join(':')
      if (uuid === before) texts.push(`${texts.pop()}:${own}`)
      else texts.push(`${uuid}:${own}`)
      before = uuid
    }
    return texts.join(',')
  }

  #insert(origin: string, added: Interval): void {
    const intervals = this.#origins.get(origin)
    if (intervals === undefined) {
      this.#origins.set(origin, [added])
      return
    }
    const at = firstEndingFrom(intervals, added.from - 1n)
    let end = at
    let { from, to } = added
    for (let next = intervals[end]; next !== undefined && next.from <= to + 1n; ) {
      if (next.from < from) from = next.from
      if (next.to > to) to = next.to
      next = intervals[++end]
    }
    intervals.splice(at, end - at, { from, to })
  }
}

/** The index of the first interval that ends at or after `number`. */
function firstEndingFrom(intervals: readonly Interval[], number: bigint): number {
  let low = 0
  let high = intervals.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((intervals[middle]?.to ?? number) < number) low = middle + 1
    else high = middle
  }
  return low
}

function subtract(from: readonly Interval[], taken: readonly Interval[]): Interval[] {
  const kept: Interval[] = []
  let at = 0
  for (const interval of from) {
    let start = interval.from
    while ((taken[at]?.to ?? interval.from) < interval.from) at++
    for (let i = at; start <= interval.to; i++) {
      const hole = taken[i]
      if (hole === undefined || hole.from > interval.to) break
      if (hole.from > start) kept.push({ from: start, to: hole.from - 1n })
      start = hole.to + 1n
    }
    if (start <= interval.to) kept.push({ from: start, to: interval.to })
  }
  return kept
}

/** The first eight bytes: how many origins follow, and whether they have tags. */
function headOf(bytes: Bytes): { readonly tagged: boolean; readonly count: number } {
  const head = bytes.slice(8)
  const tagged = head[7] === 1
  const count = tagged ? head.readUIntLE(1, 6) : Number(head.readBigUInt64LE())
  if ((tagged && head[0] !== 1) || count > bytes.left) {
    throw misread('a GTID set is longer than its bytes')
  }
  return { tagged, count }
}

function intervalOf(word: string): Interval {
  const parts = /^(\d{1,19})(?:\s*-\s*(\d{1,19}))?$/.exec(word)
  if (parts === null) throw misread('a GTID set cannot be read')
  const from = BigInt(parts[1] ?? '')
  return checked(from, parts[2] === undefined ? from : BigInt(parts[2]))
}

function checked(from: bigint, to: bigint): Interval {
  if (from < 1n || to < from || to > LAST) throw misread('a GTID set holds numbers that are none')
  return { from, to }
}

export function formatUuid(bytes: Buffer): string {
  const hex = bytes.toString('hex')
  const cuts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)]
  return [...cuts, hex.slice(20, 32)].join('-')
}
