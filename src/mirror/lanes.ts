import { Fault } from '../model/fault.ts'
import { openSource } from '../source/registry.ts'
import { openTarget } from '../target/registry.ts'
import type { MirrorOptions } from './options.ts'

/** How far one lane is applied, in the units of the source's log: bytes, or records of a topic. */
export interface LaneLag {
  readonly lane: string
  /** What the target holds; null where it has nothing of the lane yet. */
  readonly applied: bigint | null
  readonly head: bigint
  /** What the source still has to give. */
  readonly behind: bigint
  /** What the source has removed already although the target does not hold it: a gap. */
  readonly lost: bigint
}

/** Each lane of a mirror, by what source and target say now and not by what a process says. */
export async function laneLags(
  options: Pick<MirrorOptions, 'name' | 'source' | 'target' | 'selection'>,
): Promise<readonly LaneLag[]> {
  const { name: mirror, selection } = options
  await using source = await openSource({ endpoint: options.source, mirror, selection })
  const position = source.position.bind(source)
  await using target = await openTarget({ endpoint: options.target, mirror, position })
  const checkpoint = await target.checkpoint()
  if (checkpoint === null) {
    const what = `${target.label} holds no mirror "${mirror}"`
    throw new Fault('HF-C112', { what })
  }
  const { from, head } = await source.range()
  return [...head]
    .map(([lane, end]) => {
      const reached = checkpoint.positions.get(lane)
      // An order counts for as long as a source is open: that of the process that wrote it is another.
      const applied = reached === undefined ? null : source.position(lane, reached.token).order
      const oldest = from.get(lane)?.order ?? end.order
      const at = applied ?? oldest
      const behind = positive(end.order - at)
      return { lane, applied, head: end.order, behind, lost: positive(oldest - at) }
    })
    .sort((a, b) => (a.lane < b.lane ? -1 : 1))
}

function positive(value: bigint): bigint {
  return value > 0n ? value : 0n
}
