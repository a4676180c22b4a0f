import { type Origin, type RowEvent, tupleAt } from '../../dialect/debezium/event.ts'
import type { Tuple } from '../../model/tuple.ts'
import type { Entry, Lane } from './lane.ts'
import { emission, isWhole, judge, type Marks, order } from './marks.ts'
import { originOf } from './merge.ts'

/** A record that waits, and the row that it tells of. */
export interface Half {
  readonly entry: Entry
  readonly event: RowEvent
}

/**
 * Changes of keys, which a connector tells as a delete and a create, mostly in two partitions. The
 * create may lack values that only the row that is to go has, so that neither half is carried out
 * before the other one is there, as long as that may still come. A worker that dies between both
 * tells of them again.
 */
export class Moves {
  readonly #lanes: readonly Lane[]
  /** What partitions told before this process: one half may have been carried out then. */
  readonly #before: readonly Marks[]
  /** Those of which one half was carried out by itself, and not yet the other one. */
  readonly #created = new Set<string>()
  readonly #deleted = new Set<string>()

  constructor(lanes: readonly Lane[]) {
    this.#lanes = lanes
    this.#before = lanes.map(({ marks }) => marks)
  }

  /** The create that waits somewhere and belongs to this delete. */
  creation(event: RowEvent): Half | null {
    const key = goneKey(event)
    return this.#find((one) => {
      return one.oldKey !== null && key !== null && one.oldKey.equals(key) && isOf(one, event)
    })
  }

  /** The delete that waits somewhere and belongs to this create. */
  #deletion(event: RowEvent): Half | null {
    return this.#find((one) => {
      const key = one.op === 'delete' && one.newKey !== null ? goneKey(one) : null
      return key !== null && event.oldKey?.equals(key) === true && isOf(one, event)
    })
  }

  /** True when the delete has to wait, since its create was not there yet and may come. */
  awaitsCreation(lane: Lane, event: RowEvent): boolean {
    return !this.#created.has(nameOf(event, goneKey(event))) && this.#mayCome(lane, event)
  }

  /** True when the create, which lacks values, has to wait for its delete. */
  awaitsDeletion(lane: Lane, event: RowEvent): boolean {
    // One that is taken once more finds its row.
    const taken = event.origin !== null && isTold(lane.marks, event.origin)
    if (taken || this.#deleted.has(nameOf(event, event.oldKey))) return false
    return this.#deletion(event) !== null || this.#mayCome(lane, event)
  }

  /** The delete was carried out, and its create was not. */
  deleted(event: RowEvent): void {
    const name = nameOf(event, goneKey(event))
    if (!this.#created.delete(name)) this.#deleted.add(name)
  }

  /** The create was carried out for itself. */
  created(event: RowEvent): void {
    const name = nameOf(event, event.oldKey)
    if (!this.#deleted.delete(name)) this.#created.add(name)
  }

  /** True when a snapshot that was taken later waits somewhere: it holds what became of the row. */
  isRenewed(origin: Origin): boolean {
    return this.#lanes.some((one) => hasAfter(one, origin, isWhole))
  }

  #mayCome(lane: Lane, { origin }: RowEvent): boolean {
    const known = origin?.place != null && !this.#before.some((marks) => isTold(marks, origin))
    if (!known) return !this.#allRead(lane)
    if (this.isRenewed(origin)) return !this.#allRead(lane)
    return !this.#lanes.every((one) => {
      return hasAfter(one, origin, () => true) || (one !== lane && isTold(one.marks, origin))
    })
  }

  /** True when every partition was read up to where it stood when this lane began to wait. */
  #allRead(lane: Lane): boolean {
    lane.hold ??= { ends: null }
    const { ends } = lane.hold
    if (ends === null) return false
    return this.#lanes.every((one) => one.full || one.fetched >= (ends.get(one.partition) ?? 0n))
  }

  /** The first row that waits somewhere and fits. */
  #find(fits: (event: RowEvent) => boolean): Half | null {
    for (const lane of this.#lanes) {
      for (const entry of lane.waiting()) {
        const { event, joined } = entry
        if (joined || event.kind !== 'row' || !fits(event)) continue
        // What was carried out before is not waited for.
        if (event.origin === null || !isTold(lane.marks, event.origin)) return { entry, event }
      }
    }
    return null
  }
}

/** What finds the row that is to go. */
export function gone({ key, before }: RowEvent): RowEvent['key'] {
  return key.from < 0 ? before : key
}

function goneKey(event: RowEvent): Tuple | null {
  return tupleAt(event, gone(event))
}

/**
 * Both are halves of one change, which stand at one place: a transaction may give several rows one
 * after another the same key. A connector that has just begun does not know of the commit before.
 */
function isOf({ origin: a }: RowEvent, { origin: b }: RowEvent): boolean {
  if ((a?.transactionId ?? null) !== (b?.transactionId ?? null)) return false
  const [one, other] = [a?.place?.parts, b?.place?.parts]
  if (one === undefined || other === undefined) return true
  const unsaid = one[0] === null || other[0] === null
  return one.every((part, i) => order([part], [other[i] ?? null]) === 0 || (i === 0 && unsaid))
}

function nameOf({ origin }: RowEvent, key: Tuple | null): string {
  return `${origin?.transactionId} ${origin?.place?.parts.join('.')} ${key?.toString('latin1')}`
}

function isTold(marks: Marks, origin: Origin): boolean {
  return judge(marks, origin, 'alone') === 'again'
}

/** True when something waits in the partition that was told after this. */
function hasAfter(lane: Lane, origin: Origin, fits: (one: Origin) => boolean): boolean {
  for (const entry of lane.waiting()) {
    const one = originOf(entry)
    if (one !== null && fits(one) && emission(one, origin) > 0) return true
  }
  return false
}
