import type { Session } from '../../../dialect/mysql/connect.ts'
import { ident } from '../../../dialect/mysql/quote.ts'
import type {
  MysqlForeignKey,
  MysqlIndex,
  MysqlName,
  MysqlTable,
} from '../../../dialect/mysql/schema.ts'
import { Fault } from '../../../model/fault.ts'
import { tableName } from '../../../model/table.ts'
import type { PlannedTable, TargetPlan } from '../../target.ts'
import { type Known, keyIndex, nativeSchema, nativeTypes } from './native.ts'
import { plainRest } from './plain.ts'

/** A statement that builds what the copy did without. */
export interface Build {
  /** The target's table. */
  readonly table: string
  readonly kind: 'index' | 'foreign key'
  readonly name: string
  readonly sql: string
  /** Rows that only the target holds may stand against it. */
  readonly foreignRows: boolean
}

/** What a source has beside rows and keys: what is built once the copy is done, and what is not. */
export interface Rest {
  readonly builds: readonly Build[]
  /** What is not made, and why. */
  readonly left: readonly string[]
  /** Tables that get unique indexes beside their key, by their ids. */
  readonly unique: ReadonlySet<string>
}

/** A table of the plan, and what it is at a source of this family. */
interface Native {
  readonly planned: PlannedTable
  readonly native: MysqlTable
  readonly types: readonly (string | null)[]
}

export function restOf(plan: TargetPlan, known: Known): Rest {
  const schema = nativeSchema(plan.blueprint)
  if (schema === null) return plainRest(plan)
  const tables = plan.tables.flatMap((planned): Native[] => {
    const native = schema.tables.find(({ id }) => id === planned.table.id)
    if (native === undefined) return []
    return [{ planned, native, types: nativeTypes(native, planned.table, known) }]
  })
  const made = tables.flatMap((one) => others(one).map((index) => ({ one, index })))
  const keys = schema.foreignKeys.map((key) => foreignKeyOf(key, tables))
  const built = made.map(({ one, index }) => indexOf(one, index))
  const unique = made.filter(({ index }, i) => index.unique && typeof built[i] !== 'string')
  const all = [...built, ...keys]
  const standing = new Set(
    plan.tables.flatMap(({ standing, target }) => (standing ? [target.name] : [])),
  )
  return {
    builds: all.filter(
      (build): build is Build => typeof build !== 'string' && !standing.has(build.table),
    ),
    left: all.filter((build) => typeof build === 'string'),
    unique: new Set(unique.map(({ one }) => one.planned.table.id)),
  }
}

/** The indexes beside the key. */
function others({ planned, native }: Native): readonly MysqlIndex[] {
  const key = keyIndex(native, planned.table)
  return native.indexes.filter((index) => index !== key)
}

const KINDS: Readonly<Record<string, string>> = { BTREE: 'INDEX', FULLTEXT: 'FULLTEXT INDEX' }

/** A build, or why there is none. */
function indexOf({ planned, native, types }: Native, index: MysqlIndex): Build | string {
  const { table, target, mode } = planned
  const name = `index ${index.name} of ${tableName(native)}`
  const kind = index.unique && index.type === 'BTREE' ? 'UNIQUE INDEX' : KINDS[index.type]
  if (kind === undefined) return `${name} (${index.type})`
  const parts: string[] = []
  for (const { column, prefix, descending } of index.parts) {
    if (column === null) return `${name} (an expression)`
    const at = table.columns.findIndex((one) => one.name === column)
    if ((types[at] ?? null) === null) return `${name} (${column} has another type at the target)`
    const length = prefix === null || index.type === 'FULLTEXT' ? '' : `(${prefix})`
    parts.push(`${ident(column)}${length}${descending ? ' DESC' : ''}`)
  }
  const sql = `ALTER TABLE ${ident(target.name)} ADD ${kind} ${ident(index.name)} (${parts.join(', ')})`
  const foreignRows = mode === 'merge'
  return { table: target.name, kind: 'index', name: index.name, sql, foreignRows }
}

