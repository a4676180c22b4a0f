import type { TestContext } from 'node:test'
import { parseUrl } from '../../../src/config/url.ts'
import type { TableMode } from '../../../src/model/checkpoint.ts'
import type { SourceReader } from '../../../src/model/reader.ts'
import type { Table } from '../../../src/model/table.ts'
import { cell, TEXT, type Tuple, UNCHANGED } from '../../../src/model/tuple.ts'
import { Decoder, endLsnOf, oldIn, rowIn } from '../../../src/source/postgres/log/pgoutput.ts'
import { comparePositions, LANE, positionsAt } from '../../../src/source/postgres/position.ts'
import { openSourceReader } from '../../../src/source/postgres/reader/reader.ts'
import { openTargetReader } from '../../../src/target/postgres/reader.ts'
import { createState } from '../../../src/target/postgres/state/state.ts'
import { type CompareOptions, compareDefaults, compareEnds } from '../../../src/verify/compare.ts'
import type { TableVerification, Verification } from '../../../src/verify/report.ts'
import type { PostgresServer } from '../../../testkit/servers/index.ts'
import { database, type Major, type TestDatabase } from '../../../testkit/servers/index.ts'

const MIRROR = 'v'
const LOG = 'test'
const SLOT = 'holdfast_v'

/** Two databases, the state of a mirror between them, and somebody who applies one transaction at a time. */
export interface TwoEnds {
  readonly source: TestDatabase
  readonly target: TestDatabase
  /** Applies everything that is committed now, or only so many transactions. */
  feed(transactions?: number): Promise<number>
  /** Copies a table as it is now; the target otherwise stays where it is. */
  copyNow(table: string): Promise<void>
  /** Moves the mirror's slot to where the target stands. */
  acknowledge(): Promise<void>
  verify(options?: Partial<CompareOptions>, urls?: Urls, stop?: AbortSignal): Promise<Verification>
  /** The names of slots at the source. */
  slots(): Promise<string[]>
}

/** Other ways to the same databases. */
export interface Urls {
  readonly source?: string
  readonly target?: string
}

export interface Setup {
  readonly source: Major | PostgresServer
  readonly target: Major | PostgresServer
  /** Run at both ends. */
  readonly ddl: string
  /** Run at the source alone, before its tables are published. */
  readonly sourceOnly?: string
  /** Put behind CREATE DATABASE at the source. */
  readonly sourceDatabase?: string
  /** What the publication publishes, when not everything. */
  readonly publish?: string
  /** Bytes of changes that a verification may hold. */
  readonly limit?: number
  readonly modes?: Readonly<Record<string, TableMode>>
  /** Compared in this form, although both ends know better ones. */
  readonly form?: 'values'
}

export async function twoEnds(t: TestContext, setup: Setup): Promise<TwoEnds> {
  const suffix = `${process.pid}_${Math.random().toString(36).slice(2, 8)}`
  const slot = `${SLOT}_${suffix}`
  const source = await database(t, setup.source, { how: setup.sourceDatabase ?? '' })
  const target = await database(t, setup.target)
  await source.query(setup.ddl)
  await target.query(setup.ddl)
  if (setup.sourceOnly !== undefined) await source.query(setup.sourceOnly)
  const tables = await tablesOf(source)
  const publish = setup.publish === undefined ? '' : ` with (publish = '${setup.publish}')`
  await source.query(`create publication v for all tables${publish}`)
  await source.query(`select pg_create_logical_replication_slot('${slot}', 'pgoutput')`)
  await source.query(`select pg_copy_logical_replication_slot('${slot}', '${slot}_feed')`)
  const [start] = await source.query(
    `select confirmed_flush_lsn as lsn from pg_replication_slots where slot_name = '${slot}'`,
  )
  await writeState(target, tables, { start: start?.['lsn'] ?? '', modes: setup.modes ?? {} })
  const feeder = new Feeder(source, target, { tables, slot: `${slot}_feed` })
  return {
    source,
    target,
    feed: (transactions) => feeder.feed(transactions ?? null),
    verify: (options, urls = {}, stop = new AbortController().signal) =>
      compareEnds(
        {
          compare: comparePositions,
          openTarget: () =>
            openTargetReader({
              endpoint: parseUrl(urls.target ?? target.url, 'target'),
              mirror: MIRROR,
            }),
          openSource: async (wanted, signal) => {
            const reader = await openSourceReader(
              {
                endpoint: parseUrl(urls.source ?? source.url, 'source'),
                mirror: MIRROR,
                tables: wanted,
                slot,
                publications: ['v'],
                log: LOG,
                ...(setup.limit === undefined ? {} : { limit: setup.limit }),
              },
              signal,
            )
            return setup.form === undefined ? reader : inForm(reader, setup.form)
          },
        },
        { ...compareDefaults, ...options },
        stop,
      ),
    async copyNow(table) {
      const [now] = await source.query('select pg_current_wal_insert_lsn() as lsn')
      const rows = await source.query(`select to_json(r) as row from ${quoted(table)} r`)
      for (const { row } of rows) {
        const sql = `insert into ${quoted(table)} select * from json_populate_record(null::${quoted(table)}, $1)`
        await target.query(sql, [row])
      }
      const at = positionsAt(LOG, lsn(now?.['lsn'] ?? '')).get(LANE)
      const start = { [LANE]: { log: LOG, order: at?.order.toString(), token: at?.token } }
      await target.query('update _holdfast.tables set start = $1 where name = $2', [
        JSON.stringify(start),
        table,
      ])
    },
    async acknowledge() {
      const [row] = await target.query('select token from _holdfast.lanes')
      await source.query('select pg_replication_slot_advance($1, $2)', [slot, row?.['token']])
    },
    async slots() {
      const rows = await source.query(
        'select slot_name as name from pg_replication_slots where database = current_database()',
      )
      return rows.map((row) => (row['name'] ?? '').replace(slot, 'slot')).sort()
    },
  }
}

