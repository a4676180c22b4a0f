import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { parseUrl } from '../../../../src/config/url.ts'
import { Fault } from '../../../../src/model/fault.ts'
import type { Table } from '../../../../src/model/table.ts'
import { openMysqlTarget } from '../../../../src/target/mysql/index.ts'
import type { Claim, Target } from '../../../../src/target/target.ts'
import {
  type MysqlDatabase,
  type MysqlServer,
  mysqlDatabase,
} from '../../../../testkit/servers/index.ts'
import { at, planFor } from '../postgres/support.ts'

export const kinds = ['mariadb-10.11', 'mysql-9'] as const

export async function open(url: string, mirror = 'shop'): Promise<Target> {
  return await openMysqlTarget({
    endpoint: parseUrl(url, 'the test'),
    mirror,
    position: () => {
      throw new Error('not asked for')
    },
  })
}

export interface Stand extends AsyncDisposable {
  readonly db: MysqlDatabase
  readonly target: Target
  readonly claim: Claim
}

/** A fresh database with a claimed target and tables that are copied (and empty) at position 1. */
export async function stand(
  t: TestContext,
  where: (typeof kinds)[number] | MysqlServer | MysqlDatabase,
  tables: readonly Table[],
): Promise<Stand> {
  const given = typeof where === 'object' && 'query' in where
  const db = given ? where : await mysqlDatabase(t, where)
  const target = await open(db.url)
  const claim = await target.claim({ settings: {}, patience: 0 }, AbortSignal.timeout(20_000))
  await target.prepare(planFor(tables))
  await target.begin(tables, { positions: at(1), source: {}, first: true })
  for (const one of tables) await target.copied(one)
  const dispose = async (): Promise<void> => {
    await claim[Symbol.asyncDispose]()
    await target[Symbol.asyncDispose]()
  }
  return { db, target, claim, [Symbol.asyncDispose]: dispose }
}

/** The fault of work that must fail, with nothing in it that rows hold. */
export async function faultOf(
  work: Promise<unknown>,
  ...secrets: readonly string[]
): Promise<Fault> {
  const thrown = await work.then(
    () => assert.fail('it was not refused'),
    (error: unknown) => error,
  )
  assert.ok(thrown instanceof Fault, String(thrown))
  const said = JSON.stringify([thrown.message, thrown.detail, thrown.todo])
  for (const secret of secrets) assert.ok(!said.includes(secret), said)
  return thrown
}
