/**
 * Milliseconds before attempt number `attempt` (from 1): 0.5 s doubling to `most`, with up to 20 %
 * taken off at random so that many mirrors do not knock at the same moment.
 */
export function backoff(attempt: number, most = 30_000): number {
  const full = Math.min(most, 500 * 2 ** Math.min(attempt - 1, 16))
  return Math.round(full * (1 - 0.2 * Math.random()))
}
