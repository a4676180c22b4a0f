import { charsetOf, utf8From } from '../../../dialect/mysql/charset.ts'
import { Bytes } from './bytes.ts'
import { inflated } from './control.ts'
import { TYPE } from './event.ts'

/** How the session that gave a statement reads its quotes and empty values. */
export interface SqlMode {
  /** `"…"` is a name. */
  readonly ansiQuotes: boolean
  /** A backslash in a text means the character behind it. */
  readonly backslash: boolean
  /** A value that a column cannot hold is refused instead of bent. */
  readonly strict: boolean
}

export interface Query {
  readonly schema: string
  readonly sql: string
  /** Not 0 when the statement failed half-way at the source. */
  readonly error: number
  readonly mode: SqlMode
  /** False where the characters of the statement are not known. */
  readonly legible: boolean
}

const LARGEST_STATEMENT = 1 << 30

/** QUERY, and MariaDB's QUERY_COMPRESSED. */
export function decodeQuery(type: number, body: Buffer): Query {
  const bytes = new Bytes(body, 'a statement')
  bytes.skip(8)
  const schemaLength = bytes.byte()
  const error = bytes.uint16()
  const { mode, client } = decodeStatus(bytes.slice(bytes.uint16()))
  const schema = bytes.text(schemaLength)
  bytes.skip(1)
  const text = bytes.rest()
  const sql = type === TYPE.queryCompressed ? inflated(text, LARGEST_STATEMENT) : text
  const utf8 = sql.every((byte) => byte < 0x80) ? sql : toUtf8(sql, client)
  return { schema, sql: (utf8 ?? sql).toString('utf8'), error, mode, legible: utf8 !== null }
}

function toUtf8(sql: Buffer, client: number | null): Buffer | null {
  const charset = client === null ? null : charsetOf(client)
  const convert = charset === null ? null : utf8From(charset)
  if (convert === null) return null
  return convert === 'same' ? sql : convert(sql)
}

/** Bits of sql_mode (sql/system_variables.h). */
const ANSI_QUOTES = 1 << 2
const NO_BACKSLASH_ESCAPES = 1 << 20
const STRICT = (1 << 21) | (1 << 22)

interface Status {
  readonly mode: SqlMode
  /** The collation of the client; null when not said. */
  readonly client: number | null
}

/**
 * The variables that a statement depends on, in order (Query_log_event in log_event.cc); those that
 * are of interest come first.
 */
function decodeStatus(variables: Buffer): Status {
  const bytes = new Bytes(variables, 'the status of a statement')
  let flags = 0
  let client: number | null = null
  loop: while (bytes.left > 0) {
    switch (bytes.byte()) {
      case 0:
        bytes.skip(4)
        break
      case 1:
        flags = bytes.uint32()
        bytes.skip(4)
        break
      case 3:
        bytes.skip(4)
        break
      case 4:
        client = bytes.uint16()
        break loop
      case 6:
        bytes.skip(bytes.byte())
        break
      default:
        break loop
    }
  }
  const mode = {
    ansiQuotes: (flags & ANSI_QUOTES) !== 0,
    backslash: (flags & NO_BACKSLASH_ESCAPES) === 0,
    strict: (flags & STRICT) !== 0,
  }
  return { mode, client }
}
