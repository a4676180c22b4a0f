import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Later } from '../../../../src/source/source.ts'
import { database } from '../../../../testkit/servers/index.ts'
import { sourceOf, started } from './support.ts'

const selection = { include: [], exclude: ['*.hidden'], keyless: 'refuse' } as const

/** Each table with why it is refused; without a code where it may be taken. */
function verdicts({ blueprint, refused }: Later): readonly string[] {
  const taken = blueprint.tables.map(({ name }) => name)
  const left = refused.map(({ code, detail }) => `${detail.tables?.[0] ?? detail.table} ${code}`)
  return [...taken, ...left].sort()
}

for (const major of [15, 18] as const) {
  test(`P59 what stands in the way of a table that comes is said of that one alone (${major})`, async (t) => {
    const db = await database(t, major)
    await db.query(`create table first (id int primary key);
      create table root (id int primary key) partition by range (id);
      create table leaf partition of root for values from (0) to (10)`)
    const { source, tables } = await started(t, db, { mirror: 'come', selection })
    assert.deepEqual(verdicts((await source.later?.(selection, tables)) ?? assert.fail()), [])
    await db.query(`create table plain (id int primary key);
      create table keyless (id int);
      create table hidden (id int primary key);
      create unlogged table quick (id int primary key);
      create table parted (id int primary key) partition by range (id);
      create table another partition of root for values from (10) to (20);
      create table filtered (id int primary key);
      alter publication holdfast_come add table filtered where (id > 5)`)
    const found = (await source.later?.(selection, tables)) ?? assert.fail()
    assert.deepEqual(verdicts(found), [
      'plain',
      'public.filtered HF-S222',
      'public.keyless HF-S203',
      'public.parted HF-S311',
    ])
    // What is mended is taken; what the log carries is carried once.
    await db.query(`alter table keyless add primary key (id);
      alter publication holdfast_come drop table filtered;
      alter publication holdfast_come add table only filtered`)
    const other = await sourceOf(t, db, { mirror: 'come', selection })
    const mended = (await other.later?.(selection, tables)) ?? assert.fail()
    assert.deepEqual(verdicts(mended), ['filtered', 'keyless', 'plain', 'public.parted HF-S311'])
    const holder = await db.session()
    await holder.query('begin; lock table keyless in share update exclusive mode')
    assert.equal(await other.admit?.(mended.blueprint.tables), null)
    await holder.query('rollback')
    const admitted = (await other.admit?.(mended.blueprint.tables)) ?? assert.fail()
    assert.deepEqual(await other.admit?.(mended.blueprint.tables), admitted)
    const published = await db.query(
      `select tablename from pg_publication_tables where pubname = 'holdfast_come' order by 1`,
    )
    assert.deepEqual(
      published.map((row) => row['tablename']),
      ['filtered', 'first', 'keyless', 'leaf', 'plain'],
    )
    // Known ones are no newcomers; one that is taken out of the log is missed by name.
    const known = [...tables, ...admitted]
    assert.deepEqual(verdicts((await other.later?.(selection, known)) ?? assert.fail()), [
      'public.parted HF-S311',
    ])
    await other.look(known)
    await db.query(
      'alter publication holdfast_come drop table plain; alter publication holdfast_come add table plain',
    )
    await assert.rejects(other.look(known), { code: 'HF-S206', message: /plain/ })
  })
}
