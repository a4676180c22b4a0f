import type { SchemaChange } from '../../model/change.ts'
import { Fault, type Todo } from '../../model/fault.ts'
import { shellWord } from '../../model/shell.ts'
import { type Column, type Table, tableName } from '../../model/table.ts'
import { BINARY, cell, NULL, TEXT, type Tuple } from '../../model/tuple.ts'

/** What a row of a topic is read with. */
export interface Fitted {
  readonly table: Table
  /** The row as the table has its columns. */
  readonly fit: (tuple: Tuple) => Tuple
  /** True when `fit` gives back what it was given. */
  readonly same: boolean
}

/**
 * The columns of one topic: those in force, and how rows of an older shape, which come again or
 * come later from another partition, are read with them.
 */
export class Shapes {
  #table: Table
  readonly #fitted = new Map<Table, Fitted>()

  constructor(table: Table) {
    this.#table = table
  }

  get table(): Table {
    return this.#table
  }

  /** Of rows that came before. */
  known(table: Table): Fitted | null {
    return this.#fitted.get(table) ?? null
  }

  /** Null for rows of a table that has columns that are not known yet. Throws Fault. */
  of(table: Table): Fitted | null {
    const known = this.#fitted.get(table)
    if (known !== undefined) return known
    this.#requireSame(table)
    const made = this.#fit(table)
    if (made !== null) this.#fitted.set(table, made)
    return made
  }

  /**
   * From here on rows have the columns of `table`, too. `all`: each row is told with them, so that
   * none lacks what the database gave it. Throws Fault HF-K110.
   */
  grow(table: Table, { all = false } = {}): SchemaChange {
    const from = this.#table
    for (const column of from.columns) {
      if (!table.columns.some(({ name }) => name === column.name)) {
        throw this.#refused(`the column ${column.name} is gone`)
      }
    }
    if (!all) this.#requireEmpty(table)
    const to = { ...table, id: from.id, schema: from.schema, name: from.name }
    this.#table = to
    this.#fitted.clear()
    this.#fitted.set(table, { table: to, fit: (tuple) => tuple, same: true })
    return { kind: 'schema', from, to }
  }

  /** Rows that were there before have nothing in new columns. */
  #requireEmpty(table: Table): void {
    const defaulted = defaultsOf(table)
    const run = `holdfast resync-tables ${shellWord(tableName(this.#table))}`
    const text = 'Have the connector tell the table anew, with all values, and go on with it there.'
    const todo = [
      { text, run },
      { text: 'Then let the mirror go on.', run: 'holdfast run' },
    ]
    for (const { name, nullable } of this.#added(table)) {
      if (!nullable) throw this.#refused(`the new column ${name} is never null`, todo)
      if (!defaulted.includes(name)) continue
      const what = `the new column ${name} has a value in the rows that were there before`
      throw this.#refused(what, todo)
    }
  }

  #added(table: Table): readonly Column[] {
    const names = new Set(this.#table.columns.map(({ name }) => name))
    return table.columns.filter(({ name }) => !names.has(name))
  }

  /** One topic is one table, whose columns keep their types and whose rows keep their key. */
  #requireSame(table: Table): void {
    const own = this.#table
    if (table.name !== own.name || table.schema !== own.schema) {
      throw this.#refused(`it holds rows of ${tableName(table)}, too`)
    }
    if (keyNames(table).join() !== keyNames(own).join()) {
      throw this.#refused('its rows are found by other columns now')
    }
    const types = new Map(own.columns.map(({ name, type }) => [name, JSON.stringify(type)]))
    for (const { name, type } of table.columns) {
      const known = types.get(name)
      if (known !== undefined && known !== JSON.stringify(type)) {
        throw this.#refused(`the column ${name} has another type now`)
      }
    }
  }

  #fit(table: Table): Fitted | null {
    if (this.#added(table).length > 0) return null
    const own = this.#table
    const names = (of: Table): string => of.columns.map(({ name }) => name).join('\0')
    if (names(table) === names(own)) return { table: own, fit: (tuple) => tuple, same: true }
    const places = own.columns.map(({ name }) => table.columns.findIndex((c) => c.name === name))
    return { table: own, fit: (tuple) => rearranged(tuple, places), same: false }
  }

  #refused(what: string, todo?: readonly Todo[]): Fault {
    const table = tableName(this.#table)
    return new Fault('HF-K110', {
      what: `the topic ${this.#table.id} no longer fits ${table}: ${what}`,
      side: 'source',
      table,
      ...(todo === undefined ? {} : { todo }),
    })
  }
}

function keyNames({ columns, identity }: Table): readonly string[] {
  if (identity.by !== 'key') return [identity.by]
  return identity.columns.map((i) => columns[i]?.name ?? '')
}

/** Names of columns that have a default. */
function defaultsOf({ mark }: Table): readonly string[] {
  const read: unknown = mark === undefined ? [] : JSON.parse(mark)
  return Array.isArray(read) ? read.map(String) : []
}

/** A tuple of the cells at these places, null where there is none. */
function rearranged(tuple: Tuple, places: readonly number[]): Tuple {
  const head = Buffer.alloc(2)
  head.writeUInt16BE(places.length, 0)
  const pieces: Buffer[] = [head]
  for (const place of places) {
    const { kind, bytes } = place < 0 ? { kind: NULL, bytes: head.subarray(2) } : cell(tuple, place)
    const long = kind === TEXT || kind === BINARY
    const lead = Buffer.alloc(long ? 5 : 1)
    lead[0] = kind
    if (long) lead.writeInt32BE(bytes.length, 1)
    pieces.push(lead, bytes)
  }
  return Buffer.concat(pieces)
}
