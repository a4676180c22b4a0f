import type { Session } from '../../../dialect/mysql/connect.ts'
import { faultOf } from '../../../dialect/mysql/errors.ts'
import { literal } from '../../../dialect/mysql/quote.ts'
import { SendError, send } from '../../../dialect/mysql/send.ts'
import { Sql } from '../../../dialect/mysql/sql.ts'
import { fenced } from '../../holding.ts'
import { Lease } from '../../lease.ts'
import type { Disk } from './disk.ts'
import { STATE } from './state.ts'

/**
 * The lease of a claim, over a connection of its own, so that a long batch blocks no renewal. Each
 * renewal also looks at the disk.
 */
export function leaseOver(
  session: Session,
  of: { readonly mirror: string; readonly epoch: bigint; readonly disk: Disk },
): Lease {
  const where = `WHERE mirror = ${literal(of.mirror)} AND epoch = ${of.epoch}`
  const sql = new Sql()
  return new Lease({
    label: session.label,
    session,
    renew: async () => {
      sql.clear()
      sql.raw(`UPDATE ${STATE.leases} SET renewed_at = utc_timestamp(6) ${where}`)
      const [renewed] = await send(session, sql).catch((error: unknown) => {
        const cause = error instanceof SendError ? error.cause : error
        throw faultOf(cause, { side: 'target', doing: 'renewing the lease', label: session.label })
      })
      if (renewed?.rows !== 1) throw fenced()
      await of.disk.look()
    },
    give: async () => {
      await session.query(`DELETE FROM ${STATE.leases} ${where}`)
    },
  })
}
