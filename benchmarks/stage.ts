import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Child, holdfast, startChild } from '../testkit/child.ts'
import { openSession, type TestSession } from '../testkit/servers/index.ts'
import type { Pair } from './machine.ts'
import type { Workload } from './workload/workload.ts'

/** What is measured is the product as it is packed: compiled, below the checkout's packages. */
const product = fileURLToPath(new URL('../.holdfast/bench/', import.meta.url))

export async function build(): Promise<void> {
  const root = fileURLToPath(new URL('../', import.meta.url))
  await rm(product, { recursive: true, force: true })
  await mkdir(product, { recursive: true })
  for (const part of ['bin', 'package.json']) {
    await cp(join(root, part), join(product, part), { recursive: true })
  }
  const compiler = join(root, 'node_modules/.bin/tsc')
  const to = ['-p', 'tsconfig.build.json', '--declaration', 'false', '--outDir', `${product}dist`]
  await using child = startChild(compiler, to, { cwd: root })
  const { code } = await child.end({ within: PATIENCE })
  assert.equal(code, 0, child.lines.join('\n'))
}

/** A program of this folder over the compiled product; with types it would take 30 MB more. */
export function formScript(): string {
  const text = readFileSync(new URL('form.ts', import.meta.url), 'utf8')
  const script = stripTypeScriptTypes(text)
  mkdirSync(`${product}benchmarks`, { recursive: true })
  const made = `${product}benchmarks/form.js`
  writeFileSync(made, script.replaceAll(/'\.\.\/src\/(.*)\.ts'/g, "'../dist/$1.js'"))
  return made
}

/** Starts the product; HOLDFAST_BENCH_NODE holds options for its Node, such as --cpu-prof. */
export function start(args: readonly string[], cwd: string): Child {
  const env = { NODE_OPTIONS: process.env['HOLDFAST_BENCH_NODE'] ?? '' }
  return holdfast(args, { cwd, env, program: `${product}bin/holdfast.js` })
}

/** The name of the mirror, and so of the database, slot and publications of what is measured. */
export const NAME = 'bench'
export const SLOT = `holdfast_${NAME}`
const BASE = 'base'
/** The last row of a backlog, for which both contestants are waited for. */
const MARKER = 'bench_marker'

export const PATIENCE = 900_000

/** One workload's database at the source, and the state at the target that every run begins with. */
export interface Stage extends AsyncDisposable {
  readonly pair: Pair
  readonly workload: Workload
  readonly publications: readonly string[]
  /** A folder for what the mirror writes. */
  readonly folder: string
  readonly admin: { readonly source: TestSession; readonly target: TestSession }
  readonly source: TestSession
  /** Bytes of log that the backlog made. */
  readonly logBytes: number
  readonly expected: string
}

/**
 * Makes the first rows, mirrors them once, and then makes the backlog behind a slot; `prepare` is
 * done between both.
 */
export async function setStage(
  pair: Pair,
  workload: Workload,
  prepare: () => Promise<void> = async () => undefined,
): Promise<Stage> {
  const admin = {
    source: await openSession(pair.source.url()),
    target: await openSession(pair.target.url()),
  }
  await admin.source.query(`create database ${NAME}`)
  await admin.target.query('create database template')
  const source = await openSession(pair.source.url(NAME))
  for (const sql of workload.seed) await source.query(sql)
  await source.query(`create table ${MARKER} (id int primary key)`)
  await source.query('vacuum analyze')
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
  await mirrorOnce(pair, 'template', folder)
  await analyze(pair)
  const copy = `select pg_copy_logical_replication_slot('${SLOT}', '${BASE}')`
  await source.query(`${copy}; select pg_drop_replication_slot('${SLOT}')`)
  await prepare()
  const before = await position(source)
  await generate(pair, workload)
  await source.query(`insert into ${MARKER} values (1); checkpoint`)
  const logBytes = Number((await position(source)) - before)
  const rows = await source.query(
    `select pubname from pg_publication where pubname like 'holdfast%' order by 1`,
  )
  const publications = rows.map((row) => row['pubname'] ?? '')
  const expected = await contents(source, workload.tables)
  const made = { pair, workload, publications, folder, admin, source, logBytes, expected }
  return { ...made, [Symbol.asyncDispose]: () => clear(made) }
}

