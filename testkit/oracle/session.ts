import type { TestSession } from '../servers/index.ts'
import type { Random } from './random.ts'
import type { OracleTable } from './tables.ts'
import { quoted } from './values.ts'

/** What a transaction may consist of, by how often. */
export interface Mix {
  readonly transaction: Readonly<
    Record<'plain' | 'prepared' | 'large' | 'truncate' | 'evolve' | 'back', number>
  >
  /** Statements of an ordinary transaction at most. */
  readonly statements: number
  /** Rows of a large transaction. */
  readonly rows: number
  /** Share of keys that are one of the first few. */
  readonly hot: number
}

type Writer = (table: OracleTable) => readonly string[]

/** Writes the statements of random transactions; runs nothing. */
export class Author {
  readonly #random: Random
  readonly #mix: Mix
  readonly #tables: readonly OracleTable[]

  constructor(random: Random, mix: Mix, tables: readonly OracleTable[]) {
    this.#random = random
    this.#mix = mix
    this.#tables = tables
  }

  #key(table: OracleTable): number {
    const keys = Math.min(table.keys, this.#random.chance(this.#mix.hot) ? 20 : table.keys)
    return this.#random.below(keys)
  }

  #cells(table: OracleTable, i: number): readonly (readonly [string, string])[] {
    return table.key.map(({ column, at }) => [column, quoted(at(i, this.#random))])
  }

  #where(table: OracleTable, i: number): string {
    return this.#cells(table, i)
      .map(([column, value]) => `${column} = ${value}`)
      .join(' and ')
  }

  #values(table: OracleTable, most: number): readonly (readonly [string, string])[] {
    const names = this.#random.some(Object.keys(table.columns), this.#random.between(1, most))
    return names.map((name) => {
      const value = table.columns[name]
      const none = value === undefined || this.#random.chance(0.1)
      return [name, none ? 'null' : quoted(value(this.#random))]
    })
  }

  #insert(table: OracleTable, how: 'refuse' | 'skip' | 'over'): string {
    const key = table.key.length === 0 ? [] : this.#cells(table, this.#key(table))
    const all = [...key, ...this.#values(table, table.key.length === 0 ? 2 : 8)]
    const columns = all.map(([name]) => name)
    // Two columns that are never null, where the table has such.
    if (table.name === 'oracle.by_index' && !columns.includes('a')) {
      all.push(['a', String(this.#random.below(1_000_000))])
      columns.push('a')
    }
    const keys = table.key.map(({ column }) => column).join(', ')
    const rest = columns.filter((name) => !table.key.some(({ column }) => column === name))
    const sets = rest.map((name) => `${name} = excluded.${name}`).join(', ')
    const conflict =
      how === 'refuse' || table.key.length === 0 || table.manner === 'full'
        ? ''
        : how === 'skip'
          ? ' on conflict do nothing'
          : ` on conflict (${keys}) do update set ${sets}`
    const overriding = table.overriding === true ? ' overriding system value' : ''
    const cells = all.map(([, value]) => value).join(', ')
    return `insert into ${table.name} (${columns.join(', ')})${overriding} values (${cells})${conflict}`
  }

  #update(table: OracleTable): string {
    const sets = this.#values(table, 3).map(([column, value]) => `${column} = ${value}`)
    return `update ${table.name} set ${sets.join(', ')} where ${this.#row(table)}`
  }

  /** One row, even of a table in which several are alike. */
  #row(table: OracleTable): string {
    const where = this.#where(table, this.#key(table))
    if (table.manner !== 'full') return where
    return `ctid = (select ctid from ${table.name} where ${where} limit 1)`
  }

  #move(table: OracleTable): string {
    const to = this.#cells(table, this.#key(table))
    const sets = to.map(([column, value]) => `${column} = ${value}`)
    if (this.#random.chance(0.3)) {
      sets.push(...this.#values(table, 2).map(([column, value]) => `${column} = ${value}`))
    }
    return `update ${table.name} set ${sets.join(', ')} where ${this.#row(table)}`
  }

  /** Two rows change places, over a key that nobody has. */
  #swapKeys(table: OracleTable): readonly string[] {
    const [a, b] = [this.#key(table), this.#key(table)]
    const set = (i: number): string =>
      this.#cells(table, i)
        .map(([column, value]) => `${column} = ${value}`)
        .join(', ')
    const step = (from: number, to: number): string =>
      `update ${table.name} set ${set(to)} where ${this.#where(table, from)}`
    const free = table.keys + 7
    return [step(a, free), step(b, a), step(free, b)]
  }

  #rows: Readonly<Record<'insert' | 'upsert' | 'update' | 'move' | 'swap' | 'delete', Writer>> = {
    insert: (table) => [this.#insert(table, this.#random.pick(['refuse', 'skip', 'skip']))],
    upsert: (table) => [this.#insert(table, 'over')],
    update: (table) => [this.#update(table)],
    move: (table) => [this.#move(table)],
    swap: (table) =>
      table.manner === 'full' || table.keys < 10 ? [this.#move(table)] : this.#swapKeys(table),
    delete: (table) => [`delete from ${table.name} where ${this.#row(table)}`],
  }

  /** The statements of one small piece of work on one table. */
  work(): readonly string[] {
    const random = this.#random
    if (random.chance(0.03)) return [this.#message()]
    const table = random.pick(this.#tables)
    const own = this.#own(table)
    if (own !== null) return own
    const kind = random.weighted({ insert: 5, upsert: 3, update: 5, move: 2, swap: 1, delete: 2 })
    return this.#rows[kind](table)
  }

  #message(): string {
    const { pick, letters } = { pick: this.#random.chance(0.5), letters: this.#random.letters(9) }
    return `select pg_logical_emit_message(${pick}, 'oracle', ${quoted(letters)})`
  }

  /** What only this kind of table sees; null for work that every table knows. */
  #own(table: OracleTable): readonly string[] | null {
    const random = this.#random
    const i = this.#key(table)
    switch (table.manner) {
      case 'append':
        return [this.#insert(table, 'refuse')]
      case 'counter':
        return [
          random.chance(0.2)
            ? this.#insert(table, 'skip')
            : `update oracle.counters set n = n + 1 where id = ${i}`,
        ]
      case 'swap':
        return random.chance(0.5) ? null : this.#unique(i, this.#key(table))
      case 'family':
        return random.chance(0.4) ? null : this.#family(i, this.#key(table))
      case 'big':
        return [`update oracle.big set body = ${quoted(random.letters(8))} where id % 50 = ${i}`]
      default:
        return null
    }
  }

  #unique(a: number, b: number): readonly string[] {
    const random = this.#random
    return random.pick([
      [`update oracle.swapped set u = id where id in (${a}, ${b})`],
      [
        `update oracle.swapped t set u = (select u from oracle.swapped o
          where o.id = case t.id when ${a} then ${b} else ${a} end) where id in (${a}, ${b})`,
      ],
      ['update oracle.swapped set u = u + 1'],
      [
        `update oracle.swapped set w = null where id = ${a}`,
        `update oracle.swapped set w = ${b} where id = ${b}`,
      ],
      [
        `delete from oracle.swapped where id = ${a}`,
        `insert into oracle.swapped (id, u, w) values (${a}, ${a}, ${a})`,
      ],
    ])
  }

  #family(a: number, b: number): readonly string[] {
    return this.#random.pick([
      [`insert into oracle.child (parent, v) values (${a}, 'child')`],
      [`insert into oracle.child (parent, v) select id, v from oracle.parent where id < ${b}`],
      [`delete from oracle.parent where id = ${a}`],
      [`update oracle.parent set id = id + 100 where id = ${a}`],
      [`update oracle.parent set up = ${b} where id = ${a}`],
      [
        `with born as (insert into oracle.child (parent) select id from oracle.parent where id = ${a}
           returning id, parent)
         update oracle.parent p set pet = born.id from born where p.id = born.parent`,
      ],
      [`delete from oracle.child where id % 7 = ${a % 7}`],
    ])
  }

  truncate(): readonly string[] {
    const able = this.#tables.filter(({ truncated }) => truncated === true)
    const chosen = this.#random.some(able, this.#random.pick([1, 1, 2, 3]))
    const restart = this.#random.chance(0.3) ? ' restart identity' : ''
    return [`truncate ${chosen.map(({ name }) => name).join(', ')}${restart}`]
  }

  /** Many rows of one table, one piece of them in a part that may be taken back. */
  large(): readonly string[] {
    const rows = this.#random.between(1, this.#mix.rows)
    return this.#random.pick([
      [
        `insert into oracle.big (body) select md5(n::text) || repeat('x', n % 200) from generate_series(1, ${rows}) n`,
      ],
      [
        `insert into oracle.big (body) select 'again' || n from generate_series(1, ${rows}) n`,
        'update oracle.big set body = body || id where id % 3 = 0',
      ],
      ['delete from oracle.big where id % 2 = 0'],
      [
        'update oracle.big set id = -id where id % 5 = 0 and not exists (select from oracle.big o where o.id = -oracle.big.id)',
      ],
      [
        `insert into oracle.full_rows (a, b) select n % 7, 'same' from generate_series(1, ${Math.ceil(rows / 20)}) n`,
        'delete from oracle.full_rows where a = 3',
      ],
      [
        `insert into oracle.appended select n, 'many' from generate_series(1, ${Math.ceil(rows / 5)}) n`,
      ],
    ])
  }

  evolve(name: string): readonly string[] {
    const type = this.#random.pick(['text', 'integer', 'numeric', 'timestamptz'])
    const value = { text: "'new'", integer: '7', numeric: '1.10', timestamptz: "'infinity'" }[type]
    return [
      `alter table oracle.evolving add column ${name} ${type}`,
      `update oracle.evolving set ${name} = ${value} where id % 2 = 0`,
    ]
  }
}

/** Runs statements; whoever fails is taken back alone, as an application with savepoints does. */
export async function guarded(
  session: TestSession,
  statements: readonly string[],
  point: string,
): Promise<boolean> {
  await session.query(`savepoint ${point}`)
  try {
    for (const statement of statements) await session.query(statement)
    await session.query(`release ${point}`)
    return true
  } catch (error) {
    if (!isRefusal(error)) throw error
    await session.query(`rollback to ${point}`)
    return false
  }
}

/** Something that the server said, and not the end of the connection. */
export function isRefusal(error: unknown): boolean {
  const code = (error as { readonly code?: unknown }).code
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !/^(?:57|08|53)/.test(code)
}
