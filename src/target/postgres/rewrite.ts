import type { Session, TextRow } from '../../dialect/postgres/connect.ts'
import type { PgName } from '../../dialect/postgres/schema.ts'
import { isBuiltIn } from '../../dialect/postgres/types.ts'
import { Fault } from '../../model/fault.ts'
import type { Table } from '../../model/table.ts'
import { BINARY } from '../../model/tuple.ts'
import type { Recode } from './rows.ts'

/**
 * Arrays and composites carry the OIDs of their parts' types in their binary form (array_send,
 * record_send); for user-defined types these are the source's. What a value of a type of the
 * target is made of; null where no such OID is inside.
 */
export type Shape =
  | { readonly kind: 'array'; readonly element: number; readonly inner: Shape }
  | {
      readonly kind: 'composite'
      readonly fields: readonly { readonly oid: number; readonly inner: Shape }[]
    }
  | { readonly kind: 'range'; readonly inner: Shape }
  | { readonly kind: 'multirange'; readonly inner: Shape }
  | null

/** What a type of the target is made of, as the catalogue says. */
export interface Part {
  readonly oid: number
  readonly kind: 'array' | 'composite' | 'range' | 'multirange' | 'domain' | 'plain'
  /** Element, fields, subtype, range or base. */
  readonly parts: readonly number[]
}

export function shapeOf(oid: number, types: ReadonlyMap<number, Part>): Shape {
  const type = types.get(oid)
  const inner = (index: number): Shape => shapeOf(type?.parts[index] ?? 0, types)
  switch (type?.kind) {
    case 'domain':
      return inner(0)
    case 'array': {
      const element = type.parts[0] ?? 0
      const of = inner(0)
      return of === null && isBuiltIn(element) ? null : { kind: 'array', element, inner: of }
    }
    case 'composite': {
      const fields = type.parts.map((part, index) => ({ oid: part, inner: inner(index) }))
      const plain = fields.every((field) => field.inner === null && isBuiltIn(field.oid))
      return plain ? null : { kind: 'composite', fields }
    }
    case 'range':
    case 'multirange': {
      const of = inner(0)
      return of === null ? null : { kind: type.kind, inner: of }
    }
    default:
      return null
  }
}

