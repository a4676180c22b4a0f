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

/** `orAborted` for work that comes again and again: the signal is listened to once. */
export class UntilAborted implements Disposable {
  readonly #signal: AbortSignal
  readonly #waiting = new Set<(reason: unknown) => void>()

  constructor(signal: AbortSignal) {
    this.#signal = signal
    signal.addEventListener('abort', this.#abort, { once: true })
  }

  readonly #abort = (): void => {
    for (const reject of this.#waiting) reject(this.#signal.reason)
    this.#waiting.clear()
  }

  wait<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#signal.aborted) {
        work.catch(() => undefined)
        reject(this.#signal.reason)
        return
      }
      this.#waiting.add(reject)
      const settled = (): void => void this.#waiting.delete(reject)
      work.then(
        (value) => {
          settled()
          resolve(value)
        },
        (error: unknown) => {
          settled()
          reject(error)
        },
      )
    })
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener('abort', this.#abort)
  }
}

/** A signal that aborts when any of these does; an error as reason is kept. */
export function anyOf(...signals: readonly AbortSignal[]): AbortSignal {
  return AbortSignal.any([...signals])
}

/** Resolves when the signal aborts. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) =>
    signal.addEventListener('abort', () => resolve(), { once: true }),
  )
}
