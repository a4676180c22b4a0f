import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import pg from 'pg'
import { monotonic } from '../../../src/async/clock.ts'
import type { Child } from '../../../testkit/child.ts'
import { assertSameContents } from '../../../testkit/contents.ts'
import { eventually } from '../../../testkit/eventually.ts'
import {
  type Major,
  openSession,
  type PostgresServer,
  postgres,
} from '../../../testkit/servers/index.ts'
import { countAt, halts, type Life, life, writeLog } from './life.ts'

interface Finding {
  readonly level: string
  readonly code?: string
  readonly subject: string
  readonly what: string
  readonly todo?: readonly { readonly sql?: string }[]
}

/** What `check` finds; it changes nothing. */
async function findings(one: Life, ...flags: string[]): Promise<readonly Finding[]> {
  const child = one.start('check', '--name', one.name, ...one.ends, '--json', ...flags)
  await child.end()
  const envelope = JSON.parse(child.stdout.join('\n'))
  return envelope.result.findings
}

/** A connection that takes a walsender and does nothing. */
async function idleWalsender(t: TestContext, url: string): Promise<void> {
  const at = new URL(url)
  at.searchParams.set('replication', 'database')
  const client = new pg.Client({ connectionString: at.href })
  client.on('error', () => {})
  await client.connect()
  t.after(() => client.end())
}

