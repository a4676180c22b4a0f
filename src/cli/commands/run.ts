import { startupLines } from '../../config/describe.ts'
import { Fault } from '../../model/fault.ts'
import { describePositions, inShort } from '../../model/position.ts'
import { copiedRows } from '../../observe/follower.ts'
import { runningStatus } from '../../observe/status.ts'
import { type Call, type Command, wholeMirror } from '../command.ts'
import { fittedHeap } from '../heap.ts'
import { nextCommand } from '../next.ts'
import type { Hint, Outcome } from '../outcome.ts'
import { type Ended, type Goal, logOf, runWatched } from '../running.ts'
import { count, plural } from '../words.ts'

export const run: Command = {
  name: 'run',
  graceful: true,
  summary: 'Copy, then follow every change, until stopped.',
  flags: [
    ...wholeMirror,
    { flags: '--until <place>', text: 'end once this is durable: caught-up, or a position (LSN)' },
    {
      flags: '--share',
      text: 'beside other processes started alike, each its share of partitions',
    },
    { flags: '--snapshot-only', text: 'end after the first copy; what the source keeps stays' },
  ],
  examples: [
    'holdfast run --source postgres://app@db1/shop --target postgres://mirror@db2/shop',
    "holdfast run --name crm --include 'crm.*' --exclude crm.secrets",
    'holdfast run --until caught-up',
    'holdfast run --share --source kafka://broker:9092 --target postgres://mirror@db2/shop',
  ],
  notes: [
    'Everything needed to resume is in the target: the same name and URLs go on from any folder.',
    'SIGTERM and SIGINT apply what was read and end with 0; a second one stops at once.',
  ],
  async run(call: Call): Promise<Outcome> {
    const disabled = call.disabled()
    if (disabled !== null) {
      call.out.log(disabled)
      return { ok: true, summary: { enabled: false } }
    }
    using _heap = fittedHeap()
    const goal = goalOf(call)
    const mirrors = call.mirrors()
    const named = mirrors.length === 1
    const chosen = mirrors.filter((mirror) => named || mirror.autostart)
    for (const note of call.config().notes) call.out.say(note)
    for (const settings of chosen) {
      const log = logOf(call, settings.name)
      for (const line of startupLines(settings, call.config())) log.info(line)
    }
    call.signal.addEventListener('abort', () => call.out.say(STOPPING), { once: true })
    const ended = await Promise.all(chosen.map((settings) => runWatched(call, settings, goal)))
    return outcomeOf(call, ended)
  },
}

const STOPPING = 'Stopping: what was read is applied first; a second signal stops at once.'

function goalOf({ given }: Call): Goal {
  const until = given.text('until')
  const snapshotOnly = given.on('snapshot-only')
  const shared = given.on('share')
  if (until !== null && snapshotOnly) {
    throw new Fault('HF-C012', { what: '--until and --snapshot-only cannot both be given' })
  }
  if (until === null) return { snapshotOnly, shared }
  return { until: until === 'caught-up' ? until : { position: until }, snapshotOnly, shared }
}

function outcomeOf(call: Call, ended: readonly Ended[]): Outcome {
  const hints: Hint[] = []
  for (const one of ended) {
    if (one.fault !== null) call.out.faults([one.fault], one.settings.name)
    else call.out.data(endText(call, one))
    hints.push(...hintsOf(call, one))
  }
  for (const { why, run: command } of hints) call.out.say(`  ${why}: ${command}`)
  const failed = ended.find(({ fault }) => fault !== null)
  const result = ended.map(({ follower, outcome }) => ({
    ...runningStatus(follower),
    ended: outcome?.ended ?? null,
  }))
  const summary = Object.fromEntries(
    ended.map((one) => [one.settings.name, one.outcome?.ended ?? one.fault?.code ?? null]),
  )
  if (failed === undefined) return { ok: true, summary, result, hints }
  const halted = failed.claimed ? { exit: 1 as const } : {}
  const mirror = failed.settings.name
  return { ok: false, error: failed.fault, mirror, summary, result, hints, ...halted }
}

function endText({ out }: Call, { settings, outcome, follower }: Ended): string {
  const { progress } = follower
  const { name } = settings
  const positions =
    outcome !== null && outcome.positions.size > 0 ? outcome.positions : progress.durable
  const at = positions.size === 0 ? '' : ` at ${inShort(describePositions(positions))}`
  const figures =
    `${plural(progress.tables.size, 'table')}, ${plural(copiedRows(progress), 'row')} copied, ` +
    `${count(progress.changes)} changes applied`
  const mark = out.paint.stdout.mark('ok')
  switch (outcome?.ended) {
    case 'caught-up':
      return `${mark} ${name} has caught up${at}: ${figures}`
    case 'snapshot':
      return `${mark} ${name} is copied${at}: ${figures}`
    default:
      return `${mark} ${name} stopped${at}: ${figures}`
  }
}

function hintsOf(call: Call, { outcome }: Ended): Hint[] {
  if (outcome?.ended === 'snapshot') {
    return [
      {
        why: 'The source keeps its log for this mirror, and its disk fills, until it goes on',
        run: nextCommand(call, 'run'),
      },
      { why: 'or is given up', run: nextCommand(call, 'destroy') },
    ]
  }
  if (outcome?.ended !== 'caught-up') return []
  return [{ why: 'Prove it', run: nextCommand(call, 'verify') }]
}
