import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { holdfast } from '../../testkit/child.ts'
import { database } from '../../testkit/servers/index.ts'
import { run } from '../../testkit/servers/machine.ts'

const checkout = fileURLToPath(new URL('../..', import.meta.url))

/** What npm needs, without what an outer npm says about the checkout. */
function npmEnvironment(): NodeJS.ProcessEnv {
  const kept = ['npm_config_registry', 'npm_config_cache', 'npm_config_userconfig']
  const entries = Object.entries(process.env).filter(
    ([name]) =>
      kept.includes(name) || !/^(?:npm_|NODE_TEST_CONTEXT$|INIT_CWD$|HOLDFAST)/i.test(name),
  )
  const path = [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter)
  return { ...Object.fromEntries(entries), PATH: path }
}

/** A copy of what the product is built from, without what other tests or people have built. */
async function cleanCopy(into: string): Promise<void> {
  const parts = ['bin', 'src', 'schema', 'package.json', 'tsconfig.json', 'tsconfig.build.json']
  const texts = ['README.md', 'LICENSE', 'CHANGELOG.md', '.npmrc']
  for (const part of [...parts, ...texts]) {
    const from = join(checkout, part)
    if (existsSync(from)) await cp(from, join(into, part), { recursive: true })
  }
  await symlink(join(checkout, 'node_modules'), join(into, 'node_modules'))
}

interface Packed {
  readonly filename: string
  readonly files: readonly { readonly path: string }[]
}

async function pack(folder: string): Promise<Packed> {
  const env = npmEnvironment()
  await run('npm', ['run', '--silent', 'build'], { cwd: folder, env })
  const said = await run('npm', ['pack', '--json', '--ignore-scripts', '--loglevel=silent'], {
    cwd: folder,
    env,
  })
  const [packed] = JSON.parse(said.slice(said.indexOf('['))) as readonly Packed[]
  assert.ok(packed !== undefined)
  return packed
}

test('the packed product installs in an empty folder and mirrors a database', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-pack-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const built = join(folder, 'built')
  const empty = join(folder, 'empty')
  await mkdir(built)
  await cleanCopy(built)
  const packed = await pack(built)

  await t.test('it holds what it needs and nothing else', () => {
    const paths = packed.files.map((file) => file.path)
    for (const path of ['bin/holdfast.js', 'dist/cli/main.js', 'dist/index.js', 'dist/index.d.ts'])
      assert.ok(paths.includes(path), path)
    for (const path of ['LICENSE', 'README.md', 'CHANGELOG.md', 'package.json'])
      assert.ok(paths.includes(path), path)
    const folders = new Set(paths.map((path) => path.split('/')[0]))
    const others = ['LICENSE', 'README.md', 'CHANGELOG.md', 'package.json']
    assert.deepEqual([...folders].toSorted(), [...others, 'bin', 'dist', 'schema'].toSorted())
  })

  const env = npmEnvironment()
  await mkdir(empty)
  await cp(join(built, packed.filename), join(empty, packed.filename))
  await writeFile(join(empty, 'package.json'), '{"name":"somebody","private":true}\n')
  const options = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']
  await run('npm', ['install', ...options, `./${packed.filename}`], { cwd: empty, env })
  await t.test('it brings along neither Node nor PostgreSQL', async () => {
    const installed = await readdir(join(empty, 'node_modules'))
    assert.ok(installed.includes('holdfast') && installed.includes('pg'))
    assert.deepEqual(
      installed.filter((name) => /^(?:node-|postgres-1|@embedded|holdfast-platform)/.test(name)),
      [],
    )
  })

  await t.test('it says its version', async () => {
    const { version } = JSON.parse(await readFile(join(checkout, 'package.json'), 'utf8')) as {
      readonly version: string
    }
    const said = await run('npx', ['--no-install', 'holdfast', '--version'], { cwd: empty, env })
    assert.match(said, new RegExp(`\\b${RegExp.escape(version)}\\b`))
  })

  await t.test('it mirrors a database, and goes on where it was', async (inner) => {
    const source = await database(inner, 18)
    const target = await database(inner, 17)
    const program = join(empty, 'node_modules', 'holdfast', 'bin', 'holdfast.js')
    const succeeds = async (...args: readonly string[]): Promise<void> => {
      await using child = holdfast([...args, ...ends], { program, cwd: empty })
      const { code } = await child.end()
      assert.equal(code, 0, child.lines.join('\n'))
    }
    const rows = 'select string_agg(t::text, chr(10) order by id) as all from public.item t'
    const ends = ['--source', source.url, '--target', target.url]
    await source.query(`create table item (id int primary key, name text, price numeric(10, 2))`)
    await source.query(
      `insert into item select i, 'item ' || i, i / 3.0 from generate_series(1, 500) i`,
    )
    await succeeds('run', '--until', 'caught-up')
    assert.deepEqual(await target.query(rows), await source.query(rows))
    await source.query(
      `update item set name = 'other' where id % 7 = 0; delete from item where id < 9`,
    )
    await succeeds('run', '--until', 'caught-up')
    assert.deepEqual(await target.query(rows), await source.query(rows))
    await succeeds('verify')
  })
})
