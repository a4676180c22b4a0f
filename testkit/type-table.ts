import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { codecOf } from '../src/dialect/mongodb/values.ts'
import { neutralType as mysqlType } from '../src/dialect/mysql/types.ts'
import type { PgType } from '../src/dialect/postgres/schema.ts'
import { neutralType as postgresType, typeIndex } from '../src/dialect/postgres/types.ts'
import type { Type } from '../src/model/value.ts'
import { nativeType } from '../src/target/mysql/schema/native.ts'
import { columnTypes } from '../src/target/mysql/schema/types.ts'
import { neutralSql } from '../src/target/postgres/schema/neutral.ts'

/** The page, by its path below the root of the checkout. */
export const page = 'docs/reference/types.md'

/** A type as people write it, its catalogue's name and its modifier. */
type Postgres = readonly [sql: string, name: string, typmod?: number]

const postgres: readonly Postgres[] = [
  ['boolean', 'bool'],
  ['smallint', 'int2'],
  ['integer', 'int4'],
  ['bigint', 'int8'],
  ['numeric', 'numeric'],
  ['numeric(10,2)', 'numeric', ((10 << 16) | 2) + 4],
  ['real', 'float4'],
  ['double precision', 'float8'],
  ['text, varchar, char(n)', 'text'],
  ['bytea', 'bytea'],
  ['uuid', 'uuid'],
  ['json', 'json'],
  ['jsonb', 'jsonb'],
  ['date', 'date'],
  ['time', 'time'],
  ['timetz', 'timetz'],
  ['timestamp', 'timestamp'],
  ['timestamptz', 'timestamptz'],
  ['timestamptz(3)', 'timestamptz', 3],
  ['interval', 'interval'],
  ['bit(8)', 'bit', 8],
  ['bit varying', 'varbit'],
  ['inet, cidr, macaddr', 'inet'],
  ['money', 'money'],
  ['point and other geometric types', 'point'],
  ['tsvector, tsquery', 'tsvector'],
  ['xml', 'xml'],
]

const mysql: readonly string[] = [
  'tinyint',
  'tinyint(1)',
  'tinyint unsigned',
  'smallint',
  'smallint unsigned',
  'mediumint',
  'mediumint unsigned',
  'int',
  'int unsigned',
  'bigint',
  'bigint unsigned',
  'decimal(10,2)',
  'decimal(65,30)',
  'float',
  'double',
  'bit(8)',
  'year',
  'date',
  'time(6)',
  'datetime(3)',
  'datetime(6)',
  'timestamp(3)',
  'timestamp(6)',
  'char(20)',
  'varchar(20)',
  'text',
  'longtext',
  'binary(16)',
  'varbinary(20)',
  'blob',
  `enum('a','b')`,
  `set('a','b')`,
  'json',
  'geometry',
  'vector(3)',
  'uuid',
  'inet6',
]

function base(name: string): PgType {
  const common = { schema: 'pg_catalog', builtIn: true, extension: null, binary: true } as const
  return { oid: 1, name, kind: 'base', ...common }
}

function kindOf([sql, name, typmod = -1]: Postgres): Type {
  return postgresType({ oid: 1, typmod, sql }, typeIndex([base(name)]))
}

/** A neutral type in words. */
export function words(type: Type): string {
  switch (type.kind) {
    case 'int':
      return `int of ${type.bits} bits${type.unsigned ? ', unsigned' : ''}`
    case 'decimal':
      return type.precision === null ? 'decimal' : `decimal(${type.precision},${type.scale ?? 0})`
    case 'float':
      return `float of ${type.bits} bits`
    case 'time':
    case 'timetz':
    case 'timestamp':
    case 'timestamptz':
      return `${type.kind}(${type.precision})`
    case 'bit':
      if (type.length === null) return 'bits'
      return `${type.varying ? 'up to ' : ''}${type.length} bits`
    case 'array':
      return `array of ${words(type.of)}`
    case 'opaque':
      return `none: its text in ${type.dialect}`
    default:
      return type.kind
  }
}

interface Row {
  readonly source: string
  readonly type: Type
}

function inMysql(type: Type): string {
  const [own = ''] = columnTypes({ types: [type], key: [], collation: 'utf8mb4_…' })
  return own.replace(/ CHARACTER SET \w+ COLLATE \S+/u, '')
}

/** A server that knows every character set of the source's. */
const everything = {
  has: () => true,
} as unknown as ReadonlySet<string>

