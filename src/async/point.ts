/**
 * Named points of the code at which a test can end the process. Off unless HOLDFAST_KILL_AT names
 * one (`name` or `name:n` for the n-th time): then the process gets SIGKILL there.
 */
const wanted = /^(?<name>[a-z-]+)(?::(?<nth>\d+))?$/.exec(
  process.env['HOLDFAST_KILL_AT'] ?? '',
)?.groups
let left = Number(wanted?.['nth'] ?? 1)

/** In the order of a mirror's life, whatever its source. */
export const points = [
  'claimed',
  'target-prepared',
  'publication-made',
  'slot-made',
  'copy-begun',
  'chunk-copied',
  'table-copied',
  'copy-finished',
  'stream-opened',
  'windows-opened',
  'window-read',
  'slot-advanced',
  'batch-begun',
  'batch-sent',
  'batch-applied',
  'acknowledged',
] as const

/** While tables of topics are told anew. */
type Retelling = 'tables-asked' | 'tables-told' | 'lanes-moved'

/** Where rows are written that wait for those before them. */
type Ahead = 'written-ahead'

export type Point = (typeof points)[number] | Retelling | Ahead

/** Marks a point that the process may be killed at. */
export function point(name: Point): void {
  if (wanted !== undefined && wanted['name'] === name && --left === 0)
    process.kill(process.pid, 'SIGKILL')
}