for (const major of [14, 18] as const) {
  test(`P117 everything that is set wrongly is named at once with what mends it, ${major}`, async (t) => {
    await using server = await postgres(major, {
      settings: { wal_level: 'replica', max_replication_slots: '1', max_wal_senders: '1' },
    })
    const one = await life(t, { source: server, target: 18 })
    await one.source.query(`create table hidden (id int primary key);
      alter table hidden enable row level security; create table closed (id int primary key);
      create role weak login; grant select on item, hidden to weak;
      select pg_create_physical_replication_slot('other', true)`)
    await idleWalsender(t, one.source.url)
    const url = new URL(one.source.url)
    url.username = 'weak'
    const found = (await findings(one, '--source', url.href)).filter(
      ({ level }) => level === 'fail',
    )
    const codes = found.map(({ code, subject }) => `${code} ${subject}`).toSorted()
    assert.deepEqual(codes, [
      'HF-S201 log',
      'HF-S204 slots',
      'HF-S204 walsenders',
      'HF-S207 role',
      'HF-S221 rights',
      `HF-S222 publication ${one.slot}`,
      'HF-S224 row security',
    ])
    for (const { code, todo } of found)
      assert.ok(
        todo?.some(({ sql }) => sql),
        `${code} has SQL`,
      )
    // Nothing starts, and nothing is left behind.
    const refused = one.run('--source', url.href)
    assert.equal((await refused.end()).code, 4, refused.lines.join('\n'))
    const [left] = await one.target.query(`select to_regnamespace('_holdfast') as state`)
    assert.equal(left?.state, null)
  })

  test(`P117 a role that pg_hba.conf keeps out is told so, ${major}`, async (t) => {
    await using server = await postgres(major, {
      hba: ['host all postgres 127.0.0.1/32 trust', 'host all all 127.0.0.1/32 reject'],
    })
    const one = await life(t, { source: server, target: 18 })
    await one.source.query('create role outside login replication')
    const url = new URL(one.source.url)
    url.username = 'outside'
    await halts(one, 'HF-S102', { flags: ['--source', url.href], says: /pg_hba/ })
  })

  test(`P118 an idle database beside a busy one does not keep the log, ${major}`, async (t) => {
    await using server = await postgres(major, { settings: { checkpoint_timeout: '1h' } })
    const one = await life(t, { source: server, target: 18 })
    const child = one.run()
    await child.line(/streaming: the target is up to date/)
    await using admin = await openSession(server.url())
    await admin.query('create table busy (id int, filler text)')
    const place = `select restart_lsn, confirmed_flush_lsn >= $1::pg_lsn and restart_lsn >= $1::pg_lsn
      as moved from pg_replication_slots where slot_name = $2`
    const [start] = await admin.query('select pg_current_wal_insert_lsn() as lsn')
    for (let i = 0; i < 4; i++) {
      await admin.query(
        `insert into busy select i, repeat('x', 1000) from generate_series(1, 10000) i`,
      )
      await admin.query('truncate busy; checkpoint')
    }
    const [row] = await admin.query('select pg_current_wal_insert_lsn() as lsn')
    assert.notEqual(row?.lsn, start?.lsn)
    await eventually(
      'the slot has followed the log of the other database',
      async () => {
        await admin.query('checkpoint')
        const [slot] = await admin.query(place, [row?.lsn, one.slot])
        return slot?.moved === 't'
      },
      { within: 60_000, every: 500 },
    )
    assert.equal((await child.kill('SIGTERM')).code, 0, child.lines.join('\n'))
  })

  test(`P119 log that grows at the source while the target is away is warned of, ${major}`, async (t) => {
    await using server = await postgres(major, {
      settings: { max_slot_wal_keep_size: '8MB' },
    })
    await using away = await postgres(18, { settings: {} })
    const one = await life(t, { source: server, target: away })
    const child = one.run()
    await child.line(/streaming: the target is up to date/)
    await away.stop('immediate')
    await writeLog(one.source, 5)
    await child.line(/source keeps \d+ MiB of its log .* % of what it may keep/)
    await away.start()
    await one.source.query("insert into item values (100, 'it goes on')")
    await eventually('the row arrives', async () => (await countAt(one.target)) === 51, {
      within: 60_000,
    })
    assert.equal((await child.kill('SIGTERM')).code, 0, child.lines.join('\n'))
  })

  test(`P121 the source hears from a mirror whose target takes its time, ${major}`, async (t) => {
    const one = await life(t, { source: major, target: 18 })
    await one.source.query(`alter database ${one.source.name} set wal_sender_timeout = '5s'`)
    const child = one.run()
    await child.line(/streaming: the target is up to date/)
    const holder = await one.target.session()
    await holder.query('begin; lock table item')
    await one.source.query(
      `insert into item select i, repeat('x', 1000) from generate_series(1000, 60999) i`,
    )
    const walsender = async (since: string): Promise<{ readonly pid: string; long: boolean }> => {
      const [row] = await one.source.query(
        `select pid, reply_time > $2::timestamptz + interval '11 s' as long from pg_stat_replication
          where application_name = $1`,
        [`holdfast:${one.name}:stream`, since],
      )
      return { pid: row?.pid ?? '', long: row?.long === 't' }
    }
    const [now] = await one.source.query('select clock_timestamp() as at')
    const since = now?.at ?? ''
    // Where windows of the log are read first, the stream begins after them.
    const first = await eventually(
      'the stream has begun',
      async () => {
        const found = await walsender(since)
        return found.pid !== '' && found
      },
      { within: 60_000 },
    )
    await eventually(
      'a report after more than twice the timeout, while the batch waits',
      async () => (await walsender(since)).long,
      { within: 60_000 },
    )
    assert.equal(await countAt(one.source), 60_050)
    await holder.query('rollback')
    await eventually('the rows arrive', async () => (await countAt(one.target)) === 60_050, {
      within: 60_000,
    })
    assert.equal((await walsender(since)).pid, first.pid)
    assert.equal((await child.kill('SIGTERM')).code, 0, child.lines.join('\n'))
  })

  test(`P122 a source that is shut down does not wait for the mirror, ${major}`, async (t) => {
    await using server = await postgres(major, { settings: {} })
    const one = await life(t, { source: server, target: 18 })
    const child = one.run()
    await child.line(/streaming: the target is up to date/)
    const stopped = async (what: string): Promise<void> => {
      const began = monotonic()
      await server.stop('fast')
      const seconds = (monotonic() - began) / 1000
      t.diagnostic(`${what}: stopped after ${seconds.toFixed(1)} s`)
      // One that waits for us waits for wal_sender_timeout, which is a minute.
      assert.ok(seconds < 20, what)
      await child.line(/HF-S101/)
      await server.start()
    }
    await stopped('idle')
    await one.source.query("insert into item select i, 'x' from generate_series(1000, 40999) i")
    await stopped('behind')
    const holder = await one.target.session()
    await holder.query('begin; lock table item')
    await one.source.query("update item set name = 'y' where id < 10")
    await stopped('while the target holds it up')
    await holder.query('rollback')
    assert.equal((await child.kill('SIGTERM')).code, 0, child.lines.join('\n'))
    await one.catchUp()
  })
}

