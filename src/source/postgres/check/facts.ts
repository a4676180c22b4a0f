import type { Session } from '../../../dialect/postgres/connect.ts'
import type { Place } from '../../../dialect/postgres/place.ts'
import type { Identities } from '../../../model/checkpoint.ts'
import { Fault } from '../../../model/fault.ts'
import { oidArray, text } from '../rows.ts'
import type { Slot } from '../slot.ts'

/** Promise 7: what must be the same at every start. */
export function identityFacts(of: {
  readonly place: Place
  readonly slot: Slot
  readonly stamps: string
  readonly partitions: string
}): Identities {
  const { place, slot, stamps, partitions } = of
  return {
    system: { value: place.system, changed: 'HF-L106' },
    timeline: { value: place.timeline, changed: 'HF-L106' },
    database: { value: `${place.databaseOid} ${place.database}`, changed: 'HF-L106' },
    slot: { value: `${slot.name} ${slot.plugin}`, changed: 'HF-L105' },
    publication: { value: stamps, changed: 'HF-S206' },
    partitions: { value: partitions, changed: 'HF-D406' },
  }
}

/** All leaves of the partitioned tables that one of $1 is a leaf of. */
const LEAVES = `
select p.relid::oid as id, p.relid::regclass::text as name
from (select distinct pg_partition_root(c.oid) as root from pg_class c
  where c.oid = any($1::oid[]) and c.relispartition) r, pg_partition_tree(r.root) p
where p.isleaf order by 1`

/** Leaves by id; a leaf that comes later holds rows that nobody copied. */
export async function readLeaves(
  session: Session,
  tables: readonly string[],
): Promise<Map<string, string>> {
  const rows = await session.query(LEAVES, [oidArray(tables)])
  return new Map(rows.map((row) => [text(row, 'id'), text(row, 'name')]))
}

/** Throws HF-D406 for a leaf that was not there before. */
export function refuseNewLeaf(
  known: { has(id: string): boolean },
  now: ReadonlyMap<string, string>,
): void {
  for (const [id, name] of now) {
    if (known.has(id)) continue
    throw new Fault('HF-D406', {
      what: `the partition ${name} came, which the mirror does not know`,
      side: 'source',
      // Not the table that the fault is of: as a table of its own it may be mirrored.
      evidence: { partition: name },
    })
  }
}
