import { milliseconds } from '../../config/units.ts'
import type { Anew } from '../../mirror/anew.ts'
import { Fault } from '../../model/fault.ts'
import { resync } from '../../supervise/anew.ts'
import { type Call, type Command, wholeMirror } from '../command.ts'
import type { Outcome } from '../outcome.ts'
import { optionsOf } from '../running.ts'

/** Milliseconds to wait for the first row, unless it is said. */
const WAIT = 300_000

export const resyncTables: Command = {
  name: 'resync-tables',
  summary: 'Have tables told anew by the connector of their topics, and go on with them there.',
  words: [
    {
      name: 'table',
      text: 'schema.table or a topic; those that cannot go on, unless named',
      optional: true,
      many: true,
    },
  ],
  flags: [
    ...wholeMirror,
    {
      flags: '--signal-topic <topic>',
      text: 'what a connector that is not the mirror’s listens to: its signal.kafka.topic',
    },
    { flags: '--wait <time>', text: 'how long no row may come, such as 30s or 1h; else 5m' },
  ],
  examples: [
    'holdfast resync-tables --name crm',
    'holdfast resync-tables public.orders --signal-topic cdc.signals',
  ],
  notes: [
    'For a mirror of topics that has halted at a gap, and for a table that is doubted. The connector ' +
      'is asked through its topic of signals for a snapshot of these tables; nothing is written to ' +
      'the source. Once it is there as a whole the mirror is set to it. The next run replaces the ' +
      'rows in one transaction: what the snapshot lacks is gone, and readers see the old rows until ' +
      'then. Other tables go on where they stood.',
    'Connectors that belong to the mirror (kafka.connect_url) are started for it. Others run ' +
      'already; without --signal-topic the record to send is shown, and waited for.',
    'Nothing is changed before the snapshot is there: a call that was ended is made again.',
  ],
  async run(call: Call): Promise<Outcome> {
    const { given, signal, out } = call
    const settings = await call.mirror()
    const options = {
      ...optionsOf(settings, { snapshotOnly: false }),
      names: given.words.length === 0 ? null : given.words,
      wait: waitOf(given.text('wait')),
    }
    const anew = await resync(options, {
      owned: settings.owned,
      topic: given.text('signal-topic'),
      signal,
      watch: (event) => {
        if (event.kind === 'notice') out.say(`  ${event.text}`)
      },
    })
    out.data(`${out.paint.stdout.mark('ok')} ${saidOf(anew)}`)
    const { ended, tables } = anew
    const hints =
      ended === 'moved' || !anew.known
        ? [{ why: 'the rows are replaced', run: `holdfast run --name ${settings.name}` }]
        : []
    return { ok: true, summary: { tables: tables.length, ended }, result: anew, hints }
  },
}

function saidOf({ ended, known, tables }: Anew): string {
  const names = tables.join(', ')
  if (ended === 'nothing') return 'no table lacks anything'
  if (ended === 'moved') return `the mirror goes on with ${names} at the new snapshot`
  if (known) return `a new snapshot of ${names} stands in the topics, for the mirror that runs`
  return `a snapshot of ${names} stands in the topics: the first copy can begin`
}

function waitOf(text: string | null): number {
  if (text === null) return WAIT
  const wait = milliseconds(text)
  if (wait !== null) return wait
  throw new Fault('HF-C012', { what: `--wait: "${text}" is no time such as 30s or 1h` })
}
