import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { sleep } from '../../../src/async/clock.ts'
import { holdfast } from '../../../testkit/child.ts'
import { eventually } from '../../../testkit/eventually.ts'
import {
  database,
  type MysqlDatabase,
  mysqlDatabase,
  type TestDatabase,
} from '../../../testkit/servers/index.ts'

const ACCOUNTS = 20

/** Transfers, entries, prepared transactions and new columns, until it is stopped. */
class Load {
  readonly #db: MysqlDatabase
  #stopped = false
  #done: Promise<void>
  transactions = 0
  /** Columns come while the log is followed; while tables are copied they would halt the mirror. */
  alters = false

  constructor(db: MysqlDatabase) {
    this.#db = db
    this.#done = this.#work()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#done
  }

  async #work(): Promise<void> {
    const session = await this.#db.session()
    for (let n = 1; !this.#stopped; n++) {
      const [from, to] = [n % ACCOUNTS, (n * 7 + 3) % ACCOUNTS]
      const move = `update accounts set v = v - 1 where id = ${from};
        update accounts set v = v + 1 where id = ${to};
        insert into entries (what) values ('${n}: ü')`
      const trim = `delete from entries where id < (select m from (select max(id) - 200 as m from entries) x)`
      if (n % 25 === 0) {
        await session.query(`xa start 'x'; ${move}; xa end 'x'; xa prepare 'x'`)
        await session.query(n % 50 === 0 ? `xa rollback 'x'` : `xa commit 'x'`)
      } else if (n % 40 === 1) await session.query(`begin; ${move}; ${trim}; commit`)
      else if (n % 100 === 2 && this.alters)
        await session.query(`alter table entries add column c${n} int first`)
      else
        await session.query(
          `begin; ${move}; savepoint s; delete from accounts; rollback to s; commit`,
        )
      this.transactions++
      await sleep(4)
    }
  }
}

async function assertSame(source: MysqlDatabase, target: TestDatabase): Promise<void> {
  for (const table of ['accounts', 'entries']) {
    const columns = table === 'accounts' ? 'id, v' : 'id, what'
    const here = await source.query(`select ${columns} from ${table} order by id`)
    const there = await target.query(`select ${columns} from "${source.name}".${table} order by id`)
    assert.deepEqual(there.map(Object.values), here.map(Object.values))
  }
}

for (const kind of ['mysql-9', 'mariadb-10.11'] as const) {
  test(`M1 M19 M28 SIGKILL at random moments under load loses and repeats nothing, from ${kind}`, async (t) => {
    const source = await mysqlDatabase(t, kind)
    const target = await database(t, 18)
    const cwd = await mkdtemp(join(tmpdir(), 'holdfast-kill-'))
    t.after(() => rm(cwd, { recursive: true, force: true }))
    await source.query(`create table accounts (id int primary key, v int not null);
      create table entries (id bigint auto_increment primary key, what text)`)
    const rows = Array.from({ length: ACCOUNTS }, (_, i) => `(${i}, 100)`)
    await source.query(`insert into accounts values ${rows.join(', ')}`)
    const run = (...flags: readonly string[]): ReturnType<typeof holdfast> =>
      holdfast(['run', '--source', source.url, '--target', target.url, ...flags], { cwd })
    const newest = async (): Promise<number> => {
      const name = `"${source.name}".entries`
      const [row] = await target.query(`select to_regclass('${name}') is not null as there`)
      if (row?.['there'] !== 't') return 0
      const [found] = await target.query(`select coalesce(max(id), 0) as n from ${name}`)
      return Number(found?.['n'])
    }
    const load = new Load(source)
    try {
      for (let round = 0; round < 4; round++) {
        const child = run()
        // Once all tables are copied, they may change.
        if (round === 1) await child.line(/following the changes|streaming/, { within: 90_000 })
        load.alters ||= round === 1
        const more = (await newest()) + Math.floor(Math.random() * 40)
        const moves = eventually('the target moves on', async () => (await newest()) > more, {
          within: 90_000,
        })
        await moves.catch((error: Error) => assert.fail([error.message, ...child.lines].join('\n')))
        assert.equal((await child.kill()).signal, 'SIGKILL', child.lines.join('\n'))
      }
    } finally {
      await load.stop()
    }
    const last = run('--until', 'caught-up')
    assert.deepEqual(await last.end(), { code: 0, signal: null }, last.lines.join('\n'))
    await assertSame(source, target)
    const [sum] = await target.query(`select sum(v) as s from "${source.name}".accounts`)
    assert.equal(sum?.['s'], String(100 * ACCOUNTS))
    assert.ok(load.transactions > 20)
  })
}
