import { MIX } from './load.ts'

/** What happens in the demo, in the order of a first look. */
export type DemoEvent =
  | {
      readonly kind: 'server'
      readonly side: 'source' | 'target'
      /** What the server is called. */
      readonly name: string
      readonly version: string
      readonly port: number
      readonly seconds: number
    }
  | {
      readonly kind: 'shop'
      readonly tables: number
      readonly rows: number
      readonly seconds: number
    }
  | { readonly kind: 'load'; readonly rate: number }
  | { readonly kind: 'mirror'; readonly pid: number; readonly again: boolean }
  | { readonly kind: 'copied'; readonly tables: number; readonly rows: number }
  | { readonly kind: 'streaming'; readonly again: boolean; readonly seconds: number }
  | {
      readonly kind: 'status'
      readonly seconds: number
      /** Rows that the shop has written, and row changes that the mirror has applied. */
      readonly written: number
      readonly applied: number
      readonly lagSeconds: number | null
      readonly phase: string
    }
  | {
      readonly kind: 'verify'
      readonly equal: boolean
      readonly tables: number
      readonly rows: number
      readonly differences: number
      readonly seconds: number
      readonly afterKill: boolean
      /** False once the shop has closed. */
      readonly underLoad: boolean
    }
  | { readonly kind: 'kill'; readonly pid: number }
  /** One of the ways in which pipelines fail. */
  | { readonly kind: 'failure'; readonly name: string; readonly text: string }
  | { readonly kind: 'note'; readonly text: string }

export type Say = (event: DemoEvent) => void

const number = (value: number): string => value.toLocaleString('en-US')
const time = (seconds: number): string => `${seconds.toFixed(1)} s`
const clock = (seconds: number): string => {
  const whole = Math.floor(seconds)
  const pad = (n: number): string => String(n).padStart(2, '0')
  return `${pad(Math.floor(whole / 60))}:${pad(whole % 60)}`
}
const named = (name: string, text: string): string => `  ${name.padEnd(8)}${text}`

/** One line for people. */
export function lineOf(event: DemoEvent): string {
  switch (event.kind) {
    case 'server': {
      const where = `${event.name} ${event.version}  127.0.0.1:${event.port}`
      return named(event.side, `${where}  ready in ${time(event.seconds)}`)
    }
    case 'shop':
      return named(
        'shop',
        `${event.tables} tables, ${number(event.rows)} rows, made in ${time(event.seconds)}`,
      )
    case 'load':
      return named('load', `${number(event.rate)} rows/s: ${shares()}, in small transactions`)
    case 'mirror': {
      const what = event.again ? 'started again; it resumes from the target' : 'holdfast run'
      return named('mirror', `${what} (process ${event.pid})`)
    }
    case 'copied':
      return named(
        'copy',
        `${event.tables} tables, ${number(event.rows)} rows, with all that was written until then`,
      )
    case 'streaming': {
      const what = event.again ? 'streaming again' : 'streaming'
      return named('stream', `${what}, ${time(event.seconds)} after the start of the process`)
    }
    case 'status':
      return statusLine(event)
    case 'verify':
      return verifyLine(event)
    case 'kill':
      return named('SIGKILL', `sent to mirror process ${event.pid}; the shop goes on writing`)
    case 'failure':
      return `\n  ${event.name.padEnd(12)}${event.text}`
    case 'note':
      return named('', event.text)
  }
}

function shares(): string {
  const percent = (share: number): string => `${Math.round(share * 100)} %`
  const { inserts, updates, deletes } = MIX
  return `insert ${percent(inserts)} update ${percent(updates)} delete ${percent(deletes)}`
}

function statusLine(event: Extract<DemoEvent, { kind: 'status' }>): string {
  const lag = event.lagSeconds === null ? '' : `  lag ${event.lagSeconds.toFixed(2)} s`
  const counts = `written ${number(event.written)}  applied ${number(event.applied)}`
  const phase = event.phase === 'streaming' ? '' : `  ${event.phase}`
  return named(clock(event.seconds), `${counts}${lag}${phase}`)
}

function verifyLine(event: Extract<DemoEvent, { kind: 'verify' }>): string {
  const scope = `${number(event.rows)} rows of ${event.tables} tables`
  const load = event.underLoad ? ', while the shop writes' : ''
  const took = `compared at one commit in ${time(event.seconds)}${load}`
  if (!event.equal) return `  verify FAIL  ${event.differences} of ${scope} differ (${took})`
  const lost = event.afterKill ? '; nothing was lost' : ''
  return `  verify PASS  ${scope} are equal${lost} (${took})`
}
