import { join } from 'node:path'
import pg from 'pg'
import { monotonic } from '../async/clock.ts'
import type { Telling } from './fetch/machine.ts'
import type { Guard } from './guard.ts'
import type { Say } from './lines.ts'
import { startMongo } from './mongodb.ts'
import { startMysql } from './mysql.ts'
import type { DemoKind, DemoPair } from './pairs.ts'
import { initialize, type RunningServer, startServer } from './postgres.ts'
import { findPrograms, type Programs } from './programs.ts'
import type { DemoServer } from './server.ts'

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

export async function openStage(guard: Guard, pair: DemoPair, say: Say): Promise<Stage> {
  const note: Telling = (text) => say({ kind: 'note', text })
  const wanted = [pair.source, pair.target].includes('postgres')
  const programs = wanted ? await findPrograms(guard.folder, note) : null
  const started = await Promise.allSettled(
    (['source', 'target'] as const).map(async (side) => {
      const began = monotonic()
      const server = await openServer({ kind: pair[side], side, programs, guard, note })
      for (const { kind, pid } of server.processes) guard.watch(kind, pid)
      const { name, version, port } = server
      say({ kind: 'server', side, name, version, port, seconds: seconds(began) })
      return server
    }),
  )
  const servers = started.flatMap((s) => (s.status === 'fulfilled' ? [s.value] : []))
  const close = async (): Promise<void> => {
    await Promise.all(
      servers.map(async (server) => {
        await server.stop()
        for (const { pid } of server.processes) guard.forget(pid)
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
    source: source.url,
    target: target.url,
    broken,
    async [Symbol.asyncDispose]() {
      closing = true
      await close()
    },
  }
}

interface Opening {
  readonly kind: DemoKind
  readonly side: 'source' | 'target'
  readonly programs: Programs | null
  readonly guard: Guard
  readonly note: Telling
}

async function openServer({ kind, side, programs, guard, note }: Opening): Promise<DemoServer> {
  const folder = join(guard.folder, side)
  if (kind === 'mysql') return await startMysql('mysql-9', folder, note)
  if (kind === 'mariadb') return await startMysql('mariadb-10.11', folder, note)
  if (kind === 'mongodb') return await startMongo(folder, note)
  return await openPostgres(programs?.[side] ?? '', join(folder, 'data'))
}

async function openPostgres(bin: string, data: string): Promise<DemoServer> {
  await initialize(bin, data)
  const server = await startServer({ bin, data, settings })
  const version = await createDatabase(server)
  return {
    name: 'PostgreSQL',
    version,
    url: urlOf(server, 'shop'),
    port: server.port,
    processes: [{ kind: 'server', pid: server.pid }],
    ended: server.ended,
    stop: () => server.stop('immediate'),
  }
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
