import type { TestContext } from 'node:test'
import { parseUrl } from '../../src/config/url.ts'
import type { Change } from '../../src/model/change.ts'
import { textsOf } from '../../src/model/tuple.ts'
import { openKafkaSource } from '../../src/source/kafka/index.ts'
import type { Source } from '../../src/source/source.ts'
import { MemoryDatabase } from '../../testkit/memory/database.ts'
import { kafka } from '../../testkit/servers/index.ts'
import { type TestRecord, TestTopics } from '../../testkit/topics.ts'
import { Envelopes } from '../integration/source/kafka/envelopes.ts'
import type { SourceStand } from './source.ts'
import { memoryTables, writeInMemory } from './writes.ts'

const TOPIC = 'public.plain'
const BESIDE = 'public.aside'

/**
 * A topic of one partition that tells of the table `plain` of a database in memory, each change as a
 * record with its key, and one beside it that is not selected.
 */
export async function kafkaStand(t: TestContext): Promise<SourceStand> {
  const broker = await kafka()
  const topics = TestTopics.at(t, broker)
  for (const topic of [TOPIC, BESIDE]) await topics.make(topic)
  const database = new MemoryDatabase()
  const ids = memoryTables(database)
  const told = new Told(topics.prefix)
  return {
    kind: 'log',
    many: 0,
    keeps: false,
    open: async () => sourceOf(t, broker.url(), topics.name(TOPIC)),
    begin: async () => {
      const transaction = database.begin()
      return {
        write: async (...writes) => writeInMemory(transaction, ids, writes),
        rollback: async () => transaction.rollback(),
        commit: async () => {
          const before = database.log.length
          transaction.commit()
          const changes = database.log
            .slice(before)
            .flatMap((record) => (record.kind === 'commit' ? record.changes : []))
          for (const [topic, records] of told.of(changes)) await topics.put(topic, records)
        },
      }
    },
    contents: async () => new Map([['plain', database.contents().get('plain') ?? []]]),
    silence: async () => undefined,
  }
}

async function sourceOf(t: TestContext, url: string, topic: string): Promise<Source> {
  const source = await openKafkaSource({
    endpoint: parseUrl(url, 'the test'),
    mirror: topic.replaceAll(/[^a-z0-9_]/g, '_'),
    selection: { include: [topic], exclude: [], keyless: 'refuse' },
  })
  t.after(() => source[Symbol.asyncDispose]())
  return source
}

/** What a connector tells of changes. */
class Told {
  readonly #log: Envelopes

  constructor(prefix: string) {
    const text = (field: string, optional: boolean) =>
      ({ type: 'string', optional, field }) as const
    this.#log = new Envelopes(prefix, {
      table: 'plain',
      fields: [text('id', false), text('a', true)],
    })
  }

  /** Records by their topics, in order. */
  of(changes: readonly Change[]): readonly (readonly [string, readonly TestRecord[]])[] {
    const plain = changes.flatMap((change) => this.#records(change))
    const beside = changes.some((change) => 'table' in change && change.table.name === 'aside')
    return [
      ...(plain.length > 0 ? [[TOPIC, plain] as const] : []),
      ...(beside ? [[BESIDE, [{ key: '1', value: '{}' }]] as const] : []),
    ]
  }

  #records(change: Change): readonly TestRecord[] {
    const log = this.#log
    if (change.kind === 'truncate') {
      return change.tables.some(({ name }) => name === 'plain') ? [log.truncate()] : []
    }
    if (change.kind === 'schema') {
      const added = change.to.columns.slice(change.from.columns.length)
      if (change.to.name !== 'plain') return []
      for (const { name } of added) log.add({ type: 'string', optional: true, field: name })
      return []
    }
    const { table, kind } = change
    if (table.name !== 'plain') return []
    const cellsOf = (tuple: Buffer | null): Record<string, string | null> => {
      const texts = tuple === null ? [] : textsOf(tuple)
      return Object.fromEntries(table.columns.map(({ name }, i) => [name, texts[i] ?? null]))
    }
    const [row, old] = [cellsOf(change.row), cellsOf(change.old)]
    if (kind === 'insert') return [log.create(row)]
    if (kind === 'delete') return log.remove(old['id'] ?? '')
    const moves = change.old !== null && old['id'] !== row['id']
    return moves ? [...log.remove(old['id'] ?? ''), log.create(row)] : [log.update(row)]
  }
}
