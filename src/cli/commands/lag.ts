import { type LaneLag, laneLags } from '../../mirror/lanes.ts'
import { Fault } from '../../model/fault.ts'
import { type Call, type Command, wholeMirror } from '../command.ts'
import { columns } from '../grid.ts'
import type { Outcome } from '../outcome.ts'
import { count } from '../words.ts'

export const lag: Command = {
  name: 'lag',
  summary: 'How far the target is behind the source, by what both say now.',
  flags: [
    ...wholeMirror,
    { flags: '--by <what>', text: 'each partition for itself', choices: ['partition'] },
    { flags: '--max <n>', text: 'end with 4 when more is to be read' },
  ],
  examples: ['holdfast lag --name crm', 'holdfast lag --by partition --max 10000'],
  notes: [
    'Counted in the units of the source: records of a topic, bytes of a log. The source is asked for ' +
      'its end and the target for its checkpoint, so that a mirror that has stopped shows, too.',
  ],
  async run(call: Call): Promise<Outcome> {
    const { out, given } = call
    const most = maxOf(given.text('max'))
    const lanes = await laneLags(await call.mirror())
    const behind = lanes.reduce((sum, lane) => sum + lane.behind, 0n)
    const lost = lanes.reduce((sum, lane) => sum + lane.lost, 0n)
    if (given.text('by') === 'partition') out.data(gridOf(lanes))
    const gone =
      lost === 0n ? '' : `; ${count(lost)} were removed at the source before they were read`
    out.data(`behind by ${count(behind)}${gone}`)
    const ok = lost === 0n && (most === null || behind <= most)
    const summary = { behind: behind.toString(), lost: lost.toString() }
    return { ok, summary, result: lanes.map(laneData) }
  },
}

function maxOf(text: string | null): bigint | null {
  if (text === null) return null
  if (/^\d{1,18}$/.test(text)) return BigInt(text)
  throw new Fault('HF-C012', { what: `--max: "${text}" is not a whole number` })
}

function gridOf(lanes: readonly LaneLag[]): string {
  return columns([
    ['PARTITION', 'APPLIED', 'END', 'BEHIND', 'LOST'],
    ...lanes.map(({ lane, applied, head, behind, lost }) => [
      lane,
      applied === null ? '-' : String(applied),
      String(head),
      count(behind),
      count(lost),
    ]),
  ])
}

/** Offsets do not fit a number of JSON. */
function laneData({ lane, applied, head, behind, lost }: LaneLag): Record<string, unknown> {
  const text = (value: bigint | null): string | null => value?.toString() ?? null
  return {
    partition: lane,
    applied: text(applied),
    end: text(head),
    behind: text(behind),
    lost: text(lost),
  }
}