/** Reads one value; every step is checked against the end of its bytes. */
class Cursor {
  readonly #bytes: Buffer
  readonly #end: number
  #at: number

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes
    this.#at = at
    this.#end = end
  }

  #take(size: number): number {
    const at = this.#at
    if (size < 0 || size > this.#end - at) throw unreadable('it ends too early')
    this.#at = at + size
    return at
  }
  byte(): number {
    return this.#bytes.readUInt8(this.#take(1))
  }
  int(): number {
    return this.#bytes.readInt32BE(this.#take(4))
  }
  /** Puts the target's OID where the source's is; both are built in and equal, or neither is. */
  oid(wanted: number): void {
    const at = this.#take(4)
    const found = this.#bytes.readUInt32BE(at)
    if (isBuiltIn(wanted) ? found !== wanted : isBuiltIn(found)) {
      throw unreadable(`it holds type ${found} where ${wanted} is expected`)
    }
    this.#bytes.writeUInt32BE(wanted, at)
  }
  /** A part with its length before it; -1 is null. */
  part(shape: Shape): void {
    const length = this.int()
    if (length === -1) return
    const at = this.#take(length)
    if (shape !== null) patchRange(this.#bytes, { at, end: at + length }, shape)
  }
  done(): void {
    if (this.#at !== this.#end) throw unreadable('it goes on past its end')
  }
}

function unreadable(why: string): Fault {
  return new Fault('HF-D425', {
    what: `a value of an array, composite or range type cannot be read: ${why}`,
  })
}

/** Rewrites the OIDs inside a value in place; its length stays. Safe to repeat. Throws HF-D425. */
export function patch(bytes: Buffer, shape: Shape): void {
  if (shape !== null) patchRange(bytes, { at: 0, end: bytes.length }, shape)
}

function patchRange(
  bytes: Buffer,
  { at, end }: { readonly at: number; readonly end: number },
  shape: NonNullable<Shape>,
): void {
  const cursor = new Cursor(bytes, at, end)
  switch (shape.kind) {
    case 'array':
      patchArray(cursor, shape)
      break
    case 'composite':
      patchComposite(cursor, shape.fields)
      break
    case 'range':
      patchBounds(cursor, shape.inner)
      break
    case 'multirange':
      for (let left = cursor.int(); left > 0; left--) {
        cursor.part({ kind: 'range', inner: shape.inner })
      }
      break
  }
  cursor.done()
}

/** The most dimensions that an array has (utils/array.h, MAXDIM). */
const MOST_DIMENSIONS = 6

function patchArray(cursor: Cursor, shape: Shape & { readonly kind: 'array' }): void {
  const dimensions = cursor.int()
  if (dimensions < 0 || dimensions > MOST_DIMENSIONS) throw unreadable('it has too many dimensions')
  cursor.int()
  cursor.oid(shape.element)
  let elements = dimensions === 0 ? 0 : 1
  for (let i = 0; i < dimensions; i++) {
    elements *= cursor.int()
    cursor.int()
  }
  for (let i = 0; i < elements; i++) cursor.part(shape.inner)
}

function patchComposite(
  cursor: Cursor,
  fields: readonly { readonly oid: number; readonly inner: Shape }[],
): void {
  const count = cursor.int()
  if (count !== fields.length) throw unreadable(`it has ${count} fields, not ${fields.length}`)
  for (const { oid, inner } of fields) {
    cursor.oid(oid)
    cursor.part(inner)
  }
}

/** Flags of a range (utils/rangetypes.h): EMPTY 1, LB_INF 8, UB_INF 16, LB_NULL 32, UB_NULL 64. */
const NO_LOWER = 1 | 8 | 32
const NO_UPPER = 1 | 16 | 64

function patchBounds(cursor: Cursor, inner: Shape): void {
  const flags = cursor.byte()
  if ((flags & NO_LOWER) === 0) cursor.part(inner)
  if ((flags & NO_UPPER) === 0) cursor.part(inner)
}

const IS_ARRAY = `(t.typcategory = 'A' and t.typelem <> 0 and t.typlen = -1 and t.oid not in (22, 30))`

const PARTS = `
  case when ${IS_ARRAY} then array[t.typelem]
    when t.typtype = 'd' then array[t.typbasetype]
    when t.typtype = 'c' then array(select a.atttypid from pg_catalog.pg_attribute a
      where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped order by a.attnum)
    when t.typtype = 'r' then array(select r.rngsubtype from pg_catalog.pg_range r
      where r.rngtypid = t.oid)
    when t.typtype = 'm' then array(select r.rngtypid from pg_catalog.pg_range r
      where r.rngmultitypid = t.oid)
    else '{}'::oid[] end`

const TYPES = `
with recursive need(oid) as (
  select a.atttypid from pg_catalog.pg_attribute a
  join pg_catalog.pg_class c on c.oid = a.attrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relname = $2 and a.attnum > 0 and not a.attisdropped
  union
  select p.oid from need join pg_catalog.pg_type t on t.oid = need.oid
  cross join lateral pg_catalog.unnest(${PARTS}) p(oid)
)
select t.oid, case when ${IS_ARRAY} then 'array' when t.typtype = 'd' then 'domain'
    when t.typtype = 'c' then 'composite' when t.typtype = 'r' then 'range'
    when t.typtype = 'm' then 'multirange' else 'plain' end as kind,
  pg_catalog.array_to_json(${PARTS}) as parts
from need join pg_catalog.pg_type t on t.oid = need.oid`

const COLUMNS = `
select a.attname as name, a.atttypid as type
from pg_catalog.pg_attribute a
join pg_catalog.pg_class c on c.oid = a.attrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relname = $2 and a.attnum > 0 and not a.attisdropped`

/**
 * What the binary cells of a table need so that the target reads them; null when they need
 * nothing. The cells that are given back are copies.
 */
export async function readRewriting(
  session: Session,
  table: Table,
  place: PgName,
): Promise<Recode | null> {
  const name = [place.schema, place.name]
  const parts = (await session.query(TYPES, name)).map(partOf)
  const types = new Map(parts.map((part) => [part.oid, part]))
  const columns = await session.query(COLUMNS, name)
  const byName = new Map(columns.map((row) => [row['name'], Number(row['type'])]))
  const shapes = table.columns.map((column) => shapeOf(byName.get(column.name) ?? 0, types))
  return shapes.every((shape) => shape === null) ? null : shapes.map(recode)
}

const KINDS = ['array', 'composite', 'range', 'multirange', 'domain'] as const

function partOf(row: TextRow): Part {
  // The cell is what the query above makes: OIDs, which JSON has as texts or numbers.
  const parts = JSON.parse(row['parts'] ?? '[]') as (string | number)[]
  const kind = KINDS.find((known) => known === row['kind']) ?? 'plain'
  return { oid: Number(row['oid']), kind, parts: parts.map(Number) }
}

function recode(shape: Shape): ((bytes: Buffer, kind: number) => Buffer) | null {
  if (shape === null) return null
  return (bytes, kind) => {
    if (kind !== BINARY) return bytes
    const copy = Buffer.from(bytes)
    patch(copy, shape)
    return copy
  }
}
