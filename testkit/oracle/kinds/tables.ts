import type { Random } from '../random.ts'

/** How the texts of a column's values are brought into one form at every end. */
export type Form = 'plain' | 'bytes' | 'moment' | 'json' | 'number'

export interface OracleColumn {
  readonly name: string
  readonly type: string
  readonly form: Form
  /** A literal of SQL. */
  readonly value: (random: Random) => string
}

export interface OracleTable {
  readonly name: string
  /** Literals of the key with this number; empty for a table without one. */
  readonly key: readonly { readonly column: string; readonly at: (i: number) => string }[]
  /** How many keys are in use. */
  readonly keys: number
  readonly sql: string
  readonly columns: readonly OracleColumn[]
  /** The forms of key columns that are not plain. */
  readonly forms?: Readonly<Record<string, Form>>
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`
const whole =
  (least: number, most: number) =>
  (random: Random): string =>
    String(random.between(least, most))
const words = ['', 'a', ' b ', 'Zoë', '漢字', '🦣', "it's", '\\N', '\\', 'NULL', 'tab\t', 'line\n']
const text = (random: Random): string =>
  quoted(random.chance(0.1) ? random.letters(random.below(2000)) : random.pick(words))
const day = (random: Random): string =>
  `${random.pick([1000, 1969, 1999, 2024, 9999])}-${random.pick(['01-01', '02-28', '12-31'])}`
const time = (random: Random): string =>
  `${random.pick(['00:00:00', '12:34:56', '23:59:59'])}.${random.pick(['000', '500', '123', '001'])}`
const hex = (random: Random): string => {
  const bytes = Array.from({ length: random.below(40) }, () => random.below(256))
  return `x'${Buffer.from(bytes).toString('hex')}'`
}
const document = (random: Random): string =>
  quoted(
    JSON.stringify({
      n: random.below(1000),
      s: random.pick(['ü', '', 'x']),
      list: [true, null, { deep: random.below(9) }],
    }),
  )

function column(name: string, type: string, value: OracleColumn['value']): OracleColumn {
  return { name, type, form: 'plain', value }
}

function as(form: Form, plain: OracleColumn): OracleColumn {
  return { ...plain, form }
}

const wide: readonly OracleColumn[] = [
  column('tiny', 'tinyint', whole(-128, 127)),
  column('medium', 'mediumint unsigned', whole(0, 16_777_215)),
  column('large', 'bigint', (r) => r.pick(['-9223372036854775808', '9007199254740993', '0', '7'])),
  column('top', 'bigint unsigned', (r) =>
    r.pick(['18446744073709551615', '9007199254740993', '1']),
  ),
  column('exact', 'decimal(20,4)', (r) => `${r.between(-1e6, 1e6)}.${r.between(1000, 9999)}`),
  as(
    'number',
    column('twice', 'double', (r) => String(r.between(-1e6, 1e6) / 8)),
  ),
  column('words', 'varchar(2000) character set utf8mb4', text),
  column('latin', 'varchar(50) character set latin1', (r) => quoted(r.pick(['é', '€ü', '', 'x']))),
  column('note', 'mediumtext character set utf8mb4', (r) =>
    r.chance(0.05) ? `repeat(${quoted(r.letters(30))}, ${r.between(1, 3000)})` : text(r),
  ),
  as('bytes', column('raw', 'varbinary(100)', hex)),
  as('bytes', column('bulk', 'blob', hex)),
  column('day', 'date', (r) => quoted(day(r))),
  as(
    'moment',
    column('at', 'datetime(3)', (r) => quoted(`${day(r)} ${time(r)}`)),
  ),
  column('y', 'year', whole(1901, 2155)),
  column('mood', "enum('sad','so so','glad')", (r) => quoted(r.pick(['sad', 'so so', 'glad']))),
  as('json', column('doc', 'json', document)),
]

function declared(columns: readonly OracleColumn[]): string {
  return columns.map(({ name, type }) => `${name} ${type}`).join(', ')
}

function table(
  made: Omit<OracleTable, 'sql'> & { readonly keySql: string; readonly more?: string },
): OracleTable {
  const { keySql, more, ...rest } = made
  const parts = [keySql, declared(made.columns), more].filter((part) => part)
  return { ...rest, sql: `create table ${made.name} (${parts.join(', ')}) character set utf8mb4` }
}

/** Keys of several columns, of bytes, of texts that differ by case; values that are there once. */
const keyed: readonly OracleTable[] = [
  table({
    name: 'pairs',
    key: [
      { column: 'b', at: (i) => quoted(`k${i % 7}'`) },
      { column: 'a', at: (i) => String(i - 50) },
    ],
    keys: 120,
    keySql: 'a int not null, b varchar(20) not null',
    columns: [
      column('v', 'text', text),
      column('n', 'decimal(12,3)', (r) => `${r.between(-9999, 9999)}.${r.between(100, 999)}`),
    ],
    more: 'primary key (b, a)',
  }),
  table({
    name: 'words',
    key: [{ column: 'w', at: (i) => quoted(i % 2 === 0 ? `Wörd ${i >> 1}` : `WÖRD ${i >> 1}`) }],
    keys: 60,
    keySql: 'w varchar(40) primary key',
    columns: [column('n', 'int', whole(-9, 9))],
  }),
  table({
    name: 'tokens',
    key: [{ column: 't', at: (i) => `x'${Buffer.from([i % 3, i, 0]).toString('hex')}'` }],
    forms: { t: 'bytes' },
    keys: 80,
    keySql: 't varbinary(10) primary key',
    columns: [column('n', 'bigint', whole(-9, 9))],
  }),
  table({
    name: 'singles',
    key: [{ column: 'id', at: String }],
    keys: 40,
    keySql: 'id int primary key',
    columns: [column('u', 'int', whole(0, 60)), column('v', 'int', whole(0, 9))],
    more: 'unique (u)',
  }),
]

