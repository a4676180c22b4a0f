import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { holdfast } from '../../testkit/child.ts'
import { assertSameContents } from '../../testkit/contents.ts'
import { database, openSession, type TestDatabase } from '../../testkit/servers/index.ts'
import { rich18, richChanges, richRows, richSchema } from './target/postgres/rich.ts'

/** The database as a role of its own that may do nothing yet. */
async function asRole(t: TestContext, db: TestDatabase): Promise<string> {
  const role = `role_${db.name}`
  await db.query(`create role ${role} login`)
  t.after(async () => {
    await using admin = await openSession(db.server.url())
    await admin.query(`drop owned by ${role}; drop role ${role}`)
  })
  const url = new URL(db.url)
  url.username = role
  return url.href
}

interface Stage {
  readonly source: TestDatabase
  readonly target: TestDatabase
  run(
    ...words: string[]
  ): Promise<{ readonly code: number | null; readonly out: string; readonly sql: string }>
}

async function stage(t: TestContext, from: 14 | 16 | 18, to: 14 | 18): Promise<Stage> {
  const [source, target] = [await database(t, from), await database(t, to)]
  const cwd = mkdtempSync(join(tmpdir(), 'holdfast-rights-'))
  t.after(() => rmSync(cwd, { recursive: true }))
  const ends = ['--source', await asRole(t, source), '--target', await asRole(t, target)]
  return {
    source,
    target,
    async run(verb = '', ...words) {
      await using child = holdfast([verb, ...ends, '--name', target.name, ...words], { cwd })
      const { code } = await child.end()
      return { code, out: child.lines.join('\n'), sql: child.stdout.join('\n') }
    },
  }
}

/** Where sequences stand, and the names of all keys, indexes and foreign keys. */
async function shapeOf(db: TestDatabase): Promise<unknown> {
  return await db.query(`
    select schemaname || '.' || sequencename as name, last_value::text as is from pg_sequences
    union all select conrelid::regclass || '.' || conname, contype::text || convalidated
    from pg_constraint where contype in ('p', 'u', 'f') and conparentid = 0
      and connamespace::regnamespace::text not in ('pg_catalog', '_holdfast')
    union all select indexrelid::regclass::text, indisvalid::text from pg_index
    where indrelid::regclass::text like 'shop.%' order by 1`)
}

/** Runs what `check --sql` prints, each part as the one that it is for, until nothing is left. */
async function mend({ source, target, run }: Stage): Promise<number> {
  for (let rounds = 0; rounds < 4; rounds++) {
    if ((await run('check')).code === 0) return rounds
    const { sql } = await run('check', '--sql')
    const parts = sql.split(/^(?=-- At the )/m)
    for (const part of parts.filter((one) => one.startsWith('-- At the source'))) {
      await source.query(part)
    }
    for (const part of parts.filter((one) => one.startsWith('-- At the target'))) {
      await target.query(part)
    }
  }
  assert.fail((await run('check')).out)
}

for (const [from, to] of [
  [14, 18],
  [18, 14],
  [16, 18],
] as const) {
  test(`roles with the rights that the script grants mirror a rich schema, ${from} to ${to}`, async (t) => {
    const on = await stage(t, from, to)
    const { source, target } = on
    await source.query(richSchema + (from >= 18 ? rich18 : ''))
    await source.query('drop table shop.scratch; drop view shop.seen')
    await source.query(richRows)
    assert.ok((await mend(on)) > 0)
    const first = await on.run('run', '--until', 'caught-up')
    assert.equal(first.code, 0, first.out)
    await assertSameContents(source, target)
    await source.query(richChanges)
    const second = await on.run('run', '--until', 'caught-up')
    assert.equal(second.code, 0, second.out)
    await assertSameContents(source, target)
    const verified = await on.run('verify')
    assert.equal(verified.code, 0, verified.out)
    assert.deepEqual(await shapeOf(target), await shapeOf(source))
  })
}
