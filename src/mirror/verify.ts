import type { Endpoint } from '../model/endpoint.ts'
import { Fault } from '../model/fault.ts'
import type { Comparison, Position } from '../model/position.ts'
import type { TargetReader } from '../model/reader.ts'
import * as sources from '../source/registry.ts'
import type { Source } from '../source/source.ts'
import * as targets from '../target/registry.ts'
import type { Target } from '../target/target.ts'
import { type CompareOptions, compareDefaults, compareEnds, type Ends } from '../verify/compare.ts'
import type { Verification } from '../verify/report.ts'
import { openBehind } from './behind.ts'
import type { Connectors } from './options.ts'
import { followed, refuseForeignLog } from './resume.ts'

export interface VerifyOptions extends Partial<CompareOptions> {
  readonly name: string
  readonly source: Endpoint
  readonly target: Endpoint
  /** The database whose log the source tells of, where the source does not hold rows itself. */
  readonly database?: Endpoint | null
  /** Those of the registries unless given. */
  readonly connectors?: Connectors
}

/**
 * Compares every mirrored row of both ends at one place in the source's log, beside a running
 * mirror or without one. Changes nothing. A difference is an answer, not a fault; throws Fault
 * when there is no answer.
 */
export async function verifyMirror(
  options: VerifyOptions,
  signal: AbortSignal,
): Promise<Verification> {
  const { name: mirror } = options
  const { openSource, openTarget } = options.connectors ?? { ...sources, ...targets }
  const selection = { include: [], exclude: [], keyless: 'append' } as const
  await using source = await openSource({ endpoint: options.source, mirror, selection })
  await using target = await openTarget({
    endpoint: options.target,
    mirror,
    position: (lane, token): Position => source.position(lane, token),
  })
  await refuseStranger(source, target, mirror)
  const how = { ...compareDefaults, ...options }
  const ends = {
    compare: (a: Position, b: Position): Comparison => source.compare(a, b),
    openTarget: (stop: AbortSignal): Promise<TargetReader> => target.reader([], stop),
  }
  if (options.database == null) {
    const open: Ends['openSource'] = (tables, stop) => source.reader(tables, stop)
    return await compareEnds({ ...ends, openSource: open }, how, signal)
  }
  await using database = await openSource({ endpoint: options.database, mirror, selection })
  const { patience } = how
  const open: Ends['openSource'] = (tables, stop, after) =>
    openBehind({ source, database, after, tables, patience }, stop)
  return await compareEnds({ ...ends, openSource: open }, how, signal)
}

/** The target's rows are compared with the source that they came from and with no other. */
async function refuseStranger(source: Source, target: Target, mirror: string): Promise<void> {
  const checkpoint = await target.checkpoint()
  if (checkpoint === null) {
    throw new Fault('HF-C112', { what: `${target.label} knows no mirror named ${mirror}` })
  }
  if (checkpoint.positions.size === 0) return
  // A source may follow what the checkpoint names, whatever is selected.
  for (const [lane, { token }] of checkpoint.positions) source.position(lane, token)
  refuseForeignLog(checkpoint.source, await source.identity(followed(checkpoint)))
}
