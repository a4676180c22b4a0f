/**
 * transient: worth trying again by itself. persistent: a person must change something outside.
 * data: the source or target holds what cannot be carried. config: the user's input. internal:
 * ours.
 */
export type FaultClass = 'transient' | 'persistent' | 'data' | 'config' | 'internal'

/** One thing to do, with the command or the SQL where there is one. */
export interface Todo {
  readonly text: string
  readonly run?: string
  /** `at` says on which server and as whom. */
  readonly sql?: string
  readonly at?: 'source' | 'target'
  /** Who may run the SQL: whoever administers the server, or who owns database and tables. */
  readonly as?: 'administrator' | 'owner'
}

/** What a code says wherever it is met. */
export interface CatalogueEntry {
  readonly title: string
  readonly class: FaultClass
  readonly severity: 'info' | 'warn' | 'error' | 'critical'
  /** The exit code of a command that ends with it. */
  readonly exit: 1 | 2 | 3 | 4 | 5
  readonly why: string
  readonly safe: string
  readonly todo: readonly Todo[]
}
