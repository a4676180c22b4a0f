import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import {
  appendFile,
  chmod,
  cp,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { monotonic, sleep } from '../../async/clock.ts'
import { download } from './debian.ts'
import {
  cacheFolder,
  freePort,
  giveToServer,
  madeOnce,
  plainEnvironment,
  run,
  startDaemon,
  type Telling,
} from './machine.ts'

/** FerretDB, the PostgreSQL with DocumentDB that it keeps its documents in, and its first data. */
export interface FerretPrograms {
  readonly ferretdb: string
  readonly postgres: string
  readonly env: NodeJS.ProcessEnv
  /** A data folder of PostgreSQL with the extension in it; readable by the server's user only. */
  readonly template: string
}

// Debian's next release: it brings its own libc, since the machine's may be older.
const packages = `
postgresql-18 postgresql-18-cron postgresql-18-documentdb postgresql-18-pgvector
postgresql-18-postgis-3 postgresql-18-postgis-3-scripts postgresql-18-rum libpq5 libbson2-2
libpcre2-8-0 libc6 libgcc-s1 libstdc++6 libssl3t64 libicu78 libxml2-16 liblz4-1 libzstd1 zlib1g
libnuma1 liburing2 libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1
libldap2 libsasl2-2 libpam0g libaudit1 libcap-ng0 libsystemd0 libcap2 libselinux1 libproj25
proj-data libgeos-c1t64 libgeos3.15.0 libjson-c5 libprotobuf-c1 libsqlite3-0 libtiff6
libcurl4-gnutls libxslt1.1 libuuid1 liblzma5 libbrotli1 libcrypt1 libdeflate0 libffi8 libgmp10
libgnutls30t64 libhogweed6t64 libidn2-0 libjbig0 libjpeg62-turbo liblerc4 libnettle8t64
libnghttp2-14 libnghttp3-9 libngtcp2-16 libngtcp2-crypto-gnutls8 libp11-kit0 libpsl5t64
libsharpyuv0 libssh2-1t64 libtasn1-6 libunistring5 libwebp7 libxxhash0`
  .trim()
  .split(/\s+/)

const bin = 'usr/lib/postgresql/18/bin'
const libraries = 'usr/lib/x86_64-linux-gnu'
const extensions = 'usr/share/postgresql/18/extension'

/** Starts the program beside it with the libraries that lie in the same tree, wherever that is. */
const launcher = `#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../../../.." && pwd)
libs="$root/${libraries}"
exec "$libs/ld-linux-x86-64.so.2" --library-path "$libs:$here/../lib" \\
  --argv0 "$here/$(basename "$0")" "$here/$(basename "$0").real" "$@"
`

async function fetchPostgres(into: string, telling: Telling): Promise<void> {
  telling('fetching PostgreSQL 18 with DocumentDB from Debian, 250 MB on disk, once')
  await download({ packages, into, suite: 'forky' })
  for (const name of ['postgres', 'initdb', 'pg_ctl']) {
    const program = join(into, bin, name)
    await rename(program, `${program}.real`)
    await writeFile(program, launcher)
    await chmod(program, 0o755)
  }
  const control = join(into, extensions, 'postgis.control')
  await rm(control, { force: true })
  await symlink('postgis-3.control', control)
}

/** Go's own caches belong to whoever runs the tests. */
async function buildFerret(into: string, telling: Telling): Promise<void> {
  const { go, env } = await compiler(into, telling)
  telling('building FerretDB 2.7 with Go, half a minute, once')
  const sources = fileURLToPath(new URL('ferretdb/', import.meta.url))
  const work = join(into, 'build')
  await mkdir(work)
  for (const file of await readdir(sources)) await cp(join(sources, file), join(work, file))
  const out = join(into, 'ferretdb')
  await run(go, ['build', '-p', '2', '-o', out, '.'], { cwd: work, env })
  await chmod(out, 0o755)
  await rm(work, { recursive: true })
  await rm(join(into, 'go'), { recursive: true, force: true })
}

/** The Go that is installed, where its own installer puts it too, or Debian's. */
async function compiler(
  into: string,
  telling: Telling,
): Promise<{ readonly go: string; readonly env: NodeJS.ProcessEnv }> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/go/bin']
  const installed = folders.map((folder) => join(folder, 'go')).find((path) => existsSync(path))
  if (installed !== undefined) return { go: installed, env: process.env }
  telling('fetching Go from Debian, 250 MB on disk until FerretDB is built')
  const home = join(into, 'go')
  await download({ packages: ['golang-1.26-go', 'golang-1.26-src'], into: home, suite: 'forky' })
  const root = join(home, 'usr/lib/go-1.26')
  return { go: join(root, 'bin/go'), env: { ...process.env, GOROOT: root } }
}

