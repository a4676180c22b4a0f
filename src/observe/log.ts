import { isoTime, wallMicros } from '../async/clock.ts'

export type Level = 'debug' | 'info' | 'warn' | 'error'

const ORDER: readonly Level[] = ['debug', 'info', 'warn', 'error']

/** Facts beside the sentence; never a value of a row, never a password. */
export type Facts = Readonly<Record<string, string | number | null>>

export interface LogOptions {
  readonly least: Level
  readonly format: 'pretty' | 'json'
  /** Takes one line without its end. */
  readonly write: (line: string) => void
}

/** Tells what happens, one line at a time, each with its mirror's name in front. */
export class Log {
  readonly #options: LogOptions
  readonly #prefix: string

  constructor(prefix: string, options: LogOptions) {
    this.#prefix = prefix
    this.#options = options
  }

  debug(text: string, facts: Facts = {}): void {
    this.#tell('debug', text, facts)
  }
  info(text: string, facts: Facts = {}): void {
    this.#tell('info', text, facts)
  }
  warn(text: string, facts: Facts = {}): void {
    this.#tell('warn', text, facts)
  }
  error(text: string, facts: Facts = {}): void {
    this.#tell('error', text, facts)
  }

  #tell(level: Level, text: string, facts: Facts): void {
    const { least, format, write } = this.#options
    if (ORDER.indexOf(level) < ORDER.indexOf(least)) return
    if (format === 'json') {
      const time = isoTime(wallMicros())
      write(JSON.stringify({ time, level, mirror: this.#prefix, text, ...facts }))
      return
    }
    const mark = level === 'info' || level === 'debug' ? '' : `${level}: `
    write(`[${this.#prefix}] ${mark}${text.replaceAll('\n', ' ')}`)
  }
}
