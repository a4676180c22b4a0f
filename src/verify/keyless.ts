import type { Print, Reader, Recipe, Sums } from '../model/reader.ts'
import { Balance, bucketOf, unequal } from './digest.ts'
import type { RowsPending } from './fold.ts'
import { nothing, sideBySide } from './narrow.ts'
import type { Findings } from './report.ts'

export interface KeylessEnd {
  readonly reader: Reader
  readonly pending: RowsPending
}

/** Rows that are digested together. */
const ROUND = 500

/**
 * Compares a table without a key: how often each row is there, rows being told apart by their
 * digests. Returns the number of rows of the source.
 */
export async function compareKeyless(
  recipe: Recipe,
  ends: { readonly source: KeylessEnd; readonly target: KeylessEnd },
  findings: Findings,
): Promise<number> {
  const { source, target } = ends
  // Both servers digest alike, so one does it for both.
  const digester = source.reader
  const [ours, theirs] = await Promise.all([sumsOf(recipe, source), sumsOf(recipe, target)])
  const balances = [new Balance(ours, recipe.buckets), new Balance(theirs, recipe.buckets)] as const
  const rows = balances[0].rows
  const deltas = [
    await deltasOf(recipe, digester, source.pending),
    await deltasOf(recipe, digester, target.pending),
  ] as const
  for (const [i, balance] of balances.entries()) {
    for (const { print, delta } of deltas[i]?.values() ?? []) balance.add(print, delta)
  }
  const bad = unequal(...balances)
  if (bad.length > 0) await listBad(recipe, { ...ends, deltas, bad }, findings)
  return rows
}

type Deltas = Map<bigint, { readonly print: Print; delta: number }>

interface Bad {
  readonly source: KeylessEnd
  readonly target: KeylessEnd
  readonly deltas: readonly [Deltas, Deltas]
  readonly bad: readonly number[]
}

async function listBad(recipe: Recipe, work: Bad, findings: Findings): Promise<void> {
  const { source, target, bad } = work
  const [ours, theirs] = work.deltas
  const buckets = bad.length === recipe.buckets ? null : bad
  const pairs = sideBySide(listOf(recipe, source, buckets), listOf(recipe, target, buckets))
  const judge = (hash: bigint, left: number, right: number): void => {
    const more = left + (ours.get(hash)?.delta ?? 0) - right - (theirs.get(hash)?.delta ?? 0)
    ours.delete(hash)
    theirs.delete(hash)
    if (more > 0) findings.rows('missing', hash, more)
    else if (more < 0) findings.rows('extra', hash, -more)
  }
  for await (const pair of pairs) judge(pair.hash, total(pair.source), total(pair.target))
  const wanted = new Set(bad)
  for (const hash of [...ours.keys(), ...theirs.keys()]) {
    if (wanted.has(bucketOf(hash, recipe.buckets))) judge(hash, 0, 0)
  }
}

function total(prints: readonly Print[]): number {
  return prints.reduce((sum, { count }) => sum + count, 0)
}

async function deltasOf(recipe: Recipe, reader: Reader, pending: RowsPending): Promise<Deltas> {
  const deltas: Deltas = new Map()
  const changed = pending.deltas
  for (let from = 0; from < changed.length; from += ROUND) {
    const part = changed.slice(from, from + ROUND)
    const prints = await reader.print(
      recipe,
      part.map(({ row }) => row),
    )
    for (const [i, print] of prints.entries()) {
      const delta = part[i]?.delta ?? 0
      const known = deltas.get(print.hash)
      if (known === undefined) deltas.set(print.hash, { print, delta })
      else known.delta += delta
    }
  }
  return deltas
}

function sumsOf(recipe: Recipe, { reader, pending }: KeylessEnd): Promise<Sums> {
  return pending.truncated ? Promise.resolve(new Map()) : reader.sums(recipe)
}

function listOf(
  recipe: Recipe,
  { reader, pending }: KeylessEnd,
  buckets: readonly number[] | null,
): AsyncIterable<readonly Print[]> {
  return pending.truncated ? nothing() : reader.list(recipe, buckets)
}
