import { UntilAborted } from '../async/abort.ts'
import { point } from '../async/point.ts'
import type { Batch } from '../model/batch.ts'
import type { Source } from '../source/source.ts'
import type { Target } from '../target/target.ts'
import { deliver } from './deliver.ts'
import type { Watch } from './options.ts'

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
  const delivery = { target, encoding, watch, lost }
  using until = new UntilAborted(lost)
  for await (const batch of batches) {
    await until.wait(deliver(delivery, batch)) // promise 2
    const durable = await target.durable()
    source.acknowledge(durable) // promise 1: only what is durable
    point('acknowledged')
    watch({ kind: 'durable', positions: durable })
  }
}
