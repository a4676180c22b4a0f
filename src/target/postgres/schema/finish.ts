import type { Session } from '../../../dialect/postgres/connect.ts'
import { sqlstateOf } from '../../../dialect/postgres/errors.ts'
import { ident, qualified } from '../../../dialect/postgres/quote.ts'
import type { PgForeignKey, PgIndex, PgName, PgTable } from '../../../dialect/postgres/schema.ts'
import type { TargetPlan } from '../../target.ts'
import { hasKey, indexStatement, isTaken, nativeSchema, placesOf } from './ddl.ts'
import { plainIndexes } from './plain.ts'

export interface FinishOptions {
  /**
   * The mirror's sessions may set session_replication_role, so that foreign keys rest while it
   * writes. Without it they are made to be checked at commit and to change nothing themselves.
   */
  readonly replicaRole: boolean
}

/** Bytes that sorting the rows of an index may take, and processes that help with it, at least. */
const BUILD_MEMORY = 128 << 20
const BUILD_HELPERS = 4

/**
 * Gives a transaction what building an index over many rows takes; where the server's own settings
 * give more, that. Who has set its helpers to none gets none.
 */
export const buildSettings = `
select pg_catalog.set_config('maintenance_work_mem', greatest(
    pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')),
    ${BUILD_MEMORY}) / 1024 || 'kB', true),
  pg_catalog.set_config('max_parallel_maintenance_workers', case own when 0 then 0
    else greatest(own, ${BUILD_HELPERS}) end::text, true)
from (select pg_catalog.current_setting('max_parallel_maintenance_workers')::int as own) as s`

/**
 * Builds what the copy did without: the remaining unique constraints and indexes, then the
 * foreign keys. Each statement commits by itself and is left out when its work is there, so that
 * it can be begun again after a kill. The tables must be those of one commit of the source.
 */
export async function finishSchema(
  session: Session,
  plan: TargetPlan,
  options: FinishOptions,
): Promise<void> {
  const schema = nativeSchema(plan.blueprint)
  if (schema === null) return await finishPlain(session, plan)
  const places = placesOf(plan)
  const standing = new Set(plan.tables.filter((one) => one.standing).map(({ table }) => table.id))
  for (const table of innermostFirst(schema.tables)) {
    const place = places.get(table.id)
    if (place === undefined || standing.has(table.id)) continue
    if (!(await owns(session, place))) continue
    await finishIndexes(session, { table, place, plan })
  }
  for (const foreignKey of schema.foreignKeys) {
    if (standing.has(foreignKey.table)) continue
    await finishForeignKey(session, foreignKey, { plan, places, options })
  }
}

/** The indexes that a source of another kind has, too. */
async function finishPlain(session: Session, plan: TargetPlan): Promise<void> {
  for (const planned of plan.tables) {
    const place = planned.target
    if (planned.standing) continue
    if (!(await owns(session, place))) continue
    for (const index of plainIndexes(plan, planned)) {
      if (typeof index === 'string') continue
      const rows = await session.query(INDEXES, [place.schema, place.name])
      if (rows.some((row) => row['name'] === index.name)) continue
      await build(session, index.sql, merged(plan, planned.table.id))
    }
  }
}

/** True when one of the tables may hold rows that the source does not. */
function merged(plan: TargetPlan, ...ids: readonly string[]): boolean {
  return plan.tables.some(({ table, mode }) => mode === 'merge' && ids.includes(table.id))
}

/** unique_violation and foreign_key_violation. */
const VIOLATIONS = ['23505', '23503']

/** Rows that only the target holds may stand against a constraint of the source: it is not made. */
async function build(session: Session, sql: string, foreignRows: boolean): Promise<void> {
  try {
    await session.query(`BEGIN; ${buildSettings}; ${sql}; COMMIT`)
  } catch (error) {
    if (!session.lost.aborted) await session.query('ROLLBACK').catch(() => undefined)
    if (!foreignRows || !VIOLATIONS.includes(sqlstateOf(error) ?? '')) throw error
  }
}

const OWNS = `
select pg_catalog.pg_has_role(c.relowner, 'USAGE') as owns
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relname = $2`

/** Tables of somebody else stay as they were found. */
async function owns(session: Session, place: PgName): Promise<boolean> {
  const [row] = await session.query(OWNS, [place.schema, place.name])
  return row?.['owns'] === 't'
}