function environmentOf(home: string): NodeJS.ProcessEnv {
  const own = { PROJ_DATA: join(home, 'usr/share/proj'), TZDIR: '/usr/share/zoneinfo' }
  return { ...plainEnvironment(), ...own }
}

const settings = `
listen_addresses = '127.0.0.1'
shared_preload_libraries = 'pg_cron,pg_documentdb_core,pg_documentdb,pg_documentdb_extended_rum'
cron.database_name = 'postgres'
fsync = off
max_connections = 200
max_worker_processes = 8
shared_buffers = '64MB'
`

/** An empty data folder with the extension, so that a server needs not make it at each start. */
async function initialize(postgres: string, env: NodeJS.ProcessEnv, folder: string): Promise<void> {
  giveToServer(folder)
  await chmod(folder, 0o700)
  const data = join(folder, 'data')
  const how = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
  const initdb = join(postgres, '../initdb')
  await run(initdb, ['-D', data, '--wal-segsize=1', ...how], { env, asServer: true })
  await appendFile(join(data, 'postgresql.conf'), settings)
  const port = await freePort()
  const log = openSync(join(folder, 'log'), 'a')
  const args = ['-D', data, '-p', String(port), '-k', folder]
  const child = startDaemon(postgres, args, { log, cwd: folder, env })
  closeSync(log)
  try {
    await extend(port, () => child.exitCode === null, join(folder, 'log'))
  } finally {
    child.ref()
    const ended = child.exitCode === null ? once(child, 'exit') : null
    child.kill('SIGINT')
    await ended
  }
}

async function extend(port: number, runs: () => boolean, log: string): Promise<void> {
  await untilAnswers(port, { runs, log })
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
  await client.connect()
  await client.query('create extension documentdb cascade')
  await client.end()
}

/** Resolves when a PostgreSQL on this port answers; rejects with its log when it has ended. */
export async function untilAnswers(
  port: number,
  server: { readonly runs: () => boolean; readonly log: string },
): Promise<void> {
  const until = monotonic() + 90_000
  for (;;) {
    const at = { host: '127.0.0.1', port, user: 'postgres', database: 'postgres' }
    const client = new pg.Client(at)
    client.on('error', () => undefined)
    try {
      await client.connect()
      await client.end()
      return
    } catch {
      if (!server.runs() || monotonic() > until) {
        const text = await readFile(server.log, 'utf8').catch(() => '')
        throw new Error(`PostgreSQL with DocumentDB did not start:\n${text}`)
      }
      await sleep(20)
    }
  }
}

let known: Promise<FerretPrograms> | undefined

/** All that a server needs, fetched and built on first use and kept in the cache folder. */
export function ferretPrograms(telling: Telling): Promise<FerretPrograms> {
  known ??= unpack(telling)
  return known
}

async function unpack(telling: Telling): Promise<FerretPrograms> {
  const cache = cacheFolder()
  const home = await madeOnce(join(cache, 'documentdb-1'), (folder) =>
    fetchPostgres(folder, telling),
  )
  const built = await madeOnce(join(cache, 'ferretdb-2.7.0'), (folder) =>
    buildFerret(folder, telling),
  )
  const postgres = join(home, bin, 'postgres')
  const env = environmentOf(home)
  const data = await madeOnce(join(cache, 'documentdb-1-data'), (draft) =>
    initialize(postgres, env, draft),
  )
  return { ferretdb: join(built, 'ferretdb'), postgres, env, template: join(data, 'data') }
}
