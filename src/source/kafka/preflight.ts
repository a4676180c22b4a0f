import { lossTexts } from '../../dialect/debezium/losses.ts'
import { Fault, type Finding } from '../../model/fault.ts'
import { findingsAt, listed } from '../../model/findings.ts'
import { type Table, tableName } from '../../model/table.ts'
import type { Selection } from '../source.ts'
import type { TopicTable } from './tables.ts'
import { tellsTransactions } from './transactions.ts'

const { fail, warn } = findingsAt('source')

/** What would stop a mirror of these topics, or lose something of them. */
export function findingsOf(
  topics: readonly TopicTable[],
  { keyless }: Pick<Selection, 'keyless'>,
): readonly Finding[] {
  const findings = topics.flatMap((one) => findingsOfTopic(one, keyless))
  const tables = topics.filter(({ table }) => table !== null)
  if (tables.length > 0) {
    const what = `${tables.length} of ${topics.length} topics hold rows`
    return [{ level: 'ok', subject: 'topics', what }, ...findings]
  }
  const what = 'none of the topics holds a row that would say what its columns are'
  return [...findings, fail('HF-K106', 'topics', { what })]
}

/** The same of one topic. */
export function findingsOfTopic(
  one: TopicTable,
  keyless: Selection['keyless'],
): readonly Finding[] {
  const { topic, table, first } = one
  const { name } = topic
  if (table === null && tellsTransactions(topic)) return []
  if (table === null) {
    const what = `the topic ${name} holds no row yet: its table is made once one comes`
    return [warn('HF-K106', name, { what })]
  }
  const found: Finding[] = []
  if (table.identity.by !== 'key') {
    const what = `records of the topic ${name} have no key, so that rows of ${tableName(table)} cannot be told apart`
    found.push(
      (keyless === 'exclude' ? warn : fail)('HF-K106', name, { what, table: tableName(table) }),
    )
  }
  const { lacking, skipped } = one
  if (skipped > 0n) {
    const what = `of ${name} the newest snapshot and what came after it are read; ${skipped} older records are not`
    found.push({ level: 'ok', subject: name, what })
  }
  if (lacking !== null) found.push(fail('HF-K107', name, { what: lacking }))
  if (first?.origin?.place == null) {
    const what = `records of the topic ${name} do not say where they stand in the log of their database: a change that is told again is applied again`
    found.push(warn('HF-K113', name, { what }))
  }
  const { deletes } = one.keeping
  if (deletes !== null) {
    const what = `the topic ${name} is compacted and forgets ${Number(deletes) / 3_600_000} hours later that a row went: one that goes while the mirror is behind by more than that stays at the target`
    found.push(warn('HF-K121', name, { what, table: tableName(table) }))
  }
  return [...found, ...lossesOf(one, table)]
}

/** One finding for each way in which the connector loses something. */
function lossesOf({ topic, losses }: TopicTable, table: Table): readonly Finding[] {
  const byKind = Map.groupBy(losses, ({ kind }) => kind)
  return [...byKind].map(([kind, those]) => {
    const columns = listed(those.map(({ column }) => column))
    const certain = those.some((loss) => loss.certain)
    const { what: lost, instead } = lossTexts[kind]
    const does = certain ? 'loses' : 'may lose'
    return warn('HF-K308', topic.name, {
      what: `the connector behind the topic ${topic.name} ${does} something of ${columns}: ${lost}`,
      table: tableName(table),
      todo: [{ text: `Without that loss: ${instead}.` }],
    })
  })
}

/** Throws HF-K106 for a selection without a table. */
export function requireTables(topics: readonly TopicTable[]): void {
  if (topics.some(({ table }) => table !== null)) return
  const what = 'none of the topics holds a row that would say what its columns are'
  throw new Fault('HF-K106', { what, side: 'source' })
}
