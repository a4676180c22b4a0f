import type { Endpoint } from '../model/endpoint.ts'
import { Fault } from '../model/fault.ts'
import type { Position } from '../model/position.ts'
import * as sources from '../source/registry.ts'
import type { Source } from '../source/source.ts'
import * as targets from '../target/registry.ts'
import type { Target } from '../target/target.ts'
import { type CompareOptions, compareDefaults, compareEnds } from '../verify/compare.ts'
import type { Verification } from '../verify/report.ts'
import type { Connectors } from './options.ts'
import { refuseForeignLog } from './resume.ts'

export interface VerifyOptions extends Partial<CompareOptions> {
  readonly name: string
  readonly source: Endpoint
  readonly target: Endpoint
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
  return await compareEnds(
    {
      compare: (a, b) => source.compare(a, b),
      openSource: (tables, stop) => source.reader(tables, stop),
      openTarget: (stop) => target.reader([], stop),
    },
    { ...compareDefaults, ...options },
    signal,
  )
}

/** The target's rows are compared with the source that they came from and with no other. */
async function refuseStranger(source: Source, target: Target, mirror: string): Promise<void> {
  const checkpoint = await target.checkpoint()
  if (checkpoint === null) {
    throw new Fault('HF-C112', { what: `${target.label} knows no mirror named ${mirror}` })
  }
  if (checkpoint.positions.size === 0) return
  refuseForeignLog(checkpoint.source, await source.identity())
}
