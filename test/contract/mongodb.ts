import type { Document } from 'mongodb'
import { parseUrl } from '../../src/config/url.ts'
import type { Table } from '../../src/model/table.ts'
import { openMongoTarget } from '../../src/target/mongodb/index.ts'
import { type MongoDatabase, mongoDatabase } from '../../testkit/servers/index.ts'
import type { TargetFixture } from './bench.ts'
import { mirrorOf, postgresStand } from './postgres.ts'
import type { Contents } from './writes.ts'

/** A database of MongoDB's protocol, and PostgreSQL to take rows from. */
export const mongoFixture: TargetFixture = async (t) => {
  const from = await postgresStand(t, 18)
  const to = await mongoDatabase(t)
  const mirror = mirrorOf(from.db)
  return {
    from,
    encoding: { stream: 'values', copy: 'values' },
    copiesPiecemeal: true,
    open: async (source) => {
      const target = await openMongoTarget({
        endpoint: parseUrl(to.url, 'the test'),
        mirror,
        position: source.position.bind(source),
      })
      t.after(() => target[Symbol.asyncDispose]())
      return target
    },
    contents: () => contentsIn(to, mirror),
    abandon: async () => {
      await to.db
        .collection<{ _id: string }>('_holdfast')
        .updateOne({ _id: `${mirror}/lease` }, { $set: { token: 'nobody', renewed: new Date(0) } })
    },
  }
}

/** Rows by table name, as `contentsOf` of the memory database tells them. */
async function contentsIn(to: MongoDatabase, mirror: string): Promise<Contents> {
  const columns = await columnsOf(to, mirror)
  const all = new Map<string, readonly string[]>()
  for (const { name } of await to.db.listCollections().toArray()) {
    if (name === '_holdfast' || name.startsWith('system.')) continue
    const documents: readonly Document[] = await to.db.collection(name).find().toArray()
    const wanted = columns.get(name) ?? Object.keys(documents[0] ?? {}).filter(isColumn)
    const rows = documents.flatMap((document) => {
      const cells = wanted.map((column) => document[column] ?? null)
      const times: number = document['_holdfast'].count ?? 1
      return Array.from({ length: times }, () => JSON.stringify(cells))
    })
    all.set(name, rows.sort())
  }
  return new Map([...all].sort(([a], [b]) => (a < b ? -1 : 1)))
}

const isColumn = (field: string): boolean => field !== '_id' && field !== '_holdfast'

/** By collection, as the mirror's state has them, as long as there is one. */
async function columnsOf(
  to: MongoDatabase,
  mirror: string,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const state = await to.db.collection<{ _id: string }>('_holdfast').findOne({ _id: mirror })
  const stored: readonly Document[] = (state as Document | null)?.['tables'] ?? []
  return new Map(
    stored.map(({ collection, definition }) => {
      const table: Table = JSON.parse(definition)
      return [collection, table.columns.map(({ name }) => name)] as const
    }),
  )
}
