import type { TestContext } from 'node:test'
import { sleep } from '../../src/async/clock.ts'
import { parseUrl } from '../../src/config/url.ts'
import { ident, literal } from '../../src/dialect/postgres/quote.ts'
import type { Endpoint } from '../../src/model/endpoint.ts'
import { openPostgresSource } from '../../src/source/postgres/index.ts'
import type { Source } from '../../src/source/source.ts'
import { database, type Major, type TestDatabase } from '../../testkit/servers/index.ts'
import type { SourceStand } from './source.ts'
import type { Contents, Named, Write, Writer } from './writes.ts'

export const endpointOf = (db: TestDatabase): Endpoint => parseUrl(db.url, 'the test')

/** Slots are the server's, so that each database has a mirror of its own name. */
export const mirrorOf = (db: TestDatabase): string =>
  db.name.replaceAll(/[^a-z0-9_]/g, '_').slice(-40)

const tables = `
create table plain (id text primary key, a text);
create table wide (a text, id text primary key, big text);
alter table wide alter big set storage external;
create table loose (a text, b text);
alter table loose replica identity full;
create table aside (id text primary key)`

/** Seconds after which the server ends a reader that says nothing. */
const PATIENCE = 2

export async function postgresStand(
  t: TestContext,
  major: Major,
): Promise<SourceStand & { readonly db: TestDatabase }> {
  const db = await database(t, major)
  await db.query(tables)
  await db.query(`alter database ${ident(db.name)} set wal_sender_timeout = '${PATIENCE}s'`)
  return {
    db,
    many: 150,
    open: async () => sourceOf(t, db),
    begin: () => begin(db),
    contents: () => contentsIn(db),
    silence: () => sleep(PATIENCE * 2000),
  }
}

async function sourceOf(t: TestContext, db: TestDatabase): Promise<Source> {
  const source = await openPostgresSource({
    endpoint: endpointOf(db),
    mirror: mirrorOf(db),
    selection: { include: [], exclude: ['public.aside'], keyless: 'refuse' },
  })
  t.after(() => source[Symbol.asyncDispose]())
  return source
}

async function begin(db: TestDatabase): Promise<Writer> {
  const session = await db.session()
  await session.query(`set logical_decoding_work_mem = '64kB'`)
  await session.query('begin')
  let saved = false
  const end = async (how: string): Promise<void> => {
    await session.query(how)
    await session.close()
  }
  return {
    commit: () => end('commit'),
    rollback: () => end('rollback'),
    write: async (...writes) => {
      for (const write of writes) {
        const release = saved ? 'release savepoint s;' : ''
        if (write.kind === 'savepoint') await session.query(`${release} savepoint s`)
        else if (write.kind === 'release') await session.query(release)
        else if (write.kind === 'undo') await session.query(`rollback to savepoint s; ${release}`)
        else await session.query(sqlOf(write))
        if (write.kind === 'savepoint') saved = true
        else if (write.kind === 'release' || write.kind === 'undo') saved = false
      }
    },
  }
}

const value = (cell: string | null): string => (cell === null ? 'null' : literal(cell))

function rowOf(table: string, find: Named): string {
  const where = Object.entries(find)
    .map(([name, cell]) => `${ident(name)} is not distinct from ${value(cell)}`)
    .join(' and ')
  return `ctid = (select ctid from ${ident(table)} where ${where} limit 1)`
}

function sqlOf(write: Write): string {
  switch (write.kind) {
    case 'insert':
      return `insert into ${ident(write.table)} values (${write.row.map(value).join(', ')})`
    case 'update': {
      const set = Object.entries(write.set).map(([name, cell]) => `${ident(name)} = ${value(cell)}`)
      return `update ${ident(write.table)} set ${set.join(', ')} where ${rowOf(write.table, write.find)}`
    }
    case 'delete':
      return `delete from ${ident(write.table)} where ${rowOf(write.table, write.find)}`
    case 'truncate':
      return `truncate ${write.tables.map(ident).join(', ')}`
    case 'column':
      return `alter table ${ident(write.table)} add column ${ident(write.name)} text`
    default:
      throw new Error(`${write.kind} is no statement of its own`)
  }
}

/** Rows by table name, as `contentsOf` of the memory database tells them. */
export async function contentsIn(db: TestDatabase): Promise<Contents> {
  const found = await db.query(
    `select relname as name from pg_class
     where relkind = 'r' and relnamespace = 'public'::regnamespace order by relname collate "C"`,
  )
  const all = new Map<string, readonly string[]>()
  for (const { name } of found) {
    if (name == null) continue
    const columns = await db.query(
      `select attname as name from pg_attribute
       where attrelid = ${literal(`public.${ident(name)}`)}::regclass and attnum > 0 order by attnum`,
    )
    const rows = await db.query(`select * from ${ident(name)}`)
    const cells = rows.map((row) =>
      JSON.stringify(columns.map((column) => row[column['name'] ?? ''] ?? null)),
    )
    all.set(name, cells.sort())
  }
  return all
}
