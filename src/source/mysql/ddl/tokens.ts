import type { SqlMode } from '../log/query.ts'

/** A word of a statement; comments and white space are none. */
export interface Token {
  /** `word`: an unquoted name or key word. `name`: a quoted name. */
  readonly kind: 'word' | 'name' | 'text' | 'number' | 'sign'
  /** Without its quotes; a word as it stands. */
  readonly text: string
  /** In upper case; empty but for words, so that no quoted name is taken for a key word. */
  readonly key: string
}

/** Whose statement it is: comments may be for some servers only. */
export interface Speaker {
  readonly mode: SqlMode
  readonly mariadb: boolean
  /** As in ServerVersion. */
  readonly version: number
}

/** Characters of unquoted names (sql/sql_lex.cc): those of ASCII, and all beyond. */
const WORD = /[0-9A-Za-z_$\u0080-\u{10ffff}]+/uy
const NUMBER = /^[0-9]+$/

/** The words of a statement, to be read one after another; null at the end. */
export class Tokens {
  readonly #sql: string
  readonly #speaker: Speaker
  #at = 0
  /** Inside of a comment whose content counts. */
  #open = false

  constructor(sql: string, speaker: Speaker) {
    this.#sql = sql
    this.#speaker = speaker
  }

  /** All that are left. */
  all(): Token[] {
    const tokens: Token[] = []
    for (let token = this.next(); token !== null; token = this.next()) tokens.push(token)
    return tokens
  }

  next(): Token | null {
    this.#blank()
    const sql = this.#sql
    const first = sql[this.#at]
    if (first === undefined) return null
    if (first === '`' || (first === '"' && this.#speaker.mode.ansiQuotes)) {
      return { kind: 'name', text: this.#quoted(first, false), key: '' }
    }
    if (first === "'" || first === '"') {
      return { kind: 'text', text: this.#quoted(first, this.#speaker.mode.backslash), key: '' }
    }
    WORD.lastIndex = this.#at
    const word = WORD.exec(sql)?.[0]
    if (word === undefined) {
      this.#at++
      return { kind: 'sign', text: first, key: '' }
    }
    this.#at += word.length
    if (NUMBER.test(word)) return { kind: 'number', text: word, key: '' }
    return { kind: 'word', text: word, key: word.toUpperCase() }
  }

  /** Past white space and comments. */
  #blank(): void {
    const sql = this.#sql
    for (;;) {
      const first = sql[this.#at]
      if (first === undefined) return
      if (/\s/.test(first)) this.#at++
      else if (first === '#' || /^--(?:\s|$)/.test(sql.slice(this.#at, this.#at + 3))) {
        const end = sql.indexOf('\n', this.#at)
        this.#at = end < 0 ? sql.length : end
      } else if (sql.startsWith('/*', this.#at)) this.#comment()
      else if (this.#open && sql.startsWith('*/', this.#at)) {
        this.#open = false
        this.#at += 2
      } else return
    }
  }

  /** Of a comment for servers of some version the content counts where this server is one. */
  #comment(): void {
    const sql = this.#sql
    const head = /^\/\*(M?!)(\d{5,6})?/.exec(sql.slice(this.#at, this.#at + 12))
    if (head !== null && this.#isMeant(head[1] ?? '', Number(head[2] ?? 0))) {
      this.#open = true
      this.#at += head[0].length
      return
    }
    const end = sql.indexOf('*/', this.#at + 2)
    this.#at = end < 0 ? sql.length : end + 2
  }

  #isMeant(kind: string, version: number): boolean {
    const { mariadb, version: own } = this.#speaker
    if (kind === 'M!') return mariadb && version <= own
    // MariaDB passes over what is for MySQL 5.7 and later.
    if (mariadb && version >= 50700 && version <= 99999) return false
    return version <= own
  }

  #quoted(quote: string, backslash: boolean): string {
    const sql = this.#sql
    let text = ''
    let at = this.#at + 1
    for (; at < sql.length; at++) {
      const one = sql[at] ?? ''
      if (one === quote) {
        if (sql[at + 1] !== quote) break
        text += quote
        at++
      } else if (one === '\\' && backslash) {
        text += escaped(sql[++at] ?? '')
      } else text += one
    }
    this.#at = at + 1
    return text
  }
}

const escapes: Readonly<Record<string, string>> = {
  '0': '\0',
  b: '\b',
  n: '\n',
  r: '\r',
  t: '\t',
  Z: '\x1a',
}

function escaped(letter: string): string {
  return escapes[letter] ?? letter
}

/** Reads tokens front to back, with a look at what comes. */
export class Words {
  readonly #tokens: readonly Token[]
  at = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  get done(): boolean {
    return this.at >= this.#tokens.length
  }

  peek(ahead = 0): Token | null {
    return this.#tokens[this.at + ahead] ?? null
  }

  next(): Token | null {
    return this.#tokens[this.at++] ?? null
  }

  /** True, and past them, when these key words come. */
  take(...keys: readonly string[]): boolean {
    if (!keys.every((key, ahead) => this.peek(ahead)?.key === key)) return false
    this.at += keys.length
    return true
  }

  /** True when one of these key words comes. */
  comes(...keys: readonly string[]): boolean {
    const next = this.peek()
    return next !== null && next.key !== '' && keys.includes(next.key)
  }

  /** True, and past it, when this sign comes. */
  sign(text: string): boolean {
    const next = this.peek()
    if (next?.kind !== 'sign' || next.text !== text) return false
    this.at++
    return true
  }

  /** A name, quoted or not; null when none comes. */
  name(): string | null {
    const next = this.peek()
    if (next?.kind !== 'word' && next?.kind !== 'name' && next?.kind !== 'number') return null
    this.at++
    return next.text
  }

  /** `name` or `schema.name`; null when none comes. */
  table(home: string): { readonly schema: string; readonly name: string } | null {
    const first = this.name()
    if (first === null) return null
    if (!this.sign('.')) return { schema: home, name: first }
    const second = this.name()
    return second === null ? null : { schema: first, name: second }
  }

  /** The rest, cut at commas that stand in no brackets; each piece to be read by itself. */
  pieces(): Words[] {
    const pieces: Token[][] = [[]]
    let depth = 0
    for (let token = this.next(); token !== null; token = this.next()) {
      if (token.kind === 'sign' && token.text === '(') depth++
      if (token.kind === 'sign' && token.text === ')') depth--
      if (depth < 0) break
      if (depth === 0 && token.kind === 'sign' && token.text === ',') pieces.push([])
      else pieces.at(-1)?.push(token)
    }
    return pieces.map((tokens) => new Words(tokens))
  }

  /** What stands in the brackets that come, without them; null when none come. */
  brackets(): Token[] | null {
    if (!this.sign('(')) return null
    const inside: Token[] = []
    for (let depth = 1; ; ) {
      const token = this.next()
      if (token === null) return null
      if (token.kind === 'sign' && token.text === '(') depth++
      if (token.kind === 'sign' && token.text === ')' && --depth === 0) return inside
      inside.push(token)
    }
  }
}
