import type { Random } from './random.ts'
import type { OracleTable } from './tables.ts'
import { large, quoted, typed, type Value } from './values.ts'

/** Tables that a seed makes up, and the SQL that makes them. */
export interface Drawn {
  readonly tables: readonly OracleTable[]
  readonly sql: readonly string[]
}

/** How the rows of a table are told apart, by how often it is drawn. */
const identities = { key: 6, index: 2, full: 2, fullKey: 2, append: 1 } as const

const twoDigits = (n: number): string => String(n).padStart(2, '0')

/** Types that a key can have, with a different value for each number below 60. */
const keyTypes: Readonly<Record<string, (n: number) => string>> = {
  int2: (n) => String(n - 30),
  int4: (n) => String(n * 40_000_000),
  int8: (n) => `-90071992547409${twoDigits(n)}`,
  oid: (n) => String(4_294_967_295 - n),
  numeric: (n) => `${n}.50`,
  float4: (n) => `${n}.25`,
  float8: (n) => `${n}.1`,
  text: (n) => `${["it's ", '\\', '', '\t', 'é'][n % 5]}${n}`,
  'varchar(9)': (n) => `v ${n} `,
  name: (n) => `n"${n}`,
  uuid: (n) => `20000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
  bytea: (n) => `\\x${twoDigits(n)}00`,
  date: (n) => `20${twoDigits(n)}-02-28 BC`,
  time: (n) => `00:${twoDigits(n)}:59.000001`,
  timestamp: (n) => `1999-12-31 23:59:${twoDigits(n)}.5`,
  timestamptz: (n) => `2000-01-01 00:00:${twoDigits(n)}+00`,
  interval: (n) => `${n} days`,
  inet: (n) => `10.0.0.${n}/24`,
  macaddr: (n) => `08:00:2b:01:02:${twoDigits(n)}`,
  pg_lsn: (n) => `${twoDigits(n)}/FFFFFFFF`,
  'bit(8)': (n) => n.toString(2).padStart(8, '0'),
  jsonb: (n) => `{"k": ${n}}`,
  int4range: (n) => `[${n},${n + 1})`,
  numrange: (n) => `[${n}.5,)`,
  'int4[]': (n) => `{${n},NULL}`,
  'text[]': (n) => `[2:3]={a,${n}}`,
}

/** Rows of a table that are written to; a key of theirs lies a little beyond. */
const KEYS = 40
/** Key columns hold numbers of this base, so that together they differ for each row. */
const BASE = 7

/** A few tables of random columns, keys and identities. */
export function drawTables(random: Random): Drawn {
  const drawn = Array.from({ length: random.between(3, 8) }, (_, i) => drawTable(random, i))
  return { tables: drawn.map(({ table }) => table), sql: drawn.flatMap(({ sql }) => sql) }
}

function drawTable(
  random: Random,
  number: number,
): { readonly table: OracleTable; readonly sql: readonly string[] } {
  const name = `oracle.${random.chance(0.2) ? `"Drawn; ${number} %s"` : `drawn_${number}`}`
  const identity = random.weighted(identities)
  const key = identity === 'append' ? [] : drawKey(random)
  const columns = drawColumns(random)
  const definitions = [
    ...key.map(({ column, type }) => `${column} ${type} not null`),
    ...columns.map(({ definition }) => definition),
    ...(random.chance(0.3) ? ['gone integer'] : []),
  ]
  const keyed = identity === 'key' || identity === 'fullKey'
  const order = random.some(definitions, definitions.length)
  const list = key.map(({ column }) => column).join(', ')
  const primary = keyed ? `, primary key (${list})` : ''
  const sql = [`create table ${name} (${order.join(', ')}${primary})`]
  if (definitions.includes('gone integer')) sql.push(`alter table ${name} drop column gone`)
  if (identity === 'full' || identity === 'fullKey')
    sql.push(`alter table ${name} replica identity full`)
  if (identity === 'index') {
    sql.push(`create unique index "drawn ${number}" on ${name} (${list})`)
    sql.push(`alter table ${name} replica identity using index "drawn ${number}"`)
  }
  for (const { storage } of columns)
    if (storage !== null) sql.push(`alter table ${name} ${storage}`)
  const manner = identity === 'append' ? 'append' : identity === 'full' ? 'full' : 'ordinary'
  const values = Object.fromEntries(columns.map(({ column, value }) => [column, value]))
  const truncated = random.chance(0.7)
  return { table: { name, manner, key, columns: values, keys: KEYS, truncated }, sql }
}

function drawKey(random: Random): readonly {
  readonly column: string
  readonly type: string
  readonly at: (i: number) => string
}[] {
  const count = random.weighted({ 1: 5, 2: 3, 3: 2 })
  const types = random.some(Object.keys(keyTypes), Number(count))
  return types.map((type, place) => ({
    column: random.chance(0.2) ? `"key "" ${place}"` : `k${place}`,
    type,
    at: (i) => keyTypes[type]?.(digit(i, place, types.length)) ?? '',
  }))
}

/** What column `place` of `count` holds of a row's number; the last holds all that is left. */
function digit(i: number, place: number, count: number): number {
  const rest = Math.floor(i / BASE ** place)
  return place === count - 1 ? rest : rest % BASE
}

interface DrawnColumn {
  readonly column: string
  readonly value: Value
  readonly definition: string
  /** How it is kept, as ALTER TABLE says it. */
  readonly storage: string | null
}

function drawColumns(random: Random): readonly DrawnColumn[] {
  const names = random.some(Object.keys(typed), random.between(2, 12))
  const ordinary = names.map((type, i): DrawnColumn => {
    const value = typed[type] ?? (() => '')
    const column = random.chance(0.1) ? `"${type.replaceAll(/\W/g, ' ')} é ${i}"` : `c${i}`
    const always = random.chance(0.15) ? ` not null default ${quoted(value(random))}` : ''
    return { column, value, definition: `${column} ${type}${always}`, storage: null }
  })
  if (random.chance(0.4)) return ordinary
  const storage = random.pick(['external', 'extended', 'main'])
  const set = `alter column big set storage ${storage}`
  return [...ordinary, { column: 'big', value: large.text, definition: 'big text', storage: set }]
}
