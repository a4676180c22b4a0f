import assert from 'node:assert/strict'
import { test } from 'node:test'
import { untidyCode } from '../../../testkit/tidy/code.ts'
import { mayImport } from '../../../testkit/tidy/layers.ts'
import { brokenLinks, untidyText } from '../../../testkit/tidy/text.ts'

/** What is said about this text in a file of the core. */
function said(text: string, path = 'src/stream/a.ts'): string[] {
  return untidyCode(path, text).map(({ line, what }) => `${line}: ${what}`)
}

test('tidy code passes', () => {
  const text = `import type { Batch } from '../model/batch.ts'
    // pgoutput may be named in a comment
    export const at = (micros: bigint): Date => new Date(Number(micros / 1000n))
    export function size(batch: Batch): number { return batch.rows!== undefined ? 1 : 0 }`
  assert.deepEqual(said(text), [])
})

const bad: Readonly<Record<string, readonly [string, string]>> = {
  any: ['export const a = (b: any) => b', '1: any'],
  'a non-null assertion': ['export const a = (b?: string) => b!', '1: a non-null assertion'],
  'a definite assignment': ['export class A { b!: number }', '1: a definite assignment'],
  'an enum': ['export enum A { B }', '1: an enum'],
  'a parameter property': [
    'export class A { constructor(readonly b: number) {} }',
    '1: a parameter property',
  ],
  'a default export': ['export default 1', '1: a default export'],
  'a timer': ['setTimeout(() => {}, 1)', '1: setTimeout() outside async'],
  'a clock': ['\nexport const a = Date.now()', '2: Date.now outside async'],
  'the present': ['export const a = new Date()', '1: new Date() outside async'],
  'a module of timers': [
    `import { setTimeout as wait } from 'node:timers/promises'\nwait(1)`,
    '1: an import of node:timers/promises',
  ],
  console: ['console.log(1)', '1: console outside cli and demo'],
  'a connector in a name': [
    'export const walSender = 1',
    '1: the name of a database or of its parts: wal',
  ],
  'a connector in a text': [
    `export const a = 'pg-binary'`,
    '1: the name of a database or of its parts: pg',
  ],
  'a connector as import': [
    `export * from '../source/registry.ts'`,
    '1: an import of src/source/registry.ts',
  ],
  'too many parameters': [
    'export const a = (b: 1, c: 1, d: 1, e: 1) => [b, c, d, e]',
    '1: a function of 4 parameters',
  ],
  'a function too long': [`export function a() {${'\n'.repeat(71)}}`, '1: a function of 72 lines'],
  'a file too long': [`export const a = 1\n${'//\n'.repeat(400)}`, '400: 401 lines'],
}

for (const [name, [text, expected]] of Object.entries(bad)) {
  test(`tidy code holds no ${name}`, () => assert.deepEqual(said(text), [expected]))
}

test('imports go in one direction', () => {
  const allowed = [
    ['src/source/postgres/index.ts', 'src/dialect/postgres/quote.ts'],
    ['src/source/postgres/index.ts', 'src/source/source.ts'],
    ['src/source/registry.ts', 'src/source/postgres/index.ts'],
    ['src/stream/batch.ts', 'src/apply/collapse.ts'],
    ['src/mirror/run.ts', 'src/target/registry.ts'],
    ['src/cli/main.ts', 'src/supervise/policy.ts'],
  ] as const
  const refused = [
    ['src/model/fault.ts', 'src/async/clock.ts'],
    ['src/source/postgres/index.ts', 'src/target/postgres/index.ts'],
    ['src/source/postgres/index.ts', 'src/source/mysql/index.ts'],
    ['src/source/postgres/index.ts', 'src/dialect/mysql/quote.ts'],
    ['src/source/postgres/index.ts', 'src/source/registry.ts'],
    ['src/source/postgres/index.ts', 'src/stream/batch.ts'],
    ['src/source/source.ts', 'src/target/target.ts'],
    ['src/stream/batch.ts', 'src/mirror/run.ts'],
    ['src/mirror/run.ts', 'src/supervise/policy.ts'],
    ['src/mirror/run.ts', 'src/source/postgres/index.ts'],
    ['src/cli/main.ts', 'src/source/postgres/index.ts'],
    ['src/cli/main.ts', 'src/dialect/postgres/quote.ts'],
  ] as const
  for (const [from, to] of allowed) assert.equal(mayImport(from, to), true, `${from} → ${to}`)
  for (const [from, to] of refused) assert.equal(mayImport(from, to), false, `${from} → ${to}`)
})

test('a path of one machine is found, a path of any machine is not', () => {
  const path = ['', 'root', 'x'].join('/')
  assert.equal(untidyText('a.md', `see ${path}`).length, 1)
  assert.deepEqual(untidyText('a.md', 'see /usr/lib/postgresql and docs/work/x'), [])
})

test('a link is followed to the file and to the heading', () => {
  const read = (): string => '# The *title* of `it`\n'
  const broken = (text: string): string[] =>
    brokenLinks('AGENTS.md', text, read).map(({ what }) => what)
  assert.deepEqual(broken('[a](package.json) [b](https://x.example) [c](#here)\n## Here'), [])
  assert.deepEqual(broken('[a](nowhere.md)'), ['a link to nowhere.md, which is not there'])
  assert.deepEqual(broken('[a](#nowhere)'), ['a link to #nowhere, which has no such heading'])
  assert.deepEqual(broken('`[a](nowhere.md)`\n```\n[a](nowhere.md)\n```'), [])
})
