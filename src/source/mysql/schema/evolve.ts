import { neutralType, parseNative } from '../../../dialect/mysql/types.ts'
import { Fault, type FaultCode } from '../../../model/fault.ts'
import { type Column, type Identity, type Table, tableName } from '../../../model/table.ts'
import { type AlterAction, placed } from '../ddl/alter.ts'
import type { ColumnDefinition } from '../ddl/column.ts'
import { type Mark, versionOf, writeMark } from './shape.ts'
import { converts, widens } from './widen.ts'

/** A table as it stands between two statements. */
export interface Standing {
  readonly table: Table
  readonly mark: Mark
}

/** Under what a statement was given. */
export interface Circumstances {
  /** A value that a column cannot hold was refused, not bent. */
  readonly strict: boolean
  /** Rows that a foreign key changes are in the log. */
  readonly logsCascades: boolean
}

/** A table that can no longer be followed. */
export function drifted(code: FaultCode, table: Table, what: string): Fault {
  const name = tableName(table)
  return new Fault(code, { what: `${name}: ${what}`, side: 'source', table: name })
}

/**
 * The table after an ALTER TABLE. Throws the Fault that says what cannot be followed: HF-D401 to
 * HF-D408.
 */
export function evolved(
  before: Standing,
  actions: readonly AlterAction[] | null,
  given: Circumstances,
): Standing {
  const { table } = before
  if (actions === null) {
    throw drifted('HF-D408', table, 'it was altered in a way that is not understood')
  }
  const draft: Draft = {
    table,
    given,
    columns: table.columns,
    charset: before.mark.charset,
    key: before.mark.key,
    generated: before.mark.generated,
    nulls: new Set(before.mark.nulls),
  }
  for (const action of actions) carryOut(draft, action)
  return standing(before, draft)
}

interface Draft {
  readonly table: Table
  readonly given: Circumstances
  readonly generated: readonly string[]
  readonly nulls: Set<string>
  columns: readonly Column[]
  charset: string
  key: string | null
}

function standing(before: Standing, draft: Draft): Standing {
  const { table, mark } = before
  const { columns } = draft
  const names = identityNames(table)
  const identity: Identity =
    table.identity.by === 'key'
      ? { by: 'key', columns: names.map((name) => columns.findIndex((c) => c.name === name)) }
      : table.identity
  const { charset, key } = draft
  const after = { ...mark, charset, key, nulls: [...draft.nulls].sort() }
  const version = versionOf(columns, identity)
  return { table: { ...table, columns, identity, version, mark: writeMark(after) }, mark: after }
}

function identityNames({ identity, columns }: Table): readonly string[] {
  return identity.by === 'key' ? identity.columns.map((at) => columns[at]?.name ?? '') : []
}

export function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

function find({ columns }: Draft, name: string): Column | undefined {
  return columns.find((column) => same(column.name, name))
}

function carryOut(draft: Draft, action: AlterAction): void {
  const { table } = draft
  switch (action.kind) {
    case 'add':
      add(draft, action)
      break
    case 'drop':
      if (find(draft, action.column) === undefined) break
      throw drifted('HF-D402', table, `its column ${action.column} was dropped`)
    case 'modify':
      modify(draft, action.from, action.column)
      break
    case 'rename-column':
      throw renamed(draft, action.from, action.to)
    case 'default': {
      const name = find(draft, action.column)?.name ?? action.column
      if (action.filled) draft.nulls.delete(name)
      else draft.nulls.add(name)
      break
    }
    case 'drop-index':
      if (draft.key === null || !same(draft.key, action.index)) break
      throw drifted('HF-D403', table, `its key ${action.index} was dropped`)
    case 'rename-index':
      if (draft.key !== null && same(draft.key, action.from)) draft.key = action.to
      break
    case 'rename':
      if (same(action.to.name, table.name) && same(action.to.schema, table.schema)) break
      throw drifted('HF-D406', table, `its name is ${tableName(action.to)} now`)
    case 'convert':
      convert(draft, action.charset)
      break
    case 'charset':
      draft.charset = action.charset
      break
    // It is noted at the table that it refers to.
    case 'drop-foreign-key':
      break
    case 'cascade':
      if (draft.given.logsCascades) break
      throw drifted('HF-S235', table, 'a foreign key was added that changes its rows by itself')
    case 'unlogged':
      throw drifted('HF-D407', table, `its rows were changed by ${action.what}`)
  }
}

function renamed({ table }: Draft, from: string, to: string): Fault {
  return drifted('HF-D402', table, `its column ${from} is called ${to} now`)
}

function add(draft: Draft, action: Extract<AlterAction, { readonly kind: 'add' }>): void {
  const { table } = draft
  const { column, mayBe } = action
  if (find(draft, column.name) !== undefined) {
    if (mayBe) return
    throw drifted('HF-D408', table, `a column ${column.name} was added, which it has already`)
  }
  if (column.filled || column.key || column.native === null) {
    const words = `its new column ${column.name} has a default, is NOT NULL, or is generated`
    if (column.native !== null) throw drifted('HF-D401', table, words)
    throw drifted('HF-D408', table, `the type of its new column ${column.name} is not understood`)
  }
  const { name, native } = column
  const fresh: Column = { name, native, type: typeOf(draft, column, native), nullable: true }
  const columns = placed(draft.columns, fresh, column.place)
  if (columns === null) throw misplaced(draft, name)
  draft.columns = columns
  draft.nulls.add(name)
}

function typeOf({ table }: Draft, { name }: ColumnDefinition, native: string): Column['type'] {
  try {
    return neutralType(native)
  } catch {
    throw drifted('HF-D405', table, `its column ${name} has a type that cannot be mirrored`)
  }
}

function misplaced({ table }: Draft, name: string): Fault {
  return drifted('HF-D408', table, `its column ${name} was put behind one that is not known`)
}

function modify(draft: Draft, from: string, to: ColumnDefinition): void {
  const { table, given } = draft
  const old = find(draft, from)
  if (old === undefined) {
    throw drifted('HF-D408', table, `its column ${from} was altered, which is not known`)
  }
  if (old.name !== to.name) throw renamed(draft, old.name, to.name)
  const { native } = to
  const derived = to.generated || draft.generated.includes(old.name)
  if (native === null || derived || !widens(old.native, native, given.strict)) {
    throw drifted('HF-D404', table, `its column ${old.name} has another type`)
  }
  if (old.nullable && !to.nullable && !given.strict) {
    throw drifted(
      'HF-D404',
      table,
      `its column ${old.name} was made NOT NULL, which fills its nulls`,
    )
  }
  if (to.filled) draft.nulls.delete(old.name)
  else draft.nulls.add(old.name)
  const fresh: Column = { ...old, native, type: typeOf(draft, to, native), nullable: to.nullable }
  if (to.place === null) {
    draft.columns = draft.columns.map((column) => (column === old ? fresh : column))
    return
  }
  const others = draft.columns.filter((column) => column !== old)
  const columns = placed(others, fresh, to.place)
  if (columns === null) throw misplaced(draft, old.name)
  draft.columns = columns
}

function convert(draft: Draft, charset: string | null): void {
  const { table } = draft
  draft.columns = draft.columns.map((column) => {
    const own = parseNative(column.native).charset
    if (own === null) return column
    const native = column.native.replace(/ character set \w+$/, ` character set ${charset}`)
    if (charset !== null && converts(column.native, native)) return { ...column, native }
    const what = `its texts were converted to the character set ${charset ?? 'of the database'}`
    throw drifted('HF-D404', table, what)
  })
  if (charset !== null) draft.charset = charset
}
