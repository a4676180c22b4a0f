import type { Origin, RowEvent } from '../../dialect/debezium/event.ts'
import type { Handover } from './handover.ts'
import type { Lane } from './lane.ts'
import { emission } from './marks.ts'

/** An entry that is a change of a row, and who told it when. */
interface Plain {
  readonly lane: Lane
  readonly offset: bigint
  readonly event: RowEvent
  readonly origin: Origin
}

/**
 * Takes changes of rows in the order of their connector, as long as each partition has one and that
 * is all there is to be thought of.
 */
export function followAll(lanes: readonly Lane[], out: Handover): void {
  const heads: Plain[] = []
  for (const lane of lanes) {
    const head = plainHead(lane)
    if (head === null) return
    heads.push(head)
  }
  for (;;) {
    const at = firstOf(heads)
    const first = heads[at]
    if (first === undefined || !out.follow(first.lane, first.offset, first.event)) return
    first.lane.shift()
    const next = plainHead(first.lane)
    if (next === null) return
    heads[at] = next
  }
}

/** The next entry of a partition, where it is a change of a row that was not told before. */
function plainHead(lane: Lane): Plain | null {
  const { head } = lane
  if (head === undefined || head.joined || head.event.kind !== 'row') return null
  const { event, offset } = head
  const { origin, op } = event
  if (origin === null || origin.place === null || origin.snapshot !== 'no') return null
  if (lane.hold !== null || lane.replaced !== null) return null
  const verdict = lane.trail.judge(origin, op === 'update' ? 'alone' : 'shared')
  return verdict === 'new' ? { lane, offset, event, origin } : null
}

function firstOf(heads: readonly Plain[]): number {
  let at = 0
  for (let i = 1; i < heads.length; i++) {
    const [one, first] = [heads[i], heads[at]]
    if (one !== undefined && first !== undefined && emission(one.origin, first.origin) < 0) at = i
  }
  return at
}
