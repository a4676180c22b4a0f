import { ident, literal, qualified } from '../../../dialect/mysql/quote.ts'
import { parseNative } from '../../../dialect/mysql/types.ts'
import { Fault } from '../../../model/fault.ts'
import type { Column, Table } from '../../../model/table.ts'
import { Bytes } from '../log/bytes.ts'
import type { View } from './view.ts'

/** A column of a key that ranges are cut by. */
interface Part {
  /** Its quoted name. */
  readonly name: string
  /** A value of it as the text protocol has it, as a constant that compares as the column does. */
  readonly constant: (bytes: Buffer) => string
}

/** The columns of the table's key, from the first one on, as far as their values have an order. */
function partsOf(table: Table): readonly Part[] {
  const key = table.identity.by === 'key' ? table.identity.columns : []
  const parts: Part[] = []
  for (const at of key) {
    const column = table.columns[at]
    const part = column === undefined ? null : partOf(column)
    if (part === null) break
    parts.push(part)
  }
  return parts
}

/** Null for types whose constants the server compares in another way than it sorts them. */
function partOf(column: Column): Part | null {
  const name = ident(column.name)
  const native = parseNative(column.native)
  const as = (constant: Part['constant']): Part => ({ name, constant })
  switch (column.type.kind) {
    case 'int':
    case 'decimal':
      return as(number)
    case 'date':
    case 'timestamp':
    case 'timestamptz':
    case 'interval':
    case 'uuid':
      return as((bytes) => literal(bytes.toString('latin1')))
    case 'bytes':
      return as((bytes) => `x'${bytes.toString('hex')}'`)
    case 'text': {
      const { charset, base } = native
      if (charset === null || base === 'set') return null
      return as((bytes) => `_${charset} x'${bytes.toString('hex')}'`)
    }
    default:
      return null
  }
}

function number(bytes: Buffer): string {
  const text = bytes.toString('latin1')
  if (/^-?\d+(?:\.\d+)?$/.test(text)) return text
  throw new Fault('HF-X001', { what: 'a key of the source holds a number that is none' })
}

/** A place among the keys: constants, one for each part. */
type Bound = readonly string[]

/**
 * Conditions that hold for every row in exactly one of them, for about `count` pieces of a table of
 * `rows` rows. The keys in between are walked along the index.
 */
export async function rangesOf(
  view: View,
  about: { readonly table: Table; readonly rows: number; readonly count: number },
  signal: AbortSignal,
): Promise<readonly (string | null)[]> {
  const parts = partsOf(about.table)
  if (about.count <= 1 || parts.length === 0) return [null]
  const step = Math.max(1, Math.ceil(about.rows / about.count))
  const bounds: Bound[] = []
  // An estimate of the rows may be far off: pieces do not become many more for that.
  while (bounds.length < 2 * about.count) {
    const last = bounds.at(-1) ?? null
    const bound = await nextBound(view, { table: about.table, parts, step, last }, signal)
    if (bound === null) break
    bounds.push(bound)
  }
  if (bounds.length === 0) return [null]
  return [...bounds, null].map((to, i) => {
    const from = i === 0 ? null : (bounds[i - 1] ?? null)
    const conditions = [
      ...(from === null ? [] : [atLeast(parts, from)]),
      ...(to === null ? [] : [below(parts, to)]),
    ]
    return conditions.join(' AND ')
  })
}

interface Walk {
  readonly table: Table
  readonly parts: readonly Part[]
  readonly step: number
  readonly last: Bound | null
}

async function nextBound(view: View, walk: Walk, signal: AbortSignal): Promise<Bound | null> {
  const { parts, step, last } = walk
  if (last === null) return await boundOf(view, walk, { where: '', offset: step }, signal)
  const at = { where: ` WHERE ${atLeast(parts, last)}`, offset: step }
  const bound = await boundOf(view, walk, at, signal)
  if (bound === null || bound.join() !== last.join()) return bound
  // More rows than a piece is to hold have one place among the parts.
  const behind = compared(parts, last, { sign: '>', last: '>' })
  return await boundOf(view, walk, { where: ` WHERE ${behind}`, offset: 0 }, signal)
}

async function boundOf(
  view: View,
  { table, parts }: Walk,
  ...[at, signal]: readonly [{ readonly where: string; readonly offset: number }, AbortSignal]
): Promise<Bound | null> {
  const names = parts.map(({ name }) => name).join(', ')
  const sql = `SELECT ${names} FROM ${qualified(table)}${at.where} ORDER BY ${names} LIMIT 1 OFFSET ${at.offset}`
  let bound: Bound | null = null
  for await (const packets of view.query(table, sql, signal)) {
    for (const packet of packets) {
      const from = new Bytes(packet, 'a row')
      bound = parts.map(({ constant }) => constant(from.slice(from.packed())))
    }
  }
  return bound
}

/** `a > x OR (a = x AND (b > y OR (b = y AND c >= z)))`, led by what an index finds. */
function atLeast(parts: readonly Part[], bound: Bound): string {
  return compared(parts, bound, { sign: '>', last: '>=' })
}

function below(parts: readonly Part[], bound: Bound): string {
  return compared(parts, bound, { sign: '<', last: '<' })
}

function compared(
  parts: readonly Part[],
  bound: Bound,
  how: { readonly sign: '<' | '>'; readonly last: string },
): string {
  const [first] = parts
  const nested = parts.reduceRight((rest, { name }, i) => {
    const value = bound[i] ?? 'NULL'
    if (i === parts.length - 1) return `${name} ${how.last} ${value}`
    return `(${name} ${how.sign} ${value} OR (${name} = ${value} AND ${rest}))`
  }, '')
  if (parts.length === 1 || first === undefined) return nested
  return `${first.name} ${how.sign}= ${bound[0] ?? 'NULL'} AND ${nested}`
}
