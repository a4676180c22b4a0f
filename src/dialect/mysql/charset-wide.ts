import { Fault } from '../../model/fault.ts'
import { type ToUtf8, utf8From } from './charset.ts'
import type { Session } from './connect.ts'

/**
 * Character sets of several bytes whose tables differ between servers, and from everybody else's:
 * the server itself is asked how it converts each of their characters. By the bytes that a
 * character can begin with beside its last two.
 */
const prefixes: Readonly<Record<string, readonly string[]>> = {
  big5: [''],
  euckr: [''],
  gb2312: [''],
  gbk: [''],
  gb18030: ['', ...fourBytes()],
  sjis: [''],
  cp932: [''],
  ujis: ['', '8f'],
  eucjpms: ['', '8f'],
}

/** Characters of four bytes within the Basic Multilingual Plane begin with these. */
function fourBytes(): readonly string[] {
  const leads = [0x81, 0x82, 0x83, 0x84]
  return leads.flatMap((lead) =>
    Array.from({ length: 10 }, (_, i) => (lead * 256 + 0x30 + i).toString(16)),
  )
}

const DIGITS = Array.from({ length: 16 }, (_, i) => `SELECT ${i} AS n`).join(' UNION ALL ')
const BYTE = (name: string): string =>
  `(SELECT x.n * 16 + y.n AS n FROM (${DIGITS}) x, (${DIGITS}) y) ${name}`

function question(charset: string, prefix: string): string {
  const bytes = `CONCAT(UNHEX('${prefix}'), CHAR(a.n USING binary), CHAR(b.n USING binary))`
  const text = `CONVERT(${bytes} USING ${charset})`
  return `SELECT HEX(${bytes}) AS k, HEX(CONVERT(${text} USING utf8mb4)) AS u
FROM ${BYTE('a')}, ${BYTE('b')}
WHERE ${prefix.length === 4 ? 'a.n >= 129 AND b.n BETWEEN 48 AND 57' : 'a.n >= 128'}
AND CHAR_LENGTH(${text}) = 1 AND HEX(${text}) = HEX(${bytes})`
}

function singles(charset: string): string {
  const text = `CONVERT(CHAR(a.n USING binary) USING ${charset})`
  return `SELECT HEX(CHAR(a.n USING binary)) AS k, HEX(CONVERT(${text} USING utf8mb4)) AS u
FROM ${BYTE('a')} WHERE CHAR_LENGTH(${text}) = 1 AND HEX(${text}) = HEX(CHAR(a.n USING binary))`
}

/** What the server writes for a character that it has no Unicode for. */
const NONE = '3F'

/** The character sets of one server. */
export class Charsets {
  readonly #wide = new Map<string, ToUtf8>()

  /** Of servers whose wide character sets were not asked for. */
  static readonly common = new Charsets()

  /** Asks for the tables of those of `charsets` that need one. Throws Fault. */
  static async of(session: Session, charsets: Iterable<string>): Promise<Charsets> {
    const known = new Charsets()
    for (const charset of new Set(charsets)) await known.#learn(session, charset)
    return known
  }

  /** As `utf8From`, with what was asked for. */
  utf8From(charset: string): ToUtf8 | 'same' | null {
    return this.#wide.get(charset) ?? utf8From(charset)
  }

  async #learn(session: Session, charset: string): Promise<void> {
    const all = Object.hasOwn(prefixes, charset) ? prefixes[charset] : undefined
    if (all === undefined) return
    const table = new Map<number, Buffer>()
    const questions = [singles(charset), ...all.map((prefix) => question(charset, prefix))]
    for (const sql of questions) {
      for (const { k, u } of await session.query(sql)) {
        // The question mark itself is the only one that is written so by right.
        if (k == null || u == null || (u === NONE && k !== NONE)) continue
        table.set(Number.parseInt(k, 16), Buffer.from(u, 'hex'))
      }
    }
    if (table.size < 128) {
      const what = `the source does not say what the characters of ${charset} are`
      throw new Fault('HF-L114', { what, side: 'source' })
    }
    this.#wide.set(charset, converter(table, charset === 'gb18030'))
  }
}

/** The longest run of bytes that is a character is one: no charset here is ambiguous. */
function converter(table: ReadonlyMap<number, Buffer>, planes: boolean): ToUtf8 {
  return (bytes) => {
    const pieces: Buffer[] = []
    for (let at = 0; at < bytes.length; ) {
      const found = characterAt(table, bytes, at) ?? (planes ? planeCharacter(bytes, at) : null)
      if (found === null) return null
      pieces.push(found.utf8)
      at += found.size
    }
    return Buffer.concat(pieces)
  }
}

interface Character {
  readonly utf8: Buffer
  readonly size: number
}

function characterAt(
  table: ReadonlyMap<number, Buffer>,
  bytes: Buffer,
  at: number,
): Character | null {
  let key = 0
  const most = (bytes[at] ?? 0) < 0x80 ? 1 : Math.min(4, bytes.length - at)
  let found: Character | null = null
  for (let size = 1; size <= most; size++) {
    key = key * 256 + (bytes[at + size - 1] ?? 0)
    const utf8 = table.get(key)
    if (utf8 !== undefined) found = { utf8, size }
  }
  return found
}

/** GB18030 beyond the Basic Multilingual Plane: four bytes count through it in order. */
function planeCharacter(bytes: Buffer, at: number): Character | null {
  if (at + 4 > bytes.length) return null
  const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(at, at + 4)
  const inside = b >= 0x30 && b <= 0x39 && c >= 0x81 && c <= 0xfe && d >= 0x30 && d <= 0x39
  const point = 0x10000 + (((a - 0x90) * 10 + b - 0x30) * 126 + c - 0x81) * 10 + d - 0x30
  if (!inside || point < 0x10000 || point > 0x10ffff) return null
  return { utf8: Buffer.from(String.fromCodePoint(point), 'utf8'), size: 4 }
}
