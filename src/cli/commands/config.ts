import { shownConfig } from '../../config/describe.ts'
import { variableTable } from '../../config/environment.ts'
import { jsonSchema } from '../../config/schema.ts'
import { suggest } from '../../config/suggest.ts'
import { Fault } from '../../model/fault.ts'
import { type Call, type Command, wholeMirror } from '../command.ts'
import { faultsOf, worst } from '../exit.ts'
import { faultData } from '../format.ts'
import { columns } from '../grid.ts'
import type { Outcome } from '../outcome.ts'
import { plural } from '../words.ts'

const PARTS: Readonly<Record<string, (call: Call) => Outcome>> = {
  validate,
  show,
  schema,
  env: environment,
}

export const config: Command = {
  name: 'config',
  summary: 'Look at the configuration: validate, show, schema or env.',
  words: [{ name: 'what', text: 'validate, show, schema or env' }],
  flags: wholeMirror,
  examples: [
    'holdfast config validate',
    'holdfast config show',
    'holdfast config schema > holdfast.schema.json',
    'holdfast config env',
  ],
  notes: [
    'A flag is over a variable, a variable over the file, the file over the defaults.',
    'show names the origin of each value and blots out passwords.',
  ],
  async run(call: Call): Promise<Outcome> {
    const word = call.given.words[0] ?? ''
    const part = Object.hasOwn(PARTS, word) ? PARTS[word] : undefined
    if (part !== undefined) return part(call)
    const near = suggest(word, Object.keys(PARTS))
    throw new Fault('HF-C012', {
      what: `holdfast config has no part "${word}"; it has ${Object.keys(PARTS).join(', ')}`,
      ...(near === null ? {} : { todo: [{ text: `Did you mean ${near}?` }] }),
    })
  },
}

function validate(call: Call): Outcome {
  const { out } = call
  try {
    const mirrors = call.mirrors()
    const { file, from } = call.config()
    const names = mirrors.map(({ name }) => name).join(', ')
    const mark = out.paint.stdout.mark('ok')
    out.data(
      `${mark} ${file ?? `the ${from}`} is valid: ${plural(mirrors.length, 'mirror')} (${names})`,
    )
    out.say('  Next: holdfast check')
    const summary = { errors: 0, mirrors: mirrors.length }
    return { ok: true, summary, hints: [{ why: 'try it', run: 'holdfast check' }] }
  } catch (error) {
    const faults = faultsOf(error)
    out.faults(faults)
    if (faults.length > 1) {
      out.say(`Summary: ${faults.length} errors. Mend them, then: holdfast config validate`)
    }
    const summary = { errors: faults.length }
    return {
      ok: false,
      error: worst(faults),
      summary,
      result: { faults: faults.map((one) => faultData(one, call.out.typed)) },
    }
  }
}

function show(call: Call): Outcome {
  const shown = shownConfig(call.config())
  call.out.data(
    columns([
      ['KEY', 'VALUE', 'FROM'],
      ...shown.map(({ key, value, origin }) => [key, JSON.stringify(value), origin]),
    ]),
  )
  return { ok: true, result: shown }
}

function schema({ out }: Call): Outcome {
  const result = jsonSchema()
  if (!out.json) out.raw(JSON.stringify(result, null, 2))
  return { ok: true, result }
}

function environment({ out }: Call): Outcome {
  const result = variableTable(jsonSchema())
  out.data(
    columns([
      ['VARIABLE', 'SETS', 'MEANING'],
      ...result.map(({ name, sets, text }) => [name, sets, text]),
    ]),
  )
  return { ok: true, result }
}