/** A reader that knows one form only. */
function inForm(reader: SourceReader, form: string): SourceReader {
  const describe = reader.describe.bind(reader)
  reader.describe = async (tables) => {
    const all = await describe(tables)
    return all.map((one) => ({
      ...one,
      forms: one.forms.map((forms) => forms.filter((name) => name === form)),
    }))
  }
  return reader
}

/** Tables of schema public as the mirror would know them. */
async function tablesOf(db: TestDatabase): Promise<Table[]> {
  const rows = await db.query(`
    select c.oid, c.relname as name, c.relreplident as identity,
      json_agg(json_build_object('name', a.attname, 'native', format_type(atttypid, atttypmod),
        'nullable', not attnotnull) order by attnum) as columns,
      (select array_to_json(i.indkey::int2[]) from pg_index i
       where i.indrelid = c.oid and i.indisprimary) as key
    from pg_class c join pg_attribute a on attrelid = c.oid and attnum > 0 and not attisdropped
    where relkind = 'r' and relnamespace = 'public'::regnamespace group by c.oid order by c.relname`)
  return rows.map((row) => {
    const columns = JSON.parse(row['columns'] ?? '[]') as Table['columns']
    const key = JSON.parse(row['key'] ?? 'null') as number[] | null
    return {
      id: row['oid'] ?? '',
      schema: 'public',
      name: row['name'] ?? '',
      columns: columns.map((column) => ({
        ...column,
        type: { kind: column.native === 'bytea' ? 'bytes' : 'text' },
      })),
      identity:
        key !== null
          ? { by: 'key', columns: key.map((number) => number - 1) }
          : { by: row['identity'] === 'f' ? 'row' : 'none' },
      version: '1',
    }
  })
}

async function writeState(
  target: TestDatabase,
  tables: readonly Table[],
  about: { readonly start: string; readonly modes: Readonly<Record<string, TableMode>> },
): Promise<void> {
  await target.query(createState)
  await target.query('insert into _holdfast.mirrors (name) values ($1)', [MIRROR])
  const at = positionsAt(LOG, lsn(about.start)).get(LANE)
  await target.query(
    'insert into _holdfast.lanes (mirror, lane, epoch, log, "order", token) values ($1,$2,1,$3,$4,$5)',
    [MIRROR, LANE, LOG, at?.order.toString(), at?.token],
  )
  for (const [number, table] of tables.entries()) {
    const mode = about.modes[table.name] ?? (table.identity.by === 'none' ? 'append' : 'exact')
    await target.query(
      `insert into _holdfast.tables (mirror, id, number, definition, schema, name, mode, state)
       values ($1, $2, $3, $4, $5, $6, $7, 'copied')`,
      [MIRROR, table.id, number, JSON.stringify(table), table.schema, table.name, mode],
    )
  }
}

