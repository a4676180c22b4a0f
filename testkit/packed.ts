import type { Change } from '../src/model/change.ts'
import { Changes, ROW_KINDS } from '../src/model/changes.ts'
import type { Tuple } from '../src/model/tuple.ts'
import { Tuples } from '../src/model/tuples.ts'

/** Something that is no tuple, so that nothing works that looks beside one. */
const BETWEEN = Buffer.from([0xff, 0xff, 0xee])

interface Place {
  readonly from: number
  readonly to: number
}

const NOWHERE: Place = { from: -1, to: -1 }

/** Puts tuples into one buffer, as messages of a log hold them: with other bytes between. */
function lay(tuples: readonly Tuple[]): { readonly buffer: Buffer; readonly places: Place[] } {
  const places: Place[] = []
  let at = BETWEEN.length
  for (const { length } of tuples) {
    places.push({ from: at, to: at + length })
    at += length + BETWEEN.length
  }
  const pieces = tuples.flatMap((tuple) => [tuple, BETWEEN])
  return { buffer: Buffer.concat([BETWEEN, ...pieces]), places }
}

/** A list of tuples that stand in one buffer. */
export function packedTuples(tuples: readonly Tuple[]): Tuples {
  const { buffer, places } = lay(tuples)
  const made = new Tuples()
  for (const { from, to } of places) made.add(buffer, from, to)
  return made
}

/** A list of changes of which all tuples stand in one buffer. */
export function packedChanges(changes: readonly Change[]): Changes {
  const tuples = changes.flatMap((change) =>
    'row' in change ? [change.row, change.old].filter((tuple) => tuple !== null) : [],
  )
  const { buffer, places } = lay(tuples)
  const made = Changes.empty()
  let next = 0
  const take = (tuple: Tuple | null): Place =>
    tuple === null ? NOWHERE : (places[next++] ?? NOWHERE)
  for (const change of changes) {
    if (change.kind === 'truncate' || change.kind === 'schema') {
      made.push(change)
      continue
    }
    const { table } = change
    const [row, old] = [take(change.row), take(change.old)]
    const kind = ROW_KINDS.indexOf(change.kind)
    made.add(kind, table, { buffer, ...row, oldFrom: old.from, oldTo: old.to })
  }
  return made
}
