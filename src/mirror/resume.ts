import { catalogue } from '../model/catalogue/index.ts'
import type { Checkpoint, Identities } from '../model/checkpoint.ts'
import { Fault, type FaultCode } from '../model/fault.ts'
import { describePositions, inShort, type Position, type Positions } from '../model/position.ts'
import type { Table } from '../model/table.ts'
import type { Source } from '../source/source.ts'
import type { MirrorOptions } from './options.ts'
import { settingsOf } from './plan.ts'

/**
 * Promise 7: before the source is asked for anything, what the checkpoint says is compared with
 * what the source is. A log that is another one, that no longer holds what comes next, or that
 * ends before what was applied, is a named state and never an apply.
 */
export async function compareLogs(
  source: Source,
  checkpoint: Checkpoint,
  signal: AbortSignal,
): Promise<void> {
  refuseOtherLog(source, checkpoint.positions)
  refuseForeignLog(checkpoint.source, await source.identity(followed(checkpoint)))
  const { from, head, gap } = await source.range()
  refuseGap(source, checkpoint.positions, { from, code: gap ?? 'HF-L105' })
  refuseOlderLog(source, checkpoint.positions, head)
  await source.confirm(checkpoint.positions, signal)
}

/** Its tables that the log is kept for: those whose copies were begun. */
export function followed({ tables }: Checkpoint): readonly Table[] {
  return tables.filter(({ start }) => start !== null).map(({ table }) => table)
}

/** Another server says so by its log, whatever it holds under this mirror's names. */
function refuseOtherLog(source: Source, applied: Positions): void {
  for (const [lane, reached] of applied) {
    const here = source.position(lane, reached.token)
    if (source.compare(reached, here) !== 'unrelated') continue
    throw new Fault('HF-L106', {
      what:
        `the source is not the one that was mirrored: ` +
        `the target follows log ${reached.log}, and this one writes ${here.log}`,
    })
  }
}

/** Every fact that names the log must be what it was. */
export function refuseForeignLog(known: Identities, now: Identities): void {
  const changed = Object.entries(known).filter(([name, { value }]) => now[name]?.value !== value)
  const first = changed[0]
  if (first === undefined) return
  const words = changed.map(
    ([name, { value }]) => `${name} was ${value} and is ${now[name]?.value ?? 'gone'}`,
  )
  const code = isFaultCode(first[1].changed) ? first[1].changed : 'HF-L106'
  throw new Fault(code, {
    what: `the source is not the one that was mirrored: ${words.join('; ')}`,
  })
}

function isFaultCode(text: string): text is FaultCode {
  return Object.hasOwn(catalogue, text)
}

interface Oldest {
  readonly from: Positions
  readonly code: FaultCode
}

function refuseGap(source: Source, applied: Positions, { from, code }: Oldest): void {
  for (const [lane, oldest] of from) {
    const reached = applied.get(lane)
    const how = reached === undefined ? 'unrelated' : source.compare(reached, oldest)
    if (how === 'equal' || how === 'after') continue
    const stands = describePositions(applied)
    const known = reached === undefined ? undefined : source.position(lane, reached.token)
    const [here, there] = inWords(known, oldest) ?? [stands, oldest.token].map(inShort)
    throw new Fault(code, {
      what: `the target stands at ${here}, but the source's log for this mirror begins at ${there}`,
      evidence: { applied: stands, oldest: oldest.token },
    })
  }
}

/** Two places of one lane in few words; null where not both have them. */
function inWords(a: Position | undefined, b: Position): readonly [string, string] | null {
  return a?.shown === undefined || b.shown === undefined ? null : [a.shown, b.shown]
}

function refuseOlderLog(source: Source, applied: Positions, head: Positions): void {
  for (const [lane, reached] of applied) {
    const newest = head.get(lane)
    const how = newest === undefined ? 'unrelated' : source.compare(reached, newest)
    if (how === 'equal' || how === 'before') continue
    throw new Fault('HF-L106', {
      what:
        `the target has applied up to ${inShort(reached.token)}, ` +
        `but the source's log ends at ${inShort(newest?.token ?? 'nothing')}`,
      evidence: { applied: reached.token, head: newest?.token ?? 'none' },
    })
  }
}

/** What holds where a checkpoint does not speak of it. */
const UNSAID = { shape: 'mirror', rename: [], metadata: false }

/** A mirror goes on with what it was set up with; other wishes need another mirror. */
export function refuseOtherSettings(checkpoint: Checkpoint, options: MirrorOptions): void {
  const wanted = settingsOf(options)
  const changed = Object.entries({ ...UNSAID, ...checkpoint.settings }).filter(
    ([name, value]) => name in wanted && JSON.stringify(wanted[name]) !== JSON.stringify(value),
  )
  if (changed.length === 0 || isDefault(options)) return
  const words = changed.map(
    ([name, value]) => `${name} ${JSON.stringify(value)} (now ${JSON.stringify(wanted[name])})`,
  )
  throw new Fault('HF-C111', {
    what: `mirror ${options.name} was set up with ${words.join(', ')}`,
  })
}

/** True when the user chose nothing, so that what was chosen at the beginning holds. */
export function isDefault(options: MirrorOptions): boolean {
  const { selection, onExisting, shape = 'mirror', rename = [], metadata = false } = options
  return (
    !metadata &&
    rename.length === 0 &&
    selection.include.length === 0 &&
    selection.exclude.length === 0 &&
    selection.keyless === 'refuse' &&
    onExisting === 'refuse' &&
    shape === 'mirror'
  )
}
