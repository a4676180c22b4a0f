import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type KafkaReport, type Part, waysOf } from './kafka/report.ts'
import { measureRows, type Report, tableOf } from './report.ts'

/**
 * Puts the figures of baseline.json, or of the file that is named, and those of kafka/baseline.json
 * into the page about speed.
 */
const page = fileURLToPath(new URL('../docs/explanation/speed.md', import.meta.url))
const [given = fileURLToPath(new URL('baseline.json', import.meta.url))] = process.argv.slice(2)

const topics = fileURLToPath(new URL('kafka/baseline.json', import.meta.url))

const END = '<!-- end of figures -->'

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

function topicFigures(report: KafkaReport): string {
  const parts = Object.entries(report)
  const machine: Part['machine'] = parts[0]?.[1].machine ?? {}
  const where = `${machine['cpus']} cores of ${machine['cpu']}, PostgreSQL 17, Node ${machine['node']}`
  const sizes = parts.map(([name, { scale }]) => `${name} ${scale}`).join(', ')
  const how = `sizes, as shares of what the goals are set for: ${sizes}`
  const measures = parts.flatMap(([, part]) => part.measures)
  const tables = [waysOf(report), ...(measures.length > 0 ? [measureRows({ measures })] : [])]
  return [`${where}; ${how}.`, ...tables.map(markdown)].join('\n\n')
}

/** The text with the figures between this line and the next end of figures. */
function filled(text: string, begin: string, made: string): string {
  const from = text.indexOf(begin)
  const to = text.indexOf(END, from)
  if (from < 0 || to < from) throw new Error(`${page} has no place for figures: ${begin}`)
  return `${text.slice(0, from + begin.length)}\n\n${made}\n\n${text.slice(to)}`
}

const report = JSON.parse(await readFile(given, 'utf8')) as Report
const ways = JSON.parse(await readFile(topics, 'utf8')) as KafkaReport
const text = await readFile(page, 'utf8')
const first = filled(text, '<!-- figures: npm run bench:page -->', figures(report))
await writeFile(
  page,
  filled(first, '<!-- figures of topics: npm run bench:page -->', topicFigures(ways)),
)
