import type { TransactionId } from '../../model/change.ts'
import { Fault } from '../../model/fault.ts'
import { xidText } from './control.ts'
import type { LastWord } from './last-word.ts'
import type { Open } from './open.ts'
import type { Outbox } from './outbox.ts'
import type { Held, Passage } from './passage.ts'

/** How an XA transaction ends. */
export interface Ending {
  readonly commits: boolean
  readonly xid: string
}

interface Waiting {
  readonly id: TransactionId
  /** Some of the mirror's is in it, and has been handed on. */
  readonly parted: boolean
  readonly held: Held
  /** Why its rows cannot be carried, should it commit. */
  readonly unread: Fault | null
  /** The server was killed since. */
  doubtful: boolean
}

/** XA transactions that are prepared and have not ended. Reading begins at the oldest one. */
export class Prepared {
  readonly #passage: Passage
  readonly #out: Outbox
  readonly #waiting = new Map<string, Waiting>()

  constructor(passage: Passage, out: Outbox) {
    this.#passage = passage
    this.#out = out
  }

  /** Its rows were handed on; it waits for its end, maybe for days. */
  add(xid: string, { id, parted, unread }: Open, held: Held): void {
    const name = xidText(xid)
    // A name that is used once more is no longer that of the one before.
    this.#forget(name)
    this.#passage.hold(held)
    this.#waiting.set(name, { id, parted, held, unread, doubtful: false })
  }

  /**
   * The one that ends so; null where none is known. `keeps`: its rows are wanted. Throws the Fault
   * for which they cannot be had.
   */
  end(xid: string, keeps: boolean): Waiting | null {
    const found = this.#waiting.get(xid)
    if (found === undefined) return null
    if (keeps && found.unread !== null) throw found.unread
    if (keeps) {
      this.#waiting.delete(xid)
      this.#passage.release(found.held)
    } else this.#forget(xid)
    return found
  }

  /** The log of a server that was killed may name some as prepared that the server has lost. */
  doubt(): void {
    for (const one of this.#waiting.values()) one.doubtful = true
  }

  /** True while it is not known whether the server still has all of them. */
  get doubtful(): boolean {
    for (const { doubtful } of this.#waiting.values()) if (doubtful) return true
    return false
  }

  /** These are what the server has; null where it does not say. */
  settle(there: ReadonlySet<string> | null): void {
    for (const [xid, one] of this.#waiting) {
      if (one.doubtful && there !== null && !there.has(xid)) this.#forget(xid)
      one.doubtful = false
    }
  }

  #forget(xid: string): void {
    const found = this.#waiting.get(xid)
    if (found === undefined) return
    this.#waiting.delete(xid)
    this.#passage.release(found.held)
    if (found.parted) this.#out.push({ kind: 'discard', transaction: found.id, sub: null })
  }
}

/**
 * What the end of a transaction means whose rows are not known, by what the log says last of it; a
 * sentence where a person should know of it. A server of MariaDB that is killed in the middle of
 * XA COMMIT or XA ROLLBACK has logged it, takes the transaction for prepared again, and logs its end
 * once more: its locks were kept, so the same end again brings nothing new. Throws Fault.
 */
export function judged({ commits, xid }: Ending, word: LastWord | null): string | null {
  const before = word?.killed === true ? word.said : null
  if (before === (commits ? 'committed' : 'rolled back')) return null
  if (before === (commits ? 'rolled back' : 'committed')) {
    const now = commits ? 'committed' : 'rolled back'
    const what = `The XA transaction ${xid} was ${now}, and the log of the source says that it had been ${before} before the server was killed.`
    throw new Fault('HF-L120', { what, side: 'source' })
  }
  if (commits) throw new Fault('HF-L117', { what: ended(xid), side: 'source' })
  if (word !== null && word.said !== 'committed') return null
  return `${ended(xid)} Prove that both ends are equal: holdfast verify`
}

function ended(xid: string): string {
  return `The XA transaction ${xid} ended without its rows: it was prepared before the log was read.`
}
