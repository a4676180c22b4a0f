import { randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Change, RowChange } from '../model/change.ts'
import { Fault } from '../model/fault.ts'
import type { Table } from '../model/table.ts'
import type { Tuple } from '../model/tuple.ts'

/**
 * Changes of one transaction on disk, in the order in which they were added. Scratch: it is never
 * flushed and does not outlive its process.
 *
 * A record: uint32 length of what follows; uint8 kind; uint32 number of the table, or of the
 * change itself for those that are not rows; uint32 number of the sub-transaction; int32 length of
 * the row (-1: none) and its bytes; the same for the old tuple.
 */
export class Spill implements AsyncDisposable {
  readonly #file: FileHandle
  readonly #tables = new Numbers<Table>()
  readonly #subs = new Numbers<string | null>()
  readonly #others: Change[] = []
  readonly #discarded = new Set<number>()
  #pending: Buffer[] = []
  #pendingBytes = 0
  #written = 0
  #count = 0
  /** Bytes of the longest record, its length included. */
  #longest = 0

  private constructor(file: FileHandle) {
    this.#file = file
  }

  static async create(directory: string, name: string): Promise<Spill> {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const path = join(directory, `${name}-${randomUUID()}`)
    const file = await open(path, 'wx+', 0o600)
    // The open file lives on without its name, and a process that dies leaves nothing behind.
    await rm(path)
    return new Spill(file)
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.#written + this.#pendingBytes
  }

  async add(sub: string | null, changes: readonly Change[]): Promise<void> {
    const number = this.#subs.of(sub)
    for (const change of changes) {
      this.#push(number, change)
      if (this.#pendingBytes >= WRITE) await this.#flush()
    }
  }

  /** Takes back what this sub-transaction added. */
  discard(sub: string): void {
    this.#discarded.add(this.#subs.of(sub))
    // What comes under the same name after this is another one.
    this.#subs.forget(sub)
  }

  /**
   * What was added and not taken back, in runs of about `bytes`. May be read again. Throws Fault
   * HF-X109 when the disk holds something else than what was written.
   */
  async *read(bytes: number): AsyncIterable<readonly Change[]> {
    await this.#flush()
    let run: Change[] = []
    let size = 0
    for await (const record of this.#records()) {
      if (this.#discarded.has(record.readUInt32BE(5))) continue
      run.push(this.#change(record))
      size += record.length
      if (size < bytes) continue
      yield run
      run = []
      size = 0
    }
    if (run.length > 0) yield run
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
  }

  #push(sub: number, change: Change): void {
    const isRow = change.kind !== 'truncate' && change.kind !== 'schema'
    const row = isRow ? change.row : null
    const old = isRow ? change.old : null
    const length = HEAD + 8 + (row?.length ?? 0) + (old?.length ?? 0)
    this.#longest = Math.max(this.#longest, length)
    this.#count++
    const head = Buffer.allocUnsafe(HEAD)
    head.writeUInt32BE(length - 4, 0)
    head[4] = isRow ? KINDS.indexOf(change.kind) : OTHER
    head.writeUInt32BE(sub, 5)
    head.writeUInt32BE(isRow ? this.#tables.of(change.table) : this.#others.push(change) - 1, 9)
    this.#pending.push(head, lengthOf(row), row ?? NOTHING, lengthOf(old), old ?? NOTHING)
    this.#pendingBytes += length
  }

  async #flush(): Promise<void> {
    if (this.#pendingBytes === 0) return
    const blocks = packed(this.#pending)
    this.#pending = []
    this.#pendingBytes = 0
    for (const block of blocks) {
      for (let at = 0; at < block.length; ) {
        const { bytesWritten } = await this.#file.write(block, at, block.length - at, this.#written)
        at += bytesWritten
        this.#written += bytesWritten
      }
    }
  }

  #change(record: Buffer): Change {
    const number = record.readUInt32BE(9)
    const row = getTuple(record, HEAD)
    const old = getTuple(record, HEAD + 4 + (row?.length ?? 0))
    if (HEAD + 8 + (row?.length ?? 0) + (old?.length ?? 0) !== record.length) throw damaged()
    if (record[4] === OTHER) return must(this.#others[number])
    const kind = must(KINDS[record[4] ?? OTHER])
    return { kind, table: must(this.#tables.at(number)), row, old }
  }

  /** Every record with its length, cut out of blocks that are read one after another. */
  async *#records(): AsyncIterable<Buffer> {
    let rest: Buffer = NOTHING
    let count = 0
    for (let at = 0; at < this.#written; ) {
      const wanted = rest.length < 4 ? WRITE : this.#sizeAt(rest, 0)
      const size = Math.min(Math.max(WRITE, wanted), rest.length + this.#written - at)
      const have = Buffer.allocUnsafe(size)
      rest.copy(have)
      at += await this.#fill(have, rest.length, at)
      let from = 0
      while (from + 4 <= have.length && from + this.#sizeAt(have, from) <= have.length) {
        const to = from + this.#sizeAt(have, from)
        yield have.subarray(from, to)
        count++
        from = to
      }
      rest = have.subarray(from)
    }
    if (rest.length > 0 || count !== this.#count) throw damaged()
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

const KINDS: readonly RowChange['kind'][] = ['insert', 'update', 'delete']
const OTHER = 255
/** Bytes before the first tuple. */
const HEAD = 13
/** Bytes that are gathered before they are written, and read at once. */
const WRITE = 1 << 20

/** A tuple that is as long as this is written from where it is. */
const LONG = 256 << 10
const NOTHING: Buffer = Buffer.alloc(0)

function lengthOf(tuple: Tuple | null): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeInt32BE(tuple === null ? -1 : tuple.length, 0)
  return bytes
}

/** Few blocks of the same bytes; what is long is not copied. */
function packed(pieces: readonly Buffer[]): Buffer[] {
  const blocks: Buffer[] = []
  let short: Buffer[] = []
  const pack = (): void => {
    if (short.length > 0) blocks.push(Buffer.concat(short))
    short = []
  }
  for (const piece of pieces) {
    if (piece.length < LONG) short.push(piece)
    else {
      pack()
      blocks.push(piece)
    }
  }
  pack()
  return blocks
}

function getTuple(record: Buffer, at: number): Tuple | null {
  if (at + 4 > record.length) throw damaged()
  const length = record.readInt32BE(at)
  if (length < -1 || at + 4 + length > record.length) throw damaged()
  return length < 0 ? null : record.subarray(at + 4, at + 4 + length)
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw damaged()
  return value
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
