import {
  type ColumnDefinition,
  charsetOfCollation,
  columnDefinition,
  type Place,
  type Setting,
} from './column.ts'
import type { Name } from './statement.ts'
import { Words } from './tokens.ts'

/** One thing that ALTER TABLE does; what says nothing of rows is left out. */
export type AlterAction =
  | { readonly kind: 'add'; readonly column: ColumnDefinition; readonly mayBe: boolean }
  | { readonly kind: 'drop'; readonly column: string }
  /** MODIFY, and CHANGE, which may give another name. */
  | { readonly kind: 'modify'; readonly from: string; readonly column: ColumnDefinition }
  | { readonly kind: 'rename-column'; readonly from: string; readonly to: string }
  /** A default that is a value from now on, or none. */
  | { readonly kind: 'default'; readonly column: string; readonly filled: boolean }
  | { readonly kind: 'drop-index'; readonly index: string }
  | { readonly kind: 'rename-index'; readonly from: string; readonly to: string }
  | { readonly kind: 'rename'; readonly to: Name }
  /** All texts of the table change their character set; null where it is the database's. */
  | { readonly kind: 'convert'; readonly charset: string | null }
  | { readonly kind: 'charset'; readonly charset: string }
  /** Rows that change where others do, which the log may not say. */
  | { readonly kind: 'cascade' }
  | { readonly kind: 'drop-foreign-key'; readonly name: string }
  /** Rows come or go without the log. */
  | { readonly kind: 'unlogged'; readonly what: string; readonly other: Name | null }

export interface AlterContext {
  readonly setting: Setting
  readonly schema: string
  /** ALTER IGNORE TABLE. */
  readonly ignore: boolean
}

/** What follows the table's name; null where it cannot be said what it does. */
export function alterActions(words: Words, context: AlterContext): readonly AlterAction[] | null {
  const all: AlterAction[] = []
  for (const piece of words.pieces()) {
    // What follows is more of its list.
    const lists = piece.comes(...LISTING)
    const actions = actionOf(piece, context)
    if (actions === null) return null
    all.push(...actions)
    if (lists) break
  }
  return all
}

const LISTING = ['ORDER', 'REORGANIZE', 'REBUILD', 'ANALYZE', 'CHECK', 'OPTIMIZE', 'REPAIR']

type Actions = readonly AlterAction[] | null

function actionOf(words: Words, context: AlterContext): Actions {
  if (words.done) return []
  if (words.take('ADD')) return adding(words, context)
  if (words.take('DROP')) return dropping(words)
  if (words.take('MODIFY')) return modifying(words, context, false)
  if (words.take('CHANGE')) return modifying(words, context, true)
  if (words.take('RENAME')) return renaming(words, context)
  if (words.take('ALTER')) return defaulting(words)
  if (words.take('CONVERT')) return converting(words, context)
  if (words.take('TRUNCATE', 'PARTITION')) return unlogged('TRUNCATE PARTITION')
  if (words.take('EXCHANGE')) return exchanging(words, context)
  if (words.take('DISCARD')) return unlogged('DISCARD TABLESPACE')
  if (words.take('IMPORT')) return unlogged('IMPORT TABLESPACE')
  return options(words)
}

function unlogged(what: string, other: Name | null = null): Actions {
  return [{ kind: 'unlogged', what, other }]
}

/** `EXCHANGE PARTITION p WITH TABLE t`: rows go to and fro between two tables. */
function exchanging(words: Words, { schema }: AlterContext): Actions {
  while (!words.done && !words.take('WITH', 'TABLE')) words.next()
  return unlogged('EXCHANGE PARTITION', words.table(schema))
}

