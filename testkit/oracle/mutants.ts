import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { monotonic } from '../../src/async/clock.ts'
import { startChild } from '../child.ts'
import { type PostgresServer, postgres } from '../servers/index.ts'
import { type CourseName, courses } from './courses.ts'
import { type Edit, type Mutation, mutations } from './mutations.ts'
import { runOracle } from './oracle.ts'
import { sourceSettings, targetSettings } from './watch.ts'

// npm run mutants [-- --only WORD]: breaks a copy of the engine in one way after another, and sees
// whether that is noticed. An edit that no longer applies is an error.

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } })
const checkout = fileURLToPath(new URL('../..', import.meta.url))
const seed = 7

/** A copy of the checkout whose sources can be broken. */
function copy(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-mutants-'))
  for (const name of ['src', 'bin', 'schema', 'test', 'testkit', 'package.json', 'tsconfig.json']) {
    cpSync(join(checkout, name), join(folder, name), { recursive: true })
  }
  for (const name of ['node_modules', '.servers']) {
    symlinkSync(join(checkout, name), join(folder, name))
  }
  return folder
}

/** Breaks the copy; the result mends it. */
function breakIt(folder: string, edits: readonly Edit[]): () => void {
  const whole = new Map<string, string>()
  for (const { path, find, put } of edits) {
    const file = join(folder, path)
    const text = readFileSync(file, 'utf8')
    if (!whole.has(file)) whole.set(file, text)
    if (text.split(find).length !== 2) {
      throw new Error(`${path} no longer holds this exactly once:\n${find}`)
    }
    writeFileSync(
      file,
      text.replace(find, () => put),
    )
  }
  return () => {
    for (const [file, text] of whole) writeFileSync(file, text)
  }
}

interface Ends {
  readonly source: PostgresServer
  readonly target: PostgresServer
}

/** Why the engine in this folder fails the course; null when it passes. */
async function trouble(folder: string, by: Mutation['by'], ends: Ends): Promise<string | null> {
  if (typeof by !== 'string') {
    const args = ['--test', '--test-reporter=tap', `--test-name-pattern=${by.test}`, by.file]
    const child = startChild(process.execPath, args, { cwd: folder })
    const { code } = await child.end({ within: 120_000 })
    const ran = child.stdout.some(
      (line) => /^\s*(?:not )?ok .*/.test(line) && line.includes(by.test),
    )
    if (!ran) throw new Error(`no test of ${by.file} is named ${by.test}`)
    return code === 0 ? null : `the test “${by.test}”`
  }
  const program = join(folder, 'bin', 'holdfast.js')
  const { failure } = await runOracle({ seed, ...ends, ...courses[by], program })
  if (failure === null) return null
  const told = /fail (HF-[A-Z]\d+ .*?) {2}/.exec(failure)?.[1] ?? failure.split('\n')[0] ?? ''
  return `course “${by}”: ${told.slice(0, 140)}`
}

async function main(): Promise<boolean> {
  const began = monotonic()
  const ends: Ends = {
    source: await postgres(18, { settings: sourceSettings }),
    target: await postgres(18, { settings: targetSettings }),
  }
  const folder = copy()
  const chosen = mutations.filter(({ name }) => name.includes(values.only))
  let caught = 0
  try {
    // What notices a broken engine means something only if it lets the whole one pass.
    const names = new Set(
      chosen.flatMap(({ by }): CourseName[] => (typeof by === 'string' ? [by] : [])),
    )
    for (const name of names) {
      const wrong = await trouble(folder, name, ends)
      if (wrong !== null) throw new Error(`the engine itself fails: ${wrong}`)
      console.log(`passes   the engine itself, course “${name}”`)
    }
    for (const { name, edits, by } of chosen) {
      const mend = breakIt(folder, edits)
      const noticed = await trouble(folder, by, ends)
      mend()
      if (noticed !== null) caught++
      console.log(noticed === null ? `MISSED   ${name}` : `caught   ${name}   by ${noticed}`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
    for (const server of Object.values(ends)) await server[Symbol.asyncDispose]()
  }
  const seconds = Math.round((monotonic() - began) / 1000)
  console.log(`\n${caught} of ${chosen.length} broken engines were caught in ${seconds} s`)
  return caught === chosen.length
}

process.exit((await main()) ? 0 : 1)
