import { Charsets } from '../../../dialect/mysql/charset-wide.ts'
import type { Session } from '../../../dialect/mysql/connect.ts'
import type { Change } from '../../../model/change.ts'
import { Fault } from '../../../model/fault.ts'
import { type Table, tableName } from '../../../model/table.ts'
import type { Name, Statement } from '../ddl/statement.ts'
import { parseStatement } from '../ddl/statement.ts'
import type { Query } from '../log/query.ts'
import type { Declared } from '../rows/plan.ts'
import type { RowEvent, RowReader } from '../rows/rows.ts'
import type { TableMap } from '../rows/table-map.ts'
import { TableRows } from '../rows/table-rows.ts'
import { charsetsOf } from './declared.ts'
import { drifted, evolved, type Standing, same } from './evolve.ts'
import { type Follower, type Mark, readMark, writeMark } from './shape.ts'

/** A mirrored table, as the rows at this place of the log are read. */
export class Followed {
  readonly table: Table
  readonly mark: Mark
  /** Columns that rows of other tables change with, beside the log. */
  readonly led: readonly Led[]
  readonly #rows: TableRows
  readonly #declared = (): readonly Declared[] => declaredOf(this.table, this.mark)

  constructor({ table, mark }: Standing, charsets: Charsets, logsCascades: boolean) {
    this.table = table
    this.mark = mark
    this.led = logsCascades ? [] : mark.followers.flatMap((follower) => ledBy(table, follower))
    this.#rows = new TableRows(charsets)
  }

  /** Reads the rows of the event one by one. */
  read(map: TableMap, rows: RowEvent): RowReader {
    return this.#rows.read(map, rows, this.#declared)
  }
}

/** A column, by its index, and the foreign key that carries its changes on. */
interface Led {
  readonly column: number
  readonly follower: Follower
}

function ledBy(table: Table, follower: Follower): readonly Led[] {
  return follower.columns.map((name) => {
    const column = table.columns.findIndex((one) => same(one.name, name))
    if (column >= 0) return { column, follower }
    throw drifted(
      'HF-S235',
      table,
      `its column ${name}, which ${follower.name} is about, is unknown`,
    )
  })
}

/** The columns of the log: those of the table, and behind them what MariaDB keeps for itself. */
function declaredOf({ columns }: Table, { hidden }: Mark): readonly Declared[] {
  const own = columns.map(({ name, native, type }): Declared => ({ name, native, type }))
  const digests = Array.from({ length: hidden }, (_, i): Declared => {
    return { name: `DB_ROW_HASH_${i + 1}`, native: 'bigint unsigned', type: null }
  })
  return [...own, ...digests]
}

export interface ForceOptions {
  /** Asked, rarely, what the characters of a character set are. */
  readonly session: Session
  readonly tables: readonly Table[]
  /** Names of tables differ only in case when they are the same (lower_case_table_names). */
  readonly folded: boolean
  readonly logsCascades: boolean
}

/**
 * The mirrored tables as they are at the place of the log that is being read: never as the catalogue
 * says now, but as the statements in the log have made them since the checkpoint.
 */
export class SchemaInForce {
  readonly #options: ForceOptions
  readonly #tables = new Map<string, Followed>()
  #byMap = new WeakMap<TableMap, Followed>()
  /** What was asked for last; rows of one table mostly follow each other. */
  #last: { readonly map: TableMap; readonly followed: Followed | null } | null = null
  #charsets: Charsets
  readonly #known: Set<string>

  private constructor(options: ForceOptions, charsets: Charsets, known: Set<string>) {
    this.#options = options
    this.#charsets = charsets
    this.#known = known
    for (const table of options.tables) {
      this.#follow({ table, mark: readMark(table) })
    }
  }

  static async open(options: ForceOptions): Promise<SchemaInForce> {
    const known = new Set(options.tables.flatMap(({ columns }) => charsetsOf(columns)))
    return new SchemaInForce(options, await Charsets.of(options.session, known), known)
  }

