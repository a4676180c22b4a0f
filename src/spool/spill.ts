import { randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Bell } from '../async/deferred.ts'
import { Changes, OTHER } from '../model/changes.ts'
import { Fault } from '../model/fault.ts'
import type { Table } from '../model/table.ts'
import type { Tuple } from '../model/tuple.ts'

/**
 * Changes of one transaction on disk, in the order in which they were added. They may be read while
 * more are added. Scratch: it is never flushed and does not outlive its process.
 *
 * A record: uint32 length of what follows; uint8 kind; uint32 number of the table, or of the
 * change itself for those that are not rows; uint32 number of the sub-transaction; int32 length of
 * the row (-1: none) and its bytes; the same for the old tuple.
 */
export class Spill implements AsyncDisposable {
  readonly #file: FileHandle
  readonly #directory: string
  readonly #tables = new Numbers<Table>()
  readonly #subs = new Numbers<string | null>()
  readonly #others: ReturnType<Changes['other']>[] = []
  readonly #discarded = new Set<number>()
  /** Records that are not written yet, up to `#used`. */
  readonly #block = Buffer.allocUnsafeSlow(GATHER)
  #used = 0
  #written = 0
  #count = 0
  readonly #grown = new Bell()
  #state: 'growing' | 'whole' | { readonly error: unknown } = 'growing'
  /** Bytes of the longest record, its length included. */
  #longest = 0

  private constructor(file: FileHandle, directory: string) {
    this.#file = file
    this.#directory = directory
  }

