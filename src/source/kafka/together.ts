import type { DebeziumEvent } from '../../dialect/debezium/event.ts'
import { Gathering } from '../../model/gathering.ts'
import type { Positions } from '../../model/position.ts'
import type { Entry, Lane } from './lane.ts'
import { isAhead, type Marks, marked } from './marks.ts'
import { originOf } from './merge.ts'
import { laneOf, positionAt } from './place.ts'

/** True for what is about rows of other partitions, too. */
export function concernsAll(event: DebeziumEvent): boolean {
  if (event.kind === 'truncate') return true
  if (event.kind !== 'row') return false
  // The first half of a change of key goes with its row, which the second half may need.
  return event.newKey !== null || (event.oldKey !== null && event.partial)
}

/** The partitions of a topic that are followed here, beside those that another process follows. */
export class Together {
  readonly #log: string
  readonly #lanes: readonly Lane[]
  readonly #topic: string
  readonly #partitions: number

  constructor(
    log: string,
    of: {
      readonly lanes: readonly Lane[]
      readonly topic: string
      readonly partitions: number
    },
  ) {
    this.#log = log
    this.#lanes = of.lanes
    this.#topic = of.topic
    this.#partitions = of.partitions
  }

  /** All partitions are followed here. */
  get whole(): boolean {
    return this.#lanes.length === this.#partitions
  }

  /** Throws Gathering unless all partitions are followed here. */
  require(lane: Lane, entry: Entry): void {
    if (!this.whole) throw this.#gathering(lane, entry, new Map())
  }

  /**
   * The same, and unless none was followed past the event, which changes rows of all partitions:
   * what came after it there has to be carried out once more.
   */
  requireInOrder(lane: Lane, entry: Entry): void {
    this.require(lane, entry)
    const origin = originOf(entry)
    const ahead = this.#lanes.filter((one) => one !== lane && isAhead(one.marks, origin))
    if (ahead.length === 0) return
    const back = ahead.map((one) => {
      const { topic, partition } = one
      // What a truncate is told to be past was there before it.
      const marks = setBack(
        origin?.snapshot === 'no' ? marked(lane.marks, origin) : lane.marks,
        one.marks,
      )
      const place = { topic, partition, offset: 0n, gone: false, marks }
      return [laneOf(one), positionAt(this.#log, place)] as const
    })
    throw this.#gathering(lane, entry, new Map(back))
  }

  #gathering(lane: Lane, entry: Entry, back: Positions): Gathering {
    const topic = this.#topic
    const lanes = Array.from({ length: this.#partitions }, (_, i) =>
      laneOf({ topic, partition: i }),
    )
    const after = { ...lane.place, offset: entry.offset + 1n }
    const until = new Map([[laneOf(lane), positionAt(this.#log, after)]])
    return new Gathering({ lanes, until, back })
  }
}

/** What `lane` was told, with the newest times that either knows of: what is newer is new. */
function setBack(lane: Marks, ahead: Marks): Marks {
  return lane.map((mark) => {
    const at = ahead.find(({ log }) => log === mark.log)?.at ?? mark.at
    return at > mark.at ? { ...mark, at } : mark
  })
}
