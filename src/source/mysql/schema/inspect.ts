import type { Session } from '../../../dialect/mysql/connect.ts'
import { plainOf } from '../../../dialect/mysql/plain.ts'
import type {
  MysqlForeignKey,
  MysqlOmission,
  MysqlSchema,
  MysqlTable,
} from '../../../dialect/mysql/schema.ts'
import { neutralType } from '../../../dialect/mysql/types.ts'
import { Fault } from '../../../model/fault.ts'
import type { Blueprint, Table } from '../../../model/table.ts'
import { type Naming, noMatch, select } from '../../select.ts'
import type { Selection } from '../../source.ts'
import { isOwnDatabase, namingOf, tableId } from '../names.ts'
import { type Relation, readForeignKeys, readRelations, readTables } from './catalogue.ts'
import { type Follower, nativeOf, tableOf } from './shape.ts'

/** Where to look, and for what. */
export interface Wanted {
  /** Patterns, or the ids of tables, of which those are read that there are. */
  readonly selection: Selection | ReadonlySet<string>
  /** The database of the URL. */
  readonly home: string | null
}

/** What a selection comes to at this source, before preflight judges it. */
export interface Reading {
  readonly tables: readonly MysqlTable[]
  readonly omitted: readonly MysqlOmission[]
  /** Of all tables in the databases of the selected ones. */
  readonly foreignKeys: readonly MysqlForeignKey[]
  /** Columns of a type that has no neutral form. */
  readonly strange: readonly { readonly table: MysqlTable; readonly column: string }[]
  readonly systemVersioned: ReadonlySet<string>
}

/**
 * Reads the catalogue for the selected tables: those that match the patterns, without any those of
 * the URL's database. Throws HF-C104 and HF-C105 for patterns that cannot be read or match nothing.
 */
export async function readSource(session: Session, wanted: Wanted): Promise<Reading> {
  const chosen = await choose(session, wanted)
  const kept = chosen.filter((relation) => omission(relation) === null)
  const tables = await readTables(session, kept)
  const schemas = [...new Set(kept.map(({ schema }) => schema))]
  return {
    tables,
    omitted: chosen.flatMap((relation) => omission(relation) ?? []),
    foreignKeys: await readForeignKeys(session, schemas),
    strange: tables.flatMap((table) =>
      table.columns.filter(isStrange).map(({ name }) => ({ table, column: name })),
    ),
    systemVersioned: new Set(
      kept.filter(({ kind }) => kind === 'SYSTEM VERSIONED').map((relation) => tableId(relation)),
    ),
  }
}

async function choose(session: Session, { selection, home }: Wanted): Promise<readonly Relation[]> {
  if ('has' in selection) {
    const all = await readRelations(session, null)
    return all.filter((relation) => selection.has(tableId(relation)))
  }
  const naming = await namingAt(session, home)
  const all = selection.include.length === 0
  const relations = await readRelations(session, all ? home : null)
  const { chosen, unmatched } = select(relations, selection, naming)
  if (unmatched.length > 0) throw noMatch(unmatched, relations, naming)
  if (chosen.every((relation) => omission(relation) !== null)) throw nothing(relations, home)
  return chosen
}

export async function namingAt(session: Session, home: string | null): Promise<Naming> {
  const [row] = await session.query('SELECT @@lower_case_table_names AS l')
  return namingOf(home, row?.['l'] !== '0')
}

function isStrange(column: Parameters<typeof nativeOf>[0]): boolean {
  try {
    neutralType(nativeOf(column))
    return false
  } catch {
    return true
  }
}

const KINDS: Readonly<Record<string, MysqlOmission['what']>> = {
  VIEW: 'view',
  'SYSTEM VIEW': 'view',
  SEQUENCE: 'sequence',
  TEMPORARY: 'temporary table',
}

function omission({ schema, name, kind }: Relation): MysqlOmission | null {
  const what = KINDS[kind]
  return what === undefined ? null : { schema, name, what }
}

function nothing(relations: readonly Relation[], home: string | null): Fault {
  const any = relations.some(({ schema }) => !isOwnDatabase(schema))
  const where = home === null ? 'the source' : `the database ${home} of the source`
  const what = any ? 'the selection leaves no table to mirror' : `${where} has no tables`
  return new Fault('HF-C105', { what, side: 'source' })
}

/** Rules by which a foreign key changes rows by itself. */
export const CASCADES: ReadonlySet<string> = new Set(['CASCADE', 'SET NULL', 'SET DEFAULT'])

function followersOf({ id }: MysqlTable, keys: readonly MysqlForeignKey[]): readonly Follower[] {
  const found = keys.filter(
    ({ referenced, onUpdate }) => tableId(referenced) === id && CASCADES.has(onUpdate),
  )
  return found.map(({ name, table, referencedColumns }) => {
    return { name, schema: table.schema, table: table.name, columns: referencedColumns }
  })
}

/** What a target is told. Throws as `readSource`, and HF-D405. */
export function blueprintOf(session: Session, reading: Reading): Blueprint {
  const mirrored = new Set(reading.tables.map(({ id }) => id))
  const native: MysqlSchema = {
    dialect: 'mysql',
    flavour: session.version.flavour,
    version: session.version.number,
    tables: reading.tables,
    foreignKeys: reading.foreignKeys.filter(
      ({ table, referenced }) => mirrored.has(tableId(table)) && mirrored.has(tableId(referenced)),
    ),
    omitted: reading.omitted,
  }
  const mariadb = session.version.flavour === 'mariadb'
  const tables: readonly Table[] = reading.tables.map((table) =>
    tableOf(table, mariadb, followersOf(table, native.foreignKeys)),
  )
  return { dialect: 'mysql', tables, native, plain: plainOf(native) }
}
