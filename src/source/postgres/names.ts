import { Fault } from '../../model/fault.ts'

/** What a mirror's objects at the source are called. */
export interface Names {
  readonly slot: string
  readonly publication: string
  /** Inserts and truncates only, for tables whose rows cannot be told apart. */
  readonly appendPublication: string
}

/** Slot names are limited to these characters (slot.c, ReplicationSlotValidateName). */
const MIRROR = /^[a-z0-9_]{1,40}$/

/** Throws Fault HF-C015 for a mirror whose name no slot can have. */
export function namesFor(mirror: string): Names {
  if (!MIRROR.test(mirror)) {
    throw new Fault('HF-C015', {
      what: `the mirror's name ${JSON.stringify(mirror)} is not made of 1 to 40 of a-z, 0-9 and _`,
      why: 'Its slot and publication at a PostgreSQL source carry that name.',
      todo: [{ text: 'Give the mirror another name.', run: 'holdfast run --name shop' }],
    })
  }
  const name = `holdfast_${mirror}`
  return { slot: name, publication: name, appendPublication: `${name}_append` }
}

/** What sessions of a mirror are called in pg_stat_activity. */
export function sessionPrefix(mirror: string): string {
  return `holdfast:${mirror}:`
}
