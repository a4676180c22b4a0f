import type { Change, StreamItem, TransactionId } from '../../model/change.ts'
import type { Gtid } from './passage.ts'

/** Row bytes and changes of a transaction that are handed on before it ends. */
const PART = { bytes: 1 << 20, changes: 4096 } as const

export interface Begin {
  readonly id: TransactionId
  readonly gtid: Gtid | null
  /** Where it begins in its file. */
  readonly start: number
  /** Microseconds since 1970. */
  readonly time: bigint
  /** It was passed before; it is read once more for what it prepares. */
  readonly skip: boolean
  /** It is known from the start that it is only prepared. */
  readonly prepares: boolean
}

/** A transaction that is being read. */
export class Open {
  readonly begin: Begin
  /** A statement of its own, which ends by itself, until it says otherwise. */
  began: boolean
  /** What is prepared under a name. */
  prepares: boolean
  /** Some of it has been handed on. */
  parted = false
  #changes: Change[] = []
  #bytes = 0
  /** The stretch since the last savepoint; null before the first. */
  #sub: number | null = null
  #subs = 0
  readonly #savepoints: { readonly name: string; sub: number }[] = []

  constructor(begin: Begin, began: boolean) {
    this.begin = begin
    this.began = began
    this.prepares = begin.prepares
  }

  get wanted(): boolean {
    return !this.begin.skip || this.prepares
  }

  /** Where changes are put; `room` says how many bytes came. */
  get changes(): Change[] {
    return this.#changes
  }

  grown(bytes: number, items: StreamItem[]): void {
    this.#bytes += bytes
    if (this.#bytes >= PART.bytes || this.#changes.length >= PART.changes) this.flush(items)
  }

  /** Hands on what there is. */
  flush(items: StreamItem[]): void {
    if (this.#changes.length === 0) return
    const sub = this.#sub === null ? null : String(this.#sub)
    items.push({ kind: 'part', transaction: this.begin.id, sub, changes: this.#changes })
    this.#changes = []
    this.#bytes = 0
    this.parted = true
  }

  savepoint(name: string, items: StreamItem[]): void {
    this.flush(items)
    const known = this.#savepoints.findIndex((one) => one.name === name)
    if (known >= 0) this.#savepoints.splice(known, 1)
    this.#sub = ++this.#subs
    this.#savepoints.push({ name, sub: this.#sub })
  }

  /** False for a savepoint that is not known. */
  rollbackTo(name: string, items: StreamItem[]): boolean {
    const at = this.#savepoints.findIndex((one) => one.name === name)
    const savepoint = this.#savepoints[at]
    if (savepoint === undefined) return false
    this.#changes = []
    this.#bytes = 0
    for (let sub = savepoint.sub; sub <= this.#subs; sub++) {
      items.push({ kind: 'discard', transaction: this.begin.id, sub: String(sub) })
    }
    this.#savepoints.length = at + 1
    this.#sub = ++this.#subs
    savepoint.sub = this.#sub
    return true
  }
}
