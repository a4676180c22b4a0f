import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { download } from '../src/demo/fetch/debian.ts'
import { cacheFolder, plainEnvironment } from './servers/machine.ts'
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
