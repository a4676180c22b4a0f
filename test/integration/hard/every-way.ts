import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { assertExact, exactHashes } from '../../../testkit/exact.ts'
import { type Form, mirror } from '../../../testkit/mirror.ts'
import { database, type Major, type TestDatabase } from '../../../testkit/servers/index.ts'
import { edges, ownTypes } from './edges.ts'
import { Keyed, keyedOf } from './keyed.ts'
import { cut, literal, MANY, type Made, makeTypes, type Part, partsOf } from './made.ts'

// Every type that a column can have, and what can be made of it, on every way that a value goes:
// copied, inserted, updated, as a part of a key and as a row without a key; few rows and many.
// Many types share a table, since what a table costs is most of what a mirror of them costs.

/** Longer values are not among many rows. */
const MOST_MANY = 200
/** Longer values are only in parts that hold them a few times. */
const MOST_DEEP = 20_000
/** Types of a table. */
const IN_TABLE = 12

/** The types of one table `t_<name>`, and of one without a key, `f_<name>`. */
interface Group {
  readonly name: string
  readonly types: readonly Made[]
  /** So many rows hold every value of every type at least once. */
  readonly rows: number
}

/** Parts of all types of a group; without a key only some. */
function columnsOf(group: Group, keyless = false): readonly Part[] {
  const parts = group.types.flatMap(partsOf)
  return keyless ? parts.filter(({ name }) => /^[vac]_/.test(name)) : parts
}

/** Types with about as many values are together, and those that travel as text alone. */
function groupsOf(made: readonly Made[]): readonly Group[] {
  return [true, false].flatMap((textOnly) => {
    const mine = made
      .filter((one) => one.textOnly === textOnly)
      .toSorted((a, b) => a.values.length - b.values.length)
    return cut(mine, IN_TABLE).map((types, i) => ({
      name: `${textOnly ? 'text' : 'any'}${i}`,
      types,
      rows: Math.max(...types.map(({ values }) => values.length)),
    }))
  })
}

/** The tables of a group, and its values in tables that are not mirrored. */
async function makeTables(db: TestDatabase, group: Group): Promise<void> {
  const { name, types, rows } = group
  const declared = (keyless: boolean): string =>
    columnsOf(group, keyless)
      .map((part) => `, ${part.name} ${part.type}`)
      .join('')
  const values = Array.from({ length: rows }, (_, i) => {
    const row = types.map((one) => {
      const value = one.values[i % one.values.length] ?? ''
      return `${literal(value)}::${one.type}`
    })
    return `(${[i + 1, ...row]})`
  })
  const names = types.map(({ label }) => `v_${label}`)
  const upTo = (most: number, prefix: string): string[] =>
    types.map(({ label: l }) => {
      return `case when length(v_${l}::text) <= ${most} then v_${l} end as ${prefix}_${l}`
    })
  await db.query(`
    create table t_${name} (id int primary key, x int not null${declared(false)});
    create table f_${name} (x int${declared(true)});
    alter table f_${name} replica identity full;
    create temp table w_${name} as select *, ${upTo(MOST_DEEP, 's')}
      from (values ${values}) as s (id, ${names});
    create temp table m_${name} as
      select id + ${rows} * g as id, ${upTo(MOST_MANY, 'v')}, ${upTo(MOST_MANY, 's')}
      from w_${name}, generate_series(0, ${Math.ceil(MANY / rows) - 1}) g`)
}

/**
 * Rows with ids from `first` + 1 on, of the values in `from`, in shapes that depend on the turn.
 * Thin rows hold a few parts each, another few for every value, so that they cost less.
 */
function fill(
  group: Group,
  from: 'w' | 'm',
  at: { readonly first: number; readonly turn: number; readonly thin?: boolean },
): string {
  const every = group.rows % 5 === 0 ? 7 : 5
  const parts = columnsOf(group)
  const value = (part: Part, i: number): string => {
    const shaped = part.value(`((w.id + ${at.turn}) % 4)`)
    return at.thin === true ? `case when (w.id + ${i}) % ${every} = 0 then ${shaped} end` : shaped
  }
  const names = parts.map((part) => part.name)
  return `insert into t_${group.name} (id, x, ${names})
    select ${at.first} + w.id, w.id, ${parts.map(value)} from ${from}_${group.name} w;`
}

function fillKeyless(group: Group, from: 'w' | 'm', first: number): string {
  const parts = columnsOf(group, true)
  const value = (part: Part): string => part.value(`((w.id + ${first}) % 4)`)
  return `insert into f_${group.name} (x, ${parts.map(({ name }) => name)})
    select ${first} + w.id, ${parts.map(value)} from ${from}_${group.name} w;`
}

