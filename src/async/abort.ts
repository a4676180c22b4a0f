/** Settles like `work`, or rejects with the signal's reason as soon as it aborts. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // The work goes on when the signal wins, and then nobody is left to hear that it failed.
  work.catch(() => undefined)
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** A signal that aborts when any of these does; an error as reason is kept. */
export function anyOf(...signals: readonly AbortSignal[]): AbortSignal {
  return AbortSignal.any([...signals])
}
