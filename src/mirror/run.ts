import { orAborted } from '../async/abort.ts'
import { point } from '../async/point.ts'
import type { Batch } from '../model/batch.ts'
import { asFault } from '../model/fault.ts'
import type { Source } from '../source/source.ts'
import type { Target } from '../target/target.ts'
import type { Watch } from './options.ts'
import { appliedEvent } from './progress.ts'

export interface Following {
  readonly source: Source
  readonly target: Target
  readonly batches: AsyncIterable<Batch>
  /** The encoding of all tuples of the stream. */
  readonly encoding: string
  readonly watch: Watch
  /** Aborted when the right to write is gone or something beside the loop has failed. */
  readonly lost: AbortSignal
}

/**
 * The mirror. Everything else (opening, retrying, lag, status, stopping) is around this loop and
 * never in it.
 */
export async function follow(following: Following): Promise<void> {
  const { source, target, batches, encoding, watch, lost } = following
  for await (const batch of batches) {
    const replayed = await orAborted(deliver(target, batch, encoding), lost) // promise 2
    watch(appliedEvent(batch, replayed))
    const durable = await target.durable()
    source.acknowledge(durable) // promise 1: only what is durable
    point('acknowledged')
    watch({ kind: 'durable', positions: durable })
  }
}

/**
 * Applies a batch. What the target refuses as collapsed (two rows that swap a unique value, a
 * check that holds only in source order) is tried once more change by change before it is called
 * a fault. True when that was needed.
 */
async function deliver(target: Target, batch: Batch, encoding: string): Promise<boolean> {
  try {
    await target.apply(batch, encoding)
    return false
  } catch (thrown) {
    if (!batch.collapsed || asFault(thrown).entry.class !== 'data') throw thrown
    await target.apply(batch.inOrder(), encoding)
    return true
  }
}
