import type { PlaceOffset, Topic } from '../../dialect/kafka/cluster.ts'
import { Fault } from '../../model/fault.ts'
import type { Selection } from '../source.ts'
import { decoderOf } from './declared.ts'
import { findingsOfTopic } from './preflight.ts'
import { describeTable, firstRow, type Reach, type TopicTable } from './tables.ts'
import { matchingNames } from './topics.ts'
import { tellsTransactions } from './transactions.ts'

/** A topic that has come, and what a person should know of it. */
interface Newcomer {
  readonly found: TopicTable
  readonly notices: readonly string[]
}

export interface Newcomers {
  readonly tables: readonly Newcomer[]
  readonly refused: readonly Fault[]
}

/**
 * Topics that come to be, or get their first row, after a mirror has chosen its own. Each record is
 * looked at once, however often it is asked.
 */
export class Latecomers {
  readonly #reach: Reach
  /** How far topics without a row were looked through, by their ids. */
  readonly #rowless = new Map<string, readonly PlaceOffset[]>()
  /** What was found of topics that hold rows, by their ids. */
  readonly #found = new Map<string, Newcomer | readonly Fault[]>()

  constructor(reach: Reach) {
    this.#reach = reach
  }

  /** Those that the selection means, beside the topics of these names. */
  async find(
    selection: Selection,
    known: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<Newcomers> {
    const { cluster } = this.#reach
    const names = await matchingNames(cluster, selection)
    const tables: Newcomer[] = []
    const refused: Fault[] = []
    const others = names.filter((name) => !known.has(name) && !tellsTransactions({ name }))
    for (const topic of await cluster.describe(others)) {
      const one = this.#found.get(topic.id) ?? (await this.#look(topic, selection, signal))
      if (one === null) continue
      this.#found.set(topic.id, one)
      if ('found' in one) tables.push({ ...one, found: { ...one.found, topic } })
      else refused.push(...one)
    }
    return { tables, refused }
  }

  /** Null as long as it holds no row. */
  async #look(
    topic: Topic,
    selection: Selection,
    signal: AbortSignal,
  ): Promise<Newcomer | readonly Fault[] | null> {
    try {
      if (!(await this.#holdsRow(topic, signal))) return null
      const found = await describeTable(this.#reach, topic, signal)
      const findings = findingsOfTopic(found, selection.keyless)
      const said = findings.flatMap((one) => (one.level === 'ok' ? [] : [one]))
      const faults = said.flatMap(({ level, fault }) => (level === 'fail' ? [fault] : []))
      if (faults.length > 0) return faults
      if (found.table?.identity.by !== 'key') return []
      return { found, notices: said.map(({ fault }) => fault.message) }
    } catch (error) {
      // What its records are stands in them, and does not change.
      if (error instanceof Fault && !error.transient) return [error]
      throw error
    }
  }

  async #holdsRow(topic: Topic, signal: AbortSignal): Promise<boolean> {
    const { cluster } = this.#reach
    const ends = await cluster.offsets([topic], 'end')
    const from = await this.#unread(topic)
    const stretch = {
      topic,
      decoder: decoderOf(this.#reach),
      from,
      ends,
      cut: new Set<number>(),
    }
    if ((await firstRow(this.#reach, stretch, signal)) !== null) return true
    this.#rowless.set(topic.id, ends)
    return false
  }

  /** Where the looks before have ended; the beginning of what came since. */
  async #unread(topic: Topic): Promise<readonly PlaceOffset[]> {
    const oldest = await this.#reach.cluster.offsets([topic], 'begin')
    const known = this.#rowless.get(topic.id) ?? []
    return oldest.map((one) => {
      const read = known.find(({ partition }) => partition === one.partition)?.offset ?? 0n
      return read > one.offset ? { ...one, offset: read } : one
    })
  }
}
