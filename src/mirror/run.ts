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
  /** `next` is told what is under way: only a full batch is handed out before that is done. */
  readonly batches: AsyncGenerator<Batch & AsyncDisposable, void, Promise<void> | undefined>
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
  const { batches, lost } = following
  using until = new UntilAborted(lost)
  let underWay: Promise<void> | undefined
  try {
    for (let next = await batches.next(); next.done !== true; next = await batches.next(underWay)) {
      const before = underWay
      const carried = until.wait(carry(following, next.value, before)).finally(() => {
        if (underWay === carried) underWay = undefined
      })
      // Whoever waits next hears of it.
      carried.catch(() => undefined)
      underWay = carried
      await before
    }
  } finally {
    await batches.return()
  }
}

/** A batch from the source to the target, and the word of it back. */
async function carry(
  { source, target, encoding, watch, lost }: Following,
  batch: Batch & AsyncDisposable,
  before: Promise<void> | undefined,
): Promise<void> {
  await using delivered = batch
  await deliver({ target, encoding, watch, lost }, delivered, before) // promise 2
  const durable = await target.durable()
  source.acknowledge(durable) // promise 1: only what is durable
  point('acknowledged')
  watch({ kind: 'durable', positions: durable })
}
