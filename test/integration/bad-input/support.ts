import assert from 'node:assert/strict'
import { appendFileSync, chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { monotonic } from '../../../src/async/clock.ts'
import { holdfast } from '../../../testkit/child.ts'
import { contents } from '../../../testkit/contents.ts'
import {
  database,
  openSession,
  type PostgresServer,
  postgres,
  type TestDatabase,
} from '../../../testkit/servers/index.ts'
import { giveToServer } from '../../../testkit/servers/machine.ts'
import type { Certificate } from '../../../testkit/tls.ts'

/** Two databases between which a mirror would work. */
export interface Pair {
  readonly source: TestDatabase
  readonly target: TestDatabase
  /** `--source URL --target URL`. */
  readonly ends: readonly string[]
}

type Server = Parameters<typeof database>[1]

export async function pair(t: TestContext, at: Server = 18, to: Server = 18): Promise<Pair> {
  const source = await database(t, at)
  const target = await database(t, to)
  await source.query('create table item (id int primary key, name text not null)')
  await source.query("insert into item values (1, 'one'), (2, 'two')")
  return { source, target, ends: ['--source', source.url, '--target', target.url] }
}

/** An empty folder, removed after the test. */
export function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bad-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

/** The URL of a database as a new role with these attributes and grants. */
export async function as(
  t: TestContext,
  db: TestDatabase,
  attributes: string,
  grants: readonly string[] = [],
): Promise<string> {
  const role = `role_${db.name}`
  await db.query(`create role ${role} ${attributes}`)
  t.after(async () => {
    await using admin = await openSession(db.server.url())
    await admin.query(`drop owned by ${role}; drop role ${role}`)
  })
  for (const grant of grants) await db.query(`${grant} ${role}`)
  const url = new URL(db.url)
  url.username = role
  return url.href
}

/** A server that takes connections with and without TLS, and shows this certificate. */
export async function secured(from: Certificate): Promise<PostgresServer> {
  const server = await postgres(18, { settings: {} })
  for (const [path, name] of [
    [from.certificate, 'server.crt'],
    [from.key, 'server.key'],
  ] as const) {
    const at = join(server.dataDirectory, name)
    copyFileSync(path, at)
    chmodSync(at, 0o600)
    giveToServer(at)
  }
  appendFileSync(join(server.dataDirectory, 'postgresql.conf'), 'ssl = on\n')
  await server.restart('fast')
  return server
}

const objects = `
select 'schema' as kind, nspname::text as name, '' as more from pg_namespace
union all select 'class', oid::regclass::text, concat(relkind, relfilenode, relreplident) from pg_class
  where relnamespace <> 'pg_catalog'::regnamespace and relnamespace <> 'pg_toast'::regnamespace
union all select 'function', oid::regprocedure::text, '' from pg_proc
  where pronamespace <> 'pg_catalog'::regnamespace
union all select 'publication', pubname::text, '' from pg_publication
union all select 'slot', slot_name::text, '' from pg_replication_slots
  where database = current_database()
union all select 'role', rolname::text, '' from pg_roles
union all select 'setting', setrole::text, setconfig::text from pg_db_role_setting
  where setdatabase = (select oid from pg_database where datname = current_database())
order by 1, 2, 3`

/** Everything of a database that a command could have changed. */
export async function stateOf(db: TestDatabase): Promise<unknown> {
  return { objects: await db.query(objects), rows: [...(await contents(db))] }
}

export interface Refusal {
  /** Databases that are to be as they were. */
  readonly untouched: readonly TestDatabase[]
  readonly words: readonly string[]
  readonly code: string
  readonly exit: number
  /** What the person must be told. */
  readonly says: RegExp
  readonly env?: Readonly<Record<string, string>>
  /** Milliseconds that the answer may take; a start of Node included. */
  readonly within?: number
}

/** Runs a command that must be refused by name, in time, without a trace in any database. */
export async function refused(t: TestContext, refusal: Refusal): Promise<string> {
  const { untouched, words, code, exit, says, env = {}, within = 5000 } = refusal
  const cwd = scratch(t)
  const before = await Promise.all(untouched.map(stateOf))
  const began = monotonic()
  await using child = holdfast(words, { cwd, env })
  const ended = await child.end({ within: within + 30_000 })
  const took = monotonic() - began
  const told = child.stderr.join('\n')
  assert.match(told, new RegExp(`${code} `), told)
  assert.equal(ended.code, exit, told)
  assert.match(told, says)
  assert.match(told, /not lost {3}\S/)
  assert.match(told, /\n {2}you {8}\S/)
  assert.doesNotMatch(told, /\n\s+at \S+ \(|hunter2/)
  assert.deepEqual(await Promise.all(untouched.map(stateOf)), before)
  if (took > within) t.diagnostic(`answered after ${Math.round(took)} ms, wanted ${within} ms`)
  return told
}
