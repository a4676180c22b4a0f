import { Fault } from '../../model/fault.ts'
import { type Comparison, OneLane, type Position, type Positions } from '../../model/position.ts'
import { type Marks, parseMarks, writeMarks } from './marks.ts'

/** A partition of a topic. */
export interface Partition {
  readonly topic: string
  readonly partition: number
}

/** A place in a partition: the next record to read, and what the ones before told. */
export interface LanePlace extends Partition {
  readonly offset: bigint
  /** The record before told of a delete, whose tombstone may come next. */
  readonly gone: boolean
  readonly marks: Marks
}

/** Each partition is a lane of its own. */
export function laneOf({ topic, partition }: Partition): string {
  return `${topic}/${partition}`
}

export function partitionOf(lane: string): Partition {
  const [, topic = '', partition = ''] = /^(.+)\/(\d+)$/.exec(lane) ?? []
  if (topic === '') throw unreadable()
  return { topic, partition: Number(partition) }
}

/** `topic/partition:offset`, `!` behind a delete, and after it what was told. */
function writePlace(place: LanePlace): string {
  const at = `${laneOf(place)}:${place.offset}${place.gone ? '!' : ''}`
  return place.marks.length === 0 ? at : `${at} ${writeMarks(place.marks)}`
}

const PLACE = /^(\S+):(\d{1,19})(!?)(?: (.+))?$/s

/** Throws Fault HF-L107. */
function parsePlace(lane: string, token: string): LanePlace {
  const [, at = '', offset = '', gone = '', rest = ''] = PLACE.exec(token) ?? []
  const marks = parseMarks(rest)
  if (at !== lane || marks === null) throw unreadable()
  return { ...partitionOf(lane), offset: BigInt(offset), gone: gone !== '', marks }
}

function unreadable(): Fault {
  return new Fault('HF-L107', { what: 'a place in a topic cannot be read' })
}

/** A position whose token is put together when it is asked for: few are ever written down. */
class TopicPosition implements Position {
  readonly log: string
  readonly place: LanePlace

  constructor(log: string, place: LanePlace) {
    this.log = log
    this.place = place
  }
  get order(): bigint {
    return this.place.offset
  }
  get token(): string {
    return writePlace(this.place)
  }
  get shown(): string {
    return `${laneOf(this.place)}:${this.place.offset}`
  }
}

export function positionAt(log: string, place: LanePlace): Position {
  return new TopicPosition(log, place)
}

export function positionsAt(log: string, place: LanePlace): Positions {
  return new OneLane(laneOf(place), positionAt(log, place))
}

export function parsePosition(log: string, lane: string, token: string): Position {
  return positionAt(log, parsePlace(lane, token))
}

/** What a position of a lane stands for. Throws Fault HF-L107. */
export function placeOf(lane: string, position: Position): LanePlace {
  return position instanceof TopicPosition ? position.place : parsePlace(lane, position.token)
}

/** Positions of one lane; those of several have nothing to do with each other, and nobody asks. */
export function comparePositions(a: Position, b: Position): Comparison {
  if (a.log !== b.log) return 'unrelated'
  if (a.order === b.order) return 'equal'
  return a.order < b.order ? 'before' : 'after'
}
