import type { TestContext } from 'node:test'
import { type Db, MongoClient } from 'mongodb'
import type { MongoServer } from './mongodb.ts'

/** A database of one test, in a server that speaks MongoDB's protocol. */
export interface MongoDatabase {
  readonly url: string
  readonly name: string
  readonly server: MongoServer
  /** The database by the plain driver. */
  readonly db: Db
}

const logTail = 40

// The type declarations do not know the property yet.
function failed(t: TestContext): boolean {
  return (t as TestContext & { readonly passed?: boolean }).passed === false
}

/** A fresh database in a server, dropped after the test. */
export async function mongoDatabaseIn(t: TestContext, server: MongoServer): Promise<MongoDatabase> {
  const name = `t_${process.pid}_${Math.random().toString(36).slice(2, 10)}`
  await server.start()
  const url = server.url(name)
  const client = new MongoClient(url)
  t.after(async () => {
    if (failed(t)) {
      const lines = (await server.log()).trimEnd().split('\n').slice(-logTail)
      process.stderr.write(`# the log of ${server.kind}, its end\n`)
      for (const line of lines) process.stderr.write(`#   ${line}\n`)
    }
    if (server.running) await client.db(name).dropDatabase()
    await client.close()
  })
  return { url, name, server, db: client.db(name) }
}
