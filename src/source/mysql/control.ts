import { Tokens, Words } from './ddl/tokens.ts'
import type { Query } from './log/query.ts'

/** A statement that says where transactions begin and end. */
export type Control =
  | { readonly kind: 'begin' | 'commit' | 'rollback' }
  | { readonly kind: 'savepoint' | 'rollback-to' | 'release'; readonly name: string }
  | {
      readonly kind: 'xa-start' | 'xa-end' | 'xa-prepare' | 'xa-commit' | 'xa-rollback'
      /** As XA_PREPARE events name it. */
      readonly xid: string
    }

const FIRST = /^\s*(?:BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|XA)\b/i
const XA = /^\s*XA\s+(START|BEGIN|END|PREPARE|COMMIT|ROLLBACK)\s+(\S.*?)(?:\s+ONE\s+PHASE)?\s*$/is

const verbs = {
  START: 'xa-start',
  BEGIN: 'xa-start',
  END: 'xa-end',
  PREPARE: 'xa-prepare',
  COMMIT: 'xa-commit',
  ROLLBACK: 'xa-rollback',
} as const

/** Null for every other statement. */
export function controlOf({ sql, mode }: Query): Control | null {
  if (sql === 'BEGIN') return { kind: 'begin' }
  if (sql === 'COMMIT') return { kind: 'commit' }
  if (!FIRST.test(sql)) return null
  const [, verb, xid] = XA.exec(sql) ?? []
  if (verb !== undefined && xid !== undefined) {
    const kind = verbs[verb.toUpperCase() as keyof typeof verbs]
    return { kind, xid: xidText(xid) }
  }
  const words = new Words(new Tokens(sql, { mode, mariadb: false, version: 0 }).all())
  if (words.take('SAVEPOINT')) return named('savepoint', words)
  if (words.take('RELEASE', 'SAVEPOINT')) return named('release', words)
  if (words.take('ROLLBACK')) {
    words.take('WORK')
    if (!words.take('TO')) return { kind: 'rollback' }
    words.take('SAVEPOINT')
    return named('rollback-to', words)
  }
  if (words.take('COMMIT')) return { kind: 'commit' }
  return words.take('BEGIN') ? { kind: 'begin' } : null
}

function named(kind: 'savepoint' | 'rollback-to' | 'release', words: Words): Control {
  return { kind, name: (words.name() ?? '').toLowerCase() }
}

/** `X'61',X'',1`, however it is spaced. */
export function xidText(text: string): string {
  return text.replaceAll(/\s+/g, '').toLowerCase()
}
