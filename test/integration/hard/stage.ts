import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Child, holdfast } from '../../../testkit/child.ts'
import { assertSameContents } from '../../../testkit/contents.ts'
import { eventually } from '../../../testkit/eventually.ts'
import {
  database,
  type Major,
  openSession,
  type PostgresServer,
  type TestDatabase,
} from '../../../testkit/servers/index.ts'

/** The oldest server and the newest. */
export const bothMajors = [14, 18] as const satisfies readonly Major[]

export interface StageOptions {
  /** What stands at the source before the mirror. */
  readonly sql: string
  /** What stands at the target before the mirror. */
  readonly atTarget?: string
  /** Servers of one's own instead of the shared ones of the major. */
  readonly sourceIn?: PostgresServer
  readonly targetIn?: PostgresServer
  /** Addresses that the mirror is given, made from the real ones. */
  readonly through?: {
    readonly source?: (url: string) => string
    readonly target?: (url: string) => string
  }
  /** Sections of the mirror in its configuration file. */
  readonly tables?: Readonly<Record<string, unknown>>
  readonly apply?: Readonly<Record<string, unknown>>
  readonly copy?: Readonly<Record<string, unknown>>
  readonly onExisting?: 'refuse' | 'merge' | 'replace'
}

/** Two databases and a mirror between them, run as a person would. */
export interface Stage {
  readonly source: TestDatabase
  readonly target: TestDatabase
  readonly folder: string
  run(flags?: readonly string[], env?: Readonly<Record<string, string>>): Child
  /** Starts `run` and waits until it streams. */
  streaming(): Promise<Child>
  /** `run --until caught-up`, which must end well. */
  caughtUp(): Promise<void>
  /** Waits until everything committed at the source so far is at the target. */
  passed(child?: Child): Promise<void>
  /** As `passed`; then both ends hold the same, by SQL of our own and by `verify`. */
  equal(child?: Child): Promise<void>
  /** `destroy` of the mirror, which must end well. */
  destroy(): Promise<void>
  /** `verify` ends with 0: PASS; with 4: rows differ. */
  verify(code: 0 | 4): Promise<string>
}

const MARKS = 'create table marks (n int primary key)'

/** The end of a run that must halt with this code. */
export async function halted(child: Child, code: string, says = /(?:)/): Promise<string> {
  const { code: exit } = await child.end()
  const told = child.stderr.join('\n')
  assert.match(told, new RegExp(`fail\\s+${code} `), told)
  assert.equal(exit, 1, told)
  assert.match(told, says)
  assert.match(told, /not lost {3}\S/)
  return told
}

/** The same where the refusal comes before anything was begun. */
export async function refused(child: Child, code: string, says: RegExp): Promise<string> {
  const { code: exit } = await child.end()
  const told = child.stderr.join('\n')
  assert.match(told, new RegExp(`fail\\s+${code} `), told)
  assert.equal(exit, 4, told)
  assert.match(told, says)
  return told
}

/** A fresh pair of databases on servers of this major. */
export async function stage(t: TestContext, major: Major, options: StageOptions): Promise<Stage> {
  const source = await database(t, options.sourceIn ?? major)
  const target = await database(t, options.targetIn ?? major)
  await source.query(`${MARKS};\n${options.sql}`)
  if (options.atTarget !== undefined) await target.query(options.atTarget)
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-hard-'))
  const children: Child[] = []
  t.after(async () => {
    for (const child of children) await child[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })
  writeFileSync(join(folder, 'holdfast.yaml'), configuration(options, { source, target }))
  const start = (words: readonly string[], env: Readonly<Record<string, string>> = {}): Child => {
    const child = holdfast(words, { cwd: folder, env })
    children.push(child)
    return child
  }
  const run: Stage['run'] = (flags = [], env = {}) => start(['run', ...flags], env)
  const passed = async (child?: Child): Promise<void> => {
    const [row] = await source.query(
      'insert into marks select coalesce(max(n), 0) + 1 from marks returning n',
    )
    const arrives = eventually(
      `mark ${row?.n} is at the target`,
      async () => {
        const found = await target.query('select 1 from marks where n = $1', [row?.n])
        return found.length > 0
      },
      { within: 60_000 },
    )
    if (child === undefined) return void (await arrives)
    const ended = child.ended.then(() => {
      throw new Error(`the mirror ended:\n${child.lines.join('\n')}`)
    })
    ended.catch(() => undefined)
    arrives.catch(() => undefined)
    await Promise.race([arrives, ended])
  }
  const verify = async (code: 0 | 4): Promise<string> => {
    const child = start(['verify'])
    const end = await child.end()
    assert.equal(end.code, code, child.lines.join('\n'))
    return child.lines.join('\n')
  }
  return {
    source,
    target,
    folder,
    run,
    passed,
    verify,
    async streaming() {
      const child = run()
      await child.line(/streaming: the target is up to date/)
      return child
    },
    async caughtUp() {
      const child = run(['--until', 'caught-up'])
      assert.deepEqual(await child.end(), { code: 0, signal: null }, child.lines.join('\n'))
    },
    async destroy() {
      const child = start(['destroy', '--confirm', 'hard'])
      assert.equal((await child.end()).code, 0, child.lines.join('\n'))
    },
    async equal(child) {
      await passed(child)
      await assertSameContents(source, target)
      await verify(0)
    },
  }
}

/** JSON is YAML. */
function configuration(
  { through, tables, apply, copy, onExisting }: StageOptions,
  { source, target }: { readonly source: TestDatabase; readonly target: TestDatabase },
): string {
  const mirror = {
    name: 'hard',
    source: { url: through?.source?.(source.url) ?? source.url },
    target: {
      url: through?.target?.(target.url) ?? target.url,
      ...(onExisting === undefined ? {} : { on_existing: onExisting }),
    },
    ...(tables === undefined ? {} : { tables }),
    ...(apply === undefined ? {} : { apply }),
    ...(copy === undefined ? {} : { copy }),
  }
  return JSON.stringify({ version: 1, mirrors: [mirror] })
}

/** The rows of a query whose columns have names of their own, each as text. */
export async function rows(db: Pick<TestDatabase, 'query'>, sql: string): Promise<string[]> {
  return (await db.query(sql)).map((row) => Object.values(row).join('|'))
}

/** A role of its own that may make tables in the database; superusers have no limits to show. */
async function asRole(
  t: TestContext,
  db: Pick<TestDatabase, 'name' | 'query' | 'server'>,
): Promise<string> {
  const role = `role_${db.name}`
  await db.query(`create role ${role} login; grant create on database ${db.name} to ${role};
    grant create, usage on schema public to ${role}`)
  t.after(async () => {
    await using admin = await openSession(db.server.url())
    await admin.query(`drop role if exists ${role}`)
  })
  return role
}

/** The mirror enters the target as a role of its own. */
export async function withRole(
  t: TestContext,
  pair: Stage,
): Promise<{ readonly role: string; readonly flags: readonly string[] }> {
  const role = await asRole(t, pair.target)
  const url = new URL(pair.target.url)
  url.username = role
  return { role, flags: ['--source', pair.source.url, '--target', url.href, '--name', 'hard'] }
}