function lsn(text: string): bigint {
  const [high = '0', low = '0'] = text.split('/')
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`)
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

type Value = string | null | undefined

function valuesOf(tuple: Tuple): Value[] {
  return Array.from({ length: tuple.readUInt16BE(0) }, (_, i) => {
    const { kind, bytes } = cell(tuple, i)
    return kind === TEXT ? bytes.toString() : kind === UNCHANGED ? undefined : null
  })
}

/** Applies transactions by plain statements, one row at a time. */
class Feeder {
  readonly #source: TestDatabase
  readonly #target: TestDatabase
  readonly #slot: string
  readonly #tables: ReadonlyMap<string, Table>

  constructor(
    source: TestDatabase,
    target: TestDatabase,
    about: { readonly tables: readonly Table[]; readonly slot: string },
  ) {
    this.#source = source
    this.#target = target
    this.#slot = about.slot
    this.#tables = new Map(about.tables.map((table) => [table.id, table]))
  }

  async feed(transactions: number | null): Promise<number> {
    let done = 0
    while (transactions === null || done < transactions) {
      const rows = await this.#source.query(
        `select data from pg_logical_slot_get_binary_changes($1, null, $2,
         'proto_version', '1', 'publication_names', 'v')`,
        [this.#slot, transactions === null ? 5000 : 1],
      )
      const applied = await this.#apply(rows.map((row) => row['data'] ?? ''))
      if (applied === 0) break
      done += applied
    }
    return done
  }

  async #apply(messages: readonly string[]): Promise<number> {
    const decoder = new Decoder()
    const { query } = this.#target
    let commits = 0
    for (const hex of messages) {
      const message = decoder.decode(Buffer.from(hex.slice(2), 'hex'))
      if (message.kind === 'begin') await query('begin; set datestyle = iso')
      else if (message.kind === 'commit') {
        const at = positionsAt(LOG, endLsnOf(message)).get(LANE)
        await query('update _holdfast.lanes set "order" = $1, token = $2', [
          at?.order.toString(),
          at?.token,
        ])
        await query('commit')
        commits++
      } else if (message.kind === 'truncate') {
        const names = message.relations.map((id) => this.#table(id).name)
        await query(`truncate ${names.map(quoted).join(', ')}`)
      } else if ('relation' in message) {
        const [row, old] = [rowIn(message), oldIn(message)]
        await this.#row(this.#table(message.relation), message.kind, { row, old })
      }
    }
    return commits
  }

  #table(id: number): Table {
    const table = this.#tables.get(String(id))
    if (table === undefined) throw new Error(`no table ${id}`)
    return table
  }

  async #row(
    table: Table,
    kind: 'insert' | 'update' | 'delete',
    change: { readonly row: Tuple | null; readonly old: Tuple | null },
  ): Promise<void> {
    const names = table.columns.map(({ name }) => quoted(name))
    const row = change.row === null ? [] : valuesOf(change.row)
    const old = change.old === null ? row : valuesOf(change.old)
    const name = quoted(table.name)
    if (kind === 'insert') {
      const places = names.map((_, i) => `$${i + 1}`).join(', ')
      const sql = `insert into ${name} (${names.join(', ')}) overriding system value values (${places})`
      await this.#target.query(sql, row)
      return
    }
    const params: Value[] = []
    const place = (value: Value): string => `$${params.push(value)}`
    const { identity } = table
    const finders = identity.by === 'key' ? identity.columns : names.map((_, i) => i)
    const where = finders
      .map((i) => `${names[i]} is not distinct from ${place(old[i])}::${table.columns[i]?.native}`)
      .join(' and ')
    const which = `ctid = (select ctid from ${name} where ${where} limit 1)`
    const set = names.flatMap((column, i) =>
      row[i] === undefined ? [] : [`${column} = ${place(row[i])}`],
    )
    const sql =
      kind === 'delete'
        ? `delete from ${name} where ${which}`
        : `update ${name} set ${set.join(', ')} where ${which}`
    await this.#target.query(sql, params)
  }
}

export function tableNamed(result: Verification, name: string): TableVerification {
  const found = result.tables.find(({ table }) => table === `public.${name}`)
  if (found === undefined) throw new Error(`no table ${name} in the verification`)
  return found
}

/** `kind key` of every difference, sorted. */
export function differences(table: TableVerification): string[] {
  return table.differences
    .map(({ kind, key, columns, rows }) => {
      const who = key === null ? `×${rows}` : Object.values(key).join(',')
      return `${kind} ${who}${columns === null ? '' : ` [${columns.join(',')}]`}`
    })
    .sort()
}
