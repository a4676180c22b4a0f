import assert from 'node:assert/strict'
import { test } from 'node:test'
import { neutralType } from '../../../src/dialect/mysql/types.ts'
import type { Type } from '../../../src/model/value.ts'
import { mirror } from '../../../testkit/mirror.ts'
import { mysql, mysqlDatabase } from '../../../testkit/servers/index.ts'
import { type EdgeColumn, edges, isBytes } from '../source/mysql/edges.ts'

// A zero with a sign, which MySQL has and MariaDB has not, is why not every pair is among them.
const pairs = [
  ['mysql-9', 'mysql-9'],
  ['mariadb-10.11', 'mariadb-10.11'],
  ['mariadb-10.11', 'mysql-9'],
  ['mysql-5.6', 'mysql-9'],
] as const

/** A fraction with as many digits as the type has. */
function padded(text: string, { precision }: { readonly precision: number }): string {
  const [whole = '', fraction = ''] = text.replace('+00', '').split('.')
  return precision === 0 ? whole : `${whole}.${fraction.padEnd(precision, '0')}`
}

/** What the target prints of a canonical text in a column of this type. */
function printed(native: string, type: Type, cell: string | null): string | null {
  if (cell === null) return null
  const time = /^time(?:\((\d)\))?$/.exec(native)
  if (time !== null) return padded(cell, { precision: Number(time[1] ?? 0) })
  if (type.kind === 'timestamp' || type.kind === 'timestamptz') return padded(cell, type)
  return cell
}

/** How the target is asked for a column so that it prints that. */
function asked(name: string, { type }: EdgeColumn, neutral: Type): string {
  if (/zerofill|^year/.test(type)) return `${name} + 0`
  if (isBytes(type)) return `lower(hex(${name}))`
  if (neutral.kind === 'bit') return `lpad(bin(${name}), ${neutral.length ?? 1}, '0')`
  // As it is, a FLOAT is printed with six digits.
  return neutral.kind === 'float' && neutral.bits === 32 ? `(${name} - 0e0)` : name
}

function same(type: Type, theirs: string | null, ours: string | null): boolean {
  if (theirs === null || ours === null || type.kind !== 'float') return theirs === ours
  const [a, b] = [Number(theirs), Number(ours)]
  return type.bits === 64 ? Object.is(a, b) : Object.is(Math.fround(a), Math.fround(b))
}

for (const [from, to] of pairs) {
  test(`the edges of every type are copied, streamed and verified, ${from} to ${to}`, async (t) => {
    const source = await mysqlDatabase(t, from)
    // One server is one place.
    const server = await mysql(to, from === to ? { settings: {} } : undefined)
    t.after(() => server[Symbol.asyncDispose]())
    const target = await mysqlDatabase(t, server)
    const groups = Object.entries(edges).flatMap(([name, all]) => {
      const columns = all.filter(({ on }) => on === undefined || on.test(from))
      return columns.length === 0 ? [] : [{ name, columns }]
    })
    for (const { name, columns } of groups) {
      const types = columns.map(({ type }, i) => `c${i} ${type}`).join(', ')
      await source.query(
        `create table ${name} (id int primary key, ${types}) character set utf8mb4`,
      )
    }
    const ends = mirror(t, { source: source.url, target: target.url })
    await source.query(`set sql_mode = 'NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES'`)
    const rowsOf = (columns: readonly EdgeColumn[]): number =>
      Math.max(...columns.map(({ edges: values }) => values.length))
    const put = async (first: number): Promise<void> => {
      for (const { name, columns } of groups) {
        for (let row = 0; row < rowsOf(columns); row++) {
          const values = columns.map(({ edges: all }) => all[row]?.[0] ?? 'null')
          await source.query(`insert into ${name} values (${first + row}, ${values.join(', ')})`)
        }
      }
    }
    const assertHeld = async (first: number): Promise<void> => {
      for (const { name, columns } of groups) {
        const types = columns.map(({ type }) => neutralType(type))
        const wanted = columns.map((column, i) => {
          return `${asked(`c${i}`, column, types[i] ?? { kind: 'text' })} as c${i}`
        })
        for (let row = 0; row < rowsOf(columns); row++) {
          const sql = `select ${wanted.join(', ')} from ${name} where id = ${first + row}`
          const [held] = await target.query(sql)
          for (const [i, column] of columns.entries()) {
            const type = types[i] ?? { kind: 'text' }
            const ours = printed(column.type, type, column.edges[row]?.[1] ?? null)
            const theirs = held?.[`c${i}`] ?? null
            assert.ok(same(type, theirs, ours), `${column.type}: ${theirs} for ${ours}`)
          }
        }
      }
    }
    await put(0)
    await ends.catchUp()
    await assertHeld(0)
    assert.deepEqual(await ends.differences(), [])
    await put(1000)
    for (const { name } of groups) await source.query(`delete from ${name} where id = 0`)
    await ends.catchUp()
    await assertHeld(1000)
    assert.deepEqual(await ends.differences(), [])
    for (const { name } of groups) {
      await target.query(`update ${name} set c0 = null where id = 1000`)
    }
    const found = (await ends.differences()).map((one) => one.split(' ')[0])
    assert.deepEqual(found.sort(), groups.map(({ name }) => `${source.name}.${name}`).sort())
  })
}
