import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Report } from './report.ts'

/** Shows each result of a run as a ratio to the same one of another, by default the baseline. */
const { positionals } = parseArgs({ allowPositionals: true, options: {} })
const [
  now = '.holdfast/bench.json',
  then = fileURLToPath(new URL('baseline.json', import.meta.url)),
] = positionals

async function read(path: string): Promise<Report> {
  return JSON.parse(await readFile(path, 'utf8')) as Report
}

const [report, baseline] = [await read(now), await read(then)]
for (const { name, ratio } of report.results) {
  const known = baseline.results.find((other) => other.name === name)
  const was = known === undefined ? 'new' : `was ${known.ratio.median.toFixed(2)}×`
  const change =
    known === undefined ? '' : `${(100 * (ratio.median / known.ratio.median - 1)).toFixed(0)} %`
  console.log(`${name.padEnd(16)} ${ratio.median.toFixed(2)}×  ${was}  ${change}`)
}
if (report.scale !== baseline.scale || report.major !== baseline.major) {
  console.log('The runs are of different sizes or servers.')
}