async function clear({ admin, source, folder }: Omit<Stage, keyof AsyncDisposable>): Promise<void> {
  await dropSlot(admin.source, BASE)
  await source.close()
  await admin.source.query(`drop database ${NAME} with (force)`)
  await admin.target.query('drop database template with (force)')
  await Promise.all([admin.source.close(), admin.target.close()])
  await rm(folder, { recursive: true, force: true })
}

async function mirrorOnce(pair: Pair, into: string, cwd: string): Promise<void> {
  const how = ['--until', 'caught-up', '--keyless', 'append']
  await using child = start([...runOf(pair, into), ...how], cwd)
  const { code } = await child.end({ within: PATIENCE })
  assert.equal(code, 0, child.lines.join('\n'))
}

/** The command that mirrors into a database of the target. */
export function runOf(pair: Pair, into: string): string[] {
  const ends = ['--source', pair.source.url(NAME), '--target', pair.target.url(into)]
  return ['run', ...ends, '--name', NAME]
}

async function analyze(pair: Pair): Promise<void> {
  await using session = await openSession(pair.target.url('template'))
  await session.query('vacuum analyze')
  await session.query('checkpoint')
}

async function position(session: TestSession): Promise<bigint> {
  const [row] = await session.query(`select (pg_current_wal_lsn() - '0/0'::pg_lsn)::text as at`)
  return BigInt(row?.['at'] ?? 0)
}

/** The log is the same without waiting for each commit. */
async function generate(pair: Pair, { generate: lists }: Workload): Promise<void> {
  for (const list of lists) {
    await Promise.all(
      list.map(async (sql) => {
        await using session = await openSession(pair.source.url(NAME))
        await session.query('set synchronous_commit = off')
        await session.query(sql)
      }),
    )
  }
}

/** Count and sum of the rows' hashes of each table, which depend on every byte of their text. */
export async function contents(session: TestSession, tables: readonly string[]): Promise<string> {
  const sums: string[] = []
  for (const table of tables) {
    const [row] = await session.query(
      `select count(*) as n, coalesce(sum(hashtextextended(t::text, 0)), 0) as sum
       from public.${table} t`,
    )
    sums.push(`${table} ${row?.['n']} ${row?.['sum']}`)
  }
  return sums.join(', ')
}

export async function assertContents(
  { workload, expected }: Stage,
  target: TestSession,
  what: string,
): Promise<void> {
  assert.equal(await contents(target, workload.tables), expected, what)
}

/** Takes away what the product left at the source. */
export async function clearSource(source: TestSession): Promise<void> {
  await dropSlot(source, SLOT)
  const rows = await source.query(
    `select quote_ident(pubname) as name from pg_publication where pubname like 'holdfast%'`,
  )
  for (const { name } of rows) await source.query(`drop publication ${name}`)
}

/** The slot and the target as every run finds them; returns the target's database. */
export async function reset({ admin, source }: Stage, slot: string): Promise<string> {
  await source.query(`select pg_copy_logical_replication_slot('${BASE}', '${slot}')`)
  await admin.target.query('drop database if exists run with (force)')
  await admin.target.query('create database run template template strategy file_copy')
  await admin.target.query('checkpoint')
  await admin.source.query('checkpoint')
  return 'run'
}

export async function dropSlot(session: TestSession, slot: string): Promise<void> {
  const name = `slot_name = '${slot}'`
  await session.query(
    `select pg_terminate_backend(active_pid) from pg_replication_slots where ${name}`,
  )
  await untilTrue(
    session,
    `select not exists (select from pg_replication_slots where ${name} and active)`,
  )
  await session.query(
    `select pg_drop_replication_slot(slot_name) from pg_replication_slots where ${name}`,
  )
}

const LOOK = 5

/** Waits inside the server, so that looking costs the contestants little. */
export async function untilTrue(session: TestSession, condition: string): Promise<void> {
  await session.query(`do $$ begin
    while not (${condition}) loop
      perform pg_sleep(${LOOK / 1000});
      commit;
    end loop; end $$`)
}

export async function untilMarked(session: TestSession): Promise<void> {
  await untilTrue(session, `select exists (select from public.${MARKER})`)
}

/** Waits until the product's first copy stands with its keys and indexes. */
export async function untilFinished(session: TestSession): Promise<void> {
  await untilTrue(session, `to_regclass('_holdfast.mirrors') is not null`)
  await untilTrue(session, 'exists (select from _holdfast.mirrors where finished)')
}
