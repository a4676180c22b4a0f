import { Binary, Decimal128, type Document, MongoClient } from 'mongodb'
import {
  type MongoServer,
  openSession,
  type PostgresServer,
  type TestSession,
} from '../../servers/index.ts'
import type { Random } from '../random.ts'
import { textOf } from '../state.ts'
import { pinned } from '../truth.ts'
import { canonical, type Form } from './tables.ts'
import { entryOf, placeIn, type Truth } from './truth.ts'

/** What a target holds, seen in one moment where it can be. */
export interface Look {
  readonly place: bigint
  /** Texts of all rows, by table. */
  readonly rows: ReadonlyMap<string, readonly string[]>
}

/** One kind of target, as the oracle sees it: by its own protocol and none of the product's code. */
export interface TargetEnd extends AsyncDisposable {
  readonly shape: 'mirror' | 'history'
  /** Whether a look shows one moment while rows are written. */
  readonly atOnce: boolean
  readonly url: string
  readonly port: number
  /** Where the checkpoint stands; null while anything is copied. */
  place(): Promise<bigint | null>
  look(): Promise<Look | null>
  restart(how: 'clean' | 'crash'): Promise<void>
  /** Ends a session of the mirror; false when there was none. */
  terminate(random: Random): Promise<boolean>
  /** Sentences about what rows do not show. */
  oddities(): Promise<readonly string[]>
}

interface Setting {
  readonly truth: Truth
  readonly name: string
}

const placesSql = `
select (select token from _holdfast.lanes where mirror = 'oracle') as position,
  (select count(*) from _holdfast.tables where mirror = 'oracle' and state <> 'copied') as copying,
  (select json_agg(start->'log'->>'token') from _holdfast.tables where mirror = 'oracle') as starts`

const columnsSql = `
select table_name as name, string_agg(column_name, ',') as columns
from information_schema.columns where table_schema = 'oracle' group by 1`

/** A database of PostgreSQL. */
export async function postgresEnd(
  server: PostgresServer,
  { truth, name }: Setting,
): Promise<TargetEnd> {
  {
    await using admin = await openSession(server.url())
    await admin.query(`create database ${name}`)
  }
  const url = server.url(name)
  const place = async (session: TestSession): Promise<bigint | null> => {
    const [row] = await session.query(placesSql).catch(missing)
    return row?.['copying'] === '0'
      ? passed(row['position'], JSON.parse(row['starts'] ?? '[]'))
      : null
  }
  const inSession = async <T>(work: (session: TestSession) => Promise<T>): Promise<T> => {
    await using session = await openSession(url)
    await session.query(pinned)
    return await work(session)
  }
  return {
    shape: 'mirror',
    atOnce: true,
    url,
    port: server.port,
    place: () => inSession(place),
    look: () =>
      inSession(async (session) => {
        if ((await place(session)) === null) return null
        await session.query('begin isolation level repeatable read read only')
        // Before the snapshot: a TRUNCATE that commits after it would empty what it sees.
        const names = truth.tables.map((table) => `oracle.${table}`)
        await session.query(`lock table only ${names.join(', only ')} in access share mode`)
        const at = await place(session)
        return at === null ? null : { place: at, rows: await postgresRows(session, truth) }
      }),
    restart: (how) => server.restart(how === 'clean' ? 'fast' : 'immediate'),
    terminate: (random) =>
      inSession(async (session) => {
        const found = await session.query(
          `select pid from pg_stat_activity
           where application_name like 'holdfast%' and datname = current_database() order by pid`,
        )
        if (found.length === 0) return false
        await session.query('select pg_terminate_backend($1)', [random.pick(found)['pid']])
        return true
      }),
    oddities: async () => [],
    [Symbol.asyncDispose]: async () => {},
  }
}

