/** A backlog that both contestants work through. */
export interface Workload {
  readonly name: string
  /** What `must` and `aim` of its ratio to native are. */
  readonly must: number | null
  readonly aim: number | null
  readonly changes: number
  readonly transactions: number
  readonly tables: readonly string[]
  /** Makes the tables and their first rows. */
  readonly seed: readonly string[]
  /** Makes the backlog; lists run one after another, the statements of a list at the same time. */
  readonly generate: readonly (readonly string[])[]
}

/** Rows as every workload but one has them. */
export const rowColumns = 'id bigint primary key, a int, b text, ts timestamptz'
