import type { Checkpoint } from '../model/checkpoint.ts'
import { Fault, type Finding } from '../model/fault.ts'
import type { MemberLease } from '../model/member.ts'
import type { Position } from '../model/position.ts'
import type { Blueprint } from '../model/table.ts'
import { openSource } from '../source/registry.ts'
import type { Estimate, Source } from '../source/source.ts'
import { openTarget } from '../target/registry.ts'
import type { Target } from '../target/target.ts'
import { preflight } from './birth.ts'
import { laterFindings } from './fitting.ts'
import type { MirrorOptions } from './options.ts'
import { refuseSamePlace, refuseShape } from './plan.ts'

async function sourceOf(options: MirrorOptions): Promise<Source> {
  const { source: endpoint, name: mirror, selection } = options
  return openSource({ endpoint, mirror, selection })
}

async function targetOf(options: MirrorOptions, source: Source | null): Promise<Target> {
  const { target: endpoint, name: mirror, rename = [], metadata = false } = options
  const position = (lane: string, token: string): Position =>
    source === null ? { log: lane, order: 0n, token } : source.position(lane, token)
  return openTarget({ endpoint, mirror, position, rename, metadata })
}

/** Would it work? Changes nothing. */
export async function checkMirror(options: MirrorOptions): Promise<readonly Finding[]> {
  await using source = await sourceOf(options)
  await using target = await targetOf(options, source)
  refuseSamePlace(source, target)
  refuseShape(target, options)
  const findings: Finding[] = [
    { level: 'ok', subject: 'source', what: `reachable, ${source.label}` },
    { level: 'ok', subject: 'target', what: `reachable, ${target.label}` },
  ]
  const known = await target.checkpoint()
  if (known !== null && known.positions.size > 0) {
    const what = `mirror ${options.name} stands here already; run goes on from its checkpoint`
    const later = await laterFindings({ source, target }, known)
    return [...findings, { level: 'ok', subject: 'mirror', what }, ...later]
  }
  return [...findings, ...(await preflight({ options, source, target }))]
}

/** A source and what a mirror of it would find there. */
export interface Discovery {
  readonly label: string
  readonly blueprint: Blueprint
  /** How much each of the blueprint's tables holds. */
  readonly estimates: readonly Estimate[]
  readonly findings: readonly Finding[]
}

/** What the source holds; changes nothing. */
export async function discoverMirror(
  options: Pick<MirrorOptions, 'name' | 'source' | 'selection'>,
): Promise<Discovery> {
  const { source: endpoint, name: mirror, selection } = options
  await using source = await openSource({ endpoint, mirror, selection })
  const findings = await source.preflight()
  const blueprint = await source.inspect()
  const estimates = await source.estimates(blueprint.tables)
  return { label: source.label, blueprint, estimates, findings }
}

/** What the target's state says of a mirror; null when it knows none of that name. */
export async function storedMirror(options: Pick<MirrorOptions, 'name' | 'target'>): Promise<{
  readonly label: string
  readonly checkpoint: Checkpoint | null
  readonly mirrors: readonly string[]
  /** Processes that share it. */
  readonly members: readonly MemberLease[]
}> {
  const position = (lane: string, token: string): Position => ({ log: lane, order: 0n, token })
  const { target: endpoint, name: mirror } = options
  await using target = await openTarget({ endpoint, mirror, position })
  return {
    label: target.label,
    checkpoint: await target.checkpoint(),
    mirrors: await target.mirrors(),
    members: (await target.members?.()) ?? [],
  }
}

/**
 * Removes what the source keeps for the mirror, then its state at the target. Mirrored tables
 * stay. A running mirror is refused.
 */
export async function destroyMirror(options: MirrorOptions): Promise<readonly string[]> {
  await using source = await sourceOf(options)
  await using target = await targetOf(options, source)
  const known = await target.mirrors()
  if (!known.includes(options.name)) {
    const removed = await source.destroy()
    if (removed.length > 0) return removed
    throw new Fault('HF-C112', { what: `there is no mirror named ${options.name} here` })
  }
  const quiet = new AbortController()
  const request = { settings: {}, patience: 0, destroying: true }
  await using _claim = await target.claim(request, quiet.signal)
  const removed = await source.destroy()
  return [...removed, ...(await target.destroy())]
}
