import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { within } from '../src/async/clock.ts'

/** How a process ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Written to the process before its input ends. */
  readonly input?: string
}

/** A process with its lines of output; killed when it is disposed. */
export interface Child extends AsyncDisposable {
  readonly pid: number
  /** All lines so far, of both outputs in the order of arrival. */
  readonly lines: readonly string[]
  readonly stdout: readonly string[]
  readonly stderr: readonly string[]
  /** The first line, past or future, that matches; fails when the process ends without one. */
  line(pattern: RegExp, options?: { readonly within?: number }): Promise<string>
  /** The end of the process and of its output. */
  readonly ended: Promise<Ended>
  /** Waits for the end; kills the process and fails when it takes longer. */
  end(options?: { readonly within?: number }): Promise<Ended>
  /** Sends a signal, SIGKILL when none is named, and waits for the end. */
  kill(signal?: NodeJS.Signals): Promise<Ended>
  /** Sends a signal and goes on. */
  signal(signal: NodeJS.Signals): void
}

export const launcher = fileURLToPath(new URL('../bin/holdfast.js', import.meta.url))

const patience = 60_000

/** Starts `holdfast` with these arguments under this process's Node; that of the checkout, or `program`. */
export function holdfast(
  args: readonly string[],
  options: ChildOptions & { readonly program?: string } = {},
): Child {
  // The launcher ends when this end of its fourth pipe closes, so a killed test run ends it too.
  const env = { ...options.env, HOLDFAST_LEASH: '3' }
  return startChild(process.execPath, [options.program ?? launcher, ...args], { ...options, env })
}

/** Lines with whoever waits for one. */
class Output {
  readonly all: string[] = []
  readonly out: string[] = []
  readonly err: string[] = []
  readonly #waiting = new Set<(line: string) => void>()

  take(line: string, into: string[]): void {
    this.all.push(line)
    into.push(line)
    for (const look of this.#waiting) look(line)
  }

  next(pattern: RegExp, found: (line: string) => void): () => void {
    const past = this.all.find((line) => pattern.test(line))
    if (past !== undefined) found(past)
    const look = (line: string): void => {
      if (pattern.test(line)) found(line)
    }
    this.#waiting.add(look)
    return () => this.#waiting.delete(look)
  }

  tail(): string {
    return this.all.slice(-40).join('\n')
  }
}

function collect(child: ChildProcess, output: Output): void {
  for (const [stream, into] of [
    [child.stdout, output.out],
    [child.stderr, output.err],
  ] as const) {
    if (stream !== null)
      createInterface({ input: stream }).on('line', (line) => output.take(line, into))
  }
}

/** Starts any program; the environment is this one's without what steers tests, plus `env`. */
export function startChild(
  program: string,
  args: readonly string[],
  options: ChildOptions = {},
): Child {
  // NODE_TEST_CONTEXT would make a Node child report as a test file.
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    env: { ...inherited, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  child.stdin?.on('error', () => {})
  child.stdin?.end(options.input ?? '')
  child.stdio[3]?.on('error', () => {})
  const output = new Output()
  collect(child, output)
  const ended: Promise<Ended> = once(child, 'close').then(([code, signal]) => ({ code, signal }))
  ended.catch(() => {})
  const fail = (what: string): Error =>
    new Error(`${what}; its output ends with:\n${output.tail()}`)
  const kill = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<Ended> => {
    child.kill(signal)
    return await ended
  }
  return {
    pid: child.pid ?? 0,
    lines: output.all,
    stdout: output.out,
    stderr: output.err,
    ended,
    kill,
    signal: (signal) => {
      child.kill(signal)
    },
    async line(pattern, wait = {}) {
      const found = Promise.withResolvers<string>()
      const forget = output.next(pattern, found.resolve)
      const over = ended.then(() => {
        throw fail(`The process ended without a line like ${pattern}`)
      })
      try {
        return await within(wait.within ?? patience, Promise.race([found.promise, over]), () => {
          throw fail(`No line like ${pattern} came in time`)
        })
      } finally {
        forget()
        over.catch(() => {})
      }
    },
    async end(wait = {}) {
      const late = Symbol('late')
      const how = await within(wait.within ?? patience, ended, () => late)
      if (typeof how !== 'symbol') return how
      await kill()
      throw fail('The process did not end in time')
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) await kill()
    },
  }
}