/** A clock that is a day ahead or behind and changes its mind every half second. */
const bentClock = `data:text/javascript,${encodeURIComponent(`
const real = Date.now
const bent = () => real() + [0, 1, -1, 0, -1, 1][Math.floor(performance.now() / 500) % 6] * 864e5
globalThis.Date = class extends Date {
  constructor(...how) { if (how.length === 0) super(bent()); else super(...how) }
  static now() { return bent() }
}`)}`

for (const major of [14, 18] as const) {
  test(`P123 a clock that jumps by days bends no row, ends nothing and makes no lag negative, ${major}`, async (t) => {
    await bentClockRun(t, major)
  })
}

async function bentClockRun(t: TestContext, major: Major): Promise<void> {
  const one = await life(t, { source: major, target: 18 })
  const child = one.runWith({ NODE_OPTIONS: `--import=${bentClock}` }, '--json')
  const records = (): Record<string, unknown>[] => child.stdout.map((line) => JSON.parse(line))
  await eventually('it streams', () =>
    records().some(({ event, phase }) => event === 'phase' && phase === 'streaming'),
  )
  const began = monotonic()
  for (let i = 100; monotonic() - began < 6_000; i++) {
    await one.source.query('insert into item values ($1, $2)', [i, `row ${i}`])
  }
  const wanted = await countAt(one.source)
  await eventually('all rows arrive', async () => (await countAt(one.target)) === wanted)
  const seen = records()
  const progress = seen.filter(({ event }) => event === 'progress')
  const stamps = new Set(progress.map(({ timestamp }) => String(timestamp).slice(0, 10)))
  assert.ok(stamps.size > 1, 'the clock did jump')
  for (const { lag, overall, phase } of progress) {
    const { seconds, bytes } = (lag ?? { seconds: 0, bytes: 0 }) as Record<string, number>
    assert.ok((seconds ?? -1) >= 0 && (bytes ?? -1) >= 0, JSON.stringify(lag))
    if (phase === 'streaming') assert.equal(overall, 'healthy')
  }
  assert.deepEqual(
    seen.filter(({ event }) => event === 'fault'),
    [],
  )
  assert.equal((await child.kill('SIGTERM')).code, 0, child.lines.join('\n'))
  await assertSameContents(one.source, one.target)
}

test('P125 a server without the corrections of logical decoding is named at the start, 17', async (t) => {
  const one = await life(t, { source: 17, target: 18 })
  const older = new URL(one.source.url)
  older.port = String(await calling(t, one.source.server, '17.05'))
  older.searchParams.set('sslmode', 'disable')
  const found = await findings(one, '--source', older.href)
  const warned = found.find(({ code }) => code === 'HF-S303')
  assert.match(warned?.what ?? '', /PostgreSQL 17\.0?5; corrections came until 17\.\d+/)
})

test('P125 a server without the corrections of logical decoding is named at the start, 14', async (t) => {
  const one = await life(t, { source: 14, target: 18 })
  const older = await calling(t, one.source.server, '14.18')
  const url = new URL(one.source.url)
  url.port = String(older)
  url.searchParams.set('sslmode', 'disable')
  const found = await findings(one, '--source', url.href)
  const warned = found.find(({ code }) => code === 'HF-S303')
  assert.match(warned?.what ?? '', /PostgreSQL 14\.18; corrections came until 14\.\d+/)
  const child = one.run('--source', url.href, '--until', 'caught-up')
  assert.equal((await child.end()).code, 0, child.lines.join('\n'))
  assert.match(child.stderr.join('\n'), /14\.18/)
  assert.ok((await findings(one)).every(({ code }) => code !== 'HF-S303'))
})