  /** Throws Fault HF-X110, as whatever is written may. */
  static async create(directory: string, name: string): Promise<Spill> {
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const path = join(directory, `${name}-${randomUUID()}`)
      const file = await open(path, 'wx+', 0o600)
      // The open file lives on without its name, and a process that dies leaves nothing behind.
      await rm(path)
      return new Spill(file, directory)
    } catch (error) {
      throw unwritable(directory, error)
    }
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.#written + this.#used
  }

  async add(sub: string | null, changes: Changes): Promise<void> {
    const number = this.#subs.of(sub)
    for (let i = 0; i < changes.length; i++) {
      const kind = changes.kind(i)
      const thing =
        kind === OTHER ? this.#others.push(changes.other(i)) - 1 : this.#tables.of(changes.table(i))
      const [row, old] = [
        lengthOf(changes.rowFrom(i), changes.rowTo(i)),
        lengthOf(changes.oldFrom(i), changes.oldTo(i)),
      ]
      const length = HEAD + 8 + Math.max(row, 0) + Math.max(old, 0)
      if (length > this.#longest) this.#longest = length
      this.#count++
      // What is long is written from where it is.
      const here = length < LONG ? length : HEAD + 8
      if (this.#used + here > GATHER) await this.#flush()
      this.#uint32(length - 4)
      this.#block[this.#used++] = kind
      this.#uint32(number)
      this.#uint32(thing)
      if (length < LONG) {
        this.#tuple(row, changes.rowFrom(i), row < 0 ? NOTHING : changes.rowBuffer(i))
        this.#tuple(old, changes.oldFrom(i), old < 0 ? NOTHING : changes.oldBuffer(i))
      } else {
        await this.#longTuple(changes.row(i))
        await this.#longTuple(changes.old(i))
      }
    }
  }

  /** Takes back what this sub-transaction added. */
  discard(sub: string): void {
    this.#discarded.add(this.#subs.of(sub))
    // What comes under the same name after this is another one.
    this.#subs.forget(sub)
  }

  /** Nothing more is added. */
  async finish(): Promise<void> {
    await this.#flush()
    this.#state = 'whole'
    this.#grown.ring()
  }

  /** The rest will not come: who reads gets this error. */
  fail(error: unknown): void {
    this.#state = { error }
    this.#grown.ring()
  }

  /**
   * What was added and not taken back, in runs of about `bytes`, up to what comes last before it is
   * finished; one reader at a time. May be read again. Throws Fault HF-X109 when the disk holds
   * something else than what was written.
   */
  async *read(bytes: number): AsyncIterable<Changes> {
    let run = Changes.empty()
    let size = 0
    let count = 0
    for await (const block of this.#blocks()) {
      for (let at = 0; at < block.length; count++) {
        const length = this.#sizeAt(block, at)
        if (!this.#discarded.has(block.readUInt32BE(at + 5))) {
          this.#read(run, block, { at, end: at + length })
          size += length
        }
        at += length
        if (size < bytes) continue
        yield run
        run = Changes.empty()
        size = 0
      }
    }
    if (count !== this.#count) throw damaged()
    if (run.length > 0) yield run
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
  }

  #uint32(value: number): void {
    this.#used = this.#block.writeUInt32BE(value, this.#used)
  }

  #tuple(length: number, from: number, buffer: Buffer): void {
    this.#used = this.#block.writeInt32BE(length, this.#used)
    if (length > 0) this.#used += buffer.copy(this.#block, this.#used, from, from + length)
  }

  async #longTuple(tuple: Tuple | null): Promise<void> {
    this.#used = this.#block.writeInt32BE(tuple === null ? -1 : tuple.length, this.#used)
    if (tuple === null) return
    await this.#flush()
    await this.#write(tuple)
  }

  async #flush(): Promise<void> {
    const used = this.#used
    this.#used = 0
    await this.#write(this.#block.subarray(0, used))
  }

  async #write(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const left = bytes.length - at
      const writing = this.#file.write(bytes, at, left, this.#written)
      const { bytesWritten } = await writing.catch((error: unknown) => {
        throw unwritable(this.#directory, error)
      })
      at += bytesWritten
      this.#written += bytesWritten
    }
    this.#grown.ring()
  }

  /** Adds the change of the record from `at` to `end`. */
  #read(
    run: Changes,
    block: Buffer,
    { at, end }: { readonly at: number; readonly end: number },
  ): void {
    const number = block.readUInt32BE(at + 9)
    const from = at + HEAD + 4
    const to = from + Math.max(lengthAt(block, from - 4, end), 0)
    const oldFrom = to + 4
    const oldTo = oldFrom + Math.max(lengthAt(block, to, end), 0)
    if (oldTo !== end) throw damaged()
    const kind = block[at + 4] ?? OTHER
    if (kind === OTHER) run.push(must(this.#others[number]))
    else if (kind > OTHER) throw damaged()
    else {
      const table = must(this.#tables.at(number))
      const row = block.readInt32BE(from - 4) >= 0
      const old = block.readInt32BE(to) >= 0
      run.add(kind, table, {
        buffer: block,
        from: row ? from : -1,
        to: row ? to : -1,
        oldFrom: old ? oldFrom : -1,
        oldTo: old ? oldTo : -1,
      })
    }
  }

  /** Everything that was written, in blocks of whole records. */
  async *#blocks(): AsyncIterable<Buffer> {
    let rest: Buffer = NOTHING
    for (let at = 0; await this.#more(at); ) {
      const wanted = rest.length < 4 ? READ : this.#sizeAt(rest, 0)
      const size = Math.min(Math.max(READ, wanted), rest.length + this.#written - at)
      const have = Buffer.allocUnsafeSlow(size)
      rest.copy(have)
      at += await this.#fill(have, rest.length, at)
      let end = 0
      while (end + 4 <= have.length && end + this.#sizeAt(have, end) <= have.length) {
        end += this.#sizeAt(have, end)
      }
      if (end > 0) yield have.subarray(0, end)
      rest = have.subarray(end)
    }
    if (rest.length > 0) throw damaged()
  }

  /** False when nothing is or will be written past this. */
  async #more(at: number): Promise<boolean> {
    while (at >= this.#written && this.#state === 'growing') await this.#grown.wait()
    if (typeof this.#state === 'object') throw this.#state.error
    return at < this.#written
  }

  /** Bytes of the record at `at`; none is shorter than an empty one or longer than the longest. */
  #sizeAt(bytes: Buffer, at: number): number {
    const size = 4 + bytes.readUInt32BE(at)
    if (size < HEAD + 8 || size > this.#longest) throw damaged()
    return size
  }

  /** Reads from `at` until the buffer is full from `from` on; returns how much that is. */
  async #fill(buffer: Buffer, from: number, at: number): Promise<number> {
    for (let to = from; to < buffer.length; ) {
      const { bytesRead } = await this.#file.read(buffer, to, buffer.length - to, at + to - from)
      if (bytesRead === 0) throw damaged()
      to += bytesRead
    }
    return buffer.length - from
  }
}

/** Bytes before the first tuple. */
const HEAD = 13
/** Bytes that are gathered before they are written; each spill holds so many. */
const GATHER = 256 << 10
/** Bytes that are read at once. */
const READ = 1 << 20

/** A record that is as long as this is not gathered with others. */
const LONG = 64 << 10
const NOTHING: Buffer = Buffer.alloc(0)

/** Of a tuple that is there or not. */
function lengthOf(from: number, to: number): number {
  return from < 0 ? -1 : to - from
}

function lengthAt(block: Buffer, at: number, end: number): number {
  if (at + 4 > end) throw damaged()
  const length = block.readInt32BE(at)
  if (length < -1 || at + 4 + length > end) throw damaged()
  return length
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw damaged()
  return value
}

/** What the system says holds a path at most, and no value. */
function unwritable(directory: string, error: unknown): Fault {
  const words = error instanceof Error ? error.message : String(error)
  return new Fault('HF-X110', {
    what: `a large transaction cannot be put on disk in ${directory}: ${words}`,
    side: 'mirror',
  })
}

function damaged(): Fault {
  return new Fault('HF-X109', {
    what: 'the scratch file of a large transaction holds something else than was written to it',
    side: 'mirror',
  })
}

/** Numbers things by identity, from 0. */
class Numbers<T> {
  readonly #numbers = new Map<T, number>()
  readonly #things: T[] = []

  of(thing: T): number {
    const known = this.#numbers.get(thing)
    if (known !== undefined) return known
    this.#numbers.set(thing, this.#things.length)
    return this.#things.push(thing) - 1
  }

  forget(thing: T): void {
    this.#numbers.delete(thing)
  }

  at(number: number): T | undefined {
    return this.#things[number]
  }
}
