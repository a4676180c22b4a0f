import { cpSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { monotonic } from '../../src/async/clock.ts'
import { startChild } from '../child.ts'
import { type PostgresServer, postgres } from '../servers/index.ts'
import { watchOver } from '../servers/machine.ts'
import { caseOf, keepCase, keptCases } from './cases.ts'
import { type CourseName, courses } from './courses.ts'
import { openPair } from './kinds/pairs.ts'
import { runKinds } from './kinds/trial.ts'
import { type Edit, type Mutation, mutations } from './mutations.ts'
import { kindsMutations } from './mutations-kinds.ts'
import { runOracle } from './oracle.ts'
import type { Wishes } from './plan.ts'
import { sourceSettings, targetSettings } from './watch.ts'

// npm run mutants [-- --only WORD] [--shrink]: breaks a copy of the engine in one way after another,
// and sees whether that is noticed. An edit that no longer applies is an error. With --shrink, what
// notices it is made smaller and kept as a case.

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    shrink: { type: 'boolean', default: false },
  },
})
const checkout = fileURLToPath(new URL('../..', import.meta.url))
const seed = 7
const SHRINK_MS = 600_000
const cases = keptCases()

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
  if (typeof by !== 'string' && 'pair' in by) return await troubleOf(by.pair, folder)
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
  const { failure } = await runOracle({
    seed,
    ...ends,
    ...courses[by],
    program: launcherIn(folder),
  })
  return failure === null ? null : `course “${by}”: ${shortly(failure)}`
}

/** The same between servers of different kinds. */
async function troubleOf(name: string, folder: string): Promise<string | null> {
  await using pair = await openPair(name)
  if (pair === null) throw new Error(`there is no pair ${name}`)
  const { source, openTarget } = pair
  const faults = { kill: 1, 'kill at a point': 2 }
  const how = { seed, transactions: 400, faults, program: launcherIn(folder) }
  const { failure } = await runKinds({ source, openTarget, ...how })
  return failure === null ? null : `pair ${name}: ${shortly(failure)}`
}

function launcherIn(folder: string): string {
  return join(folder, 'bin', 'holdfast.js')
}

function shortly(failure: string): string {
  const told = /fail (HF-[A-Z]\d+ .*?) {2}/.exec(failure)?.[1] ?? failure.split('\n')[0] ?? ''
  return told.slice(0, 140)
}

/** The kept cases that a mutant fails; all that are its own have to be among them. */
async function byCases(folder: string, name: string, ends: Ends): Promise<readonly string[]> {
  const found: string[] = []
  for (const { name: of, mutant, plan } of cases) {
    if (mutant !== name) continue
    const { failure } = await runOracle({ ...plan, ...ends, program: launcherIn(folder) })
    if (failure === null) throw new Error(`the case ${of} does not notice: ${name}`)
    found.push(`case “${of}”`)
  }
  return found
}

/** A course of its own cannot be written down: its faults are drawn instead. */
function withoutCourse(by: CourseName): Omit<Wishes, 'seed'> {
  const wanted = courses[by]
  if (!('course' in wanted)) return wanted
  const { course: _, ...rest } = wanted
  return { ...rest, faults: { kill: 3, 'kill at a point': 5, 'target crashed': 1 } }
}

/** Makes what notices a mutant as small as it gets, and keeps it. */
async function makeSmaller(folder: string, { name, by }: Mutation, ends: Ends): Promise<void> {
  if (typeof by !== 'string') return console.log('  a test notices it already')
  const program = launcherIn(folder)
  const start = cases.find(({ mutant }) => mutant === name)?.plan ?? { seed, ...withoutCourse(by) }
  const outcome = await runOracle({ ...start, ...ends, program })
  const say = (line: string): void => console.log(`  ${line}`)
  const kept = await caseOf({ outcome, ...ends, program, limit: SHRINK_MS, say })
  if (kept === null) return say('it did not fail again')
  say(`kept: ${keepCase(name, { ...kept, mutant: name })}`)
}

async function main(): Promise<boolean> {
  const began = monotonic()
  const ends: Ends = {
    source: await postgres(18, { settings: sourceSettings }),
    target: await postgres(18, { settings: targetSettings }),
  }
  const folder = copy()
  // Also when this process is killed.
  const watcher = watchOver(folder, join(folder, 'no-server'))
  const chosen = [...mutations, ...kindsMutations].filter(({ name }) => name.includes(values.only))
  let caught = 0
  try {
    // What notices a broken engine means something only if it lets the whole one pass.
    const names = new Set(
      chosen.flatMap(({ by }): CourseName[] => (typeof by === 'string' ? [by] : [])),
    )
    const pairs = new Set(
      chosen.flatMap(({ by }) => (typeof by !== 'string' && 'pair' in by ? [by.pair] : [])),
    )
    for (const by of values.shrink ? [] : [...names, ...[...pairs].map((pair) => ({ pair }))]) {
      const wrong = await trouble(folder, by, ends)
      if (wrong !== null) throw new Error(`the engine itself fails: ${wrong}`)
      console.log(`passes   the engine itself, ${typeof by === 'string' ? by : by.pair}`)
    }
    for (const mutation of chosen) {
      const { name, edits, by } = mutation
      const mend = breakIt(folder, edits)
      const noticed = await trouble(folder, by, ends)
      if (noticed !== null) caught++
      const also = noticed === null ? [] : await byCases(folder, name, ends)
      const all = [noticed, ...also].join(' and ')
      console.log(noticed === null ? `MISSED   ${name}` : `caught   ${name}   by ${all}`)
      if (values.shrink && noticed !== null) await makeSmaller(folder, mutation, ends)
      mend()
    }
  } finally {
    await watcher.release()
    for (const server of Object.values(ends)) await server[Symbol.asyncDispose]()
  }
  const seconds = Math.round((monotonic() - began) / 1000)
  console.log(`\n${caught} of ${chosen.length} broken engines were caught in ${seconds} s`)
  return caught === chosen.length
}

process.exit((await main()) ? 0 : 1)
