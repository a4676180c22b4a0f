import { connect, type Session } from '../../../dialect/postgres/connect.ts'
import { View } from '../../../dialect/postgres/view.ts'
import type { Endpoint } from '../../../model/endpoint.ts'
import type { Described, Found, Present, Print, Recipe, Sums } from '../../../model/reader.ts'
import type { Table } from '../../../model/table.ts'
import type { Tuple } from '../../../model/tuple.ts'
import { openViews, VIEW_SETTINGS } from './reader.ts'
import { isVisible, parseSnapshot, settle } from './reader-snapshot.ts'

/** Sessions that read tables. */
const WIDTH = 2

/** A view of the present, in which tables are found by their names. Throws Fault. */
export async function openPresent(
  { endpoint, mirror }: { readonly endpoint: Endpoint; readonly mirror: string },
  signal: AbortSignal,
): Promise<Present> {
  await using opened = new AsyncDisposableStack()
  const open = (): Promise<Session> =>
    connect(endpoint, { side: 'source', mirror, purpose: 'verify', settings: VIEW_SETTINGS })
  const sessions = await Promise.all(
    Array.from({ length: WIDTH }, async () => opened.use(await open())),
  )
  const [first] = sessions
  if (first === undefined) throw new RangeError('a view needs a session')
  const running = await first.query('SELECT pg_current_snapshot() AS snapshot')
  const suspects = parseSnapshot(running[0]?.['snapshot'] ?? '').running
  const doubtful = await settle(first, suspects, signal)
  const { seen } = await openViews(sessions)
  const waiting = [...doubtful].filter((xid) => !isVisible(seen, xid))
  const view = new View(sessions, ({ schema, name }) => ({ schema, name }))
  return new PostgresPresent(opened.move(), view, waiting)
}

class PostgresPresent implements Present {
  readonly unsettled: string | null
  readonly #resources: AsyncDisposableStack
  readonly #view: View

  constructor(resources: AsyncDisposableStack, view: View, waiting: readonly number[]) {
    this.#resources = resources
    this.#view = view
    this.unsettled =
      waiting.length === 0
        ? null
        : `transactions ${waiting.join(', ')} may wait for a synchronous standby`
  }

  describe(tables: readonly Table[]): Promise<readonly Described[]> {
    return this.#view.describe(tables)
  }
  sums(recipe: Recipe): Promise<Sums> {
    return this.#view.sums(recipe)
  }
  list(recipe: Recipe, buckets: readonly number[] | null): AsyncIterable<readonly Print[]> {
    return this.#view.list(recipe, buckets)
  }
  find(recipe: Recipe, keys: readonly Tuple[], what: 'values' | 'digests'): Promise<Found[]> {
    return this.#view.find(recipe, keys, what)
  }
  intact(table: Table): Promise<boolean> {
    return this.#view.intact(table)
  }
  print(recipe: Recipe, rows: readonly Tuple[]): Promise<readonly Print[]> {
    return this.#view.print(recipe, rows)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
  }
}
