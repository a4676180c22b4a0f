import type { Duplex } from 'node:stream'

const CHUNK = 64 * 1024
const PARSE = 0x50
const BIND = 0x42
const EXECUTE = 0x45
const CLOSE = 0x43
const SYNC = 0x53
const COPY_DATA = 0x64
const COPY_DONE = 0x63
const COPY_FAIL = 0x66

/** Buffers that the connection has taken everything from, to be filled again. */
const spare: Buffer[] = []
const MOST_SPARE = 8

function fresh(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(CHUNK)
}

/** A value of a parameter: null, or text. */
export type Param = string | null

/**
 * Writes messages of the extended protocol into few buffers
 * (https://www.postgresql.org/docs/current/protocol-message-formats.html). Whoever writes much
 * awaits `room()` in between, which waits while the server does not take what was written.
 */
export class Pipe {
  readonly #stream: Duplex
  readonly #waits: () => Disposable | null
  /** None while nothing is gathered, so that what a pipe ends with is there for the next. */
  #buffer: Buffer | null = null
  #at = 0
  #stopped = Promise.withResolvers<void>()
  #isStopped = false
  #full = false
  #copying = false
  /** Labels with the first Execute that each is for; `kept` are those with a wanted outcome. */
  readonly #labels: { readonly from: number; readonly label: unknown }[] = []
  #executes = 0
  readonly #kept = new Set<number>()
  synced = false

  /** `waits` is told, until disposed of, that the connection takes no more. */
  constructor(stream: Duplex, waits: () => Disposable | null = () => null) {
    this.#stream = stream
    this.#waits = waits
  }

  /** True when an answer says that nothing more needs to be written. */
  get stopped(): boolean {
    return this.#isStopped
  }
  stop(): void {
    this.#isStopped = true
    this.#stopped.resolve()
  }
  labelOf(execute: number): unknown {
    return this.#labels.findLast(({ from }) => from <= execute)?.label
  }
  keeps(execute: number): boolean {
    return this.#kept.has(execute)
  }

