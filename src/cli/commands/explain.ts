import { catalogue, type FaultCode } from '../../model/catalogue/index.ts'
import { Fault } from '../../model/fault.ts'
import type { Call, Command } from '../command.ts'
import { todoText } from '../format.ts'
import { columns } from '../grid.ts'
import type { Outcome } from '../outcome.ts'
import { allCodes, codeFor, codeOf } from '../symptoms.ts'

export const explain: Command = {
  name: 'explain',
  summary: 'What a code or the text of an error means, and what to do.',
  words: [
    { name: 'text', text: 'a code, or the text of an error in quotes', optional: true, many: true },
  ],
  flags: [],
  examples: [
    'holdfast explain HF-S201',
    "holdfast explain 'requested WAL segment has already been removed'",
    'holdfast explain',
  ],
  notes: ['Works without any server. Without a text it lists all codes.'],
  async run({ given, out }: Call): Promise<Outcome> {
    const text = given.words.join(' ')
    if (text === '') {
      const all = allCodes()
      out.data(columns(all.map((code) => [code, catalogue[code].title])))
      return { ok: true, result: all.map((code) => entryData(code)) }
    }
    const code = codeOf(text) ?? codeFor(text)
    if (code === null) throw new Fault('HF-X013', { what: `"${text}" matches nothing` })
    out.data(entryText(code))
    return { ok: true, summary: { code }, result: entryData(code) }
  },
}

function entryText(code: FaultCode): string {
  const { title, class: kind, severity, why, safe, todo } = catalogue[code]
  const steps = todo.map(
    (step, index) => `  ${(index === 0 ? 'you' : '').padEnd(10)} ${todoText(step)}`,
  )
  return [
    `${code}  ${title}   ${severity} · ${kind}`,
    `  ${'why'.padEnd(10)} ${why}`,
    `  ${'not lost'.padEnd(10)} ${safe}`,
    ...steps,
  ].join('\n')
}

function entryData(code: FaultCode): Record<string, unknown> {
  return { code, ...catalogue[code] }
}
