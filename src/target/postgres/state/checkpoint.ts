import type { Session, TextRow } from '../../../dialect/postgres/connect.ts'
import { sqlstateOf } from '../../../dialect/postgres/errors.ts'
import type { Checkpoint, Identities, TableState } from '../../../model/checkpoint.ts'
import { Fault } from '../../../model/fault.ts'
import type { Positions } from '../../../model/position.ts'
import type { Sequence, Table } from '../../../model/table.ts'
import type { CopyMark } from '../../emptying.ts'
import { checkpointOf, planOf, storedPositions } from '../../stored.ts'
import type { PlannedTable, TargetPlan } from '../../target.ts'
import { STATE, STATE_VERSION } from './state.ts'

/** One statement, so that all of it is of one moment. */
const readSql = `
select m.settings, m.source, m.finished,
  (select coalesce(json_object_agg(l.lane, json_build_object(
     'log', l.log, 'order', l."order"::text, 'token', l.token, 'landmark', l.landmark)), '{}')
   from ${STATE}.lanes l where l.mirror = m.name) as positions,
  (select coalesce(json_agg(json_build_object(
     'table', t.definition, 'target', json_build_object('schema', t.schema, 'name', t.name),
     'mode', t.mode, 'state', t.state, 'start', t.start, 'rowsCopied', t.rows_copied)
     order by t.number), '[]')
   from ${STATE}.tables t where t.mirror = m.name) as tables
from ${STATE}.mirrors m where m.name = $1`

/** The checkpoint of a mirror; null when the target holds no state of it. */
export async function readCheckpoint(session: Session, mirror: string): Promise<Checkpoint | null> {
  const [row] = await orNone(session, readSql, [mirror])
  if (row === undefined) return null
  return checkpointOf(mirror, row)
}

/** What `prepare` was told; null before that. */
export async function readPlan(session: Session, mirror: string): Promise<TargetPlan | null> {
  const sql = `select plan from ${STATE}.mirrors where name = $1 and plan is not null`
  const [row] = await orNone(session, sql, [mirror])
  return row === undefined ? null : planOf(mirror, row)
}

export async function mirrorNames(session: Session): Promise<readonly string[]> {
  const rows = await orNone(session, `select name from ${STATE}.mirrors order by name`)
  return rows.flatMap((row) => (row['name'] == null ? [] : [row['name']]))
}

/** The UUID of the target's state; null when there is none. */
export async function stateIdentity(session: Session): Promise<string | null> {
  const [row] = await orNone(session, `select identity from ${STATE}.about`)
  return row?.['identity'] ?? null
}

/**
 * No rows when the state's tables do not exist; asked first, so that no error is logged there.
 * Throws HF-X106 for tables of a later version, which may read differently.
 */
async function orNone(
  session: Session,
  sql: string,
  params?: readonly string[],
): Promise<TextRow[]> {
  const [state] = await session.query(
    `select pg_catalog.to_regclass('${STATE}.about') is not null as there`,
  )
  if (state?.['there'] !== 't') return []
  try {
    const [about] = await session.query(`select version from ${STATE}.about`)
    refuseLater(Number(about?.['version']))
    return await session.query(sql, params)
  } catch (error) {
    const state = sqlstateOf(error)
    if (state === '42P01' || state === '3F000') return []
    throw error
  }
}

function refuseLater(version: number): void {
  if (version <= STATE_VERSION) return
  throw new Fault('HF-X106', {
    what: `the state in schema ${STATE} of the target is of version ${version}; this Holdfast knows versions up to ${STATE_VERSION}`,
    side: 'target',
  })
}

/** Records every table as pending; those that are recorded already stay as they are. */
export async function recordPlan(
  session: Session,
  mirror: string,
  plan: TargetPlan,
): Promise<void> {
  await session.query(`update ${STATE}.mirrors set plan = $2, finished = false where name = $1`, [
    mirror,
    JSON.stringify(plan),
  ])
  const rows = plan.tables.map(({ table, target, mode }: PlannedTable, number) => ({
    number,
    id: table.id,
    definition: table,
    schema: target.schema,
    name: target.name,
    mode,
  }))
  await session.query(
    `insert into ${STATE}.tables (mirror, id, number, definition, schema, name, mode)
     select $1, id, number, definition, schema, name, mode
     from pg_catalog.json_to_recordset($2::json)
       as r(id text, number int, definition json, schema text, name text, mode text)
     on conflict do nothing`,
    [mirror, JSON.stringify(rows)],
  )
}

/** Takes tables out of the mirror, and of what is still to be built. */
export async function recordForgotten(
  session: Session,
  mirror: string,
  { ids, plan }: { readonly ids: readonly string[]; readonly plan: TargetPlan | null },
): Promise<void> {
  await session.query(
    `delete from ${STATE}.tables
     where mirror = $1 and id in (select json_array_elements_text($2::json))`,
    [mirror, JSON.stringify(ids)],
  )
  if (plan === null) return
  await session.query(`update ${STATE}.mirrors set plan = $2 where name = $1`, [
    mirror,
    JSON.stringify(plan),
  ])
}

/** Records that the tables are being copied from a snapshot at these positions. */
export async function recordBegin(
  session: Session,
  mirror: string,
  begun: { readonly ids: readonly string[]; readonly positions: Positions },
): Promise<void> {
  await session.query(
    `update ${STATE}.tables set state = 'copying', start = $3, chunks_done = 0, chunks = 0,
       rows_copied = 0
     where mirror = $1 and id in (select json_array_elements_text($2::json))`,
    [mirror, JSON.stringify(begun.ids), storedPositions(begun.positions)],
  )
}

