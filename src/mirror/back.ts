import type { Batch } from '../model/batch.ts'
import type { Checkpoint } from '../model/checkpoint.ts'
import { Fault } from '../model/fault.ts'
import type { Positions } from '../model/position.ts'
import type { Source } from '../source/source.ts'
import type { Target } from '../target/target.ts'

/**
 * Sets lanes back to places before those at which they stand, so that what comes after those is
 * applied once more. `held` says which lanes this process writes.
 */
export async function setBack(
  { source, target }: { readonly source: Pick<Source, 'label'>; readonly target: Target },
  held: Pick<Checkpoint, 'positions'>,
  back: Positions,
): Promise<void> {
  const now = await target.checkpoint()
  const previous = new Map([...(now?.positions ?? [])].filter(([lane]) => back.has(lane)))
  const foreign = [...back.keys()].some((lane) => !held.positions.has(lane) || !previous.has(lane))
  if (foreign || !target.traits.transactional) {
    throw new Fault('HF-K115', {
      what: `${target.label} cannot set back a lane of ${source.label} that was followed past what came before`,
      side: 'target',
    })
  }
  await target.apply(nothing(previous, back), 'values')
}

/** A batch without changes. */
function nothing(previous: Positions, positions: Positions): Batch {
  const batch: Batch = {
    growing: false,
    grown: async () => undefined,
    previous,
    positions,
    parts: [],
    stretches: [],
    additive: false,
    collapsed: false,
    inOrder: () => batch,
    halves: () => null,
    newest: positions,
    transactions: 0,
    changes: 0,
    bytes: 0,
    committedAt: null,
    flush: true,
  }
  return batch
}
