import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { monotonic } from '../../src/async/clock.ts'
import { machineFacts } from '../machine.ts'
import { aligned, measureRows } from '../report.ts'
import { build } from '../stage.ts'
import { large } from './large.ts'
import { type Findings, type KafkaReport, type Part, waysOf } from './report.ts'
import { sharing } from './share.ts'
import { sinkContest } from './sink.ts'
import { steady } from './steady.ts'
import { whole } from './whole.ts'

// npm run bench:kafka -- [--scale 0.1] [--only sink --only whole] [--out FILE]

const parts: Readonly<Record<string, (scale: number) => Promise<Findings>>> = {
  sink: sinkContest({ mode: 'arrays', partitions: 1, events: 1_000_000 }),
  'sink-4': sinkContest({ mode: 'arrays', partitions: 4, events: 1_000_000 }),
  'sink-rows': sinkContest({ mode: 'rows', partitions: 1, events: 1_000_000 }),
  share: sharing,
  whole,
  steady,
  large,
}

const { values: given } = parseArgs({
  options: {
    scale: { type: 'string', default: '1' },
    only: { type: 'string', multiple: true, default: [] },
    out: { type: 'string', default: '.holdfast/bench-kafka.json' },
  },
})
const scale = Number(given.scale)
const wanted = Object.keys(parts).filter(
  (name) => given.only.length === 0 || given.only.includes(name),
)
if (wanted.length === 0) {
  console.error(`--only is one of ${Object.keys(parts).join(', ')}`)
  process.exit(2)
}

/** What was found before stays, so that parts can be measured one at a time. */
async function known(): Promise<KafkaReport> {
  const text = await readFile(given.out, 'utf8').catch(() => '{}')
  return JSON.parse(text) as KafkaReport
}

await build()
await mkdir(dirname(given.out), { recursive: true })
for (const name of wanted) {
  const machine = machineFacts()
  const began = monotonic()
  const found = await parts[name]?.(scale)
  if (found === undefined) continue
  const part: Part = { machine, scale, ...found }
  const all = { ...(await known()), [name]: part }
  const report = Object.fromEntries(
    Object.keys(parts).flatMap((one) => (all[one] === undefined ? [] : [[one, all[one]]])),
  )
  await writeFile(given.out, `${JSON.stringify(report, null, 2)}\n`)
  console.error(`${name} took ${Math.round((monotonic() - began) / 1000)} s`)
  console.log(aligned(waysOf({ [name]: part })))
  if (part.measures.length > 0) console.log(aligned(measureRows(part)))
}
