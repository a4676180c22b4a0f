import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { startProxy } from '../../../testkit/proxy.ts'
import { database } from '../../../testkit/servers/index.ts'
import { bothMajors, stage } from './stage.ts'

/** Milliseconds of the way to the target and back, in which a batch becomes full. */
const DELAY = 5

for (const major of bothMajors) {
  suite(`PostgreSQL ${major}`, () => {
    test('new rows that are written ahead of their turn are there once, killed again and again', async (t) => {
      const { server } = await database(t, major)
      await using proxy = await startProxy(server)
      const pair = await stage(t, major, {
        sql: 'create table items (id int primary key, v int, x text)',
        targetIn: server,
        through: { target: (url) => proxy.url(url) },
        apply: { batch: { rows: 100 } },
      })
      proxy.delay = DELAY
      await pair.caughtUp()
      for (let round = 0; round < 30; round++) {
        await pair.source.query(`insert into items
          select g, 1, 'x' from generate_series(${2000 + round * 700}, ${2699 + round * 700}) g`)
      }
      for (const nth of [1, 2, 3]) {
        const killed = pair.run(['--until', 'caught-up'], {
          HOLDFAST_KILL_AT: `written-ahead:${nth}`,
        })
        assert.equal((await killed.end()).signal, 'SIGKILL', killed.lines.join('\n'))
      }
      await pair.equal(await pair.streaming())
    })
  })
}
