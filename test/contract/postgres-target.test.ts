import { openPostgresTarget } from '../../src/target/postgres/index.ts'
import { database } from '../../testkit/servers/index.ts'
import type { TargetFixture } from './bench.ts'
import { contentsIn, endpointOf, mirrorOf, postgresStand } from './postgres.ts'
import { describeTarget } from './target.ts'

const encodings = [
  { stream: 'pg-binary', copy: 'pg-copy-binary' },
  { stream: 'pg-text', copy: 'pg-copy-text' },
  { stream: 'values', copy: 'values' },
]

for (const major of [14, 18] as const) {
  for (const [i, encoding] of encodings.entries()) {
    const fixture: TargetFixture = async (t) => {
      const from = await postgresStand(t, major)
      const db = await database(t, major)
      return {
        from,
        encoding,
        open: async (source) => {
          const target = await openPostgresTarget({
            endpoint: endpointOf(db),
            mirror: mirrorOf(from.db),
            position: source.position.bind(source),
          })
          t.after(() => target[Symbol.asyncDispose]())
          return target
        },
        contents: () => contentsIn(db),
        abandon: async () => {
          await db.query(
            `select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and application_name like 'holdfast:%:lease:%'`,
          )
          await db.query(`update _holdfast.leases set renewed_at = renewed_at - interval '1 hour'`)
        },
      }
    }
    const rowsOnly = i > 0
    describeTarget(`PostgreSQL ${major}, ${encoding.stream}`, fixture, { rowsOnly })
  }
}
