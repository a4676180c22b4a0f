import { Fault } from '../model/fault.ts'
import type { Table } from '../model/table.ts'
import { cell, NULL, type Tuple } from '../model/tuple.ts'

/** Rows of one key that disagree; it names columns, and values of the key alone. */
export interface Difference {
  /** missing: not at the target. extra: only at the target. changed: other values there. */
  readonly kind: 'missing' | 'extra' | 'changed'
  /** By column name; null in a table without a key. */
  readonly key: Readonly<Record<string, string | null>> | null
  /** Digest of the row, hexadecimal, where there is no key. */
  readonly digest: string | null
  /** The columns with other values; null unless changed. */
  readonly columns: readonly string[] | null
  /** More than 1 only without a key. */
  readonly rows: number
}

export interface TableVerification {
  /** At the source and at the target, `schema.table`. */
  readonly table: string
  readonly target: string
  /** copying: its first copy is not complete, so nothing is claimed. */
  readonly state: 'equal' | 'different' | 'copying'
  /** Rows of the source that were compared. */
  readonly rows: number
  readonly missing: number
  readonly extra: number
  readonly changed: number
  /** Rows in motion: those that changes were put on top of, since the ends stood apart. */
  readonly folded: number
  /** Rows that only the target holds and may keep. */
  readonly kept: number
  /** As many as were asked for; the numbers above count all. */
  readonly differences: readonly Difference[]
  /** Why it is as it is, where there is something to say. */
  readonly note: string | null
}

export interface Verification {
  readonly mirror: string
  /** PASS: every row of every table is equal. PARTIAL: as far as could be compared. */
  readonly verdict: 'PASS' | 'FAIL' | 'PARTIAL'
  /** The place in the source's log at which both ends were compared; null when nothing was. */
  readonly fence: string | null
  /** Where the target stood by itself. */
  readonly position: string
  readonly tables: readonly TableVerification[]
  readonly rows: number
  readonly missing: number
  readonly extra: number
  readonly changed: number
  readonly folded: number
  readonly seconds: number
}

export function summarize(
  about: {
    readonly mirror: string
    readonly fence: string | null
    readonly position: string
    readonly seconds: number
  },
  tables: readonly TableVerification[],
): Verification {
  const total = (field: 'rows' | 'missing' | 'extra' | 'changed' | 'folded'): number =>
    tables.reduce((sum, table) => sum + table[field], 0)
  const has = (state: TableVerification['state']): boolean =>
    tables.some((table) => table.state === state)
  const complete = tables.length > 0 && about.fence !== null && !has('copying')
  return {
    mirror: about.mirror,
    verdict: has('different') ? 'FAIL' : complete ? 'PASS' : 'PARTIAL',
    fence: about.fence,
    position: about.position,
    tables,
    rows: total('rows'),
    missing: total('missing'),
    extra: total('extra'),
    changed: total('changed'),
    folded: total('folded'),
    seconds: about.seconds,
  }
}

/** The fault that a verification which did not pass stands for; null when rows did not differ. */
export function verificationFault(result: Verification): Fault | null {
  if (result.verdict !== 'FAIL') return null
  const different = result.tables.filter(({ state }) => state === 'different')
  const names = different.slice(0, 3).map(({ table }) => table)
  const more = different.length > 3 ? ` and ${different.length - 3} more tables` : ''
  const { changed, missing, extra } = result
  return new Fault('HF-V101', {
    what: `${names.join(', ')}${more} differ at ${result.fence}: ${changed} changed, ${missing} missing in the target, ${extra} extra`,
    side: 'target',
  })
}

/** Gathers the differences of one table: counts all, keeps some. */
export class Findings {
  readonly #table: Table
  readonly #keep: number
  readonly #extraAllowed: boolean
  readonly kept: { difference: Difference; readonly key: Tuple }[] = []
  missing = 0
  extra = 0
  changed = 0
  keptRows = 0

  constructor(table: Table, options: { readonly keep: number; readonly extraAllowed: boolean }) {
    this.#table = table
    this.#keep = options.keep
    this.#extraAllowed = options.extraAllowed
  }

  get any(): boolean {
    return this.missing + this.extra + this.changed > 0
  }

  /** What was kept, in the order of its keys as people count. */
  get differences(): readonly Difference[] {
    const order = new Intl.Collator('en', { numeric: true })
    const named = this.kept.map(({ difference }) => {
      const name = difference.digest ?? Object.values(difference.key ?? {}).join(' ')
      return { name, difference }
    })
    return named.sort((a, b) => order.compare(a.name, b.name)).map(({ difference }) => difference)
  }

  /** `key`: the identifying cells. */
  keyed(kind: Difference['kind'], key: Tuple, columns: readonly string[] | null = null): void {
    if (kind === 'extra' && this.#extraAllowed) {
      this.keptRows++
      return
    }
    this[kind]++
    if (this.kept.length >= this.#keep) return
    const named = namedKey(key, this.#table)
    this.kept.push({ difference: { kind, key: named, digest: null, columns, rows: 1 }, key })
  }

  /** Says which columns of a changed row differ. */
  name(key: Tuple, columns: readonly string[]): void {
    const found = this.kept.find((entry) => entry.key === key)
    if (found !== undefined) found.difference = { ...found.difference, columns }
  }

  rows(kind: 'missing' | 'extra', digest: bigint, rows: number): void {
    if (kind === 'extra' && this.#extraAllowed) {
      this.keptRows += rows
      return
    }
    this[kind] += rows
    if (this.kept.length >= this.#keep) return
    const hex = BigInt.asUintN(64, digest).toString(16).padStart(16, '0')
    const difference: Difference = { kind, key: null, digest: hex, columns: null, rows }
    this.kept.push({ difference, key: Buffer.alloc(2) })
  }
}

/** By column name; bytes are shown as PostgreSQL prints them. */
function namedKey(
  key: Tuple,
  { identity, columns }: Table,
): Readonly<Record<string, string | null>> {
  const indexes = identity.by === 'key' ? identity.columns : []
  const entries = indexes.map((c, i): [string, string | null] => {
    const { kind, bytes } = cell(key, i)
    const isBytes = columns[c]?.type.kind === 'bytes'
    const text = isBytes ? `\\x${bytes.toString('hex')}` : bytes.toString('utf8')
    return [columns[c]?.name ?? '', kind === NULL ? null : text]
  })
  return Object.fromEntries(entries)
}