/** Options stand one after another, without commas, too. */
const OPTIONS = new Set(
  (
    'ALGORITHM AUTO_INCREMENT AUTOEXTEND_SIZE AVG_ROW_LENGTH CHARACTER CHARSET CHECKSUM COLLATE ' +
    'COMMENT COMPRESSION CONNECTION DATA DEFAULT DELAY_KEY_WRITE DISABLE ENABLE ENCRYPTION ' +
    'ENCRYPTED ENCRYPTION_KEY_ID ENGINE ENGINE_ATTRIBUTE FORCE INDEX INSERT_METHOD ITEF_QUOTES ' +
    'KEY_BLOCK_SIZE LOCK MAX_ROWS MIN_ROWS NOWAIT ORDER PACK_KEYS PAGE_CHECKSUM PAGE_COMPRESSED ' +
    'PAGE_COMPRESSION_LEVEL PASSWORD PARTITION REMOVE REBUILD REORGANIZE COALESCE ANALYZE CHECK ' +
    'OPTIMIZE REPAIR ROW_FORMAT SECONDARY_ENGINE SECONDARY_ENGINE_ATTRIBUTE SECONDARY_LOAD ' +
    'SECONDARY_UNLOAD SEQUENCE START STATS_AUTO_RECALC STATS_PERSISTENT STATS_SAMPLE_PAGES ' +
    'STORAGE TABLESPACE TRANSACTIONAL TYPE UNION VALIDATION WAIT WITH WITHOUT'
  ).split(' '),
)

function options(words: Words): Actions {
  const first = words.peek()
  if (first === null || !OPTIONS.has(first.key)) return null
  const actions: AlterAction[] = []
  while (!words.done) {
    // A comment is a text, so that nothing in it is taken for an option.
    if (words.take('CHARACTER', 'SET') || words.take('CHARSET')) {
      words.sign('=')
      actions.push({ kind: 'charset', charset: words.next()?.text.toLowerCase() ?? '' })
    } else if (words.take('COLLATE')) {
      words.sign('=')
      const charset = charsetOfCollation(words.next()?.text ?? '')
      actions.push({ kind: 'charset', charset })
    } else words.next()
  }
  return actions
}

const KEYS = ['INDEX', 'KEY', 'UNIQUE', 'FULLTEXT', 'SPATIAL', 'VECTOR']

function adding(words: Words, { setting, ignore }: AlterContext): Actions {
  if (words.take('CONSTRAINT') && !words.comes(...KEYS, 'PRIMARY', 'FOREIGN', 'CHECK')) words.next()
  if (words.comes('CHECK')) return []
  if (words.comes('SYSTEM', 'PERIOD')) return null
  if (words.comes('PARTITION')) return []
  if (words.comes(...KEYS, 'PRIMARY')) {
    const unique = words.comes('UNIQUE', 'PRIMARY')
    return ignore && unique ? unlogged('ALTER IGNORE TABLE') : []
  }
  if (words.take('FOREIGN')) return cascades(words) ? [{ kind: 'cascade' }] : []
  words.take('COLUMN')
  const mayBe = words.take('IF', 'NOT', 'EXISTS')
  const inside = words.brackets()
  if (inside === null) return added(words, { setting, mayBe })
  const actions: AlterAction[] = []
  for (const piece of new Words(inside).pieces()) {
    // Keys may stand among the columns.
    const found = piece.comes(...KEYS, 'PRIMARY', 'CONSTRAINT', 'FOREIGN', 'CHECK')
      ? null
      : added(piece, { setting, mayBe })
    if (found === null) return null
    actions.push(...found)
  }
  return words.done ? actions : null
}

function added(
  words: Words,
  { setting, mayBe }: { readonly setting: Setting; readonly mayBe: boolean },
): Actions {
  const column = columnDefinition(words, setting)
  return column === null ? null : [{ kind: 'add', column, mayBe }]
}

function cascades(words: Words): boolean {
  while (!words.done) {
    if (words.take('ON', 'DELETE') || words.take('ON', 'UPDATE')) {
      if (words.comes('CASCADE', 'SET')) return true
    } else words.next()
  }
  return false
}

function droppedForeignKey(words: Words): Actions {
  words.take('IF', 'EXISTS')
  const name = words.name()
  return name === null ? null : [{ kind: 'drop-foreign-key', name }]
}

