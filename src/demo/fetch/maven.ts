import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { delimiter, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './machine.ts'

const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1'

/** What comes from Maven Central by name, and what it has to be. */
export interface Artifacts {
  /**
   * The name of two files beside the servers' code: `<name>.pom.xml` says what is wanted, with
   * every version, and `<name>.sha256` holds the hash of each file that belongs to it.
   */
  readonly name: string
  /** A goal of the dependency plugin with its settings; it writes below `into`. */
  readonly goal: readonly [goal: string, ...settings: readonly string[]]
  readonly into: string
}

/** Fetches what a pom names, and refuses what is not byte for byte what it was. */
export async function fetchArtifacts({ name, goal, into }: Artifacts): Promise<void> {
  const work = join(into, '.maven')
  await mkdir(work)
  // Maven writes down beside the pom what it has unpacked, and would not unpack it again.
  const pom = join(work, 'pom.xml')
  await copyFile(beside(`${name}.pom.xml`), pom)
  const how = ['-B', '-q', '-f', pom, `-Dmaven.repo.local=${work}`]
  const env = { ...process.env, LC_ALL: 'C' }
  const [first, ...settings] = goal
  await run(program('mvn'), [...how, `${plugin}:${first}`, ...settings], { env, cwd: into })
  await rm(work, { recursive: true })
  await compare(into, await expected(name))
}

function beside(file: string): string {
  return fileURLToPath(new URL(`kafka/${file}`, import.meta.url))
}

/** Where a program of this name is installed. */
export function program(name: string): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
  if (found !== undefined) return found
  throw new Error(
    `${name} is not installed: it takes Java 17 and Maven to run Kafka (Debian: maven), ` +
      'or, for tests, HOLDFAST_TEST_KAFKA_URL',
  )
}

async function expected(name: string): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(beside(`${name}.sha256`), 'utf8')
  const lines = text.split('\n').filter((line) => line !== '')
  return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]))
}

/** Every file below a folder is expected, and every expected one is there. */
async function compare(folder: string, wanted: ReadonlyMap<string, string>): Promise<void> {
  const left = new Map(wanted)
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const named = relative(folder, path)
    const hash = createHash('sha256')
      .update(await readFile(path))
      .digest('hex')
    if (left.get(named) !== hash) throw new Error(`${named} is not what it was: ${hash}`)
    left.delete(named)
  }
  if (left.size > 0) throw new Error(`Maven did not bring ${[...left.keys()].join(', ')}`)
}