/** A table that changes, two that belong together, one without a key, and the marks. */
const others: readonly OracleTable[] = [
  table({
    name: 'grows',
    key: [{ column: 'id', at: String }],
    keys: 50,
    keySql: 'id int primary key',
    columns: [column('v', 'varchar(100)', (r) => quoted(r.pick(['x', 'ü', ''])))],
  }),
  table({
    name: 'parents',
    key: [{ column: 'id', at: String }],
    keys: 30,
    keySql: 'id int primary key',
    columns: [column('v', 'int', whole(0, 9))],
  }),
  table({
    name: 'children',
    key: [{ column: 'id', at: String }],
    keys: 60,
    keySql: 'id int primary key',
    columns: [column('parent', 'int', whole(0, 29))],
    more: 'foreign key (parent) references parents (id)',
  }),
  table({
    name: 'loose',
    key: [],
    keys: 0,
    keySql: '',
    columns: [
      column('a', 'int', whole(0, 5)),
      column('b', 'varchar(30)', (r) => r.pick(["'x'", "'y'"])),
    ],
  }),
  table({
    name: 'marker',
    key: [{ column: 'seq', at: String }],
    keys: 0,
    keySql: 'seq bigint primary key',
    columns: [column('session', 'int', whole(0, 0))],
  }),
]

/** The tables of the oracle; a server without JSON keeps documents as text. */
export function tablesFor(json: boolean): readonly OracleTable[] {
  const columns = wide.map((one) => (one.type === 'json' && !json ? { ...one, type: 'text' } : one))
  const kinds = table({
    name: 'kinds',
    key: [{ column: 'id', at: String }],
    keys: 300,
    keySql: 'id int unsigned primary key',
    columns,
  })
  return [kinds, ...keyed, ...others]
}

/** One form for the texts of a value, whoever prints it; null for none. */
export function canonical(form: Form, printed: string): string {
  if (form === 'json') return sorted(JSON.parse(printed))
  if (form === 'number') return String(Number(printed))
  if (form === 'moment') return printed.includes('.') ? printed.replace(/\.?0+$/, '') : printed
  return printed
}

function sorted(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sorted).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${sorted(field)}`).join(',')}}`
}

/** The form of each column that is not plain. */
export function formsOf({ columns, forms = {} }: OracleTable): ReadonlyMap<string, Form> {
  return new Map<string, Form>([
    ...Object.entries(forms),
    ...columns.map(({ name, form }): [string, Form] => [name, form]),
  ])
}
