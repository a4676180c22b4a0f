import type { TestContext } from 'node:test'
import { monotonic, sleep } from '../../src/async/clock.ts'
import type { PostgresServer } from './postgres.ts'
import { openSession, type TestSession, type TextRow } from './session.ts'

/** A database of one test. */
export interface TestDatabase {
  readonly url: string
  readonly name: string
  readonly server: PostgresServer
  /**
   * Runs on a connection that is kept and made anew when it was lost. Several statements without
   * parameters give the rows of the last one.
   */
  query(sql: string, params?: readonly unknown[]): Promise<TextRow[]>
  /** Another connection, closed after the test. */
  session(): Promise<TestSession>
}

const logTail = 60

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

async function dropSlots(admin: TestSession, name: string): Promise<void> {
  const until = monotonic() + 15_000
  for (;;) {
    const slots = await admin.query(
      'select slot_name, active_pid from pg_replication_slots where database = $1',
      [name],
    )
    if (slots.length === 0) return
    for (const slot of slots) {
      if (slot.active_pid != null)
        await admin.query('select pg_terminate_backend($1::int)', [slot.active_pid])
      else
        await admin.query('select pg_drop_replication_slot($1)', [slot.slot_name]).catch(() => {
          // It was taken again in between; the next round ends that connection.
        })
    }
    if (monotonic() > until) throw new Error(`The slots of ${name} stay in use.`)
    await sleep(20)
  }
}

async function drop(server: PostgresServer, name: string): Promise<void> {
  await using admin = await openSession(server.url())
  await dropSlots(admin, name)
  await admin.query(`drop database if exists ${quoted(name)} with (force)`)
}

/** Keeps one connection; opens another when it was lost. */
class Line {
  readonly #url: string
  #session: Promise<TestSession> | undefined

  constructor(url: string) {
    this.#url = url
  }

  get(): Promise<TestSession> {
    this.#session ??= this.#open()
    return this.#session
  }

  async #open(): Promise<TestSession> {
    const forget = (): void => {
      this.#session = undefined
    }
    try {
      const session = await openSession(this.#url)
      session.client.once('end', forget)
      session.client.once('error', forget)
      return session
    } catch (error) {
      forget()
      throw error
    }
  }

  async close(): Promise<void> {
    const session = await this.#session?.catch(() => undefined)
    await session?.close()
  }
}

// The type declarations do not know the property yet.
function failed(t: TestContext): boolean {
  return (t as TestContext & { readonly passed?: boolean }).passed === false
}

async function showLog(server: PostgresServer): Promise<void> {
  const lines = (await server.log()).trimEnd().split('\n').slice(-logTail)
  process.stderr.write(`# the log of PostgreSQL ${server.major}, its end\n`)
  for (const line of lines) process.stderr.write(`#   ${line}\n`)
}

/** A fresh database in a server, dropped with its slots after the test. */
export async function databaseIn(
  t: TestContext,
  server: PostgresServer,
  options: { readonly name?: string; readonly how?: string } = {},
): Promise<TestDatabase> {
  const name = options.name ?? `t_${process.pid}_${Math.random().toString(36).slice(2, 10)}`
  if (!server.running) await server.start()
  {
    await using admin = await openSession(server.url())
    await admin.query(`create database ${quoted(name)} ${options.how ?? ''}`)
  }
  const url = server.url(name)
  const line = new Line(url)
  const sessions: TestSession[] = []
  t.after(async () => {
    if (failed(t)) await showLog(server)
    await Promise.all([line.close(), ...sessions.map((session) => session.close())])
    if (server.disposed) return
    if (!server.running) await server.start()
    await drop(server, name)
  })
  return {
    url,
    name,
    server,
    async query(sql, params) {
      return await (await line.get()).query(sql, params)
    },
    async session() {
      const session = await openSession(url)
      sessions.push(session)
      return session
    },
  }
}
