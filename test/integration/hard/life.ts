import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Child, holdfast } from '../../../testkit/child.ts'
import { assertSameContents, contents } from '../../../testkit/contents.ts'
import { database, type TestDatabase } from '../../../testkit/servers/index.ts'

type Where = Parameters<typeof database>[1]

/** Two databases and the command that mirrors one to the other. */
export interface Life {
  readonly source: TestDatabase
  readonly target: TestDatabase
  /** The mirror's name, and its slot's. */
  readonly name: string
  readonly slot: string
  readonly ends: readonly string[]
  /** Starts `run`; `flags` come last, so that they can name other ends. */
  run(...flags: string[]): Child
  /** The same with variables of the environment. */
  runWith(env: Readonly<Record<string, string>>, ...flags: string[]): Child
  /** Starts any command in the folder of the test. */
  start(...words: string[]): Child
  /** Runs until the target holds all that the source has now, and compares. */
  catchUp(...flags: string[]): Promise<Child>
}

export interface LifeOptions {
  readonly source: Where
  readonly target: Where
}

/** A table `item` with a few rows at the source, nothing at the target. */
export async function life(t: TestContext, options: LifeOptions): Promise<Life> {
  const cwd = mkdtempSync(join(tmpdir(), 'holdfast-hard-'))
  t.after(() => rmSync(cwd, { recursive: true }))
  const source = await database(t, options.source)
  const target = await database(t, options.target)
  await source.query('create table item (id int primary key, name text not null)')
  await source.query("insert into item select i, 'item ' || i from generate_series(1, 50) i")
  const name = source.name
  const ends = ['--source', source.url, '--target', target.url]
  const startWith = (env: Readonly<Record<string, string>>, words: readonly string[]): Child => {
    const child = holdfast(words, { cwd, env })
    t.after(() => child[Symbol.asyncDispose]())
    return child
  }
  const runWith: Life['runWith'] = (env, ...flags) =>
    startWith(env, ['run', '--name', name, ...ends, ...flags])
  const run = (...flags: string[]): Child => runWith({}, ...flags)
  const start = (...words: string[]): Child => startWith({}, words)
  const catchUp = async (...flags: string[]): Promise<Child> => {
    const child = run('--until', 'caught-up', ...flags)
    const { code } = await child.end()
    assert.equal(code, 0, child.lines.join('\n'))
    await assertSameContents(source, target)
    return child
  }
  return { source, target, name, slot: `holdfast_${name}`, ends, run, runWith, start, catchUp }
}

/** The mirror ends by itself with this code, and leaves the target as it is. */
export async function halts(
  one: Pick<Life, 'target' | 'run'>,
  code: string,
  options: { readonly flags?: readonly string[]; readonly says?: RegExp } = {},
): Promise<string> {
  const before = await contents(one.target)
  const child = one.run(...(options.flags ?? []))
  const ended = await child.end()
  const told = child.stderr.join('\n')
  assert.match(told, new RegExp(`${code} `), told)
  assert.ok(ended.code !== 0 && ended.signal === null, told)
  assert.match(told, options.says ?? /./)
  assert.match(told, /not lost {3}\S/)
  assert.match(told, /\n {2}you {8}\S/)
  assert.deepEqual([...(await contents(one.target))], [...before])
  return told
}

/** Log of the server, in pieces that a small limit would throw away. */
export async function writeLog(db: Pick<TestDatabase, 'query'>, segments: number): Promise<void> {
  for (let i = 0; i < segments; i++) {
    await db.query("select pg_logical_emit_message(false, 'filler', 'x'); select pg_switch_wal()")
  }
  await db.query('checkpoint')
}

/** Rows of the target's `item`. */
export async function countAt(db: TestDatabase): Promise<number> {
  const [row] = await db.query('select count(*) as n from item')
  return Number(row?.n)
}
