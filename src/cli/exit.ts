import { asFault, type Fault } from '../model/fault.ts'
import type { Outcome } from './outcome.ts'

/**
 * The exit codes: 0 yes, 1 a running mirror halted, 2 usage or configuration, 3 unreachable,
 * authentication or TLS, 4 the answer is no, 5 refused without confirmation, 130 and 143 ended by
 * a signal.
 */
export const EXIT_CODES: readonly (readonly [number, string])[] = [
  [0, 'Yes: it worked, and the answer is yes.'],
  [1, 'A running mirror halted, or something failed while it ran.'],
  [2, 'Usage or configuration: nothing was started.'],
  [3, 'A server cannot be reached or entered: network, authentication, TLS.'],
  [4, 'The answer is no: preflight, verification, another holder of the mirror.'],
  [5, 'Refused, since a confirmation is missing.'],
  [130, 'Ended by SIGINT before it was done.'],
  [143, 'Ended by SIGTERM before it was done.'],
]

/** The one place that decides an exit code. */
export function exitOf(outcome: Outcome): number {
  if (outcome.exit !== undefined) return outcome.exit
  if (outcome.error) return outcome.error.entry.exit
  return outcome.ok ? 0 : 4
}

/** Everything that was thrown, as faults; an AggregateError holds several. */
export function faultsOf(thrown: unknown): readonly Fault[] {
  if (thrown instanceof AggregateError) return thrown.errors.flatMap((inner) => faultsOf(inner))
  return [asFault(thrown)]
}

/** The fault that decides how a command ends: the first that names the worst code. */
export function worst(faults: readonly Fault[]): Fault | null {
  const order = [5, 4, 3, 2, 1]
  const rank = (fault: Fault): number => order.indexOf(fault.entry.exit)
  return faults.reduce<Fault | null>(
    (least, fault) => (least === null || rank(fault) > rank(least) ? fault : least),
    null,
  )
}
