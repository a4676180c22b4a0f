import type { Random } from '../random.ts'
import type { OracleTable } from './tables.ts'

/** Writes random statements in the words of MySQL; runs nothing. */
export class Author {
  readonly #random: Random
  readonly #tables: readonly OracleTable[]

  constructor(random: Random, tables: readonly OracleTable[]) {
    this.#random = random
    this.#tables = tables.filter(({ name }) => name !== 'marker')
  }

  /** One statement of a transaction. */
  work(): string {
    const table = this.#random.pick(this.#tables)
    if (table.key.length === 0) return this.#insert(table, 'insert')
    const writers = {
      insert: () => this.#insert(table, this.#random.pick(['insert', 'insert ignore'])),
      upsert: () => `${this.#insert(table, 'insert')} on duplicate key update ${this.#sets(table)}`,
      replace: () => this.#insert(table, 'replace'),
      update: () => `update ${table.name} set ${this.#sets(table)} where ${this.#where(table)}`,
      move: () =>
        `update ${table.name} set ${this.#key(table).join(', ')} where ${this.#where(table)}`,
      delete: () => `delete from ${table.name} where ${this.#where(table)}`,
      many: () => `update ${table.name} set ${this.#sets(table)} ${this.#stretch(table)}`,
      fewer: () => `delete from ${table.name} ${this.#stretch(table)}`,
    }
    const weights = {
      insert: 5,
      upsert: 3,
      // A parent that is replaced is deleted first.
      replace: table.name === 'parents' ? 0 : 2,
      update: 6,
      move: 2,
      delete: 3,
      many: 1,
      fewer: 0.5,
    }
    return writers[this.#random.weighted(weights)]()
  }

  /** Many rows at once, most of them new. */
  large(): string {
    const table = this.#random.pick(this.#tables.filter(({ name }) => name !== 'children'))
    const [names, ...rows] = Array.from({ length: this.#random.between(20, 400) }, () =>
      this.#row(
        table,
        table.columns.map(({ name }) => name),
      ),
    )
    const lists = [names, ...rows].map(
      (row) => `(${(row ?? []).map(([, value]) => value).join(', ')})`,
    )
    const columns = (names ?? []).map(([name]) => name).join(', ')
    return `insert ignore into ${table.name} (${columns}) values ${lists.join(', ')}`
  }

  /** A statement that commits by itself and leaves no row. */
  truncate(): string {
    return `truncate table ${this.#random.pick(['pairs', 'words', 'tokens'])}`
  }

  /** The change of a table with this number, one that a mirror follows. */
  evolve(number: number): string {
    const name = `c${number}`
    return this.#random.pick([
      `alter table grows add column ${name} int null`,
      `alter table grows add column ${name} int null first`,
      `alter table grows add column ${name} varchar(20) null after id`,
      `alter table grows modify v varchar(${100 + number})`,
    ])
  }

  /** A third of the work goes to the first few keys. */
  #number(table: OracleTable): number {
    return this.#random.below(this.#random.chance(0.3) ? Math.min(8, table.keys) : table.keys)
  }

  #key(table: OracleTable): string[] {
    const i = this.#number(table)
    return table.key.map(({ column, at }) => `${column} = ${at(i)}`)
  }

  #where(table: OracleTable): string {
    return this.#key(table).join(' and ')
  }

  /** Some rows, in an order of no importance to who follows them. */
  #stretch(table: OracleTable): string {
    const names = table.key.map(({ column }) => column).join(', ')
    return `order by ${names} ${this.#random.pick(['asc', 'desc'])} limit ${this.#random.between(1, 30)}`
  }

  #value(table: OracleTable, name: string): string {
    const column = table.columns.find((one) => one.name === name)
    return column === undefined || this.#random.chance(0.1) ? 'null' : column.value(this.#random)
  }

  #some(table: OracleTable, most: number): readonly string[] {
    const names = table.columns.map(({ name }) => name)
    return this.#random.some(names, this.#random.between(1, Math.min(most, names.length)))
  }

  #sets(table: OracleTable): string {
    // All rows of a stretch would get the same value, which this column may hold once.
    const names = this.#some(table, 3).filter((name) => name !== 'u')
    const [first] = table.columns.filter(({ name }) => name !== 'u')
    const set = names.length === 0 ? [first?.name ?? ''] : names
    return set.map((name) => `${name} = ${this.#value(table, name)}`).join(', ')
  }

  #row(table: OracleTable, names: readonly string[]): readonly (readonly [string, string])[] {
    const i = this.#number(table)
    const key = table.key.map(({ column, at }): [string, string] => [column, at(i)])
    return [...key, ...names.map((name): [string, string] => [name, this.#value(table, name)])]
  }

  #insert(table: OracleTable, how: string): string {
    const row = this.#row(table, this.#some(table, 8))
    const names = row.map(([name]) => name).join(', ')
    return `${how} into ${table.name} (${names}) values (${row.map(([, value]) => value).join(', ')})`
  }
}
