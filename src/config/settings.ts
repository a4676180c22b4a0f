import type { MirrorLimits } from '../mirror/options.ts'
import type { Endpoint, Secret } from '../model/endpoint.ts'
import type { CatchUp, Selection } from '../source/source.ts'
import type { Shape } from '../target/target.ts'

export type OnExisting = 'refuse' | 'merge' | 'replace'

/** A worker and the connectors there that belong to a mirror. */
export interface Owned {
  /** Its address, with user and password where it asks for them. */
  readonly worker: Secret
  readonly connectors: readonly string[]
  /** How often one that has failed is started again; null for as often as is usual. */
  readonly attempts: number | null
}

/** All that a mirror needs, complete and checked; what the engine is opened with. */
export interface MirrorSettings {
  readonly name: string
  /** False for one that is configured but not to be started with the others. */
  readonly autostart: boolean
  readonly source: Endpoint
  readonly target: Endpoint
  /** The database that fills the source, where that is another one. */
  readonly database: Endpoint | null
  /** What is started and stopped with the mirror. */
  readonly owned: Owned | null
  readonly selection: Selection
  readonly onExisting: OnExisting
  readonly shape: Shape
  /** As `Renames` takes them. */
  readonly rename: readonly string[]
  /** Tables of the target have columns for metadata. */
  readonly metadata: boolean
  readonly copyWorkers: number
  readonly catchUp: CatchUp
  readonly limits: MirrorLimits
  /** How long to go on trying to open an end that cannot be reached; milliseconds. */
  readonly await: { readonly source: number; readonly target: number }
}

/** What a look at the source alone needs. */
export type SourceSettings = Pick<MirrorSettings, 'name' | 'source' | 'selection'>

/** What the name of a mirror looks like; it becomes part of identifiers at the source. */
export const MIRROR_NAME = /^[a-z][a-z0-9_]{0,39}$/
