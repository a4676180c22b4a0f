import { MemoryDatabase } from '../../testkit/memory/database.ts'
import { MemorySource } from '../../testkit/memory/source.ts'
import { MemoryStore } from '../../testkit/memory/store.ts'
import { MemoryTarget } from '../../testkit/memory/target.ts'
import { describeSource, type SourceStand } from './source.ts'
import { describeTarget } from './target.ts'
import { memoryTables, names, writeInMemory } from './writes.ts'

function memoryStand(): SourceStand & { readonly database: MemoryDatabase } {
  const database = new MemoryDatabase()
  const ids = memoryTables(database)
  const include = names.map((name) => `public.${name}`)
  const selection = { include, exclude: [], keyless: 'refuse' } as const
  return {
    database,
    many: 20,
    open: async () => new MemorySource({ database, mirror: 'm', selection, burst: 3, chunk: 3 }),
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

describeTarget('memory', async () => {
  const store = new MemoryStore()
  return {
    from: memoryStand(),
    encoding: { stream: 'values', copy: 'values' },
    open: async (source) => {
      const position = source.position.bind(source)
      return new MemoryTarget({ store, mirror: 'm', position, flushEvery: 3 })
    },
    contents: async () => store.contents(),
    abandon: async () => store.abandon('m'),
  }
})
