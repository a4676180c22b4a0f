import type { CatchUp } from '../../source.ts'
import type { Lsn } from '../position.ts'

/** The settings of a mirror that was given none. */
export const defaultCatchUp: CatchUp = {
  distance: 32 << 20,
  millis: 5_000,
  memory: 512 << 20,
}

type Whim = 'never' | 'always' | 'random' | null

/** For tests: HOLDFAST_CATCHUP makes the choice instead of the distance, where there is one. */
const given = process.env['HOLDFAST_CATCHUP']
const whim: Whim = given === 'never' || given === 'always' || given === 'random' ? given : null

/** Windows of a tested catch-up are so small that there are many of them. */
const SMALL_WINDOW = 64 << 10
/** Nothing is applied before its end; and so much shows how much comes of how much log. */
const FIRST_WINDOW = 4 << 20
const SMALLEST_WINDOW = 16 << 20
const LARGEST_WINDOW = 1 << 30
/**
 * While windows are decoded the one before is applied, so that none should be larger than is
 * needed; but each also decodes what lies before it, which should not be more than itself.
 */
const STEADY_WINDOW = 64 << 20
/** So much is left to the stream at the end. */
const STREAMED = 4 << 20
/** A window may be so many times as large as the one before. */
const GROWTH = 16
/** The same after one in which nothing committed: what began there is decoded again by each. */
const GROWTH_EMPTY = 64
/** What a result's row takes beside the message, bytes. */
const ROW_OVERHEAD = 80

export function firstWindow(): number {
  return whim === null ? FIRST_WINDOW : SMALL_WINDOW
}

/** True when a mirror that is about to stream is so far behind that it should catch up first. */
export function isFar(settings: CatchUp, distance: Lsn): boolean {
  if (whim === 'never' || settings.distance === null || distance <= 0n) return false
  if (whim === 'always') return true
  if (whim === 'random') return Math.random() < 0.7
  return distance >= BigInt(settings.distance)
}

/** True when so little is left that streaming it is quicker than to begin another window. */
export function isNear(settings: CatchUp, distance: Lsn): boolean {
  // A window of nothing would be followed by another one.
  if (distance <= 0n || (whim === 'random' && Math.random() < 0.3)) return true
  if (whim !== null) return false
  return distance < BigInt(Math.min(Math.floor((settings.distance ?? 0) / 2), STREAMED))
}

/** Milliseconds for which a target that makes nothing durable is waited for. */
export function patience(): number {
  return whim === null ? 30_000 : 200
}

/** True when a running stream is to be left, `bytesPerMilli` being how fast it goes. */
export function isTooSlow(
  settings: CatchUp,
  { distance, bytesPerMilli }: { readonly distance: Lsn; readonly bytesPerMilli: number },
): boolean {
  if (whim !== null || !isFar(settings, distance)) return false
  return Number(distance) / Math.max(bytesPerMilli, 1) >= settings.millis
}

/** For tests: true when a stream is to be left after this burst for no reason. */
export function isWhim(settings: CatchUp): boolean {
  return whim === 'random' && settings.distance !== null && Math.random() < 0.05
}

/**
 * How much log the next window is to span, so that its result fits the memory for results: what
 * does not is written to a temporary file at the source.
 */
export function nextWindow(
  span: number,
  is: {
    /** The window that was read: log, messages and their bytes. */
    readonly log: number
    readonly messages: number
    readonly bytes: number
    readonly memory: number
    /** Log that was decoded before its start. */
    readonly before: number
  },
): number {
  if (whim !== null) return SMALL_WINDOW * (1 + Math.floor(Math.random() * 20))
  const density = (is.bytes + ROW_OVERHEAD * is.messages) / Math.max(is.log, 1)
  const fitting = density === 0 ? LARGEST_WINDOW : is.memory / density
  const growth = is.messages === 0 ? GROWTH_EMPTY : GROWTH
  const steady = is.messages === 0 ? LARGEST_WINDOW : Math.max(STEADY_WINDOW, is.before + is.log)
  return Math.min(Math.max(fitting, SMALLEST_WINDOW), span * growth, steady)
}

/**
 * True when moving a slot to `durable` saves work, although that decodes its log, too: only where
 * decoding then begins much further on. `reached` is where it began for the newest window.
 */
export function isWorthMoving(slot: {
  readonly restart: Lsn
  readonly reached: Lsn
  readonly durable: Lsn
}): boolean {
  const { restart, reached, durable } = slot
  return whim !== null || (reached - restart) * 2n > durable - restart
}
