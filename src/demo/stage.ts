import { join } from 'node:path'
import pg from 'pg'
import { monotonic } from '../async/clock.ts'
import type { Guard } from './guard.ts'
import type { Say } from './lines.ts'
import { initialize, type RunningServer, startServer } from './postgres.ts'
import { findPrograms } from './programs.ts'

/** Two servers with an empty database `shop` each. */
export interface Stage extends AsyncDisposable {
  readonly source: string
  readonly target: string
  /** Rejects when a server ended by itself. */
  readonly broken: Promise<never>
}

/** Data is worth nothing here, so nothing waits for a disk. */
const settings = {
  fsync: 'off',
  wal_level: 'logical',
  shared_buffers: '64MB',
  max_connections: '60',
  max_slot_wal_keep_size: '1GB',
  autovacuum_naptime: '5s',
}

export async function openStage(guard: Guard, say: Say): Promise<Stage> {
  const programs = await findPrograms(guard.folder, (text) => say({ kind: 'note', text }))
  const started = await Promise.allSettled([
    openServer({ side: 'source', bin: programs.source, guard, say }),
    openServer({ side: 'target', bin: programs.target, guard, say }),
  ])
  const servers = started.flatMap((s) => (s.status === 'fulfilled' ? [s.value] : []))
  const close = async (): Promise<void> => {
    await Promise.all(
      servers.map(async (server) => {
        await server.stop('immediate')
        guard.forget(server.pid)
      }),
    )
  }
  const [source, target] = servers
  const failed = started.find((s) => s.status === 'rejected')
  if (failed !== undefined || source === undefined || target === undefined) {
    await close()
    throw failed?.reason
  }
  let closing = false
  const broken = Promise.race(servers.map((server) => server.ended)).then(() =>
    closing ? new Promise<never>(() => {}) : Promise.reject(new Error('a server ended by itself')),
  )
  broken.catch(() => {})
  return {
    source: urlOf(source, 'shop'),
    target: urlOf(target, 'shop'),
    broken,
    async [Symbol.asyncDispose]() {
      closing = true
      await close()
    },
  }
}

async function openServer(options: {
  readonly side: 'source' | 'target'
  readonly bin: string
  readonly guard: Guard
  readonly say: Say
}): Promise<RunningServer> {
  const { side, bin, guard, say } = options
  const began = monotonic()
  const data = join(guard.folder, side, 'data')
  await initialize(bin, data)
  const server = await startServer({ bin, data, settings })
  guard.watch('server', server.pid)
  const version = await createDatabase(server)
  say({ kind: 'server', side, version, port: server.port, seconds: seconds(began) })
  return server
}

/** Returns the server's version. */
async function createDatabase(server: RunningServer): Promise<string> {
  const client = new pg.Client({ connectionString: urlOf(server, 'postgres') })
  await client.connect()
  try {
    await client.query('create database shop')
    const { rows } = await client.query('show server_version')
    return String(rows[0].server_version).split(' ')[0] ?? ''
  } finally {
    await client.end()
  }
}

function urlOf(server: RunningServer, database: string): string {
  return `postgres://postgres@127.0.0.1:${server.port}/${database}`
}

export function seconds(since: number): number {
  return (monotonic() - since) / 1000
}
