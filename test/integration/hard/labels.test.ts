import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Child } from '../../../testkit/child.ts'
import { bothMajors, rows, stage, withRole } from './stage.ts'

// HARD CASES: types whose labels change while rows that hold them are mirrored.

const MOODS = `
create schema other; create type mood as enum ('b', 'a');
create type other.mood as enum ('"x', '{,}');
create domain feeling as mood; create type pair as (m mood, n int);
create table own (id int primary key, m mood, o other.mood, u mood unique, f feeling,
  ms mood[], p pair, ps pair[], r text);
insert into own values (1, 'a', '"x', 'b', 'a', '{a,b}', '(b,1)', '{"(a,1)"}', null),
  (2, 'b', '{,}', 'a', null, '{}', null, null, null);
create table keyed (m mood, n int, primary key (m, n)); insert into keyed values ('a', 1), ('b', 2)`

const ORDER = `select t.oid::regtype as type, array_agg(e.enumlabel order by e.enumsortorder) as labels
  from pg_type t join pg_enum e on e.enumtypid = t.oid group by 1 order by 1`

for (const major of bothMajors) {
  describe(`PostgreSQL ${major}`, () => {
    test('P18 labels that an enum gets are at the target, in their order, before the row that holds them', async (t) => {
      const pair = await stage(t, major, { sql: MOODS })
      await pair.caughtUp()
      // While nobody looks, with what a label may hold.
      await pair.source.query(`alter type mood add value 'new' before 'a'`)
      await pair.source.query(`alter type other.mood add value 'it''s "{,}"\\ ' after '"x'`)
      await pair.source.query(
        `insert into own (id, m, o) values (3, 'new', 'it''s "{,}"\\ '); insert into keyed values ('new', 3)`,
      )
      await pair.caughtUp()
      assert.deepEqual(await rows(pair.target, ORDER), await rows(pair.source, ORDER))
      // Used in the next transaction, sooner than anybody looks, and inside of other types.
      const mirror = await pair.streaming()
      for (const [label, at] of [
        ['first', `before 'b'`],
        ['last', ''],
        ['é漢🦣', `after 'b'`],
      ] as const) {
        await pair.source.query(`alter type mood add value '${label}' ${at}`)
        await pair.source.query(`insert into own (id, f, ms, p, ps)
          select max(id) + 1, '${label}', '{a,${label}}', '(${label},2)', '{"(${label},3)"}' from own;
          update keyed set m = '${label}' where n = 2;
          insert into keyed select '${label}', g from generate_series(10, 99) g`)
        await pair.passed(mirror)
      }
      assert.deepEqual(await rows(pair.target, ORDER), await rows(pair.source, ORDER))
      await pair.equal(mirror)
      mirror.signal('SIGTERM')
      assert.equal((await mirror.end()).code, 0, mirror.lines.join('\n'))
    })

    test('P18 a label that came while the first copy was broken off is there when it is made again', async (t) => {
      const pair = await stage(t, major, { sql: MOODS })
      const killed = pair.run([], { HOLDFAST_KILL_AT: 'copy-begun' })
      assert.equal((await killed.end()).signal, 'SIGKILL', killed.lines.join('\n'))
      await pair.source.query(`alter type mood add value 'new' before 'a'`)
      await pair.source.query(`insert into keyed values ('new', 3)`)
      await pair.caughtUp()
      assert.deepEqual(await rows(pair.target, ORDER), await rows(pair.source, ORDER))
      await pair.verify(0)
    })

    test('P18 a label that the role may not add is asked for by its statement, and typing that is enough', async (t) => {
      const pair = await stage(t, major, {
        sql: `create type mood as enum ('b', 'a'); create table own (id int primary key, m mood)`,
        atTarget: `create type mood as enum ('b', 'a')`,
      })
      const { flags } = await withRole(t, pair)
      const mirror = pair.run(flags)
      await mirror.line(/streaming/)
      await pair.source.query(`alter type mood add value 'it''s' before 'a'`)
      await pair.source.query(`insert into own values (1, 'b')`)
      await pair.source.query(`insert into own values (2, 'it''s')`)
      const told = await mirror.line(/HF-T237 .*public\.own.*ALTER TYPE .*trying again/)
      const statement = /ALTER TYPE .*? AFTER 'b'/.exec(told)?.[0]
      assert.equal(
        statement,
        `ALTER TYPE "public"."mood" ADD VALUE IF NOT EXISTS 'it''s' AFTER 'b'`,
        told,
      )
      await pair.target.query(statement)
      await pair.passed(mirror)
      assert.deepEqual(await rows(pair.target, 'select id, m from own'), ['1|b', `2|it's`])
      assert.deepEqual(await rows(pair.target, ORDER), await rows(pair.source, ORDER))
      mirror.signal('SIGTERM')
      assert.equal((await mirror.end()).code, 0, mirror.lines.join('\n'))
    })

    test('P18 a label that was renamed is asked for by its statement, with or without a row, after those of before', async (t) => {
      const pair = await stage(t, major, { sql: MOODS })
      const mirror = await pair.streaming()
      await pair.passed(mirror)
      const rename = async (child: Child, from: string, to: string): Promise<void> => {
        const told = await child.line(new RegExp(`HF-T237 .*RENAME VALUE '${from}' TO`))
        const statement = /ALTER TYPE [^;]*RENAME VALUE [^;]* TO '[^;]*'/.exec(told)?.[0]
        const wanted = `ALTER TYPE "public"."mood" RENAME VALUE '${from}' TO '${to}'`
        assert.equal(statement, wanted, told)
        await pair.target.query(wanted)
      }
      await pair.source.query(`alter type mood rename value 'a' to 'it''s'`)
      await rename(mirror, 'a', `it''s`)
      await pair.source.query(`insert into keyed values ('it''s', 4)`)
      await pair.equal(mirror)
      mirror.signal('SIGTERM')
      assert.equal((await mirror.end()).code, 0, mirror.lines.join('\n'))
      await pair.source.query(`insert into keyed values ('b', 5)`)
      await pair.source.query(`alter type mood rename value 'b' to 'c'`)
      await pair.source.query(`insert into keyed values ('c', 6)`)
      const again = pair.run()
      await rename(again, 'b', 'c')
      await pair.equal(again)
    })
  })
}
