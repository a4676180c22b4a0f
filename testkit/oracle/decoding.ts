/** A row as its non-null cells; `undefined` for a large cell that the log leaves out. */
export type LoggedRow = ReadonlyMap<string, string | undefined>

/** A change of one row. */
export interface RowLine {
  readonly kind: 'insert' | 'update' | 'delete'
  readonly table: string
  readonly row: LoggedRow
  /** The row's identity before an update that changes it. */
  readonly old: LoggedRow | null
}

/** A line of the output plugin `test_decoding` (contrib/test_decoding/test_decoding.c). */
export type LoggedLine =
  | RowLine
  | { readonly kind: 'begin' }
  | { readonly kind: 'commit' }
  | { readonly kind: 'message' }
  | { readonly kind: 'truncate'; readonly tables: readonly string[] }

/** Reads one line; throws when it is of another form. */
export function parseLine(line: string): LoggedLine {
  if (line.startsWith('BEGIN')) return { kind: 'begin' }
  if (line.startsWith('COMMIT')) return { kind: 'commit' }
  if (line.startsWith('message: ')) return { kind: 'message' }
  const reader = new Reader(line)
  reader.expect('table ')
  const tables = [reader.relation()]
  while (reader.take(', ')) tables.push(reader.relation())
  reader.expect(': ')
  const [table] = tables
  if (reader.take('TRUNCATE: ')) return { kind: 'truncate', tables }
  if (table === undefined || tables.length > 1) throw reader.strange()
  if (reader.take('INSERT:')) return { kind: 'insert', table, row: reader.row(), old: null }
  if (reader.take('DELETE:')) return { kind: 'delete', table, row: reader.row(), old: null }
  reader.expect('UPDATE:')
  const old = reader.take(' old-key:') ? reader.row() : null
  if (old !== null) reader.expect(' new-tuple:')
  return { kind: 'update', table, row: reader.row(), old }
}

/** Types whose values stand without quotes (print_literal). */
const bare = new Set([
  'smallint',
  'integer',
  'bigint',
  'oid',
  'real',
  'double precision',
  'numeric',
])

class Reader {
  readonly #line: string
  #at = 0

  constructor(line: string) {
    this.#line = line
  }

  strange(): Error {
    return new Error(`test_decoding: unknown at ${this.#at}: ${this.#line.slice(0, 300)}`)
  }

  take(word: string): boolean {
    if (!this.#line.startsWith(word, this.#at)) return false
    this.#at += word.length
    return true
  }

  expect(word: string): void {
    if (!this.take(word)) throw this.strange()
  }

  relation(): string {
    const schema = this.#identifier()
    this.expect('.')
    return `${schema}.${this.#identifier()}`
  }

  /** As quote_identifier wrote it, quotes included. */
  #identifier(): string {
    const from = this.#at
    if (this.#line[this.#at] === '"') this.#quoted('"')
    else while (/[a-z0-9_$]/.test(this.#line[this.#at] ?? '')) this.#at++
    if (this.#at === from) throw this.strange()
    return this.#line.slice(from, this.#at)
  }

  /** What stands between two quotes, doubled ones inside taken for one. */
  #quoted(quote: string): string {
    let text = ''
    this.expect(quote)
    for (;;) {
      const end = this.#line.indexOf(quote, this.#at)
      if (end < 0) throw this.strange()
      text += this.#line.slice(this.#at, end)
      this.#at = end + 1
      if (this.#line[this.#at] !== quote) return text
      text += quote
      this.#at++
    }
  }

  row(): LoggedRow {
    const row = new Map<string, string | undefined>()
    if (this.take(' (no-tuple-data)')) return row
    while (this.#at < this.#line.length && !this.#line.startsWith(' new-tuple:', this.#at)) {
      this.expect(' ')
      const name = this.#identifier()
      this.expect('[')
      const end = this.#line.indexOf(']:', this.#at)
      const type = this.#line.slice(this.#at, end)
      this.#at = end + 2
      const value = this.#value(type)
      if (value !== null) row.set(name, value)
    }
    return row
  }

  #value(type: string): string | null | undefined {
    if (this.take('null')) return null
    if (this.take('unchanged-toast-datum')) return undefined
    if (type === 'boolean') return this.#word() === 'true' ? 't' : 'f'
    if (bare.has(type)) return this.#word()
    if (type === 'bit' || type === 'bit varying') this.expect('B')
    return this.#quoted("'")
  }

  #word(): string {
    const end = this.#line.indexOf(' ', this.#at)
    const word = this.#line.slice(this.#at, end < 0 ? undefined : end)
    this.#at += word.length
    return word
  }
}
