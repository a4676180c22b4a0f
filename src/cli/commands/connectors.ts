import { suggest } from '../../config/suggest.ts'
import { Fault } from '../../model/fault.ts'
import type { Call, Command } from '../command.ts'
import { offsets, pause, remove, restart, resume, stop } from '../connectors/act.ts'
import { list, status } from '../connectors/look.ts'
import { create, validate } from '../connectors/make.ts'
import type { Outcome } from '../outcome.ts'

const PARTS: Readonly<Record<string, (call: Call) => Promise<Outcome>>> = {
  list,
  status,
  validate,
  create,
  restart,
  pause,
  resume,
  stop,
  delete: remove,
  offsets,
}

export const connectors: Command = {
  name: 'connectors',
  summary: 'Connectors of Kafka Connect: look at them, make, stop and start them.',
  words: [
    { name: 'what', text: Object.keys(PARTS).join(', ') },
    {
      name: 'connector',
      text: 'its name; for status, several or none',
      optional: true,
      many: true,
    },
  ],
  flags: [
    { flags: '--connect <url>', text: 'a worker of Kafka Connect; else HOLDFAST_CONNECT_URL' },
    { flags: '--source <url>', text: 'the database that a new connector reads' },
    {
      flags: '--password-from <where>',
      text: 'where the worker finds its password: env:NAME or file:/path:key',
    },
    { flags: '--kafka <brokers>', text: 'host:port,… as the worker reaches them' },
    { flags: '--prefix <text>', text: 'what topics begin with; else the name of the connector' },
    { flags: '--include <pattern>', text: 'tables to read: schema.table with *', many: true },
    { flags: '--exclude <pattern>', text: 'tables to leave out', many: true },
    { flags: '--partitions <n>', text: 'of each topic; else the broker decides' },
    { flags: '--setting <key=value>', text: 'any setting of the connector', many: true },
    { flags: '--file <path>', text: 'settings as JSON, instead of --source' },
    { flags: '--start', text: 'start the new connector at once' },
    { flags: '--plain-secrets', text: 'let Kafka Connect store passwords as they are' },
    { flags: '--alter <path>', text: 'offsets to set, as JSON' },
    { flags: '--reset', text: 'forget the offsets' },
    { flags: '--confirm <name>', text: 'the connector again, for what cannot be undone' },
    { flags: '--exit-code', text: 'status ends with 4 unless all are well' },
  ],
  examples: [
    'holdfast connectors list --connect http://connect:8083',
    'holdfast connectors create shop --source postgres://cdc@db1/shop --password-from env:SHOP_PASSWORD --kafka kafka:9092',
    'holdfast connectors resume shop',
    'holdfast connectors status shop --json',
    'holdfast connectors restart shop',
  ],
  notes: [
    'A new connector is validated by the worker that would run it, is then configured, and runs ' +
      'once it is resumed.',
    'A connector that is called RUNNING and has a failed task is failed. restart starts again what ' +
      'has failed, after 2, 4, 8, 16 and 32 s, and stops at what a person has to mend.',
    'stop keeps settings and offsets. delete leaves slot and publication at the source.',
  ],
  async run(call: Call): Promise<Outcome> {
    const word = call.given.words[0] ?? ''
    const part = Object.hasOwn(PARTS, word) ? PARTS[word] : undefined
    if (part !== undefined) return await part(call)
    const near = suggest(word, Object.keys(PARTS))
    throw new Fault('HF-C012', {
      what: `holdfast connectors has no part "${word}"; it has ${Object.keys(PARTS).join(', ')}`,
      ...(near === null ? {} : { todo: [{ text: `Did you mean ${near}?` }] }),
    })
  },
}
