import type { Described, Print, Recipe, Sum, Sums } from '../model/reader.ts'
import type { Table } from '../model/table.ts'

/** Rows that a bucket holds on average, until there are as many buckets as there may be. */
const ROWS_PER_BUCKET = 5000
const FEWEST = 1024
const MOST = 16_384

/**
 * How to digest a table alike at both ends: for each column the first form that both know; null
 * when there is a column without one.
 */
export function recipeOf(table: Table, source: Described, target: Described): Recipe | null {
  const forms: string[] = []
  for (const [i, ours] of source.forms.entries()) {
    const theirs = target.forms[i] ?? []
    const form = ours.find((name) => theirs.includes(name))
    if (form === undefined) return null
    forms.push(form)
  }
  let buckets = FEWEST
  const rows = Math.max(source.rows, target.rows)
  while (buckets < MOST && rows / buckets > ROWS_PER_BUCKET) buckets *= 2
  return { table, forms, buckets }
}

/** Sums that can be corrected by single rows. */
export class Balance {
  readonly #sums = new Map<number, { count: bigint; sum: bigint }>()
  readonly #buckets: number

  constructor(sums: Sums, buckets: number) {
    for (const [bucket, sum] of sums) this.#sums.set(bucket, { ...sum })
    this.#buckets = buckets
  }

  /** Adds the row `times` times; negative: takes it out. */
  add({ hash, digest }: Print, times: number): void {
    const bucket = bucketOf(hash, this.#buckets)
    const known = this.#sums.get(bucket) ?? { count: 0n, sum: 0n }
    known.count += BigInt(times)
    known.sum += BigInt(times) * digest
    this.#sums.set(bucket, known)
  }

  /** Rows in all buckets. */
  get rows(): number {
    let rows = 0n
    for (const { count } of this.#sums.values()) rows += count
    return Number(rows)
  }

  at(bucket: number): Sum {
    return this.#sums.get(bucket) ?? { count: 0n, sum: 0n }
  }

  get used(): Iterable<number> {
    return this.#sums.keys()
  }
}

/** The buckets in which the two do not hold the same rows. */
export function unequal(a: Balance, b: Balance): number[] {
  const buckets = new Set([...a.used, ...b.used])
  return [...buckets].filter((bucket) => {
    const [ours, theirs] = [a.at(bucket), b.at(bucket)]
    return ours.count !== theirs.count || ours.sum !== theirs.sum
  })
}

/** The lowest bits of the hash, as a number. */
export function bucketOf(hash: bigint, buckets: number): number {
  return Number(BigInt.asUintN(64, hash) & BigInt(buckets - 1))
}
