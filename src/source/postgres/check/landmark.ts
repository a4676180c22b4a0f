import type { Session } from '../../../dialect/postgres/connect.ts'
import { ident } from '../../../dialect/postgres/quote.ts'
import { Fault } from '../../../model/fault.ts'
import type { Position } from '../../../model/position.ts'
import { misread } from '../log/bytes.ts'
import { committedAtOf, Decoder, endLsnOf } from '../log/pgoutput.ts'
import { Landmark, type Lsn, parseLsn } from '../position.ts'
import { text } from '../rows.ts'

/**
 * The Commit messages of transactions with rows (I, U, D or T) between the slot's place and $2,
 * read without moving the slot. Protocol 1: whole transactions, rolled back parts left out.
 */
const COMMITS = `
select max(encode(data, 'hex')) filter (where get_byte(data, 0) = 67) as commit
from pg_logical_slot_peek_binary_changes($1, $2::pg_lsn, null,
  'proto_version', '1', 'publication_names', $3)
group by xid having bool_or(get_byte(data, 0) in (73, 85, 68, 84))`

/**
 * Faults with HF-L106 unless the slot's log is the one in which `applied` was reached. A server
 * whose files were put back to an earlier state keeps its identity, and what it writes anew may
 * pass the old place; a slot that stands before that place shows which history lies between.
 */
export async function requireLandmark(
  session: Session,
  place: {
    readonly slot: string
    readonly confirmed: Lsn
    readonly publications: readonly string[]
    readonly applied: Position
  },
): Promise<void> {
  const { slot, confirmed, publications, applied } = place
  if (applied.order <= confirmed) return
  const names = publications.map(ident).join(',')
  const rows = await session.query(COMMITS, [slot, applied.token, names])
  const commits = rows.map((row) => commitOf(text(row, 'commit')))
  const wanted = applied.landmark ?? null
  const newest = wanted === null ? 0n : parseLsn(wanted.split(' ')[0] ?? '')
  const known = newest <= confirmed || commits.some(({ landmark }) => landmark === wanted)
  const strange = commits.find(({ end }) => end > newest && end <= applied.order)
  if (known && strange === undefined) return
  const found = strange?.landmark ?? 'nothing there'
  throw new Fault('HF-L106', {
    what:
      `the log of ${session.label} up to ${applied.token} is not the one that was applied: ` +
      `the source went back in time and wrote on`,
    side: 'source',
    evidence: { applied: applied.token, landmark: wanted ?? 'none', found },
  })
}

/** One Commit message, in hex. */
function commitOf(hex: string): { readonly end: Lsn; readonly landmark: string } {
  const message = new Decoder().decode(Buffer.from(hex, 'hex'))
  if (message.kind !== 'commit') throw misread('a commit was asked for and something else came')
  const end = endLsnOf(message)
  return { end, landmark: new Landmark(end, committedAtOf(message)).toString() }
}
