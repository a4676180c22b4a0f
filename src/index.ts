/** Mirrors as a library: what the command line is made of. */
export { parseUrl } from './config/url.ts'
export {
  checkMirror,
  destroyMirror,
  discoverMirror,
  storedMirror,
} from './mirror/operations.ts'
export {
  defaultLimits,
  type MirrorLimits,
  type MirrorOptions,
  type MirrorOutcome,
  type Watch,
} from './mirror/options.ts'
export {
  type Lag,
  lagOf,
  type MirrorEvent,
  type Progress,
  reduce,
  startProgress,
  type TableProgress,
} from './mirror/progress.ts'
export { verifyMirror } from './mirror/verify.ts'
export type { Checkpoint } from './model/checkpoint.ts'
export { type Endpoint, Secret, type TlsMode } from './model/endpoint.ts'
export { asFault, Fault, type FaultCode, type Finding, type Todo } from './model/fault.ts'
export type { Phase } from './model/phase.ts'
export { describePositions, type Position, type Positions } from './model/position.ts'
export type { Selection } from './source/source.ts'
export { runMirror } from './supervise/keep.ts'
export type { Verification } from './verify/report.ts'
