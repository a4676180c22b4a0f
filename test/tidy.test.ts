import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { catalogue } from '../src/model/catalogue/index.ts'
import { type Untidy, untidyCode } from '../testkit/tidy/code.ts'
import { brokenLinks, untidyText } from '../testkit/tidy/text.ts'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

const code = globSync('{src,test,testkit,benchmarks,drills}/**/*.ts').toSorted()
const documents = [...globSync('*.md'), ...globSync('{docs,src,test,testkit}/**/*.md')].toSorted()
const others = globSync([
  '*.{json,txt,yaml,yml}',
  '.npmrc',
  '.gitignore',
  '.ci/*',
  'bin/*',
  'schema/*',
  'docs/**/*.{txt,svg,yaml,json,sh}',
])

function read(path: string): string {
  return readFileSync(path, 'utf8')
}

function none(found: readonly Untidy[]): void {
  const lines = found.map(({ path, line, what }) => `${path}:${line}: ${what}`)
  assert.equal(lines.join('\n'), '')
}

test('the rules of syntax, size, import, clock and naming hold', () => {
  assert.ok(code.includes('src/model/fault.ts'))
  none(code.flatMap((path) => untidyCode(path, read(path))))
})

test('no file speaks of one machine', () => {
  none([...code, ...documents, ...others].flatMap((path) => untidyText(path, read(path))))
})

test('the lock file names no host of a registry', () => {
  const { packages } = JSON.parse(read('package-lock.json')) as {
    readonly packages: Readonly<Record<string, { readonly resolved?: string }>>
  }
  const named = Object.entries(packages).filter(([, one]) => /^https?:/.test(one.resolved ?? ''))
  assert.deepEqual(named, [])
  assert.doesNotMatch(read('.npmrc'), /registry\s*=/)
})

test('every link in the documents leads somewhere', () => {
  none(documents.flatMap((path) => brokenLinks(path, read(path), read)))
})

test('every fault of the catalogue is raised', () => {
  const raising = [...code, 'bin/holdfast.js'].filter(
    (path) => /^(?:src|bin)\//.test(path) && !path.startsWith('src/model/catalogue/'),
  )
  const text = raising.map(read).join('\n')
  const unused = Object.keys(catalogue).filter((fault) => !text.includes(fault))
  assert.deepEqual(unused, [])
})

test('every fault of the catalogue has its page', (t) => {
  const folder = 'docs/reference/errors'
  if (!existsSync(folder)) return t.skip(`there is no ${folder}`)
  const missing = Object.keys(catalogue).filter((fault) => !existsSync(`${folder}/${fault}.md`))
  assert.deepEqual(missing, [])
  const pages = globSync(`${folder}/HF-*.md`).map((page) => page.slice(folder.length + 1, -3))
  assert.deepEqual(
    pages.filter((page) => !Object.hasOwn(catalogue, page)),
    [],
  )
})
