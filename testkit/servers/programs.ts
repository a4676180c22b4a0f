import { constants, existsSync } from 'node:fs'
import { chmod, copyFile, mkdir, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { madeOnce } from '../../src/demo/fetch/machine.ts'
import { cacheFolder, giveToServer, run } from './machine.ts'

export { madeOnce } from '../../src/demo/fetch/machine.ts'

/** The majors that there are programs for. */
export const majors = [14, 15, 16, 17, 18] as const
export type Major = (typeof majors)[number]

/** The programs of one PostgreSQL major and an empty data folder to copy. */
export interface Programs {
  readonly version: string
  /** Holds bin, lib and share. */
  readonly home: string
  /** A data folder as initdb leaves it; readable by the server's user only. */
  readonly template: string
}

async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o755 })
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name)
    const target = join(to, entry.name)
    if (entry.isDirectory()) await copyTree(source, target)
    else if (entry.isFile()) {
      await copyFile(source, target, constants.COPYFILE_FICLONE)
      await chmod(target, basename(from) === 'bin' ? 0o755 : 0o644)
    }
  }
}

// The package leaves out links, which an archive of npm cannot hold, and names them in a file.
async function makeLinks(native: string, home: string): Promise<void> {
  const list: unknown = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8'))
  for (const link of list as readonly { readonly source: string; readonly target: string }[]) {
    const at = join(home, link.target.replace(/^native\//, ''))
    await rm(at, { force: true })
    await symlink(basename(link.source), at)
    if (dirname(link.source) !== dirname(link.target))
      throw new Error(`A link leaves its folder: ${link.target}`)
  }
}

async function makeTemplate(home: string, folder: string): Promise<void> {
  giveToServer(folder)
  await chmod(folder, 0o700)
  const initdb = join(home, 'bin', 'initdb')
  // Small segments let a test fill the log quickly.
  const how = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--wal-segsize=1']
  await run(initdb, ['-D', folder, '--no-sync', ...how], { asServer: true })
}

const known = new Map<Major, Promise<Programs>>()

/** The programs of a major, unpacked on first use and kept in the cache folder. */
export function programs(major: Major): Promise<Programs> {
  const found = known.get(major) ?? unpack(major)
  known.set(major, found)
  return found
}

// The package exports only its program, not its manifest: look for the folder as Node does.
function packageFolder(name: string): string {
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? []
  const found = folders.map((folder) => join(folder, name)).find((folder) => existsSync(folder))
  if (found === undefined) throw new Error(`${name} is not installed; run npm ci.`)
  return found
}

async function unpack(major: Major): Promise<Programs> {
  const folder = packageFolder(`postgres-${major}`)
  const manifest: unknown = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  const { version } = manifest as { readonly version: string }
  const native = join(folder, 'native')
  const cache = cacheFolder()
  const home = await madeOnce(join(cache, `postgres-${version}`), async (draft) => {
    await copyTree(native, draft)
    await makeLinks(native, draft)
  })
  const template = await madeOnce(join(cache, `postgres-${version}-data`), (draft) =>
    makeTemplate(home, draft),
  )
  return { version, home, template }
}
