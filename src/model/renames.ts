import { Fault } from './fault.ts'
import { type Table, tableName } from './table.ts'

interface Name {
  readonly schema: string
  readonly name: string
}

/** What one table, and columns of it, are called at the target. */
interface Wanted {
  readonly from: Name
  place: Name | null
  readonly columns: Map<string, string>
}

/** A quoted part (doubled quotes inside), or a bare one. */
const PART = /"(?<quoted>(?:[^"]|"")+)"|(?<bare>[^".\s]+)/uy

/**
 * Names that differ at the target, from `schema.table -> name`, `schema.table -> schema.name` and
 * `schema.table.column -> name`. Names are written as the source has them; quotes hold a name with
 * dots or spaces together. A dot in the new name of a column is kept: documents nest by it.
 */
export class Renames {
  readonly texts: readonly string[]
  readonly #tables = new Map<string, Wanted>()

  /** Throws HF-C114. */
  constructor(texts: readonly string[]) {
    this.texts = texts
    for (const text of texts) this.#add(text)
  }

  #add(text: string): void {
    const [left, right, ...more] = text.split('->').map((side) => side.trim())
    const from = partsOf(left ?? '')
    const to = partsOf(right ?? '')
    const [schema, name, column] = from
    if (schema === undefined || name === undefined || from.length > 3 || more.length > 0) {
      throw refused(text, 'it is not of the form schema.table -> name')
    }
    const [first] = to
    if (first === undefined) throw refused(text, 'it is not of the form schema.table -> name')
    const key = keyOf({ schema, name })
    const known = this.#tables.get(key)
    const wanted = known ?? { from: { schema, name }, place: null, columns: new Map() }
    this.#tables.set(key, wanted)
    if (column === undefined) {
      if (wanted.place !== null) throw refused(text, `${schema}.${name} has a new name already`)
      if (to.length > 2) throw refused(text, 'a table has a schema and a name, and no more')
      const [last = first] = to.slice(1)
      wanted.place = { schema: to.length === 1 ? schema : first, name: last }
      return
    }
    if (wanted.columns.has(column)) throw refused(text, `${column} has a new name already`)
    wanted.columns.set(column, to.join('.'))
  }

  get isEmpty(): boolean {
    return this.#tables.size === 0
  }

  /** The table as the target knows it; the table itself where nothing is called otherwise. */
  of(table: Table): Table {
    const wanted = this.#tables.get(keyOf(table))
    if (wanted === undefined) return table
    const columns = table.columns.map((column) => {
      return { ...column, name: wanted.columns.get(column.name) ?? column.name }
    })
    refuseTwice(table, columns)
    const called = {
      schema: table.schema,
      name: table.name,
      columns: table.columns.map(({ name }) => name),
    }
    return { ...table, ...placeOf(wanted), columns, called }
  }

  /** Where something stands that has a table's name; itself where it is called the same. */
  place<T extends Name>(named: T): T {
    const wanted = this.#tables.get(keyOf(named))
    return wanted === undefined ? named : { ...named, ...placeOf(wanted) }
  }

  /** Throws HF-C114 for names that these tables do not have, and for two that become one. */
  refuse(tables: readonly Table[]): void {
    const known = new Map(tables.map((table) => [keyOf(table), table]))
    for (const [key, { from, columns }] of this.#tables) {
      const table = known.get(key)
      if (table === undefined) {
        throw refused(tableName(from), 'no table of that name is mirrored')
      }
      const names = new Set(table.columns.map(({ name }) => name))
      const lacking = [...columns.keys()].find((name) => !names.has(name))
      if (lacking !== undefined) {
        throw refused(`${tableName(from)}.${lacking}`, 'the table has no column of that name')
      }
    }
    for (const [place, all] of Map.groupBy(tables, (table) => keyOf(this.of(table)))) {
      if (all.length < 2) continue
      const names = all.map(tableName).join(' and ')
      throw refused(names, `they would be one table, ${tableName(nameOf(place))}`)
    }
  }
}

function placeOf({ from, place }: Wanted): Name {
  return place ?? from
}

function keyOf({ schema, name }: Name): string {
  return `${schema}\0${name}`
}

function nameOf(key: string): Name {
  const [schema = '', name = ''] = key.split('\0')
  return { schema, name }
}

/** The parts of a dotted name; none when it cannot be read. */
function partsOf(text: string): string[] {
  const parts: string[] = []
  let at = 0
  do {
    if (parts.length > 0) at++
    PART.lastIndex = at
    const groups = PART.exec(text)?.groups
    if (groups === undefined) return []
    parts.push(groups['quoted']?.replaceAll('""', '"') ?? groups['bare'] ?? '')
    at = PART.lastIndex
  } while (text[at] === '.')
  return at === text.length ? parts : []
}

/** Also a column that comes later may have the name that another one was given. */
function refuseTwice(table: Table, columns: readonly { readonly name: string }[]): void {
  const names = columns.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) < i)
  const inside = names.find((name) => names.some((other) => other.startsWith(`${name}.`)))
  const clash = twice ?? inside
  if (clash === undefined) return
  const sources = table.columns.filter((_, i) => {
    return names[i] === clash || (twice === undefined && names[i]?.startsWith(`${clash}.`))
  })
  const list = sources.map(({ name }) => name).join(' and ')
  throw new Fault('HF-D412', {
    what: `the columns ${list} of ${tableName(table)} would both be ${clash} at the target`,
    side: 'target',
    table: tableName(table),
  })
}

function refused(what: string, why: string): Fault {
  return new Fault('HF-C114', { what: `tables.rename: ${what}: ${why}` })
}

/** A table as its source describes it. */
export function asSource(table: Table): Table {
  const { called, ...rest } = table
  if (called === undefined) return table
  const columns = rest.columns.slice(0, called.columns.length).map((column, i) => {
    return { ...column, name: called.columns[i] ?? column.name }
  })
  return { ...rest, schema: called.schema, name: called.name, columns }
}
