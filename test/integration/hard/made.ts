import type { TestDatabase } from '../../../testkit/servers/index.ts'
import type { Edges } from './edges.ts'

// What can be made of a type: arrays, domains, composites, ranges, and these of one another.

/** Longer values do not fit into the keys of an index. */
const MOST_KEY = 80
/** More rows than the target writes one by one. */
export const MANY = 70

/** A type with what the server can make of it. */
export interface Made extends Edges {
  /** Has ranges over it. */
  readonly ranges: boolean
  /** Numbers of the values that can be a part of a key, from 1; none for a type without order. */
  readonly keys: readonly number[]
}

export function literal(value: string): string {
  const quoted = `'${value.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`
  return value.includes('\\') ? `E${quoted}` : quoted
}

/** False when the server refuses the statement. */
export async function accepts(db: TestDatabase, sql: string): Promise<boolean> {
  return await db.query(sql).then(
    () => true,
    () => false,
  )
}

/** Makes the types that are made of each type, and tries what each can do. */
export async function makeTypes(
  db: TestDatabase,
  chosen: readonly Edges[],
): Promise<readonly Made[]> {
  const list = chosen.map(({ label, type }) => `('${label}', ${literal(type)})`)
  await db.query(`create temp table made (label text, ranges bool, sorted bool);
    do $$ declare l text; t text; ranges bool := false; sorted bool; begin
      for l, t in values ${list} loop
        execute format('create domain dom_%1$s as %2$s; create domain doma_%1$s as %2$s[];
          create type comp_%1$s as (x %2$s, "y z" %2$s[], d dom_%1$s);
          create domain domc_%1$s as comp_%1$s;
          create type whole_%1$s as (c comp_%1$s, cs comp_%1$s[], n int, da doma_%1$s,
            dc domc_%1$s)', l, t);
        begin
          execute format('create type range_%1$s as range (subtype = %2$s)', l, t);
          execute format('create domain domr_%1$s as range_%1$s;
            create type span_%1$s as (r domr_%1$s, ms multirange_%1$s[])', l);
          ranges := true;
        exception when others then ranges := false; end;
        begin
          execute format('create temp table sorted (v %s primary key); drop table sorted', t);
          sorted := true;
        exception when others then sorted := false; end;
        insert into made values (l, ranges, sorted);
      end loop;
    end $$`)
  const facts = new Map((await db.query('table made')).map((row) => [row['label'], row]))
  const texts = chosen.flatMap(({ label, type, values }) =>
    values.map((value, i) => `('${label}', ${i + 1}, (${literal(value)}::${type})::text)`),
  )
  const short = await db.query(
    `select * from (values ${texts}) as s (label, i, v) where length(v) < ${MOST_KEY}`,
  )
  const keys = Map.groupBy(short, (row) => row['label'])
  return chosen.map((one) => {
    const sorted = facts.get(one.label)?.['sorted'] === 't'
    const found = sorted ? (keys.get(one.label) ?? []) : []
    return {
      ...one,
      ranges: facts.get(one.label)?.['ranges'] === 't',
      keys: found.map((row) => Number(row['i'])),
    }
  })
}

export interface Part {
  readonly name: string
  readonly type: string
  /** Of `w.v_<label>`, or `w.s_<label>` without the longest, the shape being one of four. */
  readonly value: (shape: string) => string
}

/** SQL of the values that are made of `v`. */
function valuesOf(l: string, v: string) {
  const composite = `row(${v}, array[${v}, null], ${v})::comp_${l}`
  const array = (shape: string): string => `case ${shape} when 0 then '{}'
    when 1 then array[${v}, null, ${v}] when 2 then array_fill(${v}, array[2], array[-1])
    else array[array[${v}, ${v}], array[null, ${v}]] end`
  const range = (shape: string): string => `case ${shape} when 0 then range_${l}(${v}, null)
    when 1 then range_${l}(null, ${v}, '(]') when 2 then 'empty' else range_${l}(${v}, ${v}, '[]') end`
  const multirange = (shape: string): string =>
    `multirange_${l}(${range(shape)}, range_${l}(${v}, ${v}, '[]'))`
  return { composite, array, range, multirange }
}

export function partsOf({ label: l, type, ranges }: Made): readonly Part[] {
  const { composite, array, range } = valuesOf(l, `w.v_${l}`)
  const deep = valuesOf(l, `w.s_${l}`)
  const part = (name: string, of: string, value: Part['value']): Part => ({
    name: `${name}_${l}`,
    type: of,
    value,
  })
  const always: readonly Part[] = [
    part('v', type, () => `w.v_${l}`),
    part('a', `${type}[]`, array),
    part('d', `dom_${l}`, () => `w.v_${l}`),
    part('ds', `dom_${l}[]`, () => `array[w.s_${l}, null]`),
    part('da', `doma_${l}`, deep.array),
    part('c', `comp_${l}`, () => composite),
    part('cs', `comp_${l}[]`, () => {
      return `array[${deep.composite}, null, row(null, null, null)::comp_${l}]`
    }),
    part('o', `whole_${l}`, (shape) => {
      const one = deep.composite
      return `row(${[one, `array[${one}]`, 'w.id', deep.array(shape), one]})::whole_${l}`
    }),
  ]
  const ranged: readonly Part[] = [
    part('r', `range_${l}`, range),
    part('rs', `range_${l}[]`, (shape) => `array[${deep.range(shape)}, null]`),
    part('m', `multirange_${l}`, deep.multirange),
    part('s', `span_${l}`, (shape) => {
      return `row(${deep.range(shape)}, array[${deep.multirange(shape)}])::span_${l}`
    }),
  ]
  return [...always, ...(ranges ? ranged : [])]
}

export function cut<T>(list: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) =>
    list.slice(i * size, (i + 1) * size),
  )
}
