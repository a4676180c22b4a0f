import assert from 'node:assert/strict'
import type { Point } from '../../src/async/point.ts'
import {
  type MysqlDatabase,
  mysqlDatabase,
  type TestDatabase,
} from '../../testkit/servers/index.ts'
import { describeKills } from './killing.ts'

interface Column {
  readonly name: string
  readonly type: string
}

/** Columns that travel, by table. */
async function columnsOf(source: TestDatabase): Promise<ReadonlyMap<string, readonly Column[]>> {
  const rows = await source.query(
    `select c.relname as t, a.attname as name, format_type(a.atttypid, null) as type
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and a.attgenerated = ''
     where n.nspname = 'shop' and c.relkind = 'r' order by c.relname, a.attnum`,
  )
  const all = new Map<string, Column[]>()
  for (const { t, name, type } of rows) {
    const columns = all.get(t ?? '') ?? []
    columns.push({ name: name ?? '', type: type ?? '' })
    all.set(t ?? '', columns)
  }
  return all
}

/** As the target prints a point in time. */
function printed({ name, type }: Column): string {
  if (type !== 'timestamp with time zone') return `"${name}"::text`
  return `to_char("${name}" at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')`
}

const lines = (rows: readonly Readonly<Record<string, string | null>>[]): readonly string[] =>
  rows.map((row) => JSON.stringify(Object.values(row))).sort()

async function assertSame(source: TestDatabase, target: MysqlDatabase): Promise<void> {
  const tables = await columnsOf(source)
  assert.ok(tables.size > 0)
  for (const [table, columns] of tables) {
    const wanted = columns.map((column, i) => `${printed(column)} as c${i}`).join(', ')
    const named = columns.map(({ name }, i) => `\`${name}\` as c${i}`).join(', ')
    const [ours, theirs] = await Promise.all([
      source.query(`select ${wanted} from shop."${table}"`),
      target.query(`select ${named} from \`${table}\``),
    ])
    assert.ok(ours.length > 0, table)
    assert.deepEqual(lines(theirs), lines(ours), table)
  }
}

async function events(target: MysqlDatabase): Promise<number> {
  const [there] = await target.query(
    `select count(*) as n from information_schema.tables
     where table_schema = database() and table_name = 'events'`,
  )
  if (there?.['n'] !== '1') return 0
  const [row] = await target.query('select count(*) as n from events')
  return Number(row?.['n'])
}

const kinds = ['mariadb-10.11', 'mysql-9'] as const

/** Those at which the target's own steps differ from PostgreSQL's. */
const own: readonly Point[] = [
  'claimed',
  'target-prepared',
  'copy-begun',
  'chunk-copied',
  'table-copied',
  'copy-finished',
  'batch-begun',
  'batch-sent',
  'batch-applied',
]

for (const kind of kinds) {
  describeKills(
    kind,
    async (t) => {
      const target = await mysqlDatabase(t, kind)
      return {
        url: target.url,
        same: (source) => assertSame(source, target),
        events: () => events(target),
      }
    },
    own,
  )
}