  /** The mirrored tables as they are now. */
  get tables(): readonly Table[] {
    return [...this.#tables.values()].map(({ table }) => table)
  }

  /** Null for a table that is not mirrored. */
  of(map: TableMap): Followed | null {
    if (this.#last?.map === map) return this.#last.followed
    let followed = this.#byMap.get(map) ?? null
    if (followed === null) {
      followed = this.#find(map) ?? null
      if (followed !== null) this.#byMap.set(map, followed)
    }
    this.#last = { map, followed }
    return followed
  }

  /**
   * What a statement changes. Throws the Fault that says which table it makes impossible to follow.
   */
  apply(query: Query): readonly Change[] | Promise<readonly Change[]> {
    const statement = this.#parse(query)
    const { table } = 'table' in statement ? statement : { table: null }
    const followed = table === null ? undefined : this.#find(table)
    switch (statement.kind) {
      case 'nothing':
        return []
      case 'rows':
        this.#refuseRows(statement.tables, query)
        return []
      case 'truncate':
        if (followed === undefined) return []
        return [{ kind: 'truncate', tables: [followed.table], restartSequences: true }]
      case 'create':
        if (followed === undefined || !statement.replaces) return []
        throw drifted('HF-D406', followed.table, 'it was made anew')
      case 'drop-index':
        if (followed === undefined || !isKey(followed.mark, statement.index)) return []
        throw drifted('HF-D403', followed.table, `its key ${statement.index} was dropped`)
      case 'alter':
        return this.#alter(statement, query)
      default:
        this.#refuseGone(statement, query)
        return []
    }
  }

  #parse(query: Query): Statement {
    const { version } = this.#options.session
    const mariadb = version.flavour === 'mariadb'
    return parseStatement({
      sql: query.sql,
      schema: query.schema,
      speaker: { mode: query.mode, mariadb, version: version.number },
      setting: (name) => ({ charset: this.#find(name)?.mark.charset ?? 'utf8mb4', mariadb }),
    })
  }

  #key({ schema, name }: Name): string {
    const key = JSON.stringify([schema, name])
    return this.#options.folded ? key.toLowerCase() : key
  }

  #find(name: Name): Followed | undefined {
    return this.#tables.get(this.#key(name))
  }

  #follow(standing: Standing): void {
    const { logsCascades } = this.#options
    const followed = new Followed(standing, this.#charsets, logsCascades)
    this.#tables.set(this.#key(standing.table), followed)
    this.#byMap = new WeakMap()
    this.#last = null
  }

  #alter(
    { table: name, actions }: Extract<Statement, { readonly kind: 'alter' }>,
    { mode }: Query,
  ): readonly Change[] | Promise<readonly Change[]> {
    for (const action of actions ?? []) {
      const other = action.kind === 'unlogged' && action.other ? this.#find(action.other) : null
      if (action.kind !== 'unlogged' || other == null) continue
      throw drifted('HF-D407', other.table, `its rows were changed by ${action.what}`)
    }
    const followed = this.#find(name)
    if (followed === undefined) return []
    const { logsCascades } = this.#options
    const after = evolved(followed, actions, { strict: mode.strict, logsCascades })
    const { table: from } = followed
    const to = after.table
    const gone = (actions ?? []).flatMap((action) =>
      action.kind === 'drop-foreign-key' ? [action.name] : [],
    )
    if (from.version === to.version && from.mark === to.mark) return this.#free(to, gone)
    const change: Change = { kind: 'schema', from, to }
    const strange = charsetsOf(to.columns).filter((charset) => !this.#known.has(charset))
    if (strange.length > 0) {
      return this.#learn(strange, after).then(() => [change, ...this.#free(to, gone)])
    }
    this.#follow(after)
    return [change, ...this.#free(to, gone)]
  }

  /** Foreign keys of a table that are gone carry on no change of another one. */
  #free(table: Table, gone: readonly string[]): readonly Change[] {
    if (gone.length === 0) return []
    const isGone = ({ schema, table: name, name: key }: Follower): boolean =>
      this.#key({ schema, name }) === this.#key(table) && gone.some((one) => same(one, key))
    return [...this.#tables.values()].flatMap(({ table: from, mark }): Change[] => {
      const followers = mark.followers.filter((follower) => !isGone(follower))
      if (followers.length === mark.followers.length) return []
      const after = { ...mark, followers }
      const to = { ...from, mark: writeMark(after) }
      this.#follow({ table: to, mark: after })
      return [{ kind: 'schema', from, to }]
    })
  }

