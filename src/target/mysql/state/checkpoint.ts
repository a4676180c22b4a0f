import type { Session, TextRow } from '../../../dialect/mysql/connect.ts'
import { literal } from '../../../dialect/mysql/quote.ts'
import type { Checkpoint, Identities, TableState } from '../../../model/checkpoint.ts'
import { Fault } from '../../../model/fault.ts'
import type { Positions } from '../../../model/position.ts'
import type { CopyMark } from '../../emptying.ts'
import { checkpointOf, planOf, storedPositions } from '../../stored.ts'
import type { TargetPlan } from '../../target.ts'
import { moment } from '../sessions.ts'
import { STATE, STATE_VERSION } from './state.ts'

/** No such table. */
const UNKNOWN_TABLE = '1146'

/** The checkpoint of a mirror as one moment shows it; null when the target holds no state of it. */
export function readCheckpoint(session: Session, mirror: string): Promise<Checkpoint | null> {
  return orNone(session, () => moment(session, () => checkpointWithin(session, mirror)))
}

/** The same in a transaction of the caller's. */
export async function checkpointWithin(
  session: Session,
  mirror: string,
): Promise<Checkpoint | null> {
  const of = literal(mirror)
  const [row] = await session.query(
    `SELECT settings, source, IF(finished = 1, 't', 'f') AS finished
     FROM ${STATE.mirrors} WHERE name = ${of}`,
  )
  if (row === undefined) return null
  const lanes = await session.query(
    `SELECT lane, log, place, token, landmark FROM ${STATE.lanes} WHERE mirror = ${of}`,
  )
  const tables = await session.query(
    `SELECT definition, place_schema, place_name, mode, state, start, rows_copied
     FROM ${STATE.tables} WHERE mirror = ${of} ORDER BY number`,
  )
  const positions = Object.fromEntries(lanes.map((lane) => [lane['lane'], laneOf(lane)]))
  return checkpointOf(mirror, {
    ...{ settings: row['settings'] ?? null, source: row['source'] ?? null },
    finished: row['finished'] ?? null,
    positions: JSON.stringify(positions),
    tables: `[${tables.map(tableJson).join(',')}]`,
  })
}

function laneOf(row: TextRow): Readonly<Record<string, unknown>> {
  return { log: row['log'], order: row['place'], token: row['token'], landmark: row['landmark'] }
}

/** Put together as text, since its parts are JSON that is still to be checked. */
function tableJson(row: TextRow): string {
  const target = JSON.stringify({ schema: row['place_schema'], name: row['place_name'] })
  const { mode, state } = row
  return `{"table":${row['definition']},"target":${target},"mode":${JSON.stringify(mode)},"state":${JSON.stringify(state)},"start":${row['start'] ?? 'null'},"rowsCopied":${row['rows_copied']}}`
}

/** What `prepare` was told; null before that. */
export async function readPlan(session: Session, mirror: string): Promise<TargetPlan | null> {
  const sql = `SELECT plan FROM ${STATE.mirrors} WHERE name = ${literal(mirror)} AND plan IS NOT NULL`
  const row = await orNone(session, async () => (await session.query(sql))[0] ?? null)
  return row === null ? null : planOf(mirror, row)
}

export async function mirrorNames(session: Session): Promise<readonly string[]> {
  const sql = `SELECT name FROM ${STATE.mirrors} ORDER BY name`
  const rows = await orNone(session, () => session.query(sql))
  return (rows ?? []).flatMap((row) => (row['name'] == null ? [] : [row['name']]))
}

/** The UUID of the target's state; null when there is none. */
export async function stateIdentity(session: Session): Promise<string | null> {
  const sql = `SELECT identity FROM ${STATE.about}`
  const row = await orNone(session, async () => (await session.query(sql))[0] ?? null)
  return row?.['identity'] ?? null
}

/** Null when there is no state. Throws HF-X106 for tables of a later version. */
async function orNone<T>(session: Session, read: () => Promise<T | null>): Promise<T | null> {
  try {
    const [about] = await session.query(`SELECT version FROM ${STATE.about}`)
    if (about === undefined) return null
    refuseLater(Number(about['version']))
    return await read()
  } catch (error) {
    if (isUnknownTable(error)) return null
    throw error
  }
}