// Where the ids of rows begin that go the same way.
const COPIED = 0
const UPDATED = 100
const TOUCHED = 200
const INSERTED = 300
const MANY_UPDATED = 1000
const MANY_INSERTED = 2000

function copied(group: Group): string {
  const { name } = group
  return `${fill(group, 'w', { first: COPIED, turn: 0 })}
    ${fill(group, 'w', { first: UPDATED, turn: 1 })}
    ${fill(group, 'w', { first: TOUCHED, turn: 2, thin: true })}
    ${fill(group, 'm', { first: MANY_UPDATED, turn: 3, thin: true })}
    insert into t_${name} (id, x) values (99, 0), (199, 0), (98, 0);
    ${fillKeyless(group, 'w', COPIED)} ${fillKeyless(group, 'w', UPDATED)}
    ${fillKeyless(group, 'w', UPDATED)} ${fillKeyless(group, 'w', TOUCHED)}
    insert into f_${name} (x) values (99), (199);`
}

function few(group: Group): string {
  const { name, rows } = group
  const columns = columnsOf(group).map((part) => part.name)
  return `${fill(group, 'w', { first: INSERTED, turn: 3 })}
    insert into t_${name} (id, x) values (399, 0);
    update t_${name} t set (${columns}) = row(${columns.map((one) => `o.${one}`)}) from t_${name} o
      where t.id between ${UPDATED + 1} and ${UPDATED + rows}
        and o.id = (t.id - ${UPDATED}) % ${rows} + 1;
    update t_${name} set x = x + 1 where id between ${TOUCHED + 1} and ${TOUCHED + rows};
    delete from t_${name} where id = 98;
    ${fillKeyless(group, 'w', INSERTED)}
    update f_${name} set x = -x where x between ${UPDATED + 1} and 199;
    delete from f_${name} where x between ${TOUCHED + 1} and ${TOUCHED + rows};`
}

function many(group: Group): string {
  const { name } = group
  const columns = columnsOf(group).map((part) => part.name)
  return `${fill(group, 'm', { first: MANY_INSERTED, turn: 1, thin: true })}
    update t_${name} t set (x, ${columns}) = row(-1, ${columns.map((one) => `o.${one}`)})
      from t_${name} o where t.id between ${MANY_UPDATED} and ${MANY_UPDATED + 999}
        and o.id = t.id % ${MANY} + ${MANY_UPDATED + 1};
    ${fillKeyless(group, 'm', MANY_INSERTED)}`
}

interface Way {
  readonly to: Major
  readonly form: Exclude<Form, 'best'>
}

/** A target of the source, and what of its tables travels in the form. */
async function follow(t: TestContext, source: TestDatabase, { to, form }: Way) {
  const target = await database(t, to)
  const without = form === 'pg-binary' ? /^public\.[tfk]_text\d/ : null
  const exclude = without === null ? [] : ['t_text*', 'f_text*', 'k_text*']
  const running = mirror(t, {
    source: source.url,
    target: target.url,
    form,
    selection: { exclude },
  })
  return { target, running, only: (table: string): boolean => without?.test(table) !== true }
}

/** Mirrors every type in these ways from one source, and compares after it went every way. */
export async function everyWay(
  t: TestContext,
  { from, ways }: { readonly from: Major; readonly ways: readonly Way[] },
): Promise<void> {
  const source = await database(t, from)
  await source.query(ownTypes)
  const made = await makeTypes(source, edges)
  const groups = groupsOf(made)
  const keyed = keyedOf(made)
  for (const group of groups) await makeTables(source, group)
  for (const one of keyed) await source.query(one.make())
  const write = async (of: (one: Group | Keyed) => string): Promise<void> => {
    for (const one of [...groups, ...keyed]) await source.query(of(one))
  }
  const followers = await Promise.all(ways.map((way) => follow(t, source, way)))
  const all = async <T>(work: (one: (typeof followers)[number]) => Promise<T>) =>
    await Promise.all(followers.map(work))
  await write((one) => (one instanceof Keyed ? one.copied() : copied(one)))
  await all(({ running }) => running.catchUp())
  await write((one) => (one instanceof Keyed ? one.few() : few(one)))
  await all(({ running }) => running.catchUp())
  await write((one) => (one instanceof Keyed ? one.many() : many(one)))
  // What the log holds is taken into account row by row, by keys of every type.
  for (const { running } of followers.slice(0, 2)) {
    assert.deepEqual(await running.differences(), [])
  }
  await all(({ running }) => running.catchUp())
  const hashes = await exactHashes(source)
  await all(({ target, only }) => assertExact(source, target, { hashes, only }))
}
