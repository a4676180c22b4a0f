import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { assertSameContents } from '../../../testkit/contents.ts'
import { bothMajors, halted, rows, stage, withRole } from './stage.ts'

// HARD CASES: what the target no longer takes, or no longer has.

const ITEMS = `
create table items (id int primary key, name text, v int);
insert into items select g, 'item ' || g, g from generate_series(1, 1000) g`

for (const major of bothMajors) {
  describe(`PostgreSQL ${major}`, () => {
    const rules: readonly (readonly [string, string, string])[] = [
      ['a check', 'add constraint stop check (v < 5000)', 'by constraint stop on v'],
      ['a unique key', 'add constraint stop unique (v)', 'by constraint stop on v'],
      ['an exclusion', 'add constraint stop exclude (v with =)', 'by constraint stop on v'],
      ['NOT NULL', 'alter name set not null', 'in column name'],
      ['a length', 'alter name type varchar(12)', ''],
    ]
    test('P78 P79 a row that the target refuses halts the mirror right before its transaction, which is named', async (t) => {
      const pair = await stage(t, major, { sql: ITEMS })
      await pair.caughtUp()
      const end = async (): Promise<string> =>
        (await rows(pair.source, 'select pg_current_wal_insert_lsn()'))[0] ?? ''
      for (const [at, [what, rule, words]] of rules.entries()) {
        const first = 10_000 + at * 1000
        const bad: Readonly<Record<string, string>> = {
          'NOT NULL': `null, ${first}`,
          'a check': `'bad', 9999`,
          'a length': `'bad and too long', 1`,
        }
        await pair.target.query(`alter table items ${rule}`)
        for (let i = 1; i <= 5; i++)
          await pair.source.query(
            `insert into items values (${first - i}, 'before', ${-first - i})`,
          )
        const begun = await end()
        await pair.source.query(`begin; insert into items select g, 'good', g from generate_series(${first}, ${first + 8}) g;
          insert into items values (${first + 9}, ${bad[what] ?? `'bad', ${first}`}); commit`)
        const ended = await end()
        await pair.source.query(`insert into items values (${first + 100}, 'after', ${-first - 7})`)
        const says = new RegExp(
          `refuses a row of public\\.items \\(found by id\\) ?${words}.*SQLSTATE 2[23].*committed at`,
        )
        const told = await halted(pair.run(), 'HF-T205', says)
        assert.doesNotMatch(told, /9999|'bad|too long/, 'a value of a row was told')
        const place = /committed at ([0-9A-F/]+) /.exec(told)?.[1] ?? ''
        assert.deepEqual(
          await rows(pair.source, `select '${place}'::pg_lsn between '${begun}' and '${ended}'`),
          ['t'],
          `${place} is where the transaction committed`,
        )
        const there = `select id from items where id >= ${first - 5} and id < ${first + 900} order by id`
        const before = [5, 4, 3, 2, 1].map((i) => `${first - i}`)
        assert.deepEqual(await rows(pair.target, there), before, what)
        const undone: Readonly<Record<string, string>> = {
          'NOT NULL': 'alter name drop not null',
          'a length': 'alter name type text',
        }
        await pair.target.query(`alter table items ${undone[what] ?? 'drop constraint stop'}`)
        await pair.source.query(`delete from items where name like 'bad%'`)
        await pair.caughtUp()
        assert.deepEqual(await rows(pair.target, there), await rows(pair.source, there), what)
      }
      await pair.verify(0)
    })

    test('P82 a right, a table or a column that is taken away is waited for by name; back again, the mirror goes on by itself', async (t) => {
      const pair = await stage(t, major, { sql: ITEMS })
      const { role, flags } = await withRole(t, pair)
      const taken: readonly (readonly [string, string | null, RegExp])[] = [
        [
          `revoke update, truncate on items from ${role}`,
          null,
          /HF-T214 .*items.*GRANT UPDATE, TRUNCATE ON "public"\."items" TO "role_\w+" \(at the target\); trying again/,
        ],
        [
          `revoke usage on schema public from ${role}, public`,
          null,
          /HF-T214 .*public.*GRANT USAGE ON SCHEMA "public" TO "role_\w+" \(at the target\); trying again/,
        ],
        [
          'alter table items rename to gone',
          'alter table gone rename to items',
          /HF-T218 .*public\.items.*trying again/,
        ],
        [
          'alter table items rename v to gone',
          'alter table items rename gone to v',
          /HF-T218 .*public\.items.*trying again/,
        ],
      ]
      const mirror = pair.run(flags)
      await mirror.line(/streaming/)
      for (const [take, give, says] of taken) {
        await pair.passed(mirror)
        await pair.target.query(take)
        await pair.source.query(
          'begin; insert into marks select max(n) + 1 from marks; update items set v = v + 1 where id = 5; commit',
        )
        const told = await mirror.line(says)
        // What it says is to be typed is what helps.
        await pair.target.query(give ?? /GRANT .*? TO "\w+"/.exec(told)?.[0] ?? '')
        await pair.passed(mirror)
        await assertSameContents(pair.source, pair.target)
      }
      mirror.signal('SIGTERM')
      assert.equal((await mirror.end()).code, 0, mirror.lines.join('\n'))
    })
  })
}