/** Records that the tables, which are copied, begin elsewhere. */
export async function recordBeginning(
  session: Session,
  mirror: string,
  { ids, start }: { readonly ids: readonly string[]; readonly start: Positions },
): Promise<void> {
  await session.query(
    `update ${STATE}.tables set start = $3
     where mirror = $1 and id in (select json_array_elements_text($2::json))`,
    [mirror, JSON.stringify(ids), storedPositions(start)],
  )
}

/** Makes `positions` and `source` those of the checkpoint. */
export async function recordStart(
  session: Session,
  mirror: string,
  start: { readonly positions: Positions; readonly source: Identities; readonly epoch: bigint },
): Promise<void> {
  await session.query(`update ${STATE}.mirrors set source = $2 where name = $1`, [
    mirror,
    JSON.stringify(start.source),
  ])
  await session.query(`delete from ${STATE}.lanes where mirror = $1`, [mirror])
  await addLanes(session, mirror, start)
}

/** Adds lanes that the checkpoint lacks, and with them facts that it lacks; says which lanes. */
export async function recordMore(
  session: Session,
  mirror: string,
  start: { readonly positions: Positions; readonly source: Identities; readonly epoch: bigint },
): Promise<Positions> {
  const added = await addLanes(session, mirror, start)
  if (added.size === 0) return added
  await session.query(
    `update ${STATE}.mirrors set source = ($2::jsonb || source::jsonb)::json where name = $1`,
    [mirror, JSON.stringify(start.source)],
  )
  return added
}

async function addLanes(
  session: Session,
  mirror: string,
  { positions, epoch }: { readonly positions: Positions; readonly epoch: bigint },
): Promise<Positions> {
  const rows = await session.query(
    `insert into ${STATE}.lanes (mirror, lane, epoch, log, "order", token, landmark)
     select $1, r.key, $3::bigint, r.value->>'log', (r.value->>'order')::numeric,
       r.value->>'token', r.value->>'landmark'
     from pg_catalog.json_each($2::json) as r
     on conflict do nothing returning lane`,
    [mirror, storedPositions(positions), epoch.toString()],
  )
  const added = new Set(rows.map((row) => row['lane']))
  return new Map([...positions].filter(([lane]) => added.has(lane)))
}

/** How far the copy of each table is, by its id. */
export async function copyMarks(
  session: Session,
  mirror: string,
): Promise<ReadonlyMap<string, CopyMark>> {
  const sql = `select id, state, chunks_done, held_rows from ${STATE}.tables where mirror = $1`
  const rows = await session.query(sql, [mirror])
  return new Map(
    rows.map((row) => [
      row['id'] ?? '',
      {
        state: row['state'] as TableState['state'],
        chunks: Number(row['chunks_done']),
        heldRows: row['held_rows'] === 't',
      },
    ]),
  )
}

export async function recordHeldRows(
  session: Session,
  mirror: string,
  table: { readonly id: string; readonly held: boolean },
): Promise<void> {
  const sql = `update ${STATE}.tables set held_rows = $3::boolean where mirror = $1 and id = $2`
  await session.query(sql, [mirror, table.id, String(table.held)])
}

export async function recordCopied(session: Session, mirror: string, id: string): Promise<void> {
  const sql = `update ${STATE}.tables set state = 'copied' where mirror = $1 and id = $2`
  await session.query(sql, [mirror, id])
}

export async function recordFinished(session: Session, mirror: string): Promise<void> {
  await session.query(`update ${STATE}.mirrors set finished = true where name = $1`, [mirror])
}

/** The table reads differently from here on. */
export async function recordTable(session: Session, mirror: string, table: Table): Promise<void> {
  const sql = `update ${STATE}.tables set definition = $3 where mirror = $1 and id = $2`
  await session.query(sql, [mirror, table.id, JSON.stringify(table)])
}

/** Sets sequences that exist to the values that they have at the source. */
export async function setSequences(
  session: Session,
  sequences: readonly Sequence[],
): Promise<void> {
  await session.query(
    `select pg_catalog.setval(c.oid::regclass, r.value::bigint, r.called)
     from pg_catalog.json_to_recordset($1::json)
       as r(schema text, name text, value text, called boolean)
     join pg_catalog.pg_namespace n on n.nspname = r.schema
     join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = r.name
       and c.relkind = 'S'`,
    [JSON.stringify(sequences)],
  )
}

/** Removes everything that is known of a mirror; the whole state when it was the last one. */
export async function removeMirror(session: Session, mirror: string): Promise<readonly string[]> {
  const removed: string[] = []
  for (const table of ['lanes', 'tables', 'leases']) {
    await session.query(`delete from ${STATE}.${table} where mirror = $1`, [mirror])
  }
  const sql = `delete from ${STATE}.mirrors where name = $1 returning name`
  const [gone] = await session.query(sql, [mirror])
  if (gone !== undefined) removed.push(`state of mirror ${mirror} in schema ${STATE}`)
  const [left] = await session.query(`select 1 as one from ${STATE}.mirrors limit 1`)
  if (left === undefined) {
    await session.query(`drop schema ${STATE} cascade`)
    removed.push(`schema ${STATE}`)
  }
  return removed
}