/** A server that says of itself that it is of an older minor version. */
async function calling(t: TestContext, server: PostgresServer, version: string): Promise<number> {
  const proxy = createServer((client) => {
    const behind = connect({ port: server.port, host: server.host })
    client.on('error', () => behind.destroy())
    behind.on('error', () => client.destroy())
    client.pipe(behind)
    behind.on('end', () => client.end())
    behind.on('data', (bytes: Buffer) => {
      const name = Buffer.from('server_version\0')
      const at = bytes.indexOf(name)
      if (at >= 0) bytes.write(version, at + name.length, 'latin1')
      client.write(bytes)
    })
  }).listen(0, '127.0.0.1')
  t.after(() => proxy.close())
  await once(proxy, 'listening')
  return (proxy.address() as AddressInfo).port
}

for (const major of [16, 18] as const) {
  test(`P124 a standby is a source, and a slot that it loses is named, ${major}`, async (t) => {
    await standbySource(t, major)
  })
}

test('P124 a standby that keeps no slot is refused by name, 14', async (t) => {
  const { one, url } = await withStandby(t, 14)
  const found = await findings(one, '--source', url)
  assert.ok(found.some(({ code }) => code === 'HF-S225'))
  await halts(one, 'HF-S225', { flags: ['--source', url] })
})

async function withStandby(
  t: TestContext,
  major: Major,
): Promise<{ readonly one: Life; readonly standby: PostgresServer; readonly url: string }> {
  const primary = await postgres(major, { settings: { checkpoint_timeout: '1h' } })
  t.after(() => primary[Symbol.asyncDispose]())
  await primary.stop('fast')
  const standby = await postgres(major, { standbyOf: primary })
  t.after(() => standby[Symbol.asyncDispose]())
  await primary.start()
  const one = await life(t, { source: primary, target: 18 })
  const url = standby.url(one.source.name)
  await eventually('the standby has the table', async () => {
    await using session = await openSession(url)
    return (await session.query('select count(*) as n from item'))[0]?.n === '50'
  })
  return { one, standby, url }
}

async function standbySource(t: TestContext, major: Major): Promise<void> {
  const { one, standby, url } = await withStandby(t, major)
  const from = ['--source', url]
  const missing = (await findings(one, ...from)).filter(({ level }) => level === 'fail')
  assert.deepEqual(
    missing.map(({ code }) => code),
    ['HF-S222'],
  )
  await one.source.query(missing[0]?.todo?.[0]?.sql ?? '')
  await eventually('the publication is there', async () =>
    (await findings(one, ...from)).every(({ level }) => level !== 'fail'),
  )
  const child = one.run(...from)
  // A standby waits for word of the running transactions, which an idle primary gives seldom.
  await streams(one, child)
  await one.source.query("insert into item values (100, 'through the standby')")
  await eventually('the row arrives', async () => (await countAt(one.target)) === 51)
  await child.kill()
  await one.source.query(
    "delete from item where id < 5; insert into item values (101, 'meanwhile')",
  )
  const again = one.run(...from)
  await again.line(/streaming: the target is up to date/)
  await eventually('both are equal', async () => (await countAt(one.target)) === 48)
  await assertSameContents(one.source, one.target)
  assert.equal((await again.kill('SIGTERM')).code, 0, again.lines.join('\n'))

  await using session = await openSession(standby.url())
  await session.query('alter system set hot_standby_feedback = off')
  await session.query('select pg_reload_conf()')
  await eventually('rows that the slot needs are removed', async () => {
    await one.source.query('create table gone (id int); drop table gone')
    await one.source.query('vacuum full pg_class')
    const [slot] = await session.query('select wal_status from pg_replication_slots')
    return slot?.wal_status === 'lost'
  })
  await halts(one, 'HF-L101', { flags: from })
}

async function streams(one: Life, child: Child): Promise<void> {
  let there = false
  const line = child.line(/streaming: the target is up to date/).then(() => {
    there = true
  })
  await eventually(
    'it streams',
    async () => {
      await one.source.query('select pg_log_standby_snapshot()')
      return there
    },
    { within: 60_000, every: 250 },
  )
  await line
}
