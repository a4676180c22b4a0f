import type { Writable } from 'node:stream'
import type { Fault, Finding } from '../model/fault.ts'
import { faultData, faultLines, findingLines, shortFault, type Typed } from './format.ts'
import type { Outcome } from './outcome.ts'
import type { Paint } from './paint.ts'

export interface OutputOptions {
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: boolean
  readonly stdout: Writable
  readonly stderr: Writable & { readonly columns?: number }
  readonly paint: { readonly stdout: Paint; readonly stderr: Paint }
  /** How the call names its mirror. */
  readonly typed?: Typed
}

/** Where a command writes: data to stdout, all else to stderr. */
export class Output {
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: boolean
  readonly paint: { readonly stdout: Paint; readonly stderr: Paint }
  readonly #stdout: Writable
  readonly #stderr: OutputOptions['stderr']
  /** How the mirror was called, for commands that are to be typed. */
  readonly typed: Typed
  /** What each key is at, in the order of their beginning. */
  readonly #present = new Map<string, string>()
  /** A line stands on the terminal that is to be written over. */
  #live = false

  constructor(options: OutputOptions) {
    this.json = options.json
    this.quiet = options.quiet
    this.verbose = options.verbose
    this.paint = options.paint
    this.#stdout = options.stdout
    this.#stderr = options.stderr
    this.typed = options.typed ?? {}
  }

  /** The answer itself; not with --json, where the envelope holds it. */
  data(text: string): void {
    if (this.json) return
    this.#clear()
    this.#stdout.write(`${text}\n`)
  }

  /** One line of JSON of a stream; only with --json. */
  record(value: Readonly<Record<string, unknown>>): void {
    if (this.json) this.#stdout.write(`${toJson(value)}\n`)
  }

  /** Text as it is on stdout, whatever the mode: a schema, a script. */
  raw(text: string): void {
    this.#clear()
    this.#stdout.write(text.endsWith('\n') ? text : `${text}\n`)
  }

  /** Talk for whoever watches; not with --quiet or --json. */
  say(text: string): void {
    if (this.quiet || this.json) return
    this.#clear()
    this.#stderr.write(`${text}\n`)
  }

  /**
   * What `key` is at, on the one line of a terminal that is written over and over; null takes it
   * off the line.
   */
  live(key: string, text: string | null): void {
    if (this.quiet || this.json) return
    if (text === null) this.#present.delete(key)
    else this.#present.set(key, text)
    const line = [...this.#present.values()].join('   ').slice(0, this.#width() - 1)
    this.#stderr.write(`\r\u001b[2K${line}`)
    this.#live = line !== ''
  }

  /** A line of a log; also with --json and --quiet. */
  log(line: string): void {
    this.#clear()
    this.#stderr.write(`${line}\n`)
  }

  finding(finding: Finding): void {
    this.data(findingLines(finding, this.paint.stdout, this.typed))
  }

  /** Faults that a command ends with; one in full, several in short. */
  faults(faults: readonly Fault[], mirror?: string): void {
    if (this.json) return
    this.#clear()
    const paint = this.paint.stderr
    const [only] = faults
    const typed = this.#typedFor(mirror)
    const text =
      only !== undefined && faults.length === 1
        ? faultLines(only, paint, { ...typed, verbose: this.verbose })
        : faults.map((fault) => shortFault(fault, paint, typed)).join('\n')
    this.#stderr.write(`${text}\n`)
  }

  /** The closing envelope of `--json`. */
  envelope(command: string, outcome: Outcome): void {
    if (!this.json) return
    const { ok, summary = {}, result = null, error = null, hints = [], mirror } = outcome
    const envelope = { schema: 'holdfast.cli/1', command, ok, summary, result }
    const closing = {
      error: error === null ? null : faultData(error, this.#typedFor(mirror)),
      hints,
    }
    this.#stdout.write(`${toJson({ ...envelope, ...closing })}\n`)
  }

  #typedFor(mirror: string | undefined): Typed {
    return mirror === undefined ? this.typed : { ...this.typed, mirror }
  }

  /** A line that wraps could not be written over. */
  #width(): number {
    return this.#stderr.columns ?? 120
  }

  #clear(): void {
    if (this.#live) this.#stderr.write('\r\u001b[2K')
    this.#live = false
  }
}

/** JSON in which whole numbers of any size and maps have a form. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === 'bigint') return inner.toString()
    return inner instanceof Map ? Object.fromEntries(inner) : inner
  })
}
