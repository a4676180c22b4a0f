import { type AlterAction, alterActions } from './alter.ts'
import type { Setting } from './column.ts'
import { type Speaker, Tokens, Words } from './tokens.ts'

export interface Name {
  readonly schema: string
  readonly name: string
}

/** What a statement of the log does to tables, as far as rows and how they read are concerned. */
export type Statement =
  /** Nothing: users, views, programs, upkeep. */
  | { readonly kind: 'nothing' }
  /** Rows of these tables, said in words instead of rows; null where it is not clear of which. */
  | { readonly kind: 'rows'; readonly tables: readonly Name[] | null }
  | { readonly kind: 'truncate'; readonly table: Name }
  | { readonly kind: 'drop'; readonly tables: readonly Name[] }
  | { readonly kind: 'drop-database'; readonly name: string }
  | { readonly kind: 'rename'; readonly pairs: readonly { from: Name; to: Name }[] }
  /** A table that was not there; `replaces` what was. */
  | { readonly kind: 'create'; readonly table: Name; readonly replaces: boolean }
  | {
      readonly kind: 'alter'
      readonly table: Name
      /** Null where it cannot be said what it does. */
      readonly actions: readonly AlterAction[] | null
    }
  | { readonly kind: 'drop-index'; readonly table: Name; readonly index: string }
  /** Nobody knows. `names` are all that stand in it. */
  | { readonly kind: 'unknown'; readonly names: readonly string[] }

/** Statements that neither change rows nor how they read. */
const HARMLESS = new Set(
  (
    'ANALYZE BINLOG CACHE CHANGE CHECK CHECKSUM CLONE COMMENT DEALLOCATE DELIMITER DESC DESCRIBE DO ' +
    'EXPLAIN FLUSH GRANT HELP INSTALL KILL OPTIMIZE PREPARE PURGE RELEASE REPAIR RESET RESIGNAL ' +
    'RESTART REVOKE SELECT SET SHOW SHUTDOWN SIGNAL START STOP UNINSTALL UNLOCK LOCK USE'
  ).split(' '),
)

/** What can be made, altered and dropped beside tables; words before it are passed over. */
const OBJECTS = new Set(
  (
    'DATABASE SCHEMA EVENT FUNCTION PROCEDURE TRIGGER VIEW USER ROLE SERVER TABLESPACE UNDO ' +
    'LOGFILE INSTANCE RESOURCE SPATIAL SEQUENCE PACKAGE LIBRARY MASKING'
  ).split(' '),
)

export interface Told {
  readonly sql: string
  /** The database that unqualified names are of. */
  readonly schema: string
  readonly speaker: Speaker
  /** The character set of the table, for columns that name none. */
  readonly setting: (table: Name) => Setting
}

export function parseStatement(told: Told): Statement {
  const tokens = new Tokens(told.sql, told.speaker).all()
  const words = new Words(tokens)
  // MariaDB lets any statement be given with settings of its own.
  if (words.take('SET', 'STATEMENT')) {
    while (!words.done && !words.comes('FOR')) words.next()
    words.next()
  }
  const unknown = (): Statement => ({
    kind: 'unknown',
    names: tokens.flatMap(({ kind, text }) => (kind === 'word' || kind === 'name' ? [text] : [])),
  })
  const first = words.next()
  if (first === null) return { kind: 'nothing' }
  if (HARMLESS.has(first.key)) return { kind: 'nothing' }
  return statements[first.key]?.(words, told) ?? unknown()
}

type Parse = (words: Words, told: Told) => Statement | null

const NOTHING: Statement = { kind: 'nothing' }

const statements: Readonly<Record<string, Parse>> = {
  INSERT: (words, told) => into(words, told),
  REPLACE: (words, told) => into(words, told),
  UPDATE: (words, told) => single(words, told, ['SET']),
  DELETE: (words, told) => deletion(words, told),
  LOAD: () => ({ kind: 'rows', tables: null }),
  CALL: () => ({ kind: 'rows', tables: null }),
  WITH: () => ({ kind: 'rows', tables: null }),
  HANDLER: () => NOTHING,
  TRUNCATE: (words, { schema }) => {
    words.take('TABLE')
    const table = words.table(schema)
    return table === null ? null : { kind: 'truncate', table }
  },
  RENAME: renaming,
  DROP: dropping,
  CREATE: creating,
  ALTER: altering,
  IMPORT: () => null,
}

const HINTS = ['LOW_PRIORITY', 'DELAYED', 'HIGH_PRIORITY', 'QUICK', 'IGNORE', 'CONCURRENT']

function into(words: Words, { schema }: Told): Statement {
  while (words.comes(...HINTS)) words.next()
  words.take('INTO')
  const table = words.table(schema)
  return { kind: 'rows', tables: table === null ? null : [table] }
}

