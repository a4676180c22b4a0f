import { parseUrl } from '../../config/url.ts'
import type { ReadRequest } from '../../connect/topics.ts'
import type { Endpoint } from '../../model/endpoint.ts'
import { Fault } from '../../model/fault.ts'
import type { Call, Command } from '../command.ts'
import { columns } from '../grid.ts'
import type { Outcome } from '../outcome.ts'
import { count, plural, span } from '../words.ts'

export const topics: Command = {
  name: 'topics',
  summary: 'Topics of Kafka: list them, or read what stands in one.',
  words: [
    { name: 'what', text: 'list, or read' },
    { name: 'topic', text: 'the topic to read; a pattern with * to list', optional: true },
  ],
  flags: [
    { flags: '--source <url>', text: 'kafka://host:9092' },
    { flags: '--partition <n>', text: 'read this one alone' },
    { flags: '--from <place>', text: 'begin, end or an offset; default is end' },
    { flags: '--limit <n>', text: 'the most records to show; default is 20' },
  ],
  examples: [
    "holdfast topics list 'shop.*' --source kafka://kafka:9092",
    'holdfast topics read shop.public.orders --from begin --source kafka://kafka:9092',
  ],
  notes: ['read shows rows as they stand in the topic, and commits no offsets.'],
  async run(call: Call): Promise<Outcome> {
    const [what = '', topic] = call.given.words
    const url = call.given.text('source')
    if (url === null)
      throw new Fault('HF-C008', { what: 'topics needs --source kafka://host:9092' })
    const source = parseUrl(url, '--source')
    if (what === 'list') return await list(call, source, topic ?? '*')
    if (what === 'read' && topic !== undefined) return await read(call, source, topic)
    throw new Fault('HF-C012', { what: 'topics takes list, or read and the name of a topic' })
  },
}

async function list(call: Call, source: Endpoint, pattern: string): Promise<Outcome> {
  const { listTopics } = await import('../../connect/topics.ts')
  const found = await listTopics(source, pattern)
  const rows = found.map(({ name, partitions, records, keeps, compacted }) => [
    name,
    String(partitions),
    count(records),
    `${keeps === null ? 'without end' : span(Number(keeps) / 1000)}${compacted ? ', compacted' : ''}`,
  ])
  if (rows.length > 0) call.out.data(columns([['TOPIC', 'PARTITIONS', 'RECORDS', 'KEPT'], ...rows]))
  call.out.say(plural(rows.length, 'topic'))
  const result = found.map((topic) => ({
    ...topic,
    records: topic.records.toString(),
    keeps: topic.keeps?.toString() ?? null,
  }))
  return { ok: true, summary: { topics: found.length }, result }
}

async function read(call: Call, source: Endpoint, topic: string): Promise<Outcome> {
  const { readTopic } = await import('../../connect/topics.ts')
  const messages = await readTopic(source, requestOf(call, topic))
  const text = (bytes: Buffer | null): string | null => bytes?.toString('utf8') ?? null
  const result = messages.map(({ partition, offset, timestamp, key, value }) => ({
    partition,
    offset: offset.toString(),
    time: new Date(Number(timestamp)).toISOString(),
    key: text(key),
    value: text(value),
  }))
  for (const { partition, offset, time, key, value } of result) {
    call.out.data(`${partition}/${offset}  ${time}  ${key ?? 'null'}  ${value ?? 'null'}`)
  }
  call.out.say(plural(messages.length, 'record'))
  return { ok: true, summary: { records: messages.length }, result }
}

function requestOf({ given }: Call, topic: string): ReadRequest {
  const number = (flag: string): bigint | null => {
    const typed = given.text(flag)
    if (typed === null) return null
    if (/^\d{1,18}$/.test(typed)) return BigInt(typed)
    throw new Fault('HF-C012', { what: `--${flag}: "${typed}" is not a whole number` })
  }
  const place = given.text('from') ?? 'end'
  const from = place === 'begin' || place === 'end' ? place : (number('from') ?? 0n)
  const partition = number('partition')
  return {
    topic,
    partition: partition === null ? null : Number(partition),
    from,
    limit: Number(number('limit') ?? 20n),
  }
}