  async #learn(charsets: readonly string[], after: Standing): Promise<void> {
    for (const charset of charsets) this.#known.add(charset)
    this.#charsets = await Charsets.of(this.#options.session, this.#known)
    this.#follow(after)
  }

  /** A change that was logged in words may come out otherwise when it is done again. */
  #refuseRows(tables: readonly Name[] | null, query: Query): void {
    const named = tables?.map((name) => this.#find(name)).find((one) => one !== undefined)
    if (tables !== null && named === undefined) return
    const table = named?.table ?? this.#mentioned(query)
    if (table === undefined) return
    throw statementFault(tableName(table))
  }

  #refuseGone(statement: Statement, query: Query): void {
    if (statement.kind === 'drop') {
      const gone = statement.tables.map((name) => this.#find(name)).find((one) => one !== undefined)
      if (gone !== undefined) throw drifted('HF-D406', gone.table, 'it was dropped')
    } else if (statement.kind === 'drop-database') {
      const folded = (name: string): string => (this.#options.folded ? name.toLowerCase() : name)
      const gone = this.tables.find(({ schema }) => folded(schema) === folded(statement.name))
      if (gone !== undefined) throw drifted('HF-D406', gone, 'its database was dropped')
    } else if (statement.kind === 'rename') this.#refuseRenamed(statement.pairs)
    else if (statement.kind === 'unknown') {
      const table = this.#mentioned(query, statement.names)
      if (table === undefined) return
      throw drifted('HF-D408', table, 'a statement that is not understood is about it')
    }
  }

  /** Tables that come back to their names in one statement are what they were. */
  #refuseRenamed(pairs: readonly { readonly from: Name; readonly to: Name }[]): void {
    const origins = new Map<string, string>()
    const names = new Map<string, Name>()
    for (const { from, to } of pairs) {
      const origin = origins.get(this.#key(from)) ?? this.#key(from)
      origins.delete(this.#key(from))
      origins.set(this.#key(to), origin)
      names.set(origin, to)
    }
    for (const { table } of this.#tables.values()) {
      const now = names.get(this.#key(table))
      if (now === undefined || this.#key(now) === this.#key(table)) continue
      throw drifted('HF-D406', table, `its name is ${tableName(now)} now`)
    }
  }

  /** A mirrored table that a statement may be about: it is named, or its database is the default. */
  #mentioned(query: Query, names?: readonly string[]): Table | undefined {
    const { sql, schema } = query
    const text = sql.toLowerCase()
    const words = names === undefined ? null : new Set(names.map((name) => name.toLowerCase()))
    return this.tables.find((table) => {
      const name = table.name.toLowerCase()
      const named = words === null ? text.includes(name) : words.has(name)
      const home = table.schema === schema || text.includes(table.schema.toLowerCase())
      return home && (named || words === null || !query.legible)
    })
  }
}

/** A change of rows stands in the log in words. */
export function statementFault(table: string | null): Fault {
  const what =
    table === null
      ? 'the source logged rows that were loaded from a file as a statement'
      : `the source logged a change of ${table} as a statement instead of as rows`
  return new Fault('HF-L115', { what, side: 'source', ...(table === null ? {} : { table }) })
}

function isKey({ key }: Mark, index: string): boolean {
  return key !== null && key.toLowerCase() === index.toLowerCase()
}
