import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { measureRows, type Report, tableOf } from './report.ts'

/** Puts the figures of baseline.json, or of the file that is named, into the page about speed. */
const page = fileURLToPath(new URL('../docs/explanation/speed.md', import.meta.url))
const [given = fileURLToPath(new URL('baseline.json', import.meta.url))] = process.argv.slice(2)

const [BEGIN, END] = ['<!-- figures: npm run bench:page -->', '<!-- end of figures -->']

function markdown(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const rule = head.map((_, i) => (i === 0 ? '---' : '---:'))
  return [head, rule, ...body].map(line).join('\n')
}

function figures(report: Report): string {
  const { machine, major, scale, repetitions } = report
  const [cpus, cpu, node] = [machine['cpus'], machine['cpu'], machine['node']]
  const where = `${cpus} cores of ${cpu}, PostgreSQL ${major} on both ends, Node ${node}`
  const load = Number(machine['load'])
  const busy =
    load < Number(cpus)
      ? ''
      : ` The machine was busy with other work (${load} processes wanted its cores): times and latencies are those of the queue for a core, and only the CPU columns can be believed.`
  const how = `size ${scale} of what the goals are set for, medians of ${repetitions} pairs`
  const tables = [tableOf(report), ...(report.measures.length > 0 ? [measureRows(report)] : [])]
  return [`${where}; ${how}.${busy}`, ...tables.map(markdown)].join('\n\n')
}

const report = JSON.parse(await readFile(given, 'utf8')) as Report
const text = await readFile(page, 'utf8')
const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)]
if (from < 0 || to < from) throw new Error(`${page} has no place for figures`)
const around = [text.slice(0, from + BEGIN.length), text.slice(to)]
await writeFile(page, `${around[0]}\n\n${figures(report)}\n\n${around[1]}`)
