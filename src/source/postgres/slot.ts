import { monotonic, sleep } from '../../async/clock.ts'
import type { Session, TextRow } from '../../dialect/postgres/connect.ts'
import { Fault } from '../../model/fault.ts'
import { sessionPrefix } from './names.ts'
import { type Lsn, parseLsn } from './position.ts'
import { optional, text, yes } from './rows.ts'

/** A row of pg_replication_slots. */
export interface Slot {
  readonly name: string
  readonly plugin: string
  readonly database: string | null
  readonly twoPhase: boolean
  readonly activePid: string | null
  readonly restart: Lsn | null
  readonly confirmed: Lsn | null
  /** Why it can no longer be read from; null while it can. */
  readonly lost: string | null
  /** Bytes of log that may still be written before it is lost; null without a limit. */
  readonly safeBytes: number | null
}

/** Why a slot was invalidated has its own column since 17; 16 knows of conflicts only. */
function slotSql(version: number): string {
  const reason =
    version >= 170000
      ? 'invalidation_reason'
      : version >= 160000
        ? `case when conflicting then 'conflict' end`
        : 'null'
  return `
select slot_name, plugin, database, two_phase, active_pid, restart_lsn, confirmed_flush_lsn,
  safe_wal_size, coalesce(${reason}, case when wal_status = 'lost' then 'wal_removed' end) as lost
from pg_replication_slots where slot_name = $1 and slot_type = 'logical'`
}

export async function readSlot(session: Session, name: string): Promise<Slot | null> {
  const [row] = await session.query(slotSql(session.version), [name])
  return row === undefined ? null : slotOf(row)
}

function slotOf(row: TextRow): Slot {
  const lsn = (name: string): Lsn | null => {
    const value = optional(row, name)
    return value === null ? null : parseLsn(value)
  }
  const safe = optional(row, 'safe_wal_size')
  return {
    name: text(row, 'slot_name'),
    plugin: text(row, 'plugin'),
    database: optional(row, 'database'),
    twoPhase: yes(row, 'two_phase'),
    activePid: optional(row, 'active_pid'),
    restart: lsn('restart_lsn'),
    confirmed: lsn('confirmed_flush_lsn'),
    lost: optional(row, 'lost'),
    safeBytes: safe === null ? null : Number(safe),
  }
}

/** The slot, usable. Throws HF-L101, HF-L103, HF-L105. */
export async function requireSlot(
  session: Session,
  name: string,
  database: string,
): Promise<Slot & { readonly confirmed: Lsn }> {
  const slot = await readSlot(session, name)
  const at = session.label
  if (slot === null) {
    throw new Fault('HF-L103', { what: `there is no slot ${name} at ${at}`, side: 'source' })
  }
  if (slot.plugin !== 'pgoutput' || slot.database !== database || slot.twoPhase) {
    const what = `the slot ${name} at ${at} is one of ${slot.plugin} for ${slot.database ?? 'none'}`
    throw new Fault('HF-L105', { what: `${what}${slot.twoPhase ? ' with two_phase' : ''}` })
  }
  if (slot.lost !== null || slot.confirmed === null) {
    throw new Fault('HF-L101', {
      what: `the slot ${name} at ${at} was invalidated (${slot.lost ?? 'no position'})`,
      side: 'source',
      evidence: { reason: slot.lost ?? 'unknown' },
    })
  }
  return { ...slot, confirmed: slot.confirmed }
}

const READER = `
select a.pid, a.application_name, a.usename, a.client_addr
from pg_replication_slots s join pg_stat_activity a on a.pid = s.active_pid
where s.slot_name = $1`

/** How long a reader is given to end. */
const PATIENCE_MS = 5_000
const LOOK_AGAIN_MS = 50

/**
 * Waits until nobody reads from the slot. A walsender of this mirror is a leftover, since only
 * one process holds the mirror's lease at the target: it is ended. A stranger is left alone and
 * named: HF-L104.
 */
export async function freeSlot(
  session: Session,
  slot: string,
  options: { readonly mirror: string; readonly signal?: AbortSignal },
): Promise<void> {
  const until = monotonic() + PATIENCE_MS
  for (;;) {
    const [reader] = await session.query(READER, [slot])
    if (reader === undefined) return
    const application = optional(reader, 'application_name') ?? ''
    const ours = application.startsWith(sessionPrefix(options.mirror))
    const pid = text(reader, 'pid')
    if (ours) {
      // Without the right to end it, it ends by itself when it writes to the closed connection.
      await session.query('select pg_terminate_backend($1::int)', [pid]).catch(() => undefined)
    }
    if (monotonic() > until) throw inUse(slot, session.label, reader)
    await sleep(LOOK_AGAIN_MS, options.signal)
  }
}

async function readBy(session: Session, slot: string): Promise<Fault> {
  const [reader] = await session.query(READER, [slot])
  return inUse(slot, session.label, reader ?? { pid: 'unknown' })
}

function inUse(slot: string, label: string, reader: TextRow): Fault {
  const [pid, user] = [text(reader, 'pid'), optional(reader, 'usename') ?? 'unknown']
  const application = optional(reader, 'application_name') ?? ''
  return new Fault('HF-L104', {
    what: `the slot ${slot} at ${label} is read by process ${pid} of ${user} (${application})`,
    side: 'source',
    evidence: { pid, user, application, address: optional(reader, 'client_addr') ?? 'local' },
  })
}

/** A slot of that name, when it cannot be this mirror's; null when there is none or it may be. */
export async function strangeSlot(
  session: Session,
  name: string,
  { database, fresh }: { readonly database: string; readonly fresh: boolean },
): Promise<Fault | null> {
  const slot = await readSlot(session, name)
  if (slot === null || (slot.database === database && !fresh)) return null
  const of = slot.database === database ? 'this database' : `database ${slot.database ?? 'none'}`
  return new Fault('HF-S208', {
    what: `the slot ${name} at ${session.label} is kept for another mirror of ${of}`,
    side: 'source',
  })
}

/**
 * True when there was one. `idle`: only an attempt that never began to read can have left it, so
 * a reader is somebody else and is not ended. Throws HF-L104 and HF-S208.
 */
export async function dropSlot(
  session: Session,
  slot: string,
  options: {
    readonly mirror: string
    readonly database: string
    readonly idle: boolean
    readonly signal?: AbortSignal
  },
): Promise<boolean> {
  const found = await readSlot(session, slot)
  if (found === null) return false
  const strange = await strangeSlot(session, slot, { database: options.database, fresh: false })
  if (strange !== null) throw strange
  if (!options.idle) await freeSlot(session, slot, options)
  else if (found.activePid !== null) throw await readBy(session, slot)
  await session.query('select pg_drop_replication_slot($1)', [slot])
  return true
}
