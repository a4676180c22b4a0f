import { point } from '../async/point.ts'
import { makeAgain, snapshotAnew } from '../model/catalogue/parts.ts'
import type { Checkpoint } from '../model/checkpoint.ts'
import { Fault } from '../model/fault.ts'
import { listed } from '../model/findings.ts'
import type { Position } from '../model/position.ts'
import { tableName } from '../model/table.ts'
import { openSource } from '../source/registry.ts'
import type { Source, Telling, Wish } from '../source/source.ts'
import { openTarget } from '../target/registry.ts'
import type { Claim, Target } from '../target/target.ts'
import type { MirrorOptions } from './options.ts'

export interface AnewOptions extends MirrorOptions {
  /** Those that cannot be followed on, unless named. */
  readonly names: readonly string[] | null
  /** Milliseconds to wait for the first sign of rows that are told anew. */
  readonly wait: number
  /** Tells whoever fills the log what is wanted of it. */
  readonly ask: (wishes: readonly Wish[]) => Promise<void>
}

/**
 * What came of it. nothing: no table lacks anything. moved: the mirror goes on at the rows that were
 * told anew. left: they are there, for the process that runs the mirror or for the first copy.
 */
export interface Anew {
  readonly ended: 'nothing' | 'moved' | 'left'
  /** False before there is a mirror. */
  readonly known: boolean
  readonly tables: readonly string[]
}

/**
 * Has tables told anew by whoever fills the source, and lets the mirror go on with them there. Until
 * that is recorded, in one transaction, nothing of the mirror has changed, and the next attempt asks
 * again; from then on a run replaces their rows by the new ones in one transaction of its own.
 */
export async function tellTablesAnew(options: AnewOptions, signal: AbortSignal): Promise<Anew> {
  const { source: endpoint, target: to, name: mirror, selection, rename = [] } = options
  await using source = await openSource({ endpoint, mirror, selection })
  const position = (lane: string, token: string): Position => source.position(lane, token)
  const { metadata = false } = options
  await using target = await openTarget({ endpoint: to, mirror, position, rename, metadata })
  const known = begun(await target.checkpoint())
  const first = await tellingOf(source, target, { known, names: options.names })
  if (first.tables.length === 0) return { ended: 'nothing', known: known !== null, tables: [] }
  const claim = known === null ? null : await claimed(target, first, { options, signal })
  await using _held = claim ?? { [Symbol.asyncDispose]: async () => undefined }
  const standing = claim === null ? known : begun(claim.checkpoint)
  const telling =
    claim === null
      ? first
      : await tellingOf(source, target, { known: standing, names: options.names })
  const tables = telling.tables.map(tableName)
  await options.ask(telling.wishes)
  point('tables-asked')
  const moved = await telling.whole({ wait: options.wait, again: options.ask }, signal)
  point('tables-told')
  if (claim === null || moved === null) return { ended: 'left', known: known !== null, tables }
  await target.relocate(telling.tables, moved)
  point('lanes-moved')
  return { ended: 'moved', known: true, tables }
}

/** Null for a mirror that was claimed and has no place yet. */
function begun(known: Checkpoint | null): Checkpoint | null {
  return known === null || known.positions.size === 0 ? null : known
}

async function tellingOf(
  source: Source,
  target: Target,
  { known, names }: { readonly known: Checkpoint | null; readonly names: readonly string[] | null },
): Promise<Telling> {
  if (source.telling === undefined) {
    const what = `${source.label} is read itself: nobody else is to tell its tables anew`
    throw new Fault('HF-C117', { what, side: 'source' })
  }
  if (known !== null && target.traits.oneLane === true) {
    const what = `${target.label} tells older changes from newer ones by where they stood in one log, and cannot go on elsewhere`
    throw new Fault('HF-T254', { what, side: 'target', todo: [...snapshotAnew, makeAgain] })
  }
  return await source.telling(known, names)
}

/** Null where another process runs the mirror and can follow all of these tables on. */
async function claimed(
  target: Target,
  { gaps }: Telling,
  { options, signal }: { readonly options: MirrorOptions; readonly signal: AbortSignal },
): Promise<Claim | null> {
  try {
    return await target.claim({ settings: {}, patience: 0 }, signal)
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'HF-X101') throw error
    if (gaps.length === 0) return null
    const what = `mirror ${options.name} runs elsewhere, and ${listed(gaps.map(tableName))} cannot go on there`
    throw new Fault('HF-X101', { what, side: 'target' })
  }
}
