import { catalogue, type FaultCode } from '../model/catalogue/index.ts'

/** Texts of servers and drivers, and the code that each of them means. */
const SYMPTOMS: readonly (readonly [RegExp, string])[] = [
  [/wal_level/i, 'HF-S201'],
  [/replication slots are in use|53400/i, 'HF-S204'],
  [/does not have a replica identity/i, 'HF-S203'],
  [/superuser or replication role|permission .*(?:replication|WAL sender)/i, 'HF-S207'],
  [/requested WAL segment|can no longer (?:access|get changes)|wal_removed|wal_status/i, 'HF-L101'],
  [/could not map file(?:node|number) .* to relation OID/i, 'HF-L110'],
  [/replication slot "[^"]*" does not exist/i, 'HF-L103'],
  [/is active for PID|55006/i, 'HF-L104'],
  [/publication "[^"]*" does not exist|skipped loading publication/i, 'HF-S206'],
  [/password authentication failed|28P01|no password supplied/i, 'HF-S102'],
  [/certificate|SSL|TLS/i, 'HF-S103'],
  [/ECONNREFUSED|ETIMEDOUT|ENOTFOUND|EHOSTUNREACH|could not connect|starting up|57P0/i, 'HF-S101'],
  [/No space left|disk full|53100/i, 'HF-T203'],
  [/duplicate key|violates .* constraint|value too long|2350[25]|22001/i, 'HF-T205'],
  [/read-only transaction|25006/i, 'HF-T206'],
]

/** The code that a user typed: `HF-S101`, `s101`, `hf-s101`. */
export function codeOf(text: string): FaultCode | null {
  const parts = /^(?:HF-?)?([A-Z])-?(\d{3})$/i.exec(text.trim())
  if (parts === null) return null
  return known(`HF-${parts[1]?.toUpperCase()}${parts[2]}`)
}

/** The code that a text of an error stands for, best guess. */
export function codeFor(text: string): FaultCode | null {
  const named = /HF-[A-Z]\d{3}/i.exec(text)
  const own = named === null ? null : codeOf(named[0])
  if (own !== null) return own
  for (const [pattern, code] of SYMPTOMS) {
    const found = pattern.test(text) ? known(code) : null
    if (found !== null) return found
  }
  return byTitle(text)
}

function known(code: string): FaultCode | null {
  return isCode(code) ? code : null
}

function isCode(code: string): code is FaultCode {
  return Object.hasOwn(catalogue, code)
}

export function allCodes(): readonly FaultCode[] {
  return Object.keys(catalogue).filter(isCode).sort()
}

/** The entry whose title shares the most words with `text`; at least half of the title's. */
function byTitle(text: string): FaultCode | null {
  const words = new Set(wordsOf(text))
  let best: FaultCode | null = null
  let most = 0.5
  for (const code of allCodes()) {
    const title = wordsOf(catalogue[code].title)
    const share = title.filter((word) => words.has(word)).length / Math.max(2, title.length)
    if (share > most) {
      best = code
      most = share
    }
  }
  return best
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[a-z]{3,}/g) ?? []
}
