import { monotonic } from '../async/clock.ts'
import { Fault } from '../model/fault.ts'

/**
 * Milliseconds in which two SIGINT are one: a terminal sends Ctrl-C to the whole group, and a
 * launcher such as npx hands its own on.
 */
const ONE_PRESS = 300

/** The signals by which a person stops a command. */
export interface Stopper extends Disposable {
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal
  /** 130 or 143, by the signal that came. */
  exitCode(): number
}

/**
 * Turns the first SIGINT or SIGTERM into an abort; at the second one the process ends at once,
 * after `hurried` was told. Without `graceful` the first one is the second.
 */
export function stopper(graceful: boolean, hurried: (fault: Fault) => void): Stopper {
  const stop = new AbortController()
  let code = 130
  let began = 0
  const onSignal = (name: NodeJS.Signals): void => {
    if (stop.signal.aborted) {
      if (name === 'SIGINT' && code === 130 && monotonic() - began < ONE_PRESS) return
      const fault = new Fault('HF-X002', {
        what: `a second ${name} came before the first was done`,
      })
      hurried(fault)
      process.exit(fault.entry.exit)
    }
    code = name === 'SIGTERM' ? 143 : 130
    began = monotonic()
    if (!graceful) process.exit(code)
    stop.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return {
    signal: stop.signal,
    exitCode: () => code,
    [Symbol.dispose]() {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
    },
  }
}
