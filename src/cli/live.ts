import { wallMicros } from '../async/clock.ts'
import { lagOf, type Progress } from '../mirror/progress.ts'
import { copiedRows, expectedRows, type Follower } from '../observe/follower.ts'
import { count, plural, short, size, span } from './words.ts'

/** What a mirror does, in one line; the reason when nothing moves. */
export function progressLine(follower: Follower): string {
  const { progress } = follower
  const text = phaseText(follower)
  return `[${progress.mirror}] ${text}`
}

function phaseText(follower: Follower): string {
  const { progress } = follower
  const rates = follower.rates()
  switch (progress.phase) {
    case 'configured':
    case 'preparing':
      return 'Preparing: opening both ends and looking at what is there'
    case 'snapshotting':
      return copyText(progress, rates.copiedRows)
    case 'catching-up':
    case 'streaming':
      return streamText(progress, rates.changes)
    case 'waiting':
      return `Waiting: ${progress.reason ?? 'no reason was given'}`
    case 'halted':
      return `Halted: ${progress.reason ?? 'no reason was given'}`
    case 'stopped':
      return 'Stopped'
  }
}

function copyText(progress: Progress, rate: number): string {
  const rows = copiedRows(progress)
  const expected = expectedRows(progress)
  const all = [...progress.tables.values()]
  const done = all.filter((table) => table.copied).length
  const share = expected === 0 ? '' : ` ${((100 * rows) / expected).toFixed(1)}%`
  const parts = [`Copy ${short(rows)}/~${short(expected)} rows${share}`]
  parts.push(`${done}/${plural(all.length, 'table')}`)
  if (rate > 0) {
    parts.push(`${short(rate)} rows/s`)
    // The first rows come from the smallest tables, whose pace says nothing of the rest.
    if (expected > rows && rows >= expected / 100) {
      parts.push(`ETA ${span((expected - rows) / rate)}`)
    }
  } else parts.push(rows === 0 ? 'waiting for the first rows' : 'the last rows, then the keys')
  return parts.join('; ')
}

function streamText(progress: Progress, rate: number): string {
  const lag = lagOf(progress, wallMicros())
  const behind = lag === null ? 'lag not known yet' : lagText(lag.bytes, lag.seconds)
  const head = progress.phase === 'streaming' ? 'Streaming' : 'Catching up'
  const parts = [
    `${head}; applied ${count(progress.changes)} changes in ${plural(progress.transactions, 'transaction')}`,
  ]
  if (rate > 0) parts.push(`${short(rate)} changes/s`)
  else parts.push('no changes at the source')
  parts.push(behind)
  return parts.join('; ')
}

export function lagText(bytes: bigint, seconds: number): string {
  return bytes === 0n ? 'lag 0 s' : `lag ${span(seconds)} (${size(bytes)})`
}
