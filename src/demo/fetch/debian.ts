import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './machine.ts'

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
