/** Where a mirror is. */
export type Phase =
  | 'configured'
  | 'preparing'
  | 'snapshotting'
  | 'catching-up'
  | 'streaming'
  | 'waiting'
  | 'halted'
  | 'stopped'
