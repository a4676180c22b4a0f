import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Table } from '../../src/model/table.ts'
import { BINARY, cell, cells, NULL, type Tuple, UNCHANGED } from '../../src/model/tuple.ts'
import {
  commitLsnOf,
  committedAtOf,
  endLsnOf,
  oldIn,
  type PgoutputMessage,
  type RelationMessage,
  rowIn,
} from '../../src/source/postgres/log/pgoutput.ts'
import { KEEPALIVE } from '../../src/source/postgres/log/walsender.ts'
import { formatLsn, type Lsn } from '../../src/source/postgres/position.ts'
import { textTable } from '../memory/tables.ts'
import type { Major } from '../servers/index.ts'

/** What a recording was made with. */
export interface Recording {
  readonly major: Major
  readonly protocol: 1 | 2
  readonly form: 'text' | 'binary'
}

/** The body of one CopyData message, and what it says in the words of `readable`. */
export interface Recorded {
  readonly body: Buffer
  readonly says: string
}

export const recordings: readonly Recording[] = ([14, 18] as const).flatMap((major) =>
  ([1, 2] as const).flatMap((protocol) =>
    (['text', 'binary'] as const).map((form) => ({ major, protocol, form })),
  ),
)

export function nameOf({ major, protocol, form }: Recording): string {
  return `${major}-v${protocol}-${form}`
}

function pathOf(recording: Recording): string {
  const name = `../../test/fixtures/pgoutput/${nameOf(recording)}.trace`
  return fileURLToPath(new URL(name, import.meta.url))
}

/** One message after another: its bytes in a line of hexadecimal digits, then what it says. */
export function saveTrace(recording: Recording, messages: readonly Recorded[]): void {
  const lines = messages.map(({ body, says }) => `${body.toString('hex')}\n  ${says}\n`)
  writeFileSync(pathOf(recording), lines.join(''))
}

export function loadTrace(recording: Recording): readonly Recorded[] {
  const lines = readFileSync(pathOf(recording), 'utf8').trimEnd().split('\n')
  const messages: Recorded[] = []
  for (let i = 0; i < lines.length; i += 2) {
    const [hex = '', says = ''] = [lines[i], lines[i + 1]?.trimStart()]
    messages.push({ body: Buffer.from(hex, 'hex'), says })
  }
  return messages
}

function row(tuple: Tuple): string {
  const values = Array.from({ length: cells(tuple) }, (_, i) => {
    const { kind, bytes } = cell(tuple, i)
    if (kind === NULL) return 'null'
    if (kind === UNCHANGED) return 'unchanged'
    return kind === BINARY ? `\\x${bytes.toString('hex')}` : JSON.stringify(bytes.toString('utf8'))
  })
  return `(${values.join(', ')})`
}

function endOf(of: {
  readonly commitLsn: Lsn
  readonly endLsn: Lsn
  readonly committedAt: bigint
}): string {
  return ` at ${formatLsn(of.commitLsn)} end ${formatLsn(of.endLsn)} time ${of.committedAt}`
}

/** A message in one line, with everything that it holds. */
export function readable(message: PgoutputMessage): string {
  const xid = 'xid' in message && message.xid !== null ? ` in ${message.xid}` : ''
  switch (message.kind) {
    case 'begin':
      return `begin ${message.xid} commit at ${formatLsn(commitLsnOf(message))}`
    case 'commit':
      return `commit${endOf({
        commitLsn: commitLsnOf(message),
        endLsn: endLsnOf(message),
        committedAt: committedAtOf(message),
      })}`
    case 'stream-commit':
      return `stream-commit${xid}${endOf(message)}`
    case 'relation': {
      const columns = message.columns.map(
        ({ name, typeOid, typmod, key }) => `${key ? '*' : ''}${name} ${typeOid}/${typmod}`,
      )
      const { id, schema, name, replicaIdentity } = message
      return `relation${xid} ${id} ${schema}.${name} ${replicaIdentity} (${columns.join(', ')})`
    }
    case 'insert':
    case 'update':
    case 'delete': {
      const [added, removed] = [rowIn(message), oldIn(message)]
      const before = removed === null ? '' : ` old ${row(removed)}`
      const after = added === null ? '' : ` new ${row(added)}`
      return `${message.kind}${xid} ${message.relation}${before}${after}`
    }
    case 'truncate':
      return `truncate${xid} ${message.relations}${message.restartSequences ? ' restart' : ''}`
    case 'message': {
      const { transactional, lsn, prefix } = message
      const how = transactional ? 'transactional' : 'at once'
      return `message${xid} ${how} at ${formatLsn(lsn)} ${JSON.stringify(prefix)}`
    }
    case 'stream-start':
      return `stream-start${xid}${message.first ? ' first' : ''}`
    case 'stream-abort':
      return `stream-abort${xid} of ${message.subxid}`
    default:
      return message.kind
  }
}

/** What a keepalive says; null for other messages. */
export function keepalive(body: Buffer): string | null {
  if (body[0] !== KEEPALIVE) return null
  return `keepalive at ${formatLsn(body.readBigUInt64BE(1))}${body[17] === 1 ? ' reply' : ''}`
}

/** A table with the columns that a message names, all of text. */
export function tableOf({ id, name, columns }: RelationMessage): Table {
  const names = columns.map((column) => column.name)
  return textTable({ id: String(id), name, columns: names, identity: { by: 'row' } })
}