async function postgresRows(
  session: TestSession,
  truth: Truth,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const rows = new Map<string, readonly string[]>()
  for (const { name, columns } of await session.query(columnsSql)) {
    const table = name ?? ''
    const names = (columns ?? '').split(',')
    const list = names.map((one) => `"${one}"::text as "${one}"`).join(', ')
    const found = await session.query(`select ${list} from oracle."${table}"`)
    rows.set(
      table,
      found.map((row) => textOfRow(Object.entries(row), truth.formsOf(table))),
    )
  }
  return rows
}

function textOfRow(
  row: readonly (readonly [string, string | null])[],
  forms: ReadonlyMap<string, Form>,
): string {
  const cells = row.flatMap(([name, value]): [string, string][] =>
    value === null ? [] : [[name, canonical(forms.get(name) ?? 'plain', value)]],
  )
  return textOf(new Map(cells))
}

function missing(error: unknown): [] {
  if (/does not exist/.test(String(error))) return []
  throw error
}

/** The checkpoint, once it has passed where every table began. */
function passed(
  token: string | null | undefined,
  starts: readonly (string | null)[],
): bigint | null {
  const at = placeIn(token)
  if (at === null || starts.length === 0) return null
  return starts.every((start) => (placeIn(start) ?? 0n) <= at) ? at : null
}

/** A database of a server that speaks MongoDB's protocol. */
export async function mongoEnd(
  server: MongoServer,
  { truth, name }: Setting,
  shape: 'mirror' | 'history',
): Promise<TargetEnd> {
  const url = server.url(name)
  const raw = { promoteValues: false, promoteLongs: false, promoteBuffers: false }
  let client = new MongoClient(url)
  const state = async (): Promise<Document | null> =>
    await client
      .db(name)
      .collection<Document & { _id: string }>('_holdfast')
      .findOne({ _id: 'oracle' })
  const startOf = (table: Document): string | null =>
    table['start'] === null ? null : JSON.parse(String(table['start'])).log?.token
  const place = async (): Promise<bigint | null> => {
    const found = await state()
    const tables: readonly Document[] = found?.['tables'] ?? []
    if (found === null || tables.some((table) => table['state'] !== 'copied')) return null
    return passed(JSON.parse(String(found['positions'])).log?.token, tables.map(startOf))
  }
  const rows = async (): Promise<ReadonlyMap<string, readonly string[]>> => {
    const db = client.db(name)
    const all = new Map<string, readonly string[]>()
    const folded = shape === 'history' ? fold(await allChanges(client, name)) : null
    for (const table of truth.tables) {
      const found = folded?.get(table) ?? (await db.collection(table).find({}, raw).toArray())
      const texts = found.flatMap((row) =>
        Array(countOf(row)).fill(textOfRow(fieldsOf(row), truth.formsOf(table))),
      )
      all.set(table, texts)
    }
    return all
  }
  return {
    shape,
    atOnce: false,
    url,
    port: Number(new URL(url).port),
    place,
    async look() {
      const at = await place()
      return at === null ? null : { place: at, rows: await rows() }
    },
    async restart(how) {
      await server.stop(how)
      await server.start()
      await client.close()
      client = new MongoClient(url)
    },
    terminate: async () => false,
    async oddities() {
      if (shape === 'mirror') return []
      const starts = new Map<string, bigint>(
        ((await state())?.['tables'] ?? []).map((table: Document): [string, bigint] => [
          String(JSON.parse(table['definition']).name),
          placeIn(startOf(table)) ?? 0n,
        ]),
      )
      return unevenChanges(await allChanges(client, name), truth, starts)
    },
    [Symbol.asyncDispose]: async () => {
      await client
        .db(name)
        .dropDatabase()
        .catch(() => undefined)
      await client.close()
    },
  }
}

/** What a document says of its row, as the source prints it. */
function fieldsOf(document: Document): readonly (readonly [string, string | null])[] {
  return Object.entries(document)
    .filter(([name]) => name !== '_id' && name !== '_holdfast')
    .map(([name, value]): [string, string | null] => [name, printed(value)])
}

function printed(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (value instanceof Date) return value.toISOString().replace('T', ' ').replace('Z', '')
  if (value instanceof Decimal128) return value.toString()
  if (value instanceof Binary) return `\\x${Buffer.from(value.value()).toString('hex')}`
  return String(value)
}