function fromMysql(source: string, type: Type): string {
  const [charset, collation] = ['utf8mb4', 'utf8mb4_…']
  const known = { version: 110_000, collations: everything, exact: collation }
  const [mysqlHas, mariadbHas] = (['mysql', 'mariadb'] as const).map((flavour) =>
    nativeType({ type: source, charset, collation }, { ...known, flavour }),
  )
  const bare = (sql: string): string => sql.replace(/ CHARACTER SET \w+ COLLATE \S+/u, '')
  if (mysqlHas == null && mariadbHas != null)
    return `\`${mariadbHas}\` in MariaDB, else \`${inMysql(type)}\``
  return `\`${mysqlHas == null ? inMysql(type) : bare(mysqlHas)}\``
}

function table(rows: readonly Row[], own: string): string {
  const lines = rows.map(({ source, type }) => {
    const cells = [
      `\`${source}\``,
      words(type),
      own === 'PostgreSQL' ? 'the same' : `\`${neutralSql(type)}\``,
      own === 'MySQL' ? fromMysql(source, type) : `\`${inMysql(type)}\``,
      codecOf(type).as,
    ]
    return `| ${cells.join(' | ')} |`
  })
  return [
    '| At the source | Neutral type | PostgreSQL | MySQL, MariaDB | MongoDB |',
    '|---|---|---|---|---|',
    ...lines,
  ].join('\n')
}

/** What the page says, from the connectors' own maps. */
export function typesPage(): string {
  return `${[
    '# Types',
    '<!-- Generated by node testkit/type-table.ts; change the code, not this page. -->',
    'What a column becomes at the target when Holdfast makes the table. Between different servers a value travels as the [canonical text](../decisions/canonical-text.md) of its neutral type, and reads back as the same text; a value that the target cannot hold exactly is refused by name, never bent. A table that is there already is used when its columns hold every value of the neutral type.',
    '## From PostgreSQL',
    'Between two PostgreSQL servers every type stays what it is, domains, enums, composites and ranges among them. Elsewhere an enum becomes its label, and what has no counterpart the text that PostgreSQL prints.',
    table(
      postgres.map((one) => ({ source: one[0], type: kindOf(one) })),
      'PostgreSQL',
    ),
    '## From MySQL and MariaDB',
    'Between two servers of this family a column keeps its type, character set and collation where the target has them; a collation that it has not becomes the binary one, under which no more is equal. Documents are kept as the text that the source prints, which a column of JSON would write anew, and shapes as the bytes of the source. An ENUM whose value is none of its labels (the empty text of older servers) is refused by name, HF-D411.',
    'Elsewhere texts of every character set become UTF-8. In PostgreSQL the texts of a key are compared by their bytes (`COLLATE "C"`), so that no two keys become one. Dates that are none (`0000-00-00`, 30 February) have no canonical text and are refused where they are met, HF-D411; so is a text with a zero byte by PostgreSQL, HF-T205. A `TIME` is a length of time, up to 838 hours. The labels of a `SET` are a text with commas.',
    table(
      mysql.map((source) => ({ source, type: mysqlType(source) })),
      'MySQL',
    ),
    '## What comes with the columns',
    [
      '| From, to | Keys, NOT NULL | Indexes | Foreign keys | Defaults | Counters |',
      '|---|---|---|---|---|---|',
      '| PostgreSQL, PostgreSQL | yes | all but those that need code of the source | yes | constants | sequences |',
      '| MySQL or MariaDB, MySQL or MariaDB | yes | all but SPATIAL, those over expressions or over columns that got another type | those between mirrored tables | constants, the time of the change, ON UPDATE | AUTO_INCREMENT of the first column of the key |',
      '| PostgreSQL, MySQL or MariaDB | yes | over whole columns; a unique one only where its texts have a bound, a long text otherwise by its first 191 characters | no | constants: whole and decimal numbers, truths, dates, texts | no |',
      '| MySQL or MariaDB, PostgreSQL | yes | over whole columns of which every entry fits a page, under the name of table and index | no | the same | no |',
      '| any, MongoDB | the key is `_id` | no | no | no | no |',
    ].join('\n'),
    'Indexes and foreign keys are built once, when the copy is done and every table stands at one commit. Checks and triggers are never carried, a generated column is an ordinary one with the values that the source gave it. `check` names what is left behind, once: HF-D423, HF-D425.',
  ].join('\n\n')}\n`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL(`../${page}`, import.meta.url), typesPage())
}
