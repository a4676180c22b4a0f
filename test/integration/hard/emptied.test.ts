import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Child } from '../../../testkit/child.ts'
import { eventually } from '../../../testkit/eventually.ts'
import {
  type Major,
  majors,
  type PostgresServer,
  postgres,
  type TestDatabase,
} from '../../../testkit/servers/index.ts'
import { halted, rows, type Stage, stage } from './stage.ts'

// HARD CASES: tables that are emptied or written anew while the mirror's slot is made.

/** More tables than making slots has waits. */
const TABLES = 12
const MANY = Array.from(
  { length: TABLES },
  (_, i) => `create table t${i} (id int primary key, v text); insert into t${i} values (1, 'old');`,
).join('\n')

/** A transaction with a number of its own, left open. */
async function opened(source: TestDatabase, sql: string) {
  const session = await source.session()
  const [row] = await session.query(`begin; ${sql}; select pg_current_xact_id()::xid as xid`)
  return { xid: row?.xid ?? '', commit: () => session.query('commit') }
}

type Opened = Awaited<ReturnType<typeof opened>>

async function waitsFor({ source }: Stage, xid: string, child: Child): Promise<boolean> {
  const found = await eventually(`the new slot waits for ${xid} or stands`, async () => {
    if (child.lines.some((line) => /\] copying |fail /.test(line))) return 'stands'
    const sql = `select 1 from pg_locks where locktype = 'transactionid' and not granted
      and transactionid = '${xid}'::xid`
    return (await rows(source, sql)).length > 0 ? 'waits' : null
  })
  return found === 'waits'
}

/**
 * In each wait a table gets another file, and a transaction that is older than that stays open;
 * in the next one another transaction writes to that table. Returns how many waits there were.
 */
async function churned(pair: Stage, child: Child, first: Opened): Promise<number> {
  let oldest = first
  let waits = 0
  while (await waitsFor(pair, oldest.xid, child)) {
    assert.ok(waits < TABLES, 'the slot waits for ever')
    const write = waits === 0 ? 'select 1' : `insert into t${waits - 1} values (2, 'new')`
    const younger = await opened(pair.source, write)
    await pair.source.query(waits % 2 === 0 ? `truncate t${waits}` : `vacuum full t${waits}`)
    await oldest.commit()
    oldest = younger
    waits++
  }
  await oldest.commit()
  return waits
}

async function begun(t: TestContext, major: Major, sourceIn?: PostgresServer) {
  const pair = await stage(t, major, {
    sql: MANY,
    ...(sourceIn === undefined ? {} : { sourceIn }),
  })
  const first = await opened(pair.source, 'select 1')
  t.after(() => first.commit().catch(() => undefined))
  const child = pair.run()
  return { pair, child, waits: await churned(pair, child, first) }
}

for (const major of majors) {
  test(`P98 P102 what is written to tables that get other files while the slot is made arrives, ${major}`, async (t) => {
    const { pair, child, waits } = await begun(t, major)
    assert.ok(waits > 2, `there were ${waits} waits`)
    await pair.equal(child)
    const slots = await rows(
      pair.source,
      `select slot_name from pg_replication_slots
       where database = current_database() and not temporary`,
    )
    assert.deepEqual(slots, ['holdfast_hard'])
  })
}

for (const major of [14, 18] as const) {
  test(`P98 a server with one slot to spare may make one that cannot read them, by name, ${major}`, async (t) => {
    await using server = await postgres(major, { settings: { max_replication_slots: '1' } })
    const { pair, child } = await begun(t, major, server)
    const told = await halted(child, 'HF-L110', /could not map file/)
    assert.match(told, /holdfast destroy/)
    assert.match(child.lines.join('\n'), /the source has one replication slot to spare/)
    assert.deepEqual(await rows(pair.target, 'select * from t0'), [])
    // What is made when nothing is open reads everything.
    await pair.destroy()
    const again = pair.run(['--on-existing', 'replace'])
    await again.line(/streaming: the target is up to date/)
    await pair.passed(again)
    assert.deepEqual(await rows(pair.target, 'select * from t0'), ['2|new'])
  })
}
