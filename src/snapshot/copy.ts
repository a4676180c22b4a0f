import { point } from '../async/point.ts'
import type { Table } from '../model/table.ts'
import type { Chunk, Snapshot, Source } from '../source/source.ts'
import type { Target } from '../target/target.ts'

export interface CopyOptions {
  readonly source: Source
  readonly target: Target
  readonly snapshot: Snapshot
  readonly tables: readonly Table[]
  /** Chunks that are copied at the same time. */
  readonly workers: number
  readonly signal: AbortSignal
  readonly expected: (table: Table, rows: number, bytes: number) => void
  readonly copiedRows: (table: Table, rows: number) => void
  readonly copiedTable: (table: Table) => void
}

/** Bytes of a chunk: large enough to amortise a statement, small enough to share the work. */
const CHUNK = 64 << 20

/** One table's chunks that are not copied yet. */
interface Work {
  readonly table: Table
  readonly encoding: string
  left: number
}

/**
 * Copies the tables of a snapshot, several chunks at once, the largest tables first so that no
 * worker ends alone with a big one. Each chunk commits with its mark (promise 2).
 */
export async function copyTables(options: CopyOptions): Promise<void> {
  const queue = await plan(options)
  const failed = new AbortController()
  const signal = AbortSignal.any([options.signal, failed.signal])
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      await copyChunk(next.chunk, next.work, { ...options, signal })
    }
  }
  const workers = Array.from({ length: Math.max(1, options.workers) }, worker)
  const guarded = workers.map((work) =>
    work.catch((error: unknown) => {
      failed.abort(error)
      throw error
    }),
  )
  const results = await Promise.allSettled(guarded)
  options.signal.throwIfAborted()
  if (failed.signal.aborted) throw failed.signal.reason
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

async function plan(
  options: CopyOptions,
): Promise<{ readonly chunk: Chunk; readonly work: Work }[]> {
  const planned: { readonly chunks: readonly Chunk[]; readonly work: Work; bytes: number }[] = []
  for (const table of options.tables) {
    const chunks = await options.snapshot.chunks(table, CHUNK)
    const encoding = commonEncoding(options, table)
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes, 0)
    const rows = chunks.reduce((sum, chunk) => sum + chunk.rows, 0)
    options.expected(table, rows, bytes)
    planned.push({ chunks, work: { table, encoding, left: chunks.length }, bytes })
  }
  planned.sort((a, b) => b.bytes - a.bytes)
  return planned.flatMap(({ chunks, work }) => chunks.map((chunk) => ({ chunk, work })))
}

function commonEncoding({ source, target }: CopyOptions, table: Table): string {
  const taken = target.encodings(table).copy
  return source.encodings(table).copy.find((name) => taken.includes(name)) ?? 'values'
}

async function copyChunk(chunk: Chunk, work: Work, options: CopyOptions): Promise<void> {
  const { snapshot, target, signal } = options
  signal.throwIfAborted()
  const { encoding } = work
  const data = snapshot.read(chunk, encoding, signal)
  const rows = await target.copy(chunk, { encoding, data }, signal)
  point('chunk-copied')
  options.copiedRows(work.table, rows)
  work.left--
  if (work.left > 0) return
  await target.copied(work.table)
  point('table-copied')
  options.copiedTable(work.table)
}