export function isUnknownTable(error: unknown): boolean {
  return error instanceof Fault && error.detail.evidence?.['errno'] === UNKNOWN_TABLE
}

function refuseLater(version: number): void {
  if (version <= STATE_VERSION) return
  throw new Fault('HF-X106', {
    what: `the state in the tables ${STATE.about} and beside it at the target is of version ${version}; this Holdfast knows versions up to ${STATE_VERSION}`,
    side: 'target',
  })
}

/** Locks the mirror's row against a claim; false when the epoch is not this one any more. */
export async function isHeld(session: Session, mirror: string, epoch: bigint): Promise<boolean> {
  const [row] = await session.query(
    `SELECT epoch FROM ${STATE.mirrors} WHERE name = ${literal(mirror)} LOCK IN SHARE MODE`,
  )
  return row?.['epoch'] === epoch.toString()
}

/** Records every table as pending; those that are recorded already stay as they are. */
export async function recordPlan(
  session: Session,
  mirror: string,
  plan: TargetPlan,
): Promise<void> {
  const of = literal(mirror)
  await session.query(
    `UPDATE ${STATE.mirrors} SET plan = ${literal(JSON.stringify(plan))}, finished = 0
     WHERE name = ${of}`,
  )
  for (const [number, { table, target, mode }] of plan.tables.entries()) {
    const cells = [table.id, JSON.stringify(table), target.schema, target.name, mode]
    await session.query(
      `INSERT INTO ${STATE.tables}
         (mirror, number, id, definition, place_schema, place_name, mode)
       VALUES (${of}, ${number}, ${cells.map(literal).join(', ')})
       ON DUPLICATE KEY UPDATE mode = mode`,
    )
  }
}

/** Takes tables out of the mirror, and of what is still to be built. */
export async function recordForgotten(
  session: Session,
  mirror: string,
  { ids, plan }: { readonly ids: readonly string[]; readonly plan: TargetPlan | null },
): Promise<void> {
  if (ids.length === 0) return
  await session.query(
    `DELETE FROM ${STATE.tables}
     WHERE mirror = ${literal(mirror)} AND id IN (${ids.map(literal).join(', ')})`,
  )
  if (plan === null) return
  await session.query(
    `UPDATE ${STATE.mirrors} SET plan = ${literal(JSON.stringify(plan))}
     WHERE name = ${literal(mirror)}`,
  )
}

/** Records that the tables are being copied from a snapshot at these positions. */
export async function recordBegin(
  session: Session,
  mirror: string,
  begun: { readonly ids: readonly string[]; readonly positions: Positions },
): Promise<void> {
  if (begun.ids.length === 0) return
  await session.query(
    `UPDATE ${STATE.tables} SET state = 'copying', start = ${literal(storedPositions(begun.positions))},
       chunks_done = 0, chunks = 0, rows_copied = 0
     WHERE mirror = ${literal(mirror)} AND id IN (${begun.ids.map(literal).join(', ')})`,
  )
}

/** Records that the tables, which are copied, begin elsewhere. */
export async function recordBeginning(
  session: Session,
  mirror: string,
  { ids, start }: { readonly ids: readonly string[]; readonly start: Positions },
): Promise<void> {
  if (ids.length === 0) return
  await session.query(
    `UPDATE ${STATE.tables} SET start = ${literal(storedPositions(start))}
     WHERE mirror = ${literal(mirror)} AND id IN (${ids.map(literal).join(', ')})`,
  )
}

/** Makes `positions` and `source` those of the checkpoint. */
export async function recordStart(
  session: Session,
  mirror: string,
  start: { readonly positions: Positions; readonly source: Identities; readonly epoch: bigint },
): Promise<void> {
  const of = literal(mirror)
  const source = literal(JSON.stringify(start.source))
  await session.query(`UPDATE ${STATE.mirrors} SET source = ${source} WHERE name = ${of}`)
  await session.query(`DELETE FROM ${STATE.lanes} WHERE mirror = ${of}`)
  await addLanes(session, mirror, start)
}