async function allChanges(client: MongoClient, name: string): Promise<readonly Document[]> {
  const raw = { promoteValues: false, promoteLongs: false, promoteBuffers: false }
  return await client.db(name).collection('row_changes').find({}, raw).sort({ at: 1 }).toArray()
}

const nameOf = (change: Document): string => String(change['table']).split('.').at(-1) ?? ''

/** Rows by their keys, those that are gone too, since what stayed alike is taken from them. */
interface Folded {
  readonly rows: Map<string, Document>
  readonly last: Map<string, Document>
}

/** The rows that the changes of each table come to. */
function fold(changes: readonly Document[]): ReadonlyMap<string, readonly Document[]> {
  const tables = new Map<string, Folded>()
  let number = 0
  for (const change of changes) {
    const table = nameOf(change)
    const { rows, last } = tables.get(table) ?? { rows: new Map(), last: new Map() }
    tables.set(table, { rows, last })
    const op = String(change['op'])
    const of = (key: unknown): string => (key == null ? `row ${number++}` : JSON.stringify(key))
    if (op === 'schema') continue
    if (op === 'truncate') rows.clear()
    else if (op === 'delete') rows.delete(of(change['key']))
    else {
      const key = of(change['key'])
      const from = last.get(change['moved_from'] == null ? key : of(change['moved_from']))
      const stayed = ((change['unchanged'] ?? []) as string[]).map((name) => [name, from?.[name]])
      const row = { ...change['after'], ...Object.fromEntries(stayed) }
      rows.set(key, row)
      last.set(key, row)
    }
  }
  return new Map([...tables].map(([name, { rows }]) => [name, [...rows.values()]]))
}

/** A document for rows without a key stands for all that look like it. */
function countOf(document: Document): number {
  return Number(document['_holdfast']?.count ?? 1)
}

/** What histories say of rows more or less often than the source changed them. */
function unevenChanges(
  changes: readonly Document[],
  truth: Truth,
  starts: ReadonlyMap<string, bigint>,
): readonly string[] {
  return truth.tables.flatMap((table) => {
    const start = starts.get(table) ?? 0n
    const told = changes.filter((one) => nameOf(one) === table && one['op'] !== 'schema')
    const [copies, since] = [true, false].map((copy) =>
      told.filter(({ op }) => (op === 'copy') === copy).map((one) => saidBy(one, truth)),
    )
    const from = new Set(told.filter(({ op }) => op === 'copy').map(({ at }) => String(at)))
    const held = truth.sumAt(table, truth.commitsAt(start)).rows
    const [wanted, got] = [countsOf(truth.entriesAfter(table, start)), countsOf(since ?? [])]
    const uneven = [...new Set([...wanted.keys(), ...got.keys()])].filter(
      (said) => wanted.get(said) !== got.get(said),
    )
    const twice = truth.keyOf(table) === null ? [] : [...countsOf(copies ?? [])]
    return [
      ...uneven.map((said) => {
        return `${table} has ${got.get(said) ?? 0} × ${said}, ${wanted.get(said) ?? 0} were made`
      }),
      ...twice.flatMap(([said, count]) => (count > 1 ? [`${table} has ${count} × ${said}`] : [])),
      ...(copies?.length === held ? [] : [`${table} has ${copies?.length} copies of ${held} rows`]),
      ...(from.size < 2 ? [] : [`${table} holds copies from ${[...from].join(', ')}`]),
    ]
  })
}

function saidBy(change: Document, truth: Truth): string {
  const table = nameOf(change)
  const fields: Document | null = change['key'] ?? null
  const forms = truth.formsOf(table)
  const cell = (column: string): string | null => {
    const text = printed(fields?.[column])
    return text === null ? null : canonical(forms.get(column) ?? 'plain', text)
  }
  const key = fields === null ? null : (truth.keyOf(table) ?? []).map(cell)
  return entryOf(String(change['op']), key)
}

function countsOf(texts: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1)
  return counts
}
