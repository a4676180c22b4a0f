import type { TransactionId } from '../../model/change.ts'
import { Fault } from '../../model/fault.ts'
import type { Outbox } from './outbox.ts'
import type { Read } from './passage.ts'
import type { Gtid } from './trail.ts'

/** Row bytes and changes of a transaction that are handed on before it ends. */
const PART = { bytes: 1 << 20, changes: 16_384 } as const

export interface Begin extends Read {
  readonly gtid: Gtid | null
  /** The file that it is in. */
  readonly file: string
  /** It was passed before; it is read once more for what it prepares. */
  readonly skip: boolean
  /** It is known from the start that it is only prepared. */
  readonly prepares: boolean
}

/** The transaction that is being read. */
export class Open implements Read {
  readonly gtid: Gtid | null
  readonly file: string
  readonly start: number
  readonly time: bigint
  readonly skip: boolean
  /** A statement of its own, which ends by itself, until it says otherwise. */
  began: boolean
  /** What is prepared under a name. */
  prepares: boolean
  /** Some of it has been handed on. */
  parted = false
  /** It changes the shape of a table. */
  reshapes = false
  /** Why its rows cannot be read; only of one that comes again. */
  unread: Fault | null = null
  #bytes = 0
  /** The stretch since the last savepoint; null before the first. */
  #sub: number | null = null
  #subs = 0
  #savepoints: { readonly name: string; sub: number }[] | null = null

  constructor({ gtid, file, start, time, skip, prepares }: Begin, began: boolean) {
    this.gtid = gtid
    this.file = file
    this.start = start
    this.time = time
    this.skip = skip
    this.prepares = prepares
    this.began = began
  }

  get id(): TransactionId {
    return `${this.file}:${this.start}`
  }

  get wanted(): boolean {
    return !this.skip || (this.prepares && this.unread === null)
  }

  /** True when it cannot go together with others. */
  get isAlone(): boolean {
    return this.parted || this.reshapes
  }

  /**
   * Rows that come again may be of a table as it was before a change that was passed. The lock of a
   * prepared transaction keeps such a change away: one that met it is over, which its end will say.
   */
  again(read: () => void, out: Outbox): void {
    try {
      read()
    } catch (error) {
      if (!(error instanceof Fault) || error.transient) throw error
      this.discard(out)
      this.parted = false
      this.unread = error
    }
  }

  /** So many bytes of rows came. */
  grown(bytes: number, out: Outbox): void {
    this.#bytes += bytes
    if (this.#bytes >= PART.bytes || out.open >= PART.changes) this.flush(out)
  }

  /** Hands on what there is. */
  flush(out: Outbox): void {
    if (out.open === 0) return
    const sub = this.#sub === null ? null : String(this.#sub)
    out.push({ kind: 'part', transaction: this.id, sub, changes: out.opened() })
    this.#bytes = 0
    this.parted = true
  }

  /** What was handed on is taken back, and the rest is forgotten. */
  discard(out: Outbox): void {
    out.drop()
    if (this.parted) out.push({ kind: 'discard', transaction: this.id, sub: null })
  }

  savepoint(name: string, out: Outbox): void {
    this.flush(out)
    this.#savepoints ??= []
    const known = this.#savepoints.findIndex((one) => one.name === name)
    if (known >= 0) this.#savepoints.splice(known, 1)
    this.#sub = ++this.#subs
    this.#savepoints.push({ name, sub: this.#sub })
  }

  /** False for a savepoint that is not known. */
  rollbackTo(name: string, out: Outbox): boolean {
    const savepoints = this.#savepoints ?? []
    const at = savepoints.findIndex((one) => one.name === name)
    const savepoint = savepoints[at]
    if (savepoint === undefined) return false
    out.drop()
    this.#bytes = 0
    for (let sub = savepoint.sub; sub <= this.#subs; sub++) {
      out.push({ kind: 'discard', transaction: this.id, sub: String(sub) })
    }
    savepoints.length = at + 1
    this.#sub = ++this.#subs
    savepoint.sub = this.#sub
    return true
  }
}