function dropping(words: Words): Actions {
  if (words.take('PRIMARY', 'KEY')) return [{ kind: 'drop-index', index: 'PRIMARY' }]
  if (words.comes('CHECK')) return []
  if (words.take('FOREIGN', 'KEY')) return droppedForeignKey(words)
  if (words.take('PARTITION')) return unlogged('DROP PARTITION')
  if (words.comes('SYSTEM', 'PERIOD')) return null
  const constraint = words.take('CONSTRAINT')
  if (constraint || words.take('INDEX') || words.take('KEY')) {
    words.take('IF', 'EXISTS')
    const index = words.name()
    if (index === null) return null
    const key: AlterAction = { kind: 'drop-foreign-key', name: index }
    return [{ kind: 'drop-index', index }, ...(constraint ? [key] : [])]
  }
  words.take('COLUMN')
  words.take('IF', 'EXISTS')
  const column = words.name()
  return column === null ? null : [{ kind: 'drop', column }]
}

function modifying(words: Words, { setting }: AlterContext, renames: boolean): Actions {
  words.take('COLUMN')
  words.take('IF', 'EXISTS')
  const old = renames ? words.name() : (words.peek()?.text ?? null)
  const column = columnDefinition(words, setting)
  return old === null || column === null ? null : [{ kind: 'modify', from: old, column }]
}

function renaming(words: Words, { schema }: AlterContext): Actions {
  if (words.take('COLUMN')) {
    words.take('IF', 'EXISTS')
    const from = words.name()
    const to = words.take('TO') ? words.name() : null
    return from === null || to === null ? null : [{ kind: 'rename-column', from, to }]
  }
  if (words.take('INDEX') || words.take('KEY')) {
    words.take('IF', 'EXISTS')
    const from = words.name()
    const to = words.take('TO') ? words.name() : null
    return from === null || to === null ? null : [{ kind: 'rename-index', from, to }]
  }
  if (!words.take('TO')) words.take('AS') || words.sign('=')
  const to = words.table(schema)
  return to === null ? null : [{ kind: 'rename', to }]
}

/** `ALTER [COLUMN] name SET DEFAULT …`; indexes and checks say nothing of rows. */
function defaulting(words: Words): Actions {
  if (words.comes('INDEX', 'KEY', 'CHECK', 'CONSTRAINT')) return []
  words.take('COLUMN')
  words.take('IF', 'EXISTS')
  const column = words.name()
  if (column === null) return null
  if (words.take('SET', 'DEFAULT')) {
    return [{ kind: 'default', column, filled: !words.take('NULL') }]
  }
  // Without a default an insert that does not name the column is refused, or bent.
  if (words.take('DROP', 'DEFAULT')) return [{ kind: 'default', column, filled: true }]
  return words.take('SET', 'VISIBLE') || words.take('SET', 'INVISIBLE') ? [] : null
}

function converting(words: Words, { schema }: AlterContext): Actions {
  if (words.take('TABLE')) return unlogged('CONVERT TABLE', words.table(schema))
  if (words.comes('PARTITION')) return unlogged('CONVERT PARTITION')
  if (!words.take('TO')) return null
  if (!words.take('CHARACTER', 'SET') && !words.take('CHARSET')) return null
  if (words.take('DEFAULT')) return [{ kind: 'convert', charset: null }]
  const charset = words.next()?.text.toLowerCase() ?? ''
  return [{ kind: 'convert', charset: charset === 'utf8' ? 'utf8mb3' : charset }]
}

/** Where a column comes to stand among others. */
export function placed<T extends { readonly name: string }>(
  columns: readonly T[],
  column: T,
  place: Place | null,
): readonly T[] | null {
  if (place === null) return [...columns, column]
  if (place === 'first') return [column, ...columns]
  const wanted = place.after.toLowerCase()
  const at = columns.findIndex(({ name }) => name.toLowerCase() === wanted)
  return at < 0 ? null : columns.toSpliced(at + 1, 0, column)
}
