import type { StreamItem, TransactionId } from '../../src/model/change.ts'
import { Changes } from '../../src/model/changes.ts'
import { Run } from '../../src/model/run.ts'
import { packedChanges } from '../packed.ts'

type Commit = Extract<StreamItem, { kind: 'commit' }>

/** One run of these commits. */
export function runOf(commits: readonly Commit[]): Run {
  const lists = commits.map(({ changes }) => packedChanges([...changes]))
  let end = 0
  const ends = lists.map(({ length }) => (end += length))
  return new Run(Changes.joined(lists), ends, {
    length: commits.length,
    positions: (i) => commitAt(commits, i).positions,
    committedAt: (i) => commitAt(commits, i).committedAt,
  })
}

/** A run as the commits that it consists of. */
export function apart(item: StreamItem): readonly Exclude<StreamItem, { kind: 'run' }>[] {
  if (item.kind !== 'run') return [item]
  const { run } = item
  return Array.from({ length: run.length }, (_, i) => ({
    kind: 'commit',
    transaction: 'one of a run',
    changes: run.changesOf(i),
    positions: run.places.positions(i),
    committedAt: run.places.committedAt(i),
  }))
}

/**
 * The same items, with commits that follow one another put into runs. About every fourth stays
 * alone, always the same ones.
 */
export function inRuns(
  items: readonly StreamItem[],
  begun: ReadonlySet<TransactionId>,
): readonly StreamItem[] {
  const made: StreamItem[] = []
  let waiting: Commit[] = []
  const hand = (): void => {
    if (waiting.length > 0) made.push({ kind: 'run', run: runOf(waiting) })
    waiting = []
  }
  for (const item of items) {
    if (item.kind === 'commit' && !isAlone(item, begun)) {
      waiting.push(item)
      continue
    }
    hand()
    made.push(item)
  }
  hand()
  return made
}

/** Parts came before it, it changes a table's shape, or chance wants it so. */
function isAlone({ transaction, changes, positions }: Commit, begun: ReadonlySet<string>): boolean {
  if (begun.has(transaction) || [...changes].some(({ kind }) => kind === 'schema')) return true
  const [{ order = 0n } = {}] = positions.values()
  return Math.imul(Number(order), 0x9e3779b1) >>> 30 === 0
}

function commitAt(commits: readonly Commit[], index: number): Commit {
  const commit = commits[index]
  if (commit === undefined) throw new RangeError(`no transaction ${index}`)
  return commit
}
