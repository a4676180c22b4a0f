import type { TestContext } from 'node:test'
import {
  database,
  type MysqlKind,
  mongoDatabase,
  mysql,
  mysqlDatabase,
} from '../../../testkit/servers/index.ts'
import { changeEdges, makeGroups, putEdges } from './edges.ts'
import { fill, values } from './postgres-edges.ts'

export const sources = ['postgres', 'mysql-9', 'mysql-5.6', 'mariadb-10.11'] as const
export const targets = ['postgres', 'mysql-9', 'mariadb-10.11', 'mongodb'] as const

export interface SourceEnd {
  readonly name: string
  readonly url: string
  query(sql: string): Promise<unknown>
  /** Rows with the edges of every type of the server, before the copy. */
  put(): Promise<void>
  /** The same edges once more, and changes of rows and keys. */
  change(): Promise<void>
}

export interface TargetEnd {
  readonly url: string
  /** Another value in one row of the table `busy`. */
  spoil(): Promise<void>
}

/** Rows that are written all the time. */
const busy = 'create table busy (id int primary key, n int not null)'

export async function sourceEnd(
  t: TestContext,
  kind: (typeof sources)[number],
  to: (typeof targets)[number],
): Promise<SourceEnd> {
  if (kind === 'postgres') return await postgresSource(t, to === 'mariadb-10.11' ? '0' : '-0')
  const source = await mysqlDatabase(t, kind)
  await source.query(busy)
  const groups = await makeGroups(source)
  const change = async (): Promise<void> => {
    await putEdges(source, groups, 1000)
    await changeEdges(source, groups)
  }
  const writer = await source.session()
  return {
    name: source.name,
    url: source.url,
    query: (sql) => writer.query(sql),
    put: () => putEdges(source, groups, 0),
    change,
  }
}

async function postgresSource(t: TestContext, zero: string): Promise<SourceEnd> {
  const source = await database(t, 18)
  const writer = await source.session()
  const columns = Object.keys(values).map((type, i) => `c${i} ${type}`)
  await source.query(busy)
  await source.query(`create table every (id int primary key, ${columns.join(', ')})`)
  return {
    name: source.name,
    url: source.url,
    query: (sql) => writer.query(sql),
    put: () => fill(source, 0, zero),
    async change() {
      await fill(source, 1000, zero)
      await source.query(`update every set id = 3000 where id = 1000;
        update every set c1 = -1, c9 = null where id = 0; delete from every where id = 1`)
    },
  }
}

export async function targetEnd(
  t: TestContext,
  kind: (typeof targets)[number],
  from: (typeof sources)[number],
): Promise<TargetEnd> {
  if (kind === 'mongodb') {
    const { url, db } = await mongoDatabase(t)
    const some = { n: { $gte: 0 } }
    const spoil = async (): Promise<void> => {
      await db.collection('busy').updateOne(some, { $set: { n: -1 } })
    }
    return { url, spoil }
  }
  if (kind === 'postgres') {
    const target = await database(t, 17)
    return {
      url: target.url,
      async spoil() {
        const [row] = await target.query(
          `select format('%I.busy', schemaname) as name from pg_tables where tablename = 'busy'`,
        )
        const name = row?.['name'] ?? ''
        await target.query(`update ${name} set n = -1 where id = (select min(id) from ${name})`)
      },
    }
  }
  const target = await mysqlDatabase(t, await mysqlTarget(t, kind, from))
  const spoil = async (): Promise<void> => {
    await target.query('update busy set n = -1 order by id limit 1')
  }
  return { url: target.url, spoil }
}

/** A server is one place: what is mirrored within a kind needs another one. */
async function mysqlTarget(
  t: TestContext,
  kind: MysqlKind,
  from: string,
): Promise<Awaited<ReturnType<typeof mysql>>> {
  if (kind !== from) return await mysql(kind)
  const server = await mysql(kind, { settings: {} })
  t.after(() => server[Symbol.asyncDispose]())
  return server
}
