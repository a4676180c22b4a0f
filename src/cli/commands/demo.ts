import { milliseconds } from '../../config/units.ts'
import { type DemoEvent, lineOf } from '../../demo/lines.ts'
import { playDemo, refuseUnequal } from '../../demo/play.ts'
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
    { flags: '--for <duration>', text: 'end after this long; without it until Ctrl-C' },
    { flags: '--rate <rows>', text: `rows that the shop writes, like ${RATE}` },
    { flags: '--no-open', text: 'open no browser' },
  ],
  examples: ['holdfast demo', 'holdfast demo --for 30s --rate 1000/s'],
  notes: [
    'Two PostgreSQL servers are started on the loopback, with their data in a temporary folder.',
    'When the demo ends, however it ends, servers and folder are gone.',
  ],
  async run(call: Call): Promise<Outcome> {
    const lasting = lastingOf(call)
    const rate = rateOf(call)
    call.out.data('Holdfast demo: two PostgreSQL servers, a busy shop, and a mirror between them')
    let copied: number | null = null
    const say = (event: DemoEvent): void => {
      if (event.kind === 'copied') copied = event.rows
      call.out.record({ schema: 'holdfast.demo/1', event: event.kind, ...event })
      call.out.data(lineOf(event))
    }
    try {
      const verdict = await playDemo({ lasting, rate, say }, call.signal)
      call.out.data('  Stopped. Servers, processes and files of the demo are gone.')
      if (lasting !== null || verdict?.equal === false) refuseUnequal(verdict)
      return { ok: true, summary: { copied, verdict }, hints: NEXT }
    } catch (thrown) {
      if (call.signal.aborted) throw thrown
      throw thrown instanceof Fault ? thrown : failed(thrown)
    }
  },
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
