import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, type TestContext, test } from 'node:test'
import { sleep } from '../../../src/async/clock.ts'
import { type Child, holdfast } from '../../../testkit/child.ts'
import { type SourceEnd, sourceEnd, sources, targetEnd, targets } from './matrix.ts'

/** Nothing is proven by how long it takes. */
const LONG = { within: 200_000 }

/** Small transactions, one after another, until it is stopped. */
class Writer {
  readonly #done: Promise<void>
  #stopped = false

  constructor(source: SourceEnd) {
    this.#done = this.#write(source)
    this.#done.catch(() => undefined)
  }

  async #write(source: SourceEnd): Promise<void> {
    for (let id = 1; !this.#stopped; id++) {
      await source.query(`begin; insert into busy values (${id}, ${id});
        update busy set n = n + 1 where id between ${id - 9} and ${id};
        delete from busy where id = ${id - 50}; commit`)
      await sleep(5)
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#done
  }
}

type Run = (verb: 'run' | 'verify', flags?: readonly string[], killAt?: string) => Child

function commands(t: TestContext, ends: readonly string[]): Run {
  const cwd = mkdtempSync(join(tmpdir(), 'holdfast-matrix-'))
  t.after(() => rmSync(cwd, { recursive: true, force: true }))
  return (verb, flags = [], killAt) => {
    const env = killAt === undefined ? {} : { HOLDFAST_KILL_AT: killAt }
    return holdfast([verb, ...ends, ...flags], { cwd, env })
  }
}

async function endsWith(child: Child, code: number): Promise<void> {
  assert.equal((await child.end(LONG)).code, code, child.lines.join('\n'))
}

async function dies(child: Child): Promise<void> {
  assert.equal((await child.end(LONG)).signal, 'SIGKILL', child.lines.join('\n'))
}

suite('every pair copies, streams, is killed and verified', { concurrency: 2 }, () => {
  for (const from of sources) {
    for (const to of targets) {
      test(`${from} to ${to}`, async (t) => {
        const source = await sourceEnd(t, from, to)
        const target = await targetEnd(t, to, from)
        const run = commands(t, [
          '--name',
          source.name,
          '--source',
          source.url,
          '--target',
          target.url,
        ])
        await source.put()
        const writer = new Writer(source)
        try {
          await dies(run('run', [], 'batch-applied:2'))
          await source.change()
          await dies(run('run', [], 'batch-sent:2'))
        } finally {
          await writer.stop()
        }
        await endsWith(run('run', ['--until', 'caught-up']), 0)
        await endsWith(run('verify'), 0)
        await target.spoil()
        const found = run('verify')
        await endsWith(found, 4)
        assert.match(found.lines.join('\n'), /busy .*1 changed, 0 missing in the target, 0 extra/)
      })
    }
  }
})
