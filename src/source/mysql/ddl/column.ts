import type { Token, Words } from './tokens.ts'

/** A column as a statement defines it. */
export interface ColumnDefinition {
  readonly name: string
  /** Its full type as the catalogue would print it; null where that is not clear. */
  readonly native: string | null
  readonly nullable: boolean
  /** What rows hold that do not say: null, a value, or what the server works out. */
  readonly filled: boolean
  readonly generated: boolean
  /** A key comes with it. */
  readonly key: boolean
  readonly place: Place | null
}

/** Where a column is put: first, or behind another. */
export type Place = 'first' | { readonly after: string }

/** Where a definition is read. */
export interface Setting {
  /** The character set of columns that name none. */
  readonly charset: string
  readonly mariadb: boolean
}

const same: Readonly<Record<string, string>> = {
  INT1: 'tinyint',
  INT2: 'smallint',
  INT3: 'mediumint',
  MIDDLEINT: 'mediumint',
  INT4: 'int',
  INTEGER: 'int',
  INT8: 'bigint',
  BOOL: 'tinyint(1)',
  BOOLEAN: 'tinyint(1)',
  DEC: 'decimal',
  NUMERIC: 'decimal',
  FIXED: 'decimal',
  FLOAT4: 'float',
  FLOAT8: 'double',
  CHARACTER: 'char',
  VARCHARACTER: 'varchar',
  LONG: 'mediumtext',
}

const known = new Set(
  (
    'tinyint smallint mediumint int bigint decimal float double bit date time datetime timestamp ' +
    'year char varchar binary varbinary tinyblob blob mediumblob longblob tinytext text ' +
    'mediumtext longtext enum set json geometry point linestring polygon multipoint ' +
    'multilinestring multipolygon geometrycollection geomcollection uuid inet4 inet6 vector'
  ).split(' '),
)

const texts = new Set('char varchar tinytext text mediumtext longtext enum set'.split(' '))

/** Where types of bytes and of characters differ. */
const asBytes: Readonly<Record<string, string>> = {
  char: 'binary',
  varchar: 'varbinary',
  tinytext: 'tinyblob',
  text: 'blob',
  mediumtext: 'mediumblob',
  longtext: 'longblob',
}

/** `name type attributes [FIRST | AFTER name]`; null when it is none. */
export function columnDefinition(words: Words, setting: Setting): ColumnDefinition | null {
  const name = words.name()
  if (name === null) return null
  const type = typeOf(words)
  const rest = attributes(words)
  if (type === null || rest === null) return { ...blank(name), ...(rest ?? {}), native: null }
  const native = nativeOf(type, rest.charset, setting)
  const old = type.base === 'timestamp' && !rest.saysNull
  const { nullable, generated, key, place } = rest
  return {
    name,
    native,
    nullable: nullable && !old,
    // A TIMESTAMP that does not say NULL may be filled with the present.
    filled: rest.filled || !nullable || old || generated,
    generated,
    key,
    place,
  }
}

function blank(name: string): ColumnDefinition {
  return {
    name,
    native: null,
    nullable: true,
    filled: true,
    generated: false,
    key: false,
    place: null,
  }
}

interface TypeWords {
  readonly base: string
  /** With what stands in brackets. */
  readonly text: string
  readonly size: number | null
  readonly unsigned: boolean
  /** `NATIONAL CHAR` and such. */
  readonly charset: string | null
}

function typeOf(words: Words): TypeWords | null {
  const national = words.take('NATIONAL') || words.comes('NCHAR', 'NVARCHAR')
  const first = words.next()
  if (first === null || first.key === '') return null
  const key = first.key.replace(/^N(?=(?:VAR)?CHAR$)/, '')
  if (key === 'DOUBLE') words.take('PRECISION')
  // Under REAL_AS_FLOAT it is another type; what it means is not said in the log.
  if (key === 'REAL' || key === 'SERIAL') return null
  if (key === 'LONG' && !words.done && words.comes('VARBINARY', 'VARCHAR', 'CHAR')) return null
  const varying = (key === 'CHAR' || key === 'CHARACTER') && words.take('VARYING')
  const plain = varying ? 'varchar' : (same[key] ?? key.toLowerCase())
  const inside = words.brackets()
  const size = sizeOf(inside)
  const base = plain === 'tinyint(1)' ? 'tinyint' : sized(plain, size)
  if (!known.has(base)) return null
  const labelled = base === 'enum' || base === 'set'
  if (labelled && !(inside?.every(isLabel) ?? false)) return null
  const text = plain === 'tinyint(1)' ? plain : `${base}${bracketed(base, plain, inside)}`
  let unsigned = false
  while (words.comes('UNSIGNED', 'SIGNED', 'ZEROFILL')) {
    if (words.next()?.key !== 'SIGNED') unsigned = true
  }
  return { base, text, size, unsigned, charset: national ? 'utf8mb3' : null }
}

/** Labels may be written as bytes, too, whose characters are not said here. */
function isLabel({ kind, text }: Token): boolean {
  return kind === 'text' || (kind === 'sign' && text === ',')
}

function sizeOf(inside: readonly Token[] | null): number | null {
  const [only, ...more] = inside ?? []
  return only?.kind === 'number' && more.length === 0 ? Number(only.text) : null
}