function foreignKeyOf(key: MysqlForeignKey, tables: readonly Native[]): Build | string {
  const name = `foreign key ${key.name} of ${tableName(key.table)}`
  const [from, to] = [find(tables, key.table), find(tables, key.referenced)]
  if (from === undefined || to === undefined)
    return `${name} (${tableName(key.referenced)} is not mirrored)`
  if (/DEFAULT/i.test(`${key.onUpdate} ${key.onDelete}`)) return `${name} (SET DEFAULT)`
  const differs = [...typed(from, key.columns), ...typed(to, key.referencedColumns)]
  if (differs.includes(null)) return `${name} (its columns have other types at the target)`
  const names = (columns: readonly string[]): string => columns.map(ident).join(', ')
  const table = from.planned.target.name
  const sql = [
    `ALTER TABLE ${ident(table)} ADD CONSTRAINT ${ident(key.name)}`,
    `FOREIGN KEY (${names(key.columns)})`,
    `REFERENCES ${ident(to.planned.target.name)} (${names(key.referencedColumns)})`,
    `ON UPDATE ${key.onUpdate} ON DELETE ${key.onDelete}`,
  ].join(' ')
  const foreignRows = from.planned.mode === 'merge' || to.planned.mode === 'merge'
  return { table, kind: 'foreign key', name: key.name, sql, foreignRows }
}

function find(tables: readonly Native[], { schema, name }: MysqlName): Native | undefined {
  return tables.find(({ native }) => native.schema === schema && native.name === name)
}

function typed({ planned, types }: Native, columns: readonly string[]): (string | null)[] {
  return columns.map((column) => {
    const at = planned.table.columns.findIndex(({ name }) => name === column)
    return types[at] ?? null
  })
}

/** What is there already, as `table/kind/name` in lower case. */
async function built(session: Session): Promise<ReadonlySet<string>> {
  const rows = await session.query(
    `SELECT table_name AS t, 'index' AS kind, index_name AS name
     FROM information_schema.statistics WHERE table_schema = database()
     UNION SELECT table_name, 'foreign key', constraint_name
     FROM information_schema.table_constraints
     WHERE table_schema = database() AND constraint_type = 'FOREIGN KEY'`,
  )
  return new Set(rows.map((row) => placeOf(row['t'] ?? '', row['kind'] ?? '', row['name'] ?? '')))
}

function placeOf(table: string, kind: string, name: string): string {
  return `${table}/${kind}/${name}`.toLowerCase()
}

/** A duplicate key. */
const VIOLATION = '1062'

/**
 * Builds what is not there yet, each by itself, so that it can be begun again after a kill. The
 * tables must be those of one commit of the source.
 */
export async function build(session: Session, builds: readonly Build[]): Promise<void> {
  if (builds.length === 0) return
  const there = await built(session)
  for (const { table, kind, name, sql, foreignRows } of builds) {
    if (there.has(placeOf(table, kind, name))) continue
    try {
      await session.query(sql)
    } catch (error) {
      const violated = error instanceof Fault && error.detail.evidence?.['errno'] === VIOLATION
      if (!foreignRows || !violated) throw error
    }
  }
}

/** The next number of each table that hands out numbers, by the name of the table. */
export async function counters(session: Session): Promise<ReadonlyMap<string, bigint>> {
  const { flavour, number } = session.version
  if (flavour === 'mysql' && number >= 80_000) {
    await session.query('SET SESSION information_schema_stats_expiry = 0')
  }
  const rows = await session.query(
    `SELECT table_name AS t, auto_increment AS n FROM information_schema.tables
     WHERE table_schema = database() AND auto_increment IS NOT NULL`,
  )
  return new Map(rows.map((row) => [row['t'] ?? '', BigInt(row['n'] ?? 0)]))
}

export function advance(table: string, next: bigint): string {
  return `ALTER TABLE ${ident(table)} AUTO_INCREMENT = ${next}`
}