/** Adds lanes that the checkpoint lacks, and with them facts that it lacks; says which lanes. */
export async function recordMore(
  session: Session,
  mirror: string,
  start: { readonly positions: Positions; readonly source: Identities; readonly epoch: bigint },
): Promise<Positions> {
  const known = await checkpointWithin(session, mirror)
  const lacking = [...start.positions].filter(([lane]) => known?.positions.has(lane) !== true)
  const positions = new Map(lacking)
  if (lacking.length === 0) return positions
  const source = literal(JSON.stringify({ ...start.source, ...known?.source }))
  await session.query(
    `UPDATE ${STATE.mirrors} SET source = ${source} WHERE name = ${literal(mirror)}`,
  )
  await addLanes(session, mirror, { positions, epoch: start.epoch })
  return positions
}

async function addLanes(
  session: Session,
  mirror: string,
  { positions, epoch }: { readonly positions: Positions; readonly epoch: bigint },
): Promise<void> {
  for (const [lane, { log, order, token, landmark }] of positions) {
    const mark = landmark === undefined ? 'NULL' : literal(landmark)
    await session.query(
      `INSERT INTO ${STATE.lanes} (mirror, lane, epoch, log, place, token, landmark)
       VALUES (${literal(mirror)}, ${literal(lane)}, ${epoch}, ${literal(log)}, '${order}',
         ${literal(token)}, ${mark})`,
    )
  }
}

/** How far the copy of each table is, by its id. */
export async function copyMarks(
  session: Session,
  mirror: string,
): Promise<ReadonlyMap<string, CopyMark>> {
  const rows = await session.query(
    `SELECT id, state, chunks_done, held_rows FROM ${STATE.tables} WHERE mirror = ${literal(mirror)}`,
  )
  return new Map(
    rows.map((row) => [
      row['id'] ?? '',
      {
        state: row['state'] as TableState['state'],
        chunks: Number(row['chunks_done']),
        heldRows: row['held_rows'] === '1',
      },
    ]),
  )
}

export async function recordHeldRows(
  session: Session,
  mirror: string,
  table: { readonly id: string; readonly held: boolean },
): Promise<void> {
  await session.query(
    `UPDATE ${STATE.tables} SET held_rows = ${table.held ? 1 : 0} ${where(mirror, table.id)}`,
  )
}

export async function recordCopied(session: Session, mirror: string, id: string): Promise<void> {
  await session.query(`UPDATE ${STATE.tables} SET state = 'copied' ${where(mirror, id)}`)
}

export async function recordFinished(session: Session, mirror: string): Promise<void> {
  await session.query(`UPDATE ${STATE.mirrors} SET finished = 1 WHERE name = ${literal(mirror)}`)
}

function where(mirror: string, id: string): string {
  return `WHERE mirror = ${literal(mirror)} AND id = ${literal(id)}`
}

/** Removes everything that is known of a mirror; the whole state when it was the last one. */
export async function removeMirror(session: Session, mirror: string): Promise<readonly string[]> {
  const of = literal(mirror)
  const removed: string[] = []
  const [known] = await session.query(`SELECT 1 AS one FROM ${STATE.mirrors} WHERE name = ${of}`)
  await session.query('START TRANSACTION')
  for (const table of [STATE.lanes, STATE.tables, STATE.leases]) {
    await session.query(`DELETE FROM ${table} WHERE mirror = ${of}`)
  }
  await session.query(`DELETE FROM ${STATE.mirrors} WHERE name = ${of}`)
  await session.query('COMMIT')
  if (known !== undefined) removed.push(`state of mirror ${mirror} in the tables _holdfast_…`)
  const [left] = await session.query(`SELECT 1 AS one FROM ${STATE.mirrors} LIMIT 1`)
  if (left === undefined) {
    await session.query(`DROP TABLE ${Object.values(STATE).join(', ')}`)
    removed.push('the tables _holdfast_…')
  }
  return removed
}