/** `TEXT(100000)` is a MEDIUMTEXT, `FLOAT(30)` a DOUBLE. */
function sized(base: string, size: number | null): string {
  if (size === null) return base
  if (base === 'float') return size > 24 ? 'double' : 'float'
  if (base !== 'text' && base !== 'blob') return base
  // How many bytes a character takes is not said here: only what fits either way is clear.
  return base === 'blob' ? blobFor(size, 'blob') : 'unclear'
}

function blobFor(size: number, kind: string): string {
  if (size < 1 << 8) return `tiny${kind}`
  if (size < 1 << 16) return kind
  return size < 1 << 24 ? `medium${kind}` : `long${kind}`
}

function bracketed(base: string, plain: string, inside: readonly Token[] | null): string {
  if (inside === null || base !== plain || (base === 'float' && inside.length === 1)) return ''
  // The server takes spaces off the end of labels.
  const words = inside.map(({ kind, text }) =>
    kind === 'text' ? `'${text.replace(/ +$/, '').replaceAll("'", "''")}'` : text,
  )
  return `(${words.join('')})`
}

interface Attributes {
  readonly nullable: boolean
  readonly saysNull: boolean
  readonly filled: boolean
  readonly generated: boolean
  readonly key: boolean
  readonly charset: string | null
  readonly place: Place | null
}

/** What may follow a type, as far as it matters; null for what is not known. */
function attributes(words: Words): Attributes | null {
  const found = {
    nullable: true,
    saysNull: false,
    filled: false,
    generated: false,
    key: false,
    charset: null as string | null,
    place: null as Place | null,
  }
  while (!words.done) {
    if (words.take('NOT', 'NULL')) found.nullable = false
    else if (words.take('NULL')) found.saysNull = true
    else if (words.take('DEFAULT')) {
      if (!words.take('NULL')) {
        found.filled = true
        expression(words)
      }
    } else if (words.take('ON', 'UPDATE')) expression(words)
    else if (words.take('AUTO_INCREMENT')) found.filled = true
    else if (words.take('PRIMARY', 'KEY')) {
      found.key = true
      found.nullable = false
    } else if (words.take('UNIQUE')) words.take('KEY')
    else if (words.take('KEY')) {
      found.key = true
      found.nullable = false
    } else if (words.take('CHARACTER', 'SET') || words.take('CHARSET')) {
      found.charset = words.next()?.text.toLowerCase() ?? ''
    } else if (words.take('COLLATE')) {
      found.charset ??= charsetOfCollation(words.next()?.text ?? '')
    } else if (words.take('ASCII')) found.charset = 'latin1'
    else if (words.take('UNICODE')) found.charset = 'ucs2'
    else if (words.take('BYTE')) found.charset = 'binary'
    else if (words.take('GENERATED', 'ALWAYS', 'AS') || words.take('AS')) {
      if (words.take('ROW') || words.brackets() === null) return null
      found.generated = true
    } else if (words.take('FIRST')) found.place = 'first'
    else if (words.take('AFTER')) {
      const after = words.name()
      if (after === null) return null
      found.place = { after }
    } else if (!passedOver(words)) return null
  }
  return found
}

/** What says nothing of how rows read. */
function passedOver(words: Words): boolean {
  if (words.comes('VIRTUAL', 'STORED', 'PERSISTENT', 'VISIBLE', 'INVISIBLE', 'BINARY')) {
    words.next()
    return true
  }
  if (words.comes('COMMENT', 'COLUMN_FORMAT', 'STORAGE', 'SRID', 'REF_SYSTEM_ID')) {
    words.next()
    words.sign('=')
    words.next()
    return true
  }
  if (words.take('CONSTRAINT')) {
    if (!words.comes('CHECK')) words.name()
    return true
  }
  if (words.take('CHECK')) {
    const checked = words.brackets() !== null
    if (!words.take('NOT', 'ENFORCED')) words.take('ENFORCED')
    return checked
  }
  return false
}

/** A value, a call, or anything in brackets. */
function expression(words: Words): void {
  if (words.brackets() !== null) return
  if (!words.sign('-')) words.sign('+')
  const first = words.next()
  // `_utf8mb4'x'`, `b'01'`, `x'0f'`, `date '2020-01-01'`.
  if (first?.kind === 'word' && words.peek()?.kind === 'text') words.next()
  if (words.sign('.')) words.next()
  words.brackets()
}

/** `latin1_swedish_ci` is one of latin1; null for what is none. */
export function charsetOfCollation(collation: string): string {
  const charset = /^[a-z0-9]+/i.exec(collation)?.[0].toLowerCase() ?? ''
  return charset === 'utf8' ? 'utf8mb3' : charset
}

function nativeOf(type: TypeWords, said: string | null, setting: Setting): string | null {
  const { base, text, unsigned } = type
  if (base === 'json' && setting.mariadb) return 'longtext character set utf8mb4'
  if (!texts.has(base)) return unsigned ? `${text} unsigned` : text
  const named = said ?? type.charset ?? setting.charset
  if (named === 'binary') {
    const bytes = asBytes[base]
    return bytes === undefined ? null : `${bytes}${text.slice(base.length)}`
  }
  return `${text} character set ${named === 'utf8' ? 'utf8mb3' : named}`
}
