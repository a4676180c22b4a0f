import ZongJi from '@vlasky/zongji'
import { monotonic } from '../../src/async/clock.ts'
import { openMysqlSource } from '../../src/source/mysql/index.ts'
import { endpointOf } from '../../testkit/binlog.ts'
import type { MysqlServer } from '../../testkit/servers/index.ts'
import { DATABASE, type Stretch } from './log.ts'

/** What reading a stretch of the log took this process. */
export interface Reading {
  readonly changes: number
  readonly seconds: number
  readonly cpu: number
}

/** The source of the product: rows decoded into tuples, to the end of the stretch. */
export async function ours(server: MysqlServer, stretch: Stretch): Promise<Reading> {
  await using source = await openMysqlSource({
    endpoint: { ...endpointOf(server), database: DATABASE },
    mirror: 'bench',
    selection: { include: [], exclude: [], keyless: 'refuse' },
  })
  const { tables } = await source.inspect()
  const from = source.position('log', `${stretch.from.file}:${stretch.from.position}`)
  const stop = new AbortController()
  const after = new Map([['log', from]])
  return await timed(stretch.changes, async (enough) => {
    let count = 0
    const stream = source.stream(after, { tables, encoding: 'values' }, stop.signal)
    for await (const burst of stream) {
      for (const item of burst) {
        if (item.kind === 'run') count += item.run.changes.length
        else if (item.kind === 'part' || item.kind === 'commit') count += item.changes.length
      }
      if (enough(count)) break
    }
    stop.abort()
  })
}

/** Another reader of the log, which makes an object for each row. */
export async function theirs(server: MysqlServer, stretch: Stretch): Promise<Reading> {
  const { host, port } = server
  const reader = new ZongJi({ host, port, user: 'root', dateStrings: true })
  try {
    return await timed(stretch.changes, async (enough) => {
      const done = Promise.withResolvers<void>()
      let count = 0
      reader.on('error', done.reject)
      reader.on('binlog', (event) => {
        if ('rows' in event) count += (event.rows as readonly unknown[]).length
        if (enough(count)) done.resolve()
      })
      reader.start({
        serverId: 3_900_000_000 + (process.pid % 90_000_000),
        filename: stretch.from.file,
        position: stretch.from.position,
        includeEvents: ['tablemap', 'writerows', 'updaterows', 'deleterows', 'rotate'],
      })
      await done.promise
    })
  } finally {
    reader.stop()
  }
}

async function timed(
  changes: number,
  work: (enough: (count: number) => boolean) => Promise<void>,
): Promise<Reading> {
  const used = process.cpuUsage()
  const began = monotonic()
  await work((count) => count >= changes)
  const { user, system } = process.cpuUsage(used)
  return { changes, seconds: (monotonic() - began) / 1000, cpu: (user + system) / 1e6 }
}
