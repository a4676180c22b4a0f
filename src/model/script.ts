/** SQL that a person runs to give the mirror the rights that it needs. */
export interface Script {
  readonly at: 'source' | 'target'
  /** Who can run it, in words. */
  readonly as: string
  /** Statements, each ended by a semicolon and a line end; with comments. */
  readonly sql: string
}
