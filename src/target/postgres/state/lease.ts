import { fenced } from '../../holding.ts'
import { Lease } from '../../lease.ts'
import type { Link } from '../sessions.ts'
import { type Durable, lsnOf } from './durable.ts'
import { STATE } from './state.ts'

/** Where leases are kept: of the only process of a mirror, or of one of several. */
type Leased = 'leases' | 'members'

/**
 * Renewed without waiting for the disk: a lease that a crash takes back is renewed a moment later.
 * Also brings how far the server's log is flushed.
 */
const renewSql = (table: Leased): string => `
update ${STATE}.${table} set renewed_at = pg_catalog.clock_timestamp()
where mirror = $1 and epoch = $2::bigint
  and pg_catalog.set_config('synchronous_commit', 'off', true) is not null
returning pg_catalog.pg_current_wal_flush_lsn() as flushed`

/** The lease of a claim, over a connection of its own, so that a long batch blocks no renewal. */
export function leaseOver(
  { session }: Link,
  of: {
    readonly mirror: string
    readonly epoch: bigint
    readonly durable: Durable
    readonly table: Leased
  },
): Lease {
  const renewal = renewSql(of.table)
  const row = [of.mirror, of.epoch.toString()]
  return new Lease({
    label: session.label,
    session,
    renew: async () => {
      const [renewed] = await session.query(renewal, row)
      const flushed = renewed?.['flushed']
      if (flushed == null) throw fenced()
      of.durable.flushed(lsnOf(flushed))
    },
    give: async () => {
      await session.query(
        `delete from ${STATE}.${of.table} where mirror = $1 and epoch = $2::bigint`,
        row,
      )
    },
  })
}
