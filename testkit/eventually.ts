import { monotonic, sleep } from '../src/async/clock.ts'

/**
 * Asks again and again until the answer is neither false, null nor undefined and nothing is
 * thrown, and gives it back. After `within` milliseconds it fails with `what` and the last answer.
 */
export async function eventually<T>(
  what: string,
  ask: () => T | Promise<T>,
  options: { readonly within?: number; readonly every?: number } = {},
): Promise<Exclude<T, false | null | undefined>> {
  const wait = options.within ?? 20_000
  const until = monotonic() + wait
  for (;;) {
    const last = await answer(ask)
    if (last.ok) return last.value
    if (monotonic() >= until)
      throw new Error(`Not within ${wait} ms: ${what} (last: ${last.said})`, { cause: last.cause })
    await sleep(options.every ?? 20)
  }
}

type Answer<T> =
  | { readonly ok: true; readonly value: Exclude<T, false | null | undefined> }
  | { readonly ok: false; readonly said: string; readonly cause?: unknown }

async function answer<T>(ask: () => T | Promise<T>): Promise<Answer<T>> {
  try {
    const value = await ask()
    if (value === false || value === null || value === undefined)
      return { ok: false, said: String(value) }
    return { ok: true, value: value as Exclude<T, false | null | undefined> }
  } catch (error) {
    return { ok: false, said: error instanceof Error ? error.message : String(error), cause: error }
  }
}
