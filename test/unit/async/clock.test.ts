import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { orAborted, UntilAborted } from '../../../src/async/abort.ts'
import { every, sleep, within } from '../../../src/async/clock.ts'
import { Bell } from '../../../src/async/deferred.ts'
import { startChild } from '../../../testkit/child.ts'
import { eventually } from '../../../testkit/eventually.ts'

suite('every', () => {
  test('calls again only after the last call has ended', async () => {
    let running = 0
    let calls = 0
    const ticker = every(
      1,
      async () => {
        assert.equal(++running, 1)
        await sleep(5)
        running--
        calls++
      },
      (error) => assert.fail(String(error)),
    )
    await eventually('three calls', () => calls >= 3)
    await ticker.stop()
  })

  test('stop waits for the call that runs and starts no other', async () => {
    const gate = Promise.withResolvers<void>()
    let calls = 0
    let ended = false
    const ticker = every(
      1,
      async () => {
        calls++
        await gate.promise
        ended = true
      },
      () => undefined,
    )
    await eventually('a call', () => calls === 1)
    const stopped = ticker.stop()
    gate.resolve()
    await stopped
    assert.ok(ended)
    await sleep(20)
    assert.equal(calls, 1)
  })

  test('goes on after a failure, which it tells', async () => {
    const failures: unknown[] = []
    const ticker = every(
      1,
      () => {
        throw new Error('no')
      },
      (error) => failures.push(error),
    )
    await eventually('two failures', () => failures.length >= 2)
    await ticker.stop()
    assert.match(String(failures[0]), /no/)
  })

  test('is silent once it is disposed', async () => {
    let calls = 0
    {
      using _ticker = every(
        1,
        () => calls++,
        () => undefined,
      )
      await eventually('a call', () => calls > 0)
    }
    const before = calls
    await sleep(20)
    assert.equal(calls, before)
  })
})

suite('waiting', () => {
  test('within gives what came in time, or the late answer, or its error', async () => {
    const never = new Promise<string>(() => undefined)
    assert.equal(await within(10_000, Promise.resolve('there'), () => 'late'), 'there')
    assert.equal(await within(1, never, () => 'late'), 'late')
    const late = (): never => {
      throw new Error('too late')
    }
    await assert.rejects(within(1, never, late), /too late/)
  })

  test('sleep ends with the reason of its signal', async () => {
    const stop = new AbortController()
    const reason = new Error('enough')
    const sleeping = sleep(60_000, stop.signal)
    stop.abort(reason)
    await assert.rejects(sleeping, reason)
    await assert.rejects(sleep(1, stop.signal), reason)
  })

  test('orAborted settles like the work or with the reason', async () => {
    const stop = new AbortController()
    assert.equal(await orAborted(Promise.resolve(1), stop.signal), 1)
    await assert.rejects(orAborted(Promise.reject(new Error('own')), stop.signal), /own/)
    const waiting = orAborted(new Promise(() => undefined), stop.signal)
    stop.abort(new Error('reason'))
    await assert.rejects(waiting, /reason/)
  })

  test('UntilAborted does the same for one work after the other', async () => {
    const stop = new AbortController()
    using until = new UntilAborted(stop.signal)
    assert.equal(await until.wait(Promise.resolve(1)), 1)
    await assert.rejects(until.wait(Promise.reject(new Error('own'))), /own/)
    const waiting = [1, 2].map(() => until.wait(new Promise(() => undefined)))
    stop.abort(new Error('reason'))
    for (const one of waiting) await assert.rejects(one, /reason/)
    await assert.rejects(until.wait(Promise.resolve(1)), /reason/)
    await assert.rejects(until.wait(Promise.reject(new Error('own'))), /reason/)
    // The runner fails this test on an unhandled rejection, which comes within a turn.
    await sleep(1)
  })

  test('work that fails after the signal won is not an unhandled failure', async () => {
    const stop = new AbortController()
    stop.abort(new Error('reason'))
    await assert.rejects(orAborted(Promise.reject(new Error('own')), stop.signal), /reason/)
    // The runner fails this test on an unhandled rejection, which comes within a turn.
    await sleep(1)
  })
})

suite('a bell', () => {
  test('that rang is heard at once, and once only', async () => {
    const bell = new Bell()
    bell.ring()
    bell.ring()
    await bell.wait()
    let heard = false
    const waiting = bell.wait().then(() => {
      heard = true
    })
    await sleep(5)
    assert.ok(!heard)
    bell.ring()
    await waiting
  })

  test('wakes all that wait', async () => {
    const bell = new Bell()
    const both = Promise.all([bell.wait(), bell.wait()])
    bell.ring()
    await both
  })
})

test('a test can set the clock of a process, and set it right again', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-clock-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'clock')
  writeFileSync(file, '0')
  const clock = fileURLToPath(new URL('../../../src/async/clock.ts', import.meta.url))
  const program = `
    import { writeFileSync } from 'node:fs'
    import { monotonic, wallMicros } from ${JSON.stringify(clock)}
    const file = process.env.HOLDFAST_CLOCK
    for (const by of ['0', '-86400000', '3600000', '0']) {
      const before = monotonic()
      writeFileSync(file, by)
      // A millisecond later than asked is -0 seconds.
      const seconds = Math.round(Number(wallMicros() / 1000n - BigInt(Date.now())) / 1000) || 0
      console.log(seconds, monotonic() >= before)
    }`
  const child = startChild(process.execPath, ['--input-type=module', '-e', program], {
    env: { HOLDFAST_CLOCK: file },
  })
  assert.equal((await child.end()).code, 0)
  assert.deepEqual(child.stdout, ['0 true', '-86400 true', '3600 true', '0 true'])
})
