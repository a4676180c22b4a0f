import { MemoryDatabase } from '../../testkit/memory/database.ts'
import { MemorySource } from '../../testkit/memory/source.ts'
import { describeSource, type SourceStand } from './source.ts'
import { memoryTables, names, writeInMemory } from './writes.ts'

function memoryStand(): SourceStand & { readonly database: MemoryDatabase } {
  const database = new MemoryDatabase()
  const ids = memoryTables(database)
  const include = names.map((name) => `public.${name}`)
  const selection = { include, exclude: [], keyless: 'refuse' } as const
  return {
    database,
    many: 20,
    open: async () => new MemorySource({ database, mirror: 'm', selection, burst: 3, chunk: 2 }),
    begin: async () => {
      const transaction = database.begin({ parts: 10 })
      return {
        write: async (...writes) => writeInMemory(transaction, ids, writes),
        commit: async () => {
          transaction.commit()
        },
        rollback: async () => transaction.rollback(),
      }
    },
    contents: async () => database.contents(),
    silence: async () => undefined,
  }
}

describeSource('memory', async () => memoryStand())