/** A statement of one table; of several it is not clear which ones it changes. */
function single(words: Words, { schema }: Told, ends: readonly string[]): Statement {
  while (words.comes(...HINTS)) words.next()
  const table = words.table(schema)
  const clear = table !== null && words.comes(...ends)
  return { kind: 'rows', tables: clear ? [table] : null }
}

/** `DELETE FROM t` is how the server logs that a table in memory has lost its rows. */
function deletion(words: Words, told: Told): Statement {
  while (words.comes(...HINTS)) words.next()
  if (!words.take('FROM')) return { kind: 'rows', tables: null }
  const table = words.table(told.schema)
  if (table !== null && words.done) return { kind: 'truncate', table }
  const clear = table !== null && words.comes('WHERE', 'ORDER', 'LIMIT', 'PARTITION')
  return { kind: 'rows', tables: clear ? [table] : null }
}

/** `RENAME TABLE a TO b, c TO d`. */
function renaming(words: Words, { schema }: Told): Statement | null {
  if (words.comes('USER')) return NOTHING
  if (!words.take('TABLE') && !words.take('TABLES')) return null
  words.take('IF', 'EXISTS')
  const pairs: { from: Name; to: Name }[] = []
  for (const piece of words.pieces()) {
    const from = piece.table(schema)
    if (piece.take('WAIT')) piece.next()
    else piece.take('NOWAIT')
    const to = from !== null && piece.take('TO') ? piece.table(schema) : null
    if (from === null || to === null || !piece.done) return null
    pairs.push({ from, to })
  }
  return { kind: 'rename', pairs }
}

function dropping(words: Words, { schema }: Told): Statement | null {
  const online = words.comes('ONLINE', 'OFFLINE') && words.next() !== null
  if (words.take('TEMPORARY')) return NOTHING
  if (words.take('DATABASE') || words.take('SCHEMA')) {
    words.take('IF', 'EXISTS')
    const name = words.name()
    return name === null ? null : { kind: 'drop-database', name }
  }
  if (words.take('TABLE') || words.take('TABLES')) {
    words.take('IF', 'EXISTS')
    const tables = words.pieces().map((piece) => piece.table(schema))
    const all = tables.filter((table) => table !== null)
    return all.length === tables.length ? { kind: 'drop', tables: all } : null
  }
  if (words.take('INDEX')) {
    words.take('IF', 'EXISTS')
    const index = words.name()
    const table = index !== null && words.take('ON') ? words.table(schema) : null
    return index === null || table === null ? null : { kind: 'drop-index', table, index }
  }
  return !online && words.comes(...OBJECTS, 'PREPARE') ? NOTHING : null
}

/** Words that stand between CREATE and what is made, some with a value. */
function beforeObject(words: Words): { readonly replaces: boolean; readonly temporary: boolean } {
  let [replaces, temporary] = [false, false]
  for (;;) {
    if (words.take('OR', 'REPLACE')) replaces = true
    else if (words.take('TEMPORARY')) temporary = true
    else if (words.comes('UNIQUE', 'FULLTEXT', 'ONLINE', 'OFFLINE', 'AGGREGATE')) words.next()
    else if (words.comes('ALGORITHM')) {
      words.next()
      words.sign('=')
      words.next()
    } else if (words.take('SQL', 'SECURITY')) words.next()
    else if (words.take('DEFINER')) definer(words)
    else return { replaces, temporary }
  }
}

/** `= user@host`, `= CURRENT_USER()`. */
function definer(words: Words): void {
  words.sign('=')
  words.next()
  words.brackets()
  if (words.sign('@')) words.next()
}

function creating(words: Words, { schema }: Told): Statement | null {
  const { replaces, temporary } = beforeObject(words)
  if (words.take('TABLE')) {
    if (temporary) return NOTHING
    words.take('IF', 'NOT', 'EXISTS')
    const table = words.table(schema)
    return table === null ? null : { kind: 'create', table, replaces }
  }
  if (words.comes('INDEX', 'VECTOR')) return NOTHING
  if (words.take('SPATIAL', 'INDEX')) return NOTHING
  return words.comes(...OBJECTS) ? NOTHING : null
}

function altering(words: Words, told: Told): Statement | null {
  let ignore = false
  for (;;) {
    if (words.take('IGNORE')) ignore = true
    else if (words.comes('ONLINE', 'OFFLINE')) words.next()
    else break
  }
  if (words.take('TABLE')) {
    words.take('IF', 'EXISTS')
    const table = words.table(told.schema)
    if (table === null) return null
    if (words.take('WAIT')) words.next()
    else words.take('NOWAIT')
    const context = { setting: told.setting(table), schema: told.schema, ignore }
    return { kind: 'alter', table, actions: alterActions(words, context) }
  }
  beforeObject(words)
  return words.comes(...OBJECTS) ? NOTHING : null
}
