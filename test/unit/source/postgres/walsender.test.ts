import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { Walsender, XLOG_DATA, XLOG_HEAD } from '../../../../src/source/postgres/log/walsender.ts'
import { Line } from './line.ts'

const COPY_BOTH = 0x57
const COPY_DATA = 0x64
const KEEPALIVE = 0x6b

function framed(tag: number, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head[0] = tag
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** A message of pgoutput by its letter, as long as wanted. */
function said(letter: string, bytes = 10): Buffer {
  const body = Buffer.alloc(XLOG_HEAD + bytes)
  body[0] = XLOG_DATA
  body.write(letter, XLOG_HEAD, 'latin1')
  return framed(COPY_DATA, body)
}

async function begun(t: TestContext): Promise<{ line: Line; walsender: Walsender }> {
  const stop = new AbortController()
  const line = new Line()
  const options = { slot: 's', after: 0n, protocol: 2, publications: ['p'], binary: true } as const
  const alive = async (): Promise<boolean> => true
  const starting = Walsender.start(line.session, { ...options, alive, signal: stop.signal })
  line.says(framed(COPY_BOTH, Buffer.from([0, 0, 0])))
  const walsender = await starting
  t.after(() => walsender[Symbol.asyncDispose]())
  t.after(() => stop.abort(new Error('enough')))
  return { line, walsender }
}

/** What the bodies are: a letter of pgoutput, or of the stream itself. */
function lettersOf(bodies: readonly Buffer[]): string {
  return bodies
    .map((body) => String.fromCharCode(body[body[0] === XLOG_DATA ? XLOG_HEAD : 0] ?? 0))
    .join('')
}

suite('what a walsender sends', () => {
  const ends = [
    ['a commit', 'BRIUDC'],
    ['the end of a part', 'SIE'],
    ['an abort', 'A'],
    ['a message of its own', 'M'],
  ] as const
  for (const [what, letters] of ends) {
    test(`is handed over up to ${what}`, async (t) => {
      const { line, walsender } = await begun(t)
      const next = walsender.next()
      for (const letter of letters) line.says(said(letter))
      assert.equal(lettersOf(await next), letters)
    })
  }

  test('is handed over before its end when it is much', async (t) => {
    const { line, walsender } = await begun(t)
    const next = walsender.next()
    for (const letter of 'BI') line.says(said(letter, 20_000))
    assert.equal(lettersOf(await next), 'BI')
  })

  test('keeps its place when the server says where it is', async (t) => {
    const { line, walsender } = await begun(t)
    const next = walsender.next()
    line.says(framed(COPY_DATA, Buffer.from([KEEPALIVE, ...Buffer.alloc(17)])))
    assert.equal(lettersOf(await next), 'k')
  })

  test('is not waited for when the connection ends inside of a transaction', async (t) => {
    const { line, walsender } = await begun(t)
    const next = walsender.next()
    line.says(said('B'))
    line.ends()
    assert.equal(lettersOf(await next), 'B')
    await assert.rejects(walsender.next(), { code: 'HF-S101' })
  })
})

test('whoever waits for a walsender is let go', async () => {
  const stop = new AbortController()
  const line = new Line()
  const options = { slot: 's', after: 0n, protocol: 2, publications: ['p'], binary: true } as const
  const alive = async (): Promise<boolean> => true
  const starting = Walsender.start(line.session, { ...options, alive, signal: stop.signal })
  line.says(framed(COPY_BOTH, Buffer.from([0, 0, 0])))
  await using walsender = await starting
  const next = walsender.next()
  stop.abort(new Error('enough'))
  await assert.rejects(next, /enough/)
})
