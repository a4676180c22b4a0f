import type { Lane, Positions } from './position.ts'

/**
 * What a source's stream ends with when it cannot go on as it was begun. Nothing has failed: what
 * came before it is whole, and another stream goes on from there.
 */
export class Gathering extends Error {
  override readonly name = 'Gathering'
  /** What comes next is about all of these: one process has to follow them together. */
  readonly lanes: readonly Lane[]
  /** Once these are durable, the lanes may be followed by several again. */
  readonly until: Positions
  /**
   * Places of lanes that were followed past what comes next, as far back as has to be read again.
   * Empty as long as not all lanes are followed.
   */
  readonly back: Positions

  constructor(gathered: {
    readonly lanes: readonly Lane[]
    readonly until: Positions
    readonly back: Positions
  }) {
    super('lanes have to be followed together')
    this.lanes = gathered.lanes
    this.until = gathered.until
    this.back = gathered.back
  }
}
