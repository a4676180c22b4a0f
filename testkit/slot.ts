import { eventually } from './eventually.ts'
import type { TestDatabase } from './servers/index.ts'

/** Drops a slot, once the server knows that whoever read from it has gone. */
export async function dropSlot(db: TestDatabase, slot: string): Promise<void> {
  await eventually(`the slot ${slot} is free`, async () => {
    await db.query('select pg_drop_replication_slot($1)', [slot])
    return true
  })
}
