import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder, plainEnvironment, run } from './servers/machine.ts'
import { madeOnce } from './servers/programs.ts'

/** Programs that come from Debian. */
export interface DebianPrograms {
  /** The path of one of them. */
  program(name: string): string
  /** What they are started with; finds their libraries. */
  readonly env: NodeJS.ProcessEnv
}

interface Bundle {
  readonly packages: readonly string[]
  /** A program by which the bundle is recognised. */
  readonly sign: string
  /** Where Debian installs the programs. */
  readonly folder: string
}

const bundles = {
  pgbouncer: {
    packages: ['pgbouncer', 'libevent-2.1-7', 'libc-ares2', 'libssl3', 'libsystemd0', 'libpam0g'],
    sign: 'pgbouncer',
    folder: 'usr/sbin',
  },
  postgresql: {
    packages: ['postgresql-15', 'postgresql-client-15', 'libpq5', 'libldap-2.5-0', 'libssl3'],
    sign: 'pgbench',
    folder: 'usr/lib/postgresql/15/bin',
  },
} as const satisfies Record<string, Bundle>

export type BundleName = keyof typeof bundles

const libraries = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu', 'usr/lib/aarch64-linux-gnu']

/**
 * PgBouncer, or the client programs of PostgreSQL 15 (psql, pgbench, pg_dump, pg_basebackup): those
 * of the machine, else downloaded by apt without touching the system and unpacked into the cache.
 */
export async function debian(name: BundleName): Promise<DebianPrograms> {
  const bundle: Bundle = bundles[name]
  if (existsSync(join('/', bundle.folder, bundle.sign))) return programsIn('/', bundle)
  const home = await madeOnce(join(cacheFolder(), `debian-${name}`), (draft) =>
    download({ packages: bundle.packages, into: draft }),
  )
  return programsIn(home, bundle)
}

function programsIn(home: string, bundle: Bundle): DebianPrograms {
  const paths = home === '/' ? [] : libraries.map((folder) => join(home, folder)).filter(existsSync)
  return {
    program: (name) => join(home, bundle.folder, name),
    env: {
      ...plainEnvironment(),
      ...(paths.length === 0 ? {} : { LD_LIBRARY_PATH: paths.join(':') }),
    },
  }
}

/** The mirror that the machine itself uses. */
async function mirrorOfMachine(): Promise<string> {
  const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')
  const listed = await read('/etc/apt/sources.list.d/debian.sources')
  const older = await read('/etc/apt/sources.list')
  const found = /^URIs:\s*(\S+)/m.exec(listed) ?? /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)/m.exec(older)
  if (found?.[1] !== undefined) return found[1]
  throw new Error('apt is not set up on this machine: no address in its lists of sources')
}

/** Where packages of one suite come from, instead of what the machine is set up for. */
async function onlySuite(suite: string, apt: string): Promise<readonly string[]> {
  const list = join(apt, 'sources.list')
  const signed = '[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
  await writeFile(list, `deb ${signed} ${await mirrorOfMachine()} ${suite} main\n`)
  return [`Dir::Etc::SourceList=${list}`, 'Dir::Etc::SourceParts=/dev/null']
}

/**
 * Unpacks packages into a folder. apt works with a state of its own, for any user, and leaves the
 * machine's alone; it checks what it fetches against the archive's signature.
 */
export async function download(what: {
  readonly packages: readonly string[]
  readonly into: string
  /** A suite of Debian; what the machine is set up for when absent. */
  readonly suite?: string
}): Promise<void> {
  const { packages, into, suite } = what
  const apt = join(into, '.apt')
  const debs = join(apt, 'debs')
  await mkdir(join(apt, 'state', 'lists', 'partial'), { recursive: true })
  await mkdir(join(apt, 'cache', 'archives', 'partial'), { recursive: true })
  await mkdir(debs)
  await writeFile(join(apt, 'status'), '')
  const options = [
    `Dir::State=${join(apt, 'state')}`,
    `Dir::State::status=${join(apt, 'status')}`,
    `Dir::Cache=${join(apt, 'cache')}`,
    'Acquire::Languages=none',
    ...(suite === undefined ? [] : await onlySuite(suite, apt)),
    ...(process.getuid?.() === 0 ? ['APT::Sandbox::User=root'] : []),
  ].flatMap((option) => ['-o', option])
  const env = { ...process.env, LC_ALL: 'C' }
  await run('apt-get', [...options, '-q', 'update'], { env, cwd: debs })
  await run('apt-get', [...options, '-q', 'download', ...packages], { env, cwd: debs })
  for (const file of await readdir(debs)) await run('dpkg', ['-x', join(debs, file), into])
  await rm(apt, { recursive: true, force: true })
}
