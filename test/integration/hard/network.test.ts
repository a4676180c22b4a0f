import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { monotonic } from '../../../src/async/clock.ts'
import type { Child } from '../../../testkit/child.ts'
import { assertSameContents } from '../../../testkit/contents.ts'
import { eventually } from '../../../testkit/eventually.ts'
import { type ProxyConnection, startProxy, type TcpProxy } from '../../../testkit/proxy.ts'
import type { Major, TestDatabase } from '../../../testkit/servers/index.ts'
import { countAt, type Life, life } from './life.ts'

/** A mirror with a proxy before each end. */
interface Wired extends Life {
  readonly before: { readonly source: TcpProxy; readonly target: TcpProxy }
  readonly child: Child
}

async function wired(t: TestContext, major: Major, purpose?: Purpose): Promise<Wired> {
  const one = await life(t, { source: major, target: major })
  const source = await startProxy(one.source.server)
  const target = await startProxy(one.target.server)
  t.after(() => source[Symbol.asyncDispose]())
  t.after(() => target[Symbol.asyncDispose]())
  const plain = (proxy: TcpProxy, db: TestDatabase): string =>
    `${proxy.url(db.url)}?sslmode=disable`
  // Windows that are told to be read always would take the stream's place.
  const way = purpose === 'stream' ? { HOLDFAST_CATCHUP: 'never' } : {}
  const child = one.runWith(
    way,
    '--source',
    plain(source, one.source),
    '--target',
    plain(target, one.target),
  )
  await child.line(/streaming: the target is up to date/)
  await one.source.query("insert into item values (1000, 'before')")
  await eventually('the row arrives', async () => (await countAt(one.target)) === 51)
  return { ...one, before: { source, target }, child }
}

type Purpose = 'stream' | 'control' | 'apply' | 'lease'

async function portsOf(db: TestDatabase, name: string, purpose: Purpose): Promise<number[]> {
  const rows = await db.query(
    `select client_port from pg_stat_activity where application_name ~ $1`,
    [`^holdfast:${name}:${purpose}(:|$)`],
  )
  return rows.map((row) => Number(row.client_port))
}

async function connectionOf(one: Wired, purpose: Purpose): Promise<ProxyConnection> {
  const side = sideOf(purpose)
  return await eventually(`the connection for ${purpose}`, async () => {
    const ports = await portsOf(one[side], one.name, purpose)
    return one.before[side].open.find(({ from }) => ports.includes(from))
  })
}

const sideOf = (purpose: Purpose): 'source' | 'target' =>
  purpose === 'stream' || purpose === 'control' ? 'source' : 'target'

/** Milliseconds in which a dead connection is noticed, about; twice as much is allowed. */
const timeout: Readonly<Record<Purpose, number>> = {
  stream: 60_000,
  control: 30_000,
  apply: 30_000,
  lease: 10_000,
}

async function replaced(t: TestContext, one: Wired, purpose: Purpose): Promise<void> {
  const dead = await connectionOf(one, purpose)
  const began = monotonic()
  dead.freeze()
  await one.source.query("insert into item values (1001, 'during')")
  const within = 2 * timeout[purpose]
  await eventually(
    'another connection has taken its place and the row is there',
    async () => {
      const ports = await portsOf(one[sideOf(purpose)], one.name, purpose)
      return ports.some((port) => port !== dead.from) && (await countAt(one.target)) === 52
    },
    { within, every: 250 },
  )
  t.diagnostic(`${purpose}: replaced after ${Math.round((monotonic() - began) / 1000)} s`)
  await one.source.query("insert into item values (1002, 'after')")
  await eventually('the mirror goes on', async () => (await countAt(one.target)) === 53)
  assert.equal((await one.child.kill('SIGTERM')).code, 0, one.child.lines.join('\n'))
  await assertSameContents(one.source, one.target)
}

const cases: readonly (readonly [Purpose, Major])[] = [
  ['stream', 14],
  ['stream', 18],
  ['control', 14],
  ['control', 18],
  ['apply', 14],
  ['apply', 18],
  ['lease', 14],
  ['lease', 18],
]

// They do little but wait, so they wait together.
describe('P120 a connection that goes silent without a word is replaced', {
  concurrency: 8,
}, () => {
  for (const [purpose, major] of cases) {
    test(`P120 the connection for ${purpose} goes silent, ${major}`, async (t) => {
      await replaced(t, await wired(t, major, purpose), purpose)
    })
  }

  for (const side of ['source', 'target'] as const) {
    test(`P120 the whole network to the ${side} goes silent and comes back, 18`, async (t) => {
      const one = await wired(t, 18)
      one.before[side].freezeAll()
      await one.source.query("insert into item values (1001, 'during')")
      await one.child.line(side === 'source' ? /HF-(S101|L108) / : /HF-T201 /, { within: 120_000 })
      // What was frozen is forgotten, as a network does that comes back.
      one.before[side].cutAll()
      one.before[side].thawAll()
      await eventually('the row arrives', async () => (await countAt(one.target)) === 52, {
        within: 60_000,
      })
      assert.equal((await one.child.kill('SIGTERM')).code, 0, one.child.lines.join('\n'))
      await assertSameContents(one.source, one.target)
    })
  }
})
