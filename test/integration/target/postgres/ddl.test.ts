import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { parseUrl } from '../../../../src/config/url.ts'
import { connect, type Session } from '../../../../src/dialect/postgres/connect.ts'
import { inspectSource } from '../../../../src/source/postgres/inspect.ts'
import { createKey, createSchema } from '../../../../src/target/postgres/ddl.ts'
import { finishSchema } from '../../../../src/target/postgres/finish.ts'
import type { TargetPlan } from '../../../../src/target/target.ts'
import { database, type TestDatabase } from '../../../../testkit/servers/index.ts'
import { describe, rich18, richSchema } from './rich.ts'

const everything = { include: [], exclude: [], keyless: 'append' } as const

async function open(t: TestContext, db: TestDatabase, side: 'source' | 'target'): Promise<Session> {
  const session = await connect(parseUrl(db.url, 'test'), {
    side,
    mirror: 'test',
    purpose: 'test',
  })
  t.after(() => session[Symbol.asyncDispose]())
  return session
}

async function planOf(session: Session): Promise<TargetPlan> {
  const blueprint = await inspectSource(session, everything)
  const tables = blueprint.tables.map((table) => ({
    table,
    target: { schema: table.schema, name: table.name },
    mode: 'exact' as const,
  }))
  return { blueprint, tables, onExisting: 'refuse' }
}

async function build(session: Session, plan: TargetPlan): Promise<void> {
  await session.query('BEGIN')
  await createSchema(session, plan)
  await session.query('COMMIT')
  for (const { table } of plan.tables) await createKey(session, plan, table)
}

/** Defaults that are evaluated, checks and what is not mirrored stay at the source. */
function carried(lines: readonly string[]): string[] {
  return lines
    .filter((line) => !line.includes('shop.seen') && !line.includes('scratch'))
    .map((line) => line.replace(/default=now\(\)/u, 'default='))
}

for (const [from, to] of [
  [14, 14],
  [18, 18],
  [16, 18],
] as const) {
  test(`a rich schema is made anew, ${from} to ${to}`, async (t) => {
    const [source, target] = [await database(t, from), await database(t, to)]
    await source.query(richSchema + (from >= 18 ? rich18 : ''))
    const plan = await planOf(await open(t, source, 'source'))
    const session = await open(t, target, 'target')
    await build(session, plan)
    await finishSchema(session, plan, { replicaRole: true })
    const [wanted, made] = [carried(await describe(source)), carried(await describe(target))]
    assert.deepEqual(made, wanted)
  })
}
