import { isoTime } from '../async/clock.ts'
import type { MirrorEvent } from '../mirror/progress.ts'
import { describePositions } from '../model/position.ts'
import type { Follower } from '../observe/follower.ts'
import { connectorStatus, runningStatus, tableStatus } from '../observe/status.ts'
import { faultData, type Typed } from './format.ts'

const SCHEMA = 'holdfast.event/1'

/** One line of the stream that `run --json` writes. */
export type EventRecord = Readonly<Record<string, unknown>>

/** An event for programs; null for those that the regular progress records cover. */
export function eventRecord(
  event: MirrorEvent,
  follower: Follower,
  typed: Typed,
): EventRecord | null {
  const rest = restOf(event, follower, { ...typed, mirror: follower.progress.mirror })
  if (rest === null) return null
  return { schema: SCHEMA, event: event.kind, mirror: follower.progress.mirror, ...rest }
}

/** The whole status with the rates of the last seconds. */
export function progressRecord(follower: Follower): EventRecord {
  const { copiedRows, changes } = follower.rates()
  const rates = { copied_rows: copiedRows, changes }
  return { schema: SCHEMA, event: 'progress', ...runningStatus(follower), rates }
}

function restOf(
  event: MirrorEvent,
  follower: Follower,
  typed: Typed,
): Record<string, unknown> | null {
  const table = (id: string): string => follower.progress.tables.get(id)?.name ?? id
  switch (event.kind) {
    case 'phase':
      return { phase: event.phase, reason: event.reason }
    case 'opened':
      return { source: event.source, target: event.target }
    case 'tables':
      return { tables: event.tables.map(tableStatus) }
    case 'expected':
      return { table: table(event.id), rows: event.rows, bytes: event.bytes }
    case 'copied-rows':
      return { table: table(event.id), rows: event.rows }
    case 'copied-table':
      return { table: table(event.id) }
    case 'applied': {
      const { positions, transactions, changes, committedAt, replayed } = event
      const committed_at = committedAt === null ? null : isoTime(committedAt)
      return {
        position: describePositions(positions),
        transactions,
        changes,
        committed_at,
        replayed,
      }
    }
    case 'fault':
      return { fault: faultData(event.fault, typed), retry_ms: event.retryInMillis }
    case 'way':
      return { way: event.way, why: event.why }
    case 'wholeness':
      return { whole: event.whole, why: event.why }
    case 'connectors':
      return { connectors: event.connectors.map(connectorStatus) }
    case 'left-out':
      return { left_out: event.faults.map((fault) => faultData(fault, typed)) }
    case 'notice':
      return { text: event.text }
    case 'durable':
    case 'source':
    case 'log':
    case 'shared':
      return null
  }
}