/** An index of a partitioned table takes in those that its partitions have. */
function innermostFirst(tables: readonly PgTable[]): PgTable[] {
  return [...tables].reverse()
}

async function finishIndexes(
  session: Session,
  of: { readonly table: PgTable; readonly place: PgName; readonly plan: TargetPlan },
): Promise<void> {
  const { table, place, plan } = of
  for (const index of table.indexes) {
    if (!isCarried(index) || (await isThere(session, place, index))) continue
    const taken = await isTaken(session, place.schema, index.name)
    await build(session, indexStatement(index, { place, taken }), merged(plan, table.id))
  }
}

/** Exclusion constraints and what needs code of the source are not made. */
export function isCarried(index: PgIndex): boolean {
  return index.sql !== null && index.constraint?.kind !== 'exclusion'
}

const INDEXES = `
select x.relname as name, i.indisprimary as primary, k.contype is not null as constrained
from pg_catalog.pg_index i
join pg_catalog.pg_class x on x.oid = i.indexrelid
join pg_catalog.pg_class c on c.oid = i.indrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_constraint k on k.conindid = i.indexrelid and k.conrelid = c.oid
  and k.contype in ('p', 'u', 'x')
where n.nspname = $1 and c.relname = $2`

async function isThere(session: Session, place: PgName, index: PgIndex): Promise<boolean> {
  const rows = await session.query(INDEXES, [place.schema, place.name])
  if (rows.some((row) => row['name'] === index.name)) return true
  const { constraint, columns } = index
  if (constraint?.kind === 'primary') return rows.some((row) => row['primary'] === 't')
  if (!index.identifies || columns === null) return false
  return await hasKey(session, place, columns)
}

interface ForeignKeyContext {
  readonly plan: TargetPlan
  readonly places: ReadonlyMap<string, PgName>
  readonly options: FinishOptions
}

const FOREIGN_KEYS = `
select k.conname as name, k.convalidated as validated
from pg_catalog.pg_constraint k
join pg_catalog.pg_class c on c.oid = k.conrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relname = $2 and k.contype = 'f'`

async function finishForeignKey(
  session: Session,
  foreignKey: PgForeignKey,
  { plan, places, options }: ForeignKeyContext,
): Promise<void> {
  const place = places.get(foreignKey.table)
  const references = places.get(foreignKey.references)
  if (place === undefined || references === undefined) return
  if (!(await owns(session, place))) return
  // What is not enforced changes nothing, and older servers do not know it.
  if (!foreignKey.enforced && session.version < 180000) return
  const rows = await session.query(FOREIGN_KEYS, [place.schema, place.name])
  if (rows.some((row) => row['name'] === foreignKey.name)) return
  const sql = foreignKeyStatement(foreignKey, { place, references, options })
  await build(session, sql, merged(plan, foreignKey.table, foreignKey.references))
}

export function foreignKeyStatement(
  foreignKey: PgForeignKey,
  at: { readonly place: PgName; readonly references: PgName; readonly options: FinishOptions },
): string {
  const names = (columns: readonly string[]): string => {
    const quoted = columns.map(ident)
    const last = quoted.length - 1
    return quoted
      .map((name, index) => (foreignKey.period && index === last ? `PERIOD ${name}` : name))
      .join(', ')
  }
  return [
    `ALTER TABLE ${qualified(at.place)} ADD CONSTRAINT ${ident(foreignKey.name)}`,
    `FOREIGN KEY (${names(foreignKey.columns)})`,
    `REFERENCES ${qualified(at.references)} (${names(foreignKey.referencedColumns)})`,
    foreignKey.full ? 'MATCH FULL' : '',
    ...(at.options.replicaRole ? asTheSource(foreignKey) : ['DEFERRABLE INITIALLY DEFERRED']),
    foreignKey.enforced ? '' : 'NOT ENFORCED',
    foreignKey.validated || !foreignKey.enforced ? '' : 'NOT VALID',
  ]
    .filter((part) => part !== '')
    .join(' ')
}

function asTheSource(foreignKey: PgForeignKey): string[] {
  const limited = foreignKey.setColumns.map(ident).join(', ')
  return [
    `ON UPDATE ${foreignKey.onUpdate}`,
    `ON DELETE ${foreignKey.onDelete}${limited === '' ? '' : ` (${limited})`}`,
    foreignKey.deferrable ? 'DEFERRABLE' : '',
    foreignKey.deferred ? 'INITIALLY DEFERRED' : '',
  ]
}
