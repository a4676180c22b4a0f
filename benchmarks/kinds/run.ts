import { parseArgs } from 'node:util'
import { machineFacts } from '../machine.ts'
import { build } from '../stage.ts'
import { spreadOf } from '../statistics.ts'
import { type Compared, type Contest, intoDocuments, intoPostgres } from './catchup.ts'
import { ours, type Reading, theirs } from './decode.ts'
import { type Shape, startSource, write } from './log.ts'

// npm run bench:kinds -- [--scale 0.1] [--only decode|postgres|documents]

const { values: given } = parseArgs({
  options: { scale: { type: 'string', default: '1' }, only: { type: 'string', multiple: true } },
})
/** As long as they must be for the start of a process to be a small part of them. */
const backlogs = [
  ['transactions', 300_000],
  ['mixed', 300_000],
  ['rows', 3_000_000],
] as const

const DOCUMENTS = 1_000_000

/** Readings before those that count, and how many of those: right after one another, in turns. */
const WARM = 3
const COUNTED = 3
const scale = Number(given.scale)
const wanted = (name: string): boolean => given.only === undefined || given.only.includes(name)

const perSecond = (changes: number, seconds: number): string =>
  Math.round(changes / seconds).toLocaleString('en-US')

function tellDecode(shape: Shape, own: readonly Reading[], others: readonly Reading[]): void {
  const rate = ({ changes, cpu }: Reading): number => changes / cpu
  const [a, b] = [own, others].map((readings) => spreadOf(readings.map(rate)).median)
  const { median, least, most } = spreadOf(own.map((one, i) => rate(one) / rate(others[i] ?? one)))
  const ratio = `${median.toFixed(2)}× (${least.toFixed(2)}–${most.toFixed(2)})`
  const rates = `${perSecond(a ?? 0, 1)} in a CPU second, another reader ${perSecond(b ?? 0, 1)}`
  console.log(`decode, ${shape}: ${rates}: ${ratio}`)
}

function tell(what: string, { shape, changes, contests }: Compared): void {
  const middle = (value: (one: Contest) => number): number => spreadOf(contests.map(value)).median
  const times = spreadOf(contests.map(({ native, ours: own }) => native.seconds / own.seconds))
  const memory = Math.max(...contests.map(({ ours: own }) => own.memory ?? 0))
  const of = contests.length === 1 ? '' : `, the median of ${contests.length}`
  console.log(
    `${what}, ${shape}: ${changes.toLocaleString('en-US')} changes in ` +
      `${middle(({ ours: own }) => own.seconds).toFixed(2)} s, ` +
      `CPU ${middle(({ ours: own }) => own.cpu ?? 0).toFixed(1)} s, ` +
      `${Math.round(memory / 1e6)} MB, ` +
      `native ${middle(({ native }) => native.seconds).toFixed(2)} s: ` +
      `${times.median.toFixed(2)}× (${times.least.toFixed(2)}–${times.most.toFixed(2)})${of}`,
  )
}

console.log(JSON.stringify({ ...machineFacts(), scale }))
await using source = await startSource()
if (wanted('decode')) {
  for (const [shape, rows] of [
    ['rows', 1_000_000],
    ['transactions', 300_000],
  ] as const) {
    const stretch = await write(source, shape, Math.ceil((rows * scale) / 5000) * 5000)
    // To get warm, as a mirror is that runs.
    for (let round = 0; round < WARM; round++) await ours(source, stretch)
    for (let round = 0; round < WARM; round++) await theirs(source, stretch)
    const [own, others]: [Reading[], Reading[]] = [[], []]
    for (let round = 0; round < COUNTED; round++) {
      own.push(await ours(source, stretch))
      others.push(await theirs(source, stretch))
    }
    tellDecode(shape, own, others)
  }
}
if (wanted('postgres') || wanted('documents')) await build()
for (const [shape, changes] of wanted('postgres') ? backlogs : []) {
  await using fresh = await startSource()
  tell('into PostgreSQL', await intoPostgres(fresh, shape, changes * scale))
}
if (wanted('documents')) {
  await using fresh = await startSource()
  tell('into documents', await intoDocuments(fresh, Math.ceil((DOCUMENTS * scale) / 5000) * 5000))
}
