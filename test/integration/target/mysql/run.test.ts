import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Child, holdfast } from '../../../../testkit/child.ts'
import {
  database,
  type MysqlDatabase,
  mysqlDatabase,
  type TestDatabase,
} from '../../../../testkit/servers/index.ts'
import { fill, rows, values } from '../../pairs/postgres-edges.ts'

const kinds = ['mariadb-10.11', 'mysql-9'] as const

interface Stage {
  readonly source: TestDatabase
  readonly target: MysqlDatabase
  readonly ends: readonly string[]
  start(...words: string[]): Child
}

async function stage(t: TestContext, kind: (typeof kinds)[number]): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-run-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const source = await database(t, 18)
  const target = await mysqlDatabase(t, kind)
  const scheme = kind.startsWith('maria') ? 'mariadb' : 'mysql'
  const ends = ['--source', source.url, '--target', target.url.replace('mysql:', `${scheme}:`)]
  const start = (...words: string[]): Child => holdfast(words, { cwd: directory })
  return { source, target, ends, start }
}

async function succeeds(child: Child): Promise<void> {
  assert.equal((await child.end()).code, 0, child.lines.join('\n'))
}

for (const kind of kinds) {
  test(`every type of PostgreSQL, copied and streamed, is held exactly by ${kind}`, async (t) => {
    const { source, target, ends, start } = await stage(t, kind)
    const columns = Object.keys(values).map((type, i) => `c${i} ${type}`)
    await source.query(`create table every (id int primary key, ${columns.join(', ')})`)
    await source.query(`create table small (x real, b bytea, bits bit(11), primary key (b))`)
    // MariaDB has no zero with a sign.
    const zero = kind === 'mysql-9' ? '-0' : '0'
    await fill(source, 0, zero)
    await source.query(`insert into small values (0.1, '\\x00ff27', B'00000000001'),
      ('${zero}', '\\x', B'11111111111'), (3.4028235e38, '\\x27', B'10000000000')`)
    await using first = start('run', '--name', 'types', ...ends, '--until', 'caught-up')
    await succeeds(first)
    await fill(source, 100, zero)
    await source.query(`update small set x = 1.17549435e-38, bits = B'01010101010' where b = '\\x'`)
    await using again = start('run', '--name', 'types', ...ends, '--until', 'caught-up')
    await succeeds(again)
    const count = rows(0).length
    const stored = await target.query('select * from every order by id')
    const wanted = rows(1).map((row) =>
      row.map((cell) => (cell === 'null' ? null : cell === '-0' ? zero : cell)),
    )
    assert.deepEqual(
      stored.map((row) => Object.values(row).slice(1)),
      [...wanted, ...wanted],
    )
    assert.equal(stored.length, 2 * count)
    const small = await target.query(
      `select hex(b) as b, concat(x - 0e0) as x, bin(bits) as bits from small order by 1`,
    )
    assert.deepEqual(small, [
      { b: '', x: '1.1754943508222875e-38', bits: '1010101010' },
      { b: '00FF27', x: '0.10000000149011612', bits: '1' },
      { b: '27', x: '3.4028234663852886e38', bits: '10000000000' },
    ])
    await using verified = start('verify', '--name', 'types', ...ends)
    await succeeds(verified)
    await target.query(`update every set c8 = concat(c8, ' ') where id = 100`)
    await target.query(`delete from small where b = x'27'`)
    await using found = start('verify', '--name', 'types', ...ends)
    assert.equal((await found.end()).code, 4, found.lines.join('\n'))
    const said = found.lines.join('\n')
    assert.match(said, /public\.every .*1 changed, 0 missing in the target, 0 extra/)
    assert.match(said, /public\.small .*0 changed, 1 missing in the target, 0 extra/)
  })
}
