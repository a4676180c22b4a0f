import type { Batch } from '../model/batch.ts'
import { asFault, Fault } from '../model/fault.ts'
import { describePositions } from '../model/position.ts'
import type { Target } from '../target/target.ts'
import type { Watch } from './options.ts'
import { appliedEvent } from './progress.ts'

export interface Delivery {
  readonly target: Target
  readonly encoding: string
  readonly watch: Watch
  /** Nothing more is begun once this is aborted. */
  readonly lost: AbortSignal
}

/** Applies a batch, and tells of all that was applied. `before` is the one that is under way. */
export async function deliver(
  delivery: Delivery,
  batch: Batch,
  before: Promise<void> | undefined,
): Promise<void> {
  if (before !== undefined && (await ahead(before, delivery, batch))) return
  await inTurn(delivery, batch)
}

/** True when the batch was written meanwhile, and committed after what was before it. */
async function ahead(
  before: Promise<void>,
  { target, encoding, watch }: Delivery,
  batch: Batch,
): Promise<boolean> {
  const written = batch.additive ? target.ahead?.(batch, encoding, before) : undefined
  // Whoever is before says first what is wrong.
  written?.catch(() => undefined)
  await before
  if ((await written) !== true) return false
  watch(appliedEvent(batch, false))
  return true
}

/**
 * What is refused for what it holds is applied once more in halves, until everything before the
 * transaction that is refused stands and that one is named.
 */
async function inTurn(delivery: Delivery, batch: Batch): Promise<void> {
  const refused = await attempt(delivery, batch)
  if (refused === null) return
  const halves = batch.halves()
  if (halves === null) throw await ofTransaction(refused, batch)
  for (const half of halves) {
    delivery.lost.throwIfAborted()
    await inTurn(delivery, half)
  }
}

/**
 * What the target refuses as collapsed (two rows that swap a unique value, a check that holds only
 * in source order) is tried once more change by change before it is called a fault.
 */
async function attempt(delivery: Delivery, batch: Batch): Promise<Fault | null> {
  const refused = await once(delivery, batch, false)
  if (refused === null || !batch.collapsed) return refused
  return await once(delivery, batch.inOrder(), true)
}

/** The fault that lies in the data; any other is thrown. */
async function once(delivery: Delivery, batch: Batch, replayed: boolean): Promise<Fault | null> {
  const { target, encoding, watch } = delivery
  try {
    await target.apply(batch, encoding)
  } catch (thrown) {
    const fault = asFault(thrown)
    if (!liesInRows(fault)) throw thrown
    return fault
  }
  watch(appliedEvent(batch, replayed))
  return null
}

/** A label that the target lacks is waited for, but nothing before its row has to wait. */
function liesInRows(fault: Fault): boolean {
  return fault.entry.class === 'data' || fault.code === 'HF-T237'
}

/** The fault, with the place of the source's log that holds what is refused. */
async function ofTransaction(fault: Fault, batch: Batch): Promise<Fault> {
  await batch.grown()
  const transaction = describePositions(batch.newest)
  const { detail } = fault
  return new Fault(fault.code, {
    ...detail,
    what: `${detail.what}, in the transaction that committed at ${transaction} of the source's log`,
    evidence: { ...detail.evidence, transaction },
  })
}
