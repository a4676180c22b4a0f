import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { monotonic } from '../src/async/clock.ts'
import type { Major } from '../testkit/servers/index.ts'
import { backlogContests } from './contest/backlog.ts'
import type { Contest, Findings } from './contest/contest.ts'
import { copyContests } from './contest/copy.ts'
import { distanceContest } from './contest/distance.ts'
import { idleContest } from './contest/idle.ts'
import { latencyContest } from './contest/latency.ts'
import { sustainedContest } from './contest/sustained.ts'
import { valuesContest } from './contest/values.ts'
import { machineFacts, startPair } from './machine.ts'
import { aligned, measureRows, measuresOf, type Report, tableOf } from './report.ts'
import { build } from './stage.ts'

const { values: given } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    scale: { type: 'string' },
    repetitions: { type: 'string' },
    major: { type: 'string', default: '17' },
    only: { type: 'string', multiple: true, default: [] },
    out: { type: 'string', default: '.holdfast/bench.json' },
  },
})

const scale = Number(given.scale ?? (given.quick ? 0.1 : 1))
/** A backlog that is gone in a moment says more of the start of a process than of its speed. */
const backlog = given.scale === undefined && given.quick ? 0.2 : scale
const repetitions = Number(given.repetitions ?? (given.quick ? 1 : 3))
const major = Number(given.major) as Major

const contests: readonly Contest[] = [
  ...backlogContests(backlog),
  ...copyContests(scale),
  latencyContest,
  sustainedContest,
  valuesContest,
  ...(given.quick ? [] : [distanceContest]),
  idleContest,
]
const wanted = contests.filter(({ name }) => given.only.length === 0 || given.only.includes(name))
if (wanted.length === 0) {
  console.error(`--only is one of ${contests.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}
const machine = machineFacts()
await build()
await using pair = await startPair(major, { decoding: '256MB', work: '64MB' })
const found: Findings[] = []
for (const contest of wanted) {
  const began = monotonic()
  found.push(await contest.run({ pair, scale, repetitions }))
  console.error(`${contest.name} took ${Math.round((monotonic() - began) / 1000)} s`)
}
const results = found.flatMap((one) => one.results ?? [])
const measures = [...measuresOf(results), ...found.flatMap((one) => one.measures ?? [])]
const report: Report = {
  machine,
  ...{ major, scale, repetitions, results, measures },
}
await mkdir(dirname(given.out), { recursive: true })
await writeFile(given.out, `${JSON.stringify(report, null, 2)}\n`)
console.log(aligned(tableOf(report)))
if (report.measures.length > 0) console.log(`\n${aligned(measureRows(report))}`)
