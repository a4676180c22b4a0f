import { keyOf } from '../apply/cells.ts'
import { Fault } from '../model/fault.ts'
import type { Found, Print, Reader, Recipe, Sums } from '../model/reader.ts'
import type { Column } from '../model/table.ts'
import { cell, cells, type Tuple } from '../model/tuple.ts'
import { Balance, unequal } from './digest.ts'
import { type KeyedPending, type Outcome, resolve } from './fold.ts'
import { nothing, type Pair, sideBySide } from './narrow.ts'
import type { Findings } from './report.ts'

/** One end of a table's comparison. */
export interface KeyedEnd {
  readonly reader: Reader
  readonly pending: KeyedPending
}

interface Ends {
  readonly source: KeyedEnd
  readonly target: KeyedEnd
}

/** Keys that are looked up together, and the bytes of pending rows that end a round earlier. */
const ROUND = 500
const ROUND_BYTES = 4 << 20

/**
 * Compares a table with a key: keys that changes are pending for one by one, all others by sums
 * of digests. Returns the number of rows of the source.
 */
export async function compareKeyed(
  recipe: Recipe,
  ends: Ends,
  findings: Findings,
): Promise<number> {
  const { source, target } = ends
  const [ours, theirs] = await Promise.all([sumsOf(recipe, source), sumsOf(recipe, target)])
  const balances = {
    source: new Balance(ours, recipe.buckets),
    target: new Balance(theirs, recipe.buckets),
  }
  const { rows } = balances.source
  await comparePending(recipe, { ...ends, balances }, findings)
  const bad = unequal(balances.source, balances.target)
  if (bad.length > 0) {
    const buckets = bad.length === recipe.buckets ? null : bad
    const pairs = sideBySide(listOf(recipe, source, buckets), listOf(recipe, target, buckets))
    const pending = pendingKeys(ends)
    for await (const pair of pairs) compareGroup(pair, pending, findings)
  }
  return rows
}

function sumsOf(recipe: Recipe, { reader, pending }: KeyedEnd): Promise<Sums> {
  return pending.truncated ? Promise.resolve(new Map()) : reader.sums(recipe)
}

function listOf(
  recipe: Recipe,
  { reader, pending }: KeyedEnd,
  buckets: readonly number[] | null,
): AsyncIterable<readonly Print[]> {
  return pending.truncated ? nothing() : reader.list(recipe, buckets)
}

function compareGroup(
  { source, target }: Pair,
  pending: ReadonlyMap<string, unknown>,
  findings: Findings,
): void {
  const [ours] = source
  const [other] = target
  // Nearly always a hash is that of one row at each end.
  if (ours !== undefined && other !== undefined && source.length + target.length === 2) {
    if (ours.digest === other.digest && ours.key.equals(other.key)) return
  }
  const theirs = new Map(target.map((print) => [textKey(print.key), print]))
  for (const print of source) {
    const key = textKey(print.key)
    const other = theirs.get(key)
    theirs.delete(key)
    if (pending.has(key)) continue
    if (other === undefined) findings.keyed('missing', print.key)
    else if (other.digest !== print.digest) findings.keyed('changed', print.key)
  }
  for (const [key, print] of theirs) if (!pending.has(key)) findings.keyed('extra', print.key)
}

/** The key of a tuple that holds nothing else. */
function textKey(key: Tuple): string {
  return keyOf(
    key,
    Array.from({ length: cells(key) }, (_, i) => i),
  )
}

/** The keys that changes are pending for at either end. */
function pendingKeys(ends: Ends): Map<string, Outcome> {
  return new Map([...ends.source.pending.outcomes, ...ends.target.pending.outcomes])
}

/** Compares the keys that changes are pending for, and takes their rows out of both sums. */
async function comparePending(
  recipe: Recipe,
  work: Ends & { readonly balances: { readonly source: Balance; readonly target: Balance } },
  findings: Findings,
): Promise<void> {
  const { balances, ...ends } = work
  const keys = pendingKeys(ends)
  for (const round of rounds(keys)) {
    const wanted = withSuppliers(round, keys)
    const [ours, theirs] = await Promise.all([
      rowsOf(recipe, ends.source, wanted),
      rowsOf(recipe, ends.target, wanted),
    ])
    for (const [key, outcome] of round) {
      const [left, right] = [ours.get(key), theirs.get(key)]
      if (left !== undefined) balances.source.add(left.print, -1)
      if (right !== undefined) balances.target.add(right.print, -1)
      const source = after(key, ends.source.pending, ours)
      const target = after(key, ends.target.pending, theirs)
      judge(recipe, { key: outcome.key, source, target }, findings)
    }
  }
}

