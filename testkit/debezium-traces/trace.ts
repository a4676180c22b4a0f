import { readFile, writeFile } from 'node:fs/promises'
import type { DebeziumRecord } from '../../src/dialect/debezium/event.ts'

/** Records that a connector wrote, with what its database said of the rows at that moment. */
export interface Trace {
  /** How the connector was made: its settings that are not the usual ones. */
  readonly settings: Readonly<Record<string, string>>
  /** The server, and the connector with its version. */
  readonly made: string
  readonly records: readonly DebeziumRecord[]
  /** By the number of a statement, the row that it left, as the server prints it. */
  readonly truth: readonly Truth[]
  /** What the registry answers when it is asked for a schema by its number. */
  readonly schemas: Readonly<Record<string, unknown>>
}

/** What a statement left of its row; null when the row is gone. */
export interface Truth {
  readonly sql: string
  readonly row: Readonly<Record<string, string | null>> | null
}

interface Kept {
  readonly settings: Trace['settings']
  readonly made: string
  readonly prefixes: readonly string[]
  readonly records: readonly KeptRecord[]
  readonly truth: Trace['truth']
  readonly schemas: Trace['schemas']
}

/** Bytes as the number of a beginning that many share, and the rest; `base64:` where it is no text. */
type KeptBytes = readonly [number, string] | null

interface KeptRecord {
  readonly topic: string
  readonly key: KeptBytes
  readonly value: KeptBytes
  readonly headers: readonly (readonly [string, string])[]
}

export function traceFile(name: string): URL {
  return new URL(`../../test/fixtures/debezium/${name}.json`, import.meta.url)
}

const PAYLOAD = ',"payload":'

export async function writeTrace(name: string, trace: Trace): Promise<void> {
  const prefixes: string[] = []
  const kept = (bytes: Buffer | null): KeptBytes => {
    if (bytes === null) return null
    if (bytes[0] === 0) return [-1, `base64:${bytes.toString('base64')}`]
    const text = bytes.toString('utf8')
    const at = text.startsWith('{"schema":{') ? text.indexOf(PAYLOAD) : -1
    if (at < 0) return [-1, text]
    const prefix = text.slice(0, at + PAYLOAD.length)
    const known = prefixes.indexOf(prefix)
    return [known < 0 ? prefixes.push(prefix) - 1 : known, text.slice(prefix.length)]
  }
  const records = trace.records.map(({ topic, key, value, headers }) => ({
    topic,
    key: kept(key),
    value: kept(value),
    headers: [...headers].flatMap(([name, text]) =>
      String(name).startsWith('__debezium.context') ? [] : [[String(name), String(text)] as const],
    ),
  }))
  const { settings, made, truth, schemas } = trace
  const whole: Kept = { settings, made, prefixes, records, truth, schemas }
  await writeFile(traceFile(name), `${JSON.stringify(whole, null, 1)}\n`)
}

export async function readTrace(name: string): Promise<Trace> {
  const kept = JSON.parse(await readFile(traceFile(name), 'utf8')) as Kept
  const bytes = (one: KeptBytes): Buffer | null => {
    if (one === null) return null
    const [prefix, text] = one
    if (text.startsWith('base64:')) return Buffer.from(text.slice(7), 'base64')
    return Buffer.from((kept.prefixes[prefix] ?? '') + text)
  }
  const records = kept.records.map(({ topic, key, value, headers }, i) => ({
    topic,
    partition: 0,
    offset: BigInt(i),
    key: bytes(key),
    value: bytes(value),
    headers,
  }))
  const { settings, made, truth, schemas } = kept
  return { settings, made, records, truth, schemas }
}
