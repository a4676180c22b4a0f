import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import type { Major } from '../testkit/servers/index.ts'
import { type Contestant, type Run, replay } from './contestants.ts'
import { machineFacts, type Pair, startPair } from './machine.ts'
import { type Figures, type Report, type Result, tableOf } from './report.ts'
import { build, setStage } from './stage.ts'
import { rounded, spreadOf } from './statistics.ts'
import { backlogs } from './workload/backlogs.ts'
import type { Workload } from './workload/workload.ts'

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

const scale = Number(given.scale ?? (given.quick ? 0.2 : 1))
const repetitions = Number(given.repetitions ?? (given.quick ? 1 : 3))
const major = Number(given.major) as Major

async function contest(pair: Pair, workload: Workload): Promise<Result> {
  await using stage = await setStage(pair, workload)
  const runs: Record<Contestant, Run[]> = { native: [], holdfast: [] }
  for (let i = 0; i < repetitions; i++) {
    for (const contestant of ['native', 'holdfast'] as const) {
      const run = await replay(stage, contestant)
      runs[contestant].push(run)
      tell(workload, contestant, run)
    }
  }
  const ratios = runs.native.map((run, i) => run.seconds / (runs.holdfast[i]?.seconds ?? 1))
  const { name, must, aim } = workload
  const figures = (all: readonly Run[]): Figures => figuresOf(workload, all)
  return {
    name,
    ratio: spreadOf(ratios),
    goal: 'least',
    must,
    aim,
    native: figures(runs.native),
    holdfast: figures(runs.holdfast),
  }
}

function figuresOf({ changes }: Workload, runs: readonly Run[]): Figures {
  const seconds = spreadOf(runs.map((run) => run.seconds))
  const middle = (of: (run: Run) => number): number => rounded(spreadOf(runs.map(of)).median)
  return {
    taken: seconds,
    changesPerSecond: Math.round(changes / seconds.median),
    cpu: {
      source: middle((run) => run.cpu.source),
      target: middle((run) => run.cpu.target),
      tool: middle((run) => run.cpu.tool),
    },
    memory: middle((run) => run.memory),
    temporary: middle((run) => run.temporary),
  }
}

function tell({ name }: Workload, contestant: Contestant, run: Run): void {
  const { source, target, tool } = run.cpu
  const cpu = [source, target, tool].map((seconds) => seconds.toFixed(1)).join('/')
  const memory = run.memory === 0 ? '' : `, ${Math.round(run.memory / 2 ** 20)} MB`
  const temporary =
    run.temporary === 0 ? '' : `, ${Math.round(run.temporary / 2 ** 20)} MB of temporary files`
  console.error(
    `${name} ${contestant}: ${run.seconds.toFixed(2)} s, CPU ${cpu}${memory}${temporary}`,
  )
}

const wanted = backlogs(scale).filter(
  ({ name }) => given.only.length === 0 || given.only.includes(name),
)
await build()
await using pair = await startPair(major, { decoding: '256MB', work: '64MB' })
const results: Result[] = []
for (const workload of wanted) results.push(await contest(pair, workload))
const report: Report = { machine: machineFacts(), major, scale, repetitions, results }
await mkdir(dirname(given.out), { recursive: true })
await writeFile(given.out, `${JSON.stringify(report, null, 2)}\n`)
console.log(tableOf(report))