function* rounds(keys: ReadonlyMap<string, Outcome>): Generator<[string, Outcome][]> {
  let round: [string, Outcome][] = []
  let bytes = 0
  for (const entry of keys) {
    round.push(entry)
    bytes += entry[1].row?.length ?? 0
    if (round.length < ROUND && bytes < ROUND_BYTES) continue
    yield round
    round = []
    bytes = 0
  }
  if (round.length > 0) yield round
}

/** The keys of the round and those whose rows supply unchanged cells to them. */
function withSuppliers(
  round: readonly (readonly [string, Outcome])[],
  keys: ReadonlyMap<string, Outcome>,
): ReadonlyMap<string, Tuple> {
  const wanted = new Map<string, Tuple>()
  for (const [key, outcome] of round) {
    wanted.set(key, outcome.key)
    const supplier = outcome.base === null ? undefined : keys.get(outcome.base)
    if (outcome.base !== null && supplier !== undefined) wanted.set(outcome.base, supplier.key)
  }
  return wanted
}

/**
 * What an end holds of these keys. A row whose key is equal but written in another way (1.0 and
 * 1.00) is not one of them; it is left to the sums.
 */
async function rowsOf(
  recipe: Recipe,
  { reader, pending }: KeyedEnd,
  wanted: ReadonlyMap<string, Tuple>,
): Promise<ReadonlyMap<string, Found>> {
  if (pending.truncated) return new Map()
  const found = await reader.find(recipe, [...wanted.values()], 'values')
  const rows = new Map<string, Found>()
  for (const row of found) {
    const key = textKey(row.print.key)
    if (wanted.has(key)) rows.set(key, row)
  }
  return rows
}

/** A row at one end after what is pending there, or why there cannot be one. */
type After = Tuple | null | 'should be there' | 'should not be there'

function after(key: string, pending: KeyedPending, rows: ReadonlyMap<string, Found>): After {
  const here = rows.get(key)?.row
  const outcome = pending.outcomes.get(key)
  if (outcome === undefined) return here ?? null
  if (outcome.expects === 'present' && here === undefined) return 'should be there'
  if (outcome.expects === 'absent' && here !== undefined) return 'should not be there'
  const base = outcome.base === null ? undefined : rows.get(outcome.base)?.row
  const row = resolve(outcome, base)
  return row === undefined ? 'should be there' : row
}

function judge(
  recipe: Recipe,
  row: { readonly key: Tuple; readonly source: After; readonly target: After },
  findings: Findings,
): void {
  const { key, source, target } = row
  if (typeof source === 'string') {
    throw new Fault('HF-X001', { what: 'the view of the source and its log contradict each other' })
  }
  if (target === 'should be there') findings.keyed('missing', key)
  else if (target === 'should not be there') findings.keyed('extra', key)
  else if (source === null && target !== null) findings.keyed('extra', key)
  else if (source !== null && target === null) findings.keyed('missing', key)
  else if (source !== null && target !== null && !source.equals(target)) {
    const differ = recipe.table.columns.filter((_, i) => !sameCell(source, target, i))
    findings.keyed('changed', key, namesOf(differ))
  }
}

function sameCell(a: Tuple, b: Tuple, index: number): boolean {
  const [ours, theirs] = [cell(a, index), cell(b, index)]
  return ours.kind === theirs.kind && ours.bytes.equals(theirs.bytes)
}

function namesOf(columns: readonly Column[]): readonly string[] {
  return columns.map(({ name }) => name)
}

/** Names the columns in which the rows that were found by digest differ. */
export async function nameColumns(
  recipe: Recipe,
  ends: { readonly source: Reader; readonly target: Reader },
  findings: Findings,
): Promise<void> {
  const open = findings.kept.filter(
    ({ difference }) => difference.kind === 'changed' && difference.columns === null,
  )
  for (let from = 0; from < open.length; from += ROUND) {
    const part = open.slice(from, from + ROUND)
    const keys = part.map(({ key }) => key)
    const [ours, theirs] = await Promise.all([
      ends.source.find(recipe, keys, 'digests'),
      ends.target.find(recipe, keys, 'digests'),
    ])
    const left = new Map(ours.map(({ print, row }) => [textKey(print.key), row]))
    const right = new Map(theirs.map(({ print, row }) => [textKey(print.key), row]))
    for (const { key } of part) {
      const [a, b] = [left.get(textKey(key)), right.get(textKey(key))]
      if (a === undefined || b === undefined) continue
      findings.name(key, namesOf(recipe.table.columns.filter((_, i) => !sameCell(a, b, i))))
    }
  }
}