  /** Resolves when the connection takes more, or when nothing more is to be written. */
  async room(): Promise<void> {
    if (!this.#full || this.#isStopped) return
    using _room = this.#waits()
    const drained = Promise.withResolvers<void>()
    const done = (): void => drained.resolve()
    this.#stream.once('drain', done).once('close', done)
    try {
      if (this.#stream.writableNeedDrain)
        await Promise.race([drained.promise, this.#stopped.promise])
    } finally {
      this.#stream.off('drain', done).off('close', done)
    }
    this.#full = false
  }
  /** True when `room()` would wait; so that a loop over rows need not await each time. */
  get full(): boolean {
    return this.#full
  }

  /** The buffer to write at most `bytes` into, from `at` on; ends with one of the `close`. */
  reserve(bytes: number): Buffer {
    if (this.left < bytes) this.pass()
    if (this.#buffer === null || this.#buffer.length < bytes) {
      this.#buffer = bytes > CHUNK ? Buffer.allocUnsafeSlow(bytes) : fresh()
    }
    return this.#buffer
  }
  get at(): number {
    return this.#at
  }
  /** Bytes that can be reserved before what was gathered is handed over. */
  get left(): number {
    return this.#buffer === null ? CHUNK : this.#buffer.length - this.#at
  }

  /** Hands what was gathered to the connection; of use before a wait. */
  pass(): void {
    const buffer = this.#buffer
    if (buffer === null || this.#at === 0) return
    this.#buffer = null
    this.#send(buffer.subarray(0, this.#at), () => {
      if (buffer.length === CHUNK && spare.length < MOST_SPARE) spare.push(buffer)
    })
    this.#at = 0
  }
  #send(bytes: Buffer, sent: () => void): void {
    if (this.#isStopped || !this.#stream.writable) return
    if (!this.#stream.write(bytes, sent)) this.#full = true
  }

  /** `name` '' is the unnamed statement. Types are OIDs; none lets the server infer them. */
  parse(name: string, sql: string, types: readonly number[] = []): void {
    const bytes = 1 + 4 + 3 * (name.length + sql.length) + 2 + 2 + 4 * types.length
    const out = this.reserve(bytes)
    let at = this.#at + 5
    at = cstring(out, at, name)
    at = cstring(out, at, sql)
    at = out.writeUInt16BE(types.length, at)
    for (const type of types) at = out.writeUInt32BE(type, at)
    this.#close(PARSE, at)
  }

  bind(name: string, params: readonly Param[] = []): void {
    let bytes = 5 + 1 + 3 * name.length + 1 + 6
    for (const param of params) bytes += 4 + 3 * (param?.length ?? 0)
    const out = this.reserve(bytes)
    let at = cstring(out, this.#at + 5, '')
    at = cstring(out, at, name)
    at = out.writeUInt16BE(0, at)
    at = out.writeUInt16BE(params.length, at)
    for (const param of params) {
      const length = param === null ? -1 : out.write(param, at + 4, 'utf8')
      at = out.writeInt32BE(length, at) + Math.max(length, 0)
    }
    at = out.writeUInt16BE(0, at)
    this.#close(BIND, at)
  }

  /** `label` is what a failure of this statement is reported with; it is kept to the end. */
  execute(label: unknown, options: { readonly keep?: boolean } = {}): void {
    if (options.keep === true) this.#kept.add(this.#executes)
    if (this.#labels.at(-1)?.label !== label) this.#labels.push({ from: this.#executes, label })
    this.#executes++
    const out = this.reserve(10)
    out[this.#at + 5] = 0
    out.writeInt32BE(0, this.#at + 6)
    this.#close(EXECUTE, this.#at + 10)
  }

  /** Parses, binds and executes a statement that is not kept. */
  statement(
    sql: string,
    options: {
      readonly params?: readonly Param[]
      readonly label?: unknown
      readonly keep?: boolean
    } = {},
  ): void {
    this.parse('', sql)
    this.bind('', options.params)
    this.execute(options.label ?? null, { keep: options.keep === true })
  }

  /** Forgets a named statement. */
  forget(name: string): void {
    const out = this.reserve(6 + 3 * name.length + 1)
    out[this.#at + 5] = 0x53
    this.#close(CLOSE, cstring(out, this.#at + 6, name))
  }

  /** Ends a message that the caller wrote from `at + 5` to `end` into a reserved buffer. */
  closeBind(end: number): void {
    this.#close(BIND, end)
  }
  closeCopyData(end: number): void {
    this.#close(COPY_DATA, end)
  }
  #close(code: number, end: number): void {
    const out = this.reserve(0)
    out[this.#at] = code
    out.writeInt32BE(end - this.#at - 1, this.#at + 1)
    this.#at = end
  }

  copyBegins(): void {
    this.#copying = true
  }
  /** Passes bytes of a copy on as they are; they must not change afterwards. */
  copyBytes(bytes: Buffer): void {
    const out = this.reserve(5)
    out[this.#at] = COPY_DATA
    out.writeInt32BE(bytes.length + 4, this.#at + 1)
    this.#at += 5
    this.#bytes(bytes)
  }
  /** Passes whole CopyData messages on as they are; they must not change afterwards. */
  copyMessages(messages: Buffer): void {
    this.#bytes(messages)
  }
  #bytes(bytes: Buffer): void {
    if (bytes.length < 4096) {
      const room = this.reserve(bytes.length)
      this.#at += bytes.copy(room, this.#at)
      return
    }
    this.pass()
    this.#send(bytes, () => undefined)
  }
  copyDone(): void {
    this.#copying = false
    this.reserve(5)
    this.#close(COPY_DONE, this.#at + 5)
  }

  /** The end of the exchange; a copy that was not ended is failed. */
  sync(): void {
    if (this.synced) return
    this.#isStopped = false
    if (this.#copying) {
      const out = this.reserve(64)
      this.#close(COPY_FAIL, cstring(out, this.#at + 5, 'the writer stopped'))
    }
    this.reserve(5)
    this.#close(SYNC, this.#at + 5)
    this.pass()
    this.synced = true
  }
}

function cstring(out: Buffer, at: number, text: string): number {
  const end = at + out.write(text, at, 'utf8')
  out[end] = 0
  return end + 1
}
