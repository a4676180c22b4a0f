import { misread } from './bytes.ts'

/** One of MariaDB's transaction identifiers. */
export interface DomainGtid {
  readonly domain: number
  readonly server: number
  readonly sequence: bigint
}

const GTID = /^\s*(\d{1,10})-(\d{1,10})-(\d{1,20})\s*$/

/**
 * How far each of MariaDB's replication domains has been read: what the server calls a GTID
 * position. Within a domain the log is one sequence, so that its last identifier stands for all
 * before it.
 */
export class DomainPosition {
  readonly #domains: Map<number, DomainGtid>

  private constructor(domains: Map<number, DomainGtid>) {
    this.#domains = domains
  }

  static empty(): DomainPosition {
    return new DomainPosition(new Map())
  }

  /** `0-1-100,1-1-7`. Throws Fault HF-L107. */
  static parse(text: string): DomainPosition {
    const place = DomainPosition.empty()
    if (text.trim() === '') return place
    for (const part of text.split(',')) {
      const gtid = parseDomainGtid(part)
      if (place.#domains.has(gtid.domain)) throw misread('a GTID position names a domain twice')
      place.#domains.set(gtid.domain, gtid)
    }
    return place
  }

  static of(gtids: Iterable<DomainGtid>): DomainPosition {
    return new DomainPosition(new Map([...gtids].map((gtid) => [gtid.domain, gtid])))
  }

  get isEmpty(): boolean {
    return this.#domains.size === 0
  }

  /** One for each domain. */
  gtids(): Iterable<DomainGtid> {
    return this.#domains.values()
  }

  /** The last one read of its domain. */
  advance(gtid: DomainGtid): void {
    this.#domains.set(gtid.domain, gtid)
  }

  has(gtid: DomainGtid): boolean {
    return (this.#domains.get(gtid.domain)?.sequence ?? -1n) >= gtid.sequence
  }

  contains(other: DomainPosition): boolean {
    return other.minus(this).isEmpty
  }

  equals(other: DomainPosition): boolean {
    return this.toString() === other.toString()
  }

  /** The domains in which this is further than `other`, each with where it stands. */
  minus(other: DomainPosition): DomainPosition {
    return DomainPosition.of([...this.#domains.values()].filter((gtid) => !other.has(gtid)))
  }

  clone(): DomainPosition {
    return new DomainPosition(new Map(this.#domains))
  }

  toString(): string {
    const gtids = [...this.#domains.values()].toSorted((a, b) => a.domain - b.domain)
    return gtids.map(formatDomainGtid).join(',')
  }
}

export function formatDomainGtid({ domain, server, sequence }: DomainGtid): string {
  return `${domain}-${server}-${sequence}`
}

function parseDomainGtid(text: string): DomainGtid {
  const parts = GTID.exec(text)
  const [domain, server] = [Number(parts?.[1]), Number(parts?.[2])]
  const sequence = BigInt(parts?.[3] ?? 0)
  if (parts === null || domain > 0xffffffff || server > 0xffffffff || sequence >= 1n << 64n) {
    throw misread('a GTID position cannot be read')
  }
  return { domain, server, sequence }
}
