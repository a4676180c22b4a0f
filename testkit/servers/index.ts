import type { TestContext } from 'node:test'
import { databaseIn, type TestDatabase } from './database.ts'
import { givenServer, type PostgresOptions, type PostgresServer, startServer } from './postgres.ts'
import type { Major } from './programs.ts'

export type { TestDatabase } from './database.ts'
export type { PostgresOptions, PostgresServer, StopMode } from './postgres.ts'
export { type Major, majors } from './programs.ts'
export { openSession, type TestSession, type TextRow } from './session.ts'

const shared = new Map<Major, Promise<PostgresServer>>()

/**
 * The server of this major that all tests of this process share, started on first use and stopped
 * when the process ends, however it ends; `HOLDFAST_TEST_PG_<major>` names another one. With
 * options: a server of one's own, stopped when it is disposed or the process ends.
 */
export function postgres(major: Major, options?: PostgresOptions): Promise<PostgresServer> {
  if (options !== undefined) return startServer(major, options)
  const found = shared.get(major) ?? first(major)
  shared.set(major, found)
  return found
}

async function first(major: Major): Promise<PostgresServer> {
  const address = process.env[`HOLDFAST_TEST_PG_${major}`]
  if (address !== undefined && address !== '') return givenServer(major, address)
  return await startServer(major, { shared: true })
}

/**
 * A fresh database, dropped with its slots after the test: in the shared server of a major, or in
 * the given one. `how` is put behind CREATE DATABASE.
 */
export async function database(
  t: TestContext,
  where: Major | PostgresServer,
  options: { readonly name?: string; readonly how?: string } = {},
): Promise<TestDatabase> {
  const server = typeof where === 'number' ? await postgres(where) : where
  return await databaseIn(t, server, options)
}
