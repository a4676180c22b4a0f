import { Marker } from '../apply/marker.ts'
import { Route } from '../apply/route.ts'
import { anyOf } from '../async/abort.ts'
import { point } from '../async/point.ts'
import type { StreamItem } from '../model/change.ts'
import type { Checkpoint } from '../model/checkpoint.ts'
import { Fault } from '../model/fault.ts'
import type { Source } from '../source/source.ts'
import { batches, type Limits } from '../stream/batches.ts'
import type { Claim, Target } from '../target/target.ts'
import { Course, headIn } from './course.ts'
import { isAtEnd, type Leg, legOf, within } from './leg.ts'
import type { MirrorLimits, MirrorOutcome, Run } from './options.ts'
import { streamEncoding } from './plan.ts'
import { follow } from './run.ts'
import { watchOver } from './vigil.ts'

export interface Streaming {
  readonly run: Run
  readonly source: Source
  readonly target: Target
  readonly claim: Claim
  /** Its positions are those of the lanes that are followed. */
  readonly checkpoint: Checkpoint
  /** Ends reading; what was read is applied first. */
  readonly drain: AbortSignal
}

/** Follows the source until the goal is durable, a person stops it, or something fails. */
export async function streamMirror(all: Streaming): Promise<MirrorOutcome> {
  const { run, source, target, claim, checkpoint } = all
  const { positions } = checkpoint
  const leg = legOf(source, checkpoint)
  const { tables } = leg
  const head = headIn((await source.range()).head, positions)
  const { compare } = source
  const course = new Course({ compare, head, goal: run.goal, durable: positions, watch: run.watch })
  run.watch({ kind: 'phase', phase: 'catching-up', reason: null })
  run.watch({ kind: 'source', head, retainedBytes: null, limitBytes: null })
  course.watch({ kind: 'durable', positions })
  const followed = tables.map(({ table }) => table)
  await using vigil = await watchOver({ source, target, checkpoint, followed, course })
  const lost = anyOf(claim.lost, vigil.broken)
  const encoding = streamEncoding(source, target, followed)
  const mirrors = checkpoint.settings['shape'] !== 'history'
  const marker = markerOf(all, encoding)
  const flow = batches({
    stream: (signal) => read({ ...all, leg }, encoding, { signal, lost }),
    after: positions,
    route: new Route(compare, tables, marker),
    compare,
    limits: streamLimits(run.options.limits),
    awaited: (reached) => course.awaited(reached) || isAtEnd(source, leg, reached),
    drain: anyOf(all.drain, course.arrived),
    ahead: run.options.limits.ahead && target.traits.ahead === true,
    growing: mayGrow(all) && mirrors && marker === null && leg.until === null,
  })
  await follow({ source, target, batches: flow, encoding, watch: course.watch, lost }).catch(
    (error: unknown) => {
      if (error instanceof Fault && error.code === 'HF-L119') run.grownInVain = true
      throw error
    },
  )
  lost.throwIfAborted()
  await vigil.conclude(course.arrived.aborted)
  return { ended: course.arrived.aborted ? 'caught-up' : 'drained', positions: course.durable }
}

/** What a transaction that grows commits as is not known while its rows are written. */
function mayGrow({ run, target }: Streaming): boolean {
  return run.grownInVain !== true && target.traits.growing === true
}

/** Null where rows are what the source's rows are. */
function markerOf({ target, checkpoint }: Streaming, encoding: string): Marker | null {
  const cells = checkpoint.settings['metadata'] === true ? target.metadata?.(encoding) : undefined
  return cells === undefined ? null : new Marker(cells)
}

/** The source's stream; ends with the reason when the mirror has lost what it needs to go on. */
async function* read(
  { source, checkpoint, leg }: Streaming & { readonly leg: Leg },
  encoding: string,
  { signal, lost }: { readonly signal: AbortSignal; readonly lost: AbortSignal },
): AsyncIterable<readonly StreamItem[]> {
  point('stream-opened')
  const tables = leg.tables.map(({ table }) => table)
  const before = checkpoint.settings['shape'] === 'history'
  const options = { tables, encoding, before }
  const log = source.stream(checkpoint.positions, options, anyOf(signal, lost))
  yield* leg.until === null ? log : within(log, { source, checkpoint, until: leg.until })
  lost.throwIfAborted()
}

function streamLimits(limits: MirrorLimits): Limits {
  return {
    rows: limits.batchRows,
    bytes: limits.batchBytes,
    memory: limits.memoryBytes,
    directory: limits.spillDirectory,
    idleMillis: 10_000,
    idleDistance: 16n << 20n,
  }
}
