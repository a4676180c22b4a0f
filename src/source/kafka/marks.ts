import type { Origin } from '../../dialect/debezium/event.ts'
import {
  byNumber,
  type Parts,
  type Place,
  type Whole,
  whole,
} from '../../dialect/debezium/place.ts'

/**
 * How far one log of a database has been followed in a partition. A connector that starts again
 * tells of what it told before; what stands before the mark is not new.
 */
export interface Mark {
  readonly log: string
  /** Of the newest event that was read from the log; null before the first. */
  readonly parts: Parts | null
  /** Where the newest snapshot stood; null without one. */
  readonly snapshot: Parts | null
  /** The newest time that an event told, microseconds since 1970. */
  readonly at: Whole
  /** The newest number of each origin of global transaction ids. */
  readonly gtids: ReadonlyMap<string, bigint>
  /** The number of the newest event in its transaction; 0 where the connector does not say it. */
  readonly total: number
}

/** Those of the logs that a partition has events of; mostly one. */
export type Marks = readonly Mark[]

/**
 * new: not told yet, as far as can be known. again: it was told before. back: it stands before what
 * was told and is newer by its time, so that the log is not the one that it was.
 */
export type Verdict = 'new' | 'again' | 'back'

/**
 * Whether several events may stand at one place, as rows do that one statement adds: the last of
 * them is taken once more, unless their partition knows it by its number.
 */
export type Sharing = 'alone' | 'shared'

export function judge(marks: Marks, origin: Origin | null, sharing: Sharing): Verdict {
  const place = origin?.place ?? null
  const mark = place === null ? undefined : marks.find(({ log }) => log === place.log)
  if (origin === null || place === null || mark === undefined) return 'new'
  if (origin.snapshot === 'incremental') return isToldBetween(place, mark) ? 'again' : 'new'
  const counted = origin.membership !== null && origin.membership.totalOrder <= mark.total
  const shares = sharing === 'shared' && !counted
  const told = origin.snapshot === 'no' ? isTold(place, mark, shares) : isToldSnapshot(place, mark)
  if (!told) return 'new'
  const newer = origin.committedAt !== null && origin.committedAt > mark.at
  if (!newer) return 'again'
  return origin.snapshot === 'no' ? 'back' : 'new'
}

/** True for a lane that was followed past the event: its newest one came after it. */
export function isAhead(marks: Marks, origin: Origin | null): boolean {
  const place = origin?.place ?? null
  if (place === null) return false
  const parts = marks.find(({ log }) => log === place.log)?.parts ?? null
  if (parts !== null && isPast(place, parts)) return true
  if (judge(marks, origin, 'alone') !== 'again') return false
  return parts === null || !isSame(place, parts)
}

/**
 * True when the newest event was written after the commit that the event names, though the newest
 * commit that is known came before that one: a connector that begins anew does not know of the
 * commit before. Transactions are told in the order of their commits, and that of the event is the
 * first after the commit: the newest event is of it or of a later one.
 */
function isPast(
  { log, parts: [commit = null, own] }: Place,
  [known, newest = null]: Parts,
): boolean {
  if (!isPostgres(log) || commit === null || newest === null) return false
  return (known ?? -1) < commit && commit < newest && newest !== own
}

function isTold(place: Place, mark: Mark, shares: boolean): boolean {
  if (isHeld(place, mark)) return true
  if (mark.parts === null) return false
  const same = isSame(place, mark.parts)
  // A snapshot that was taken since holds what became of it.
  const renewed =
    mark.snapshot !== null && !isPassed({ ...place, parts: mark.snapshot }, mark.parts)
  if (same ? shares && !renewed : !isBefore(place, mark.parts)) return false
  const gtid = splitGtid(place.gtid)
  if (gtid === null) return true
  // Files of another server are counted in another way: its transactions are known by their ids.
  const newest = mark.gtids.get(gtid.origin)
  return newest !== undefined && gtid.number <= newest
}

/** True for what came before the snapshot that was told, and has no other name than its place. */
function isHeld({ log, parts, gtid }: Place, { snapshot }: Mark): boolean {
  const [first = null] = parts
  if (snapshot === null || gtid !== null || first === null) return false
  return isPostgres(log) ? first < (snapshot[1] ?? -1) : order(parts, snapshot) < 0
}

function isToldSnapshot(place: Place, mark: Mark): boolean {
  if (mark.snapshot !== null && order(place.parts, mark.snapshot) < 0) return true
  return mark.parts !== null && isPassed(place, mark.parts)
}

/**
 * Rows of an incremental snapshot stand where the stream stood when they were told, which is at or
 * past everything that was told before them: what stands before the mark is a row as it was once.
 * That is so for these connectors; of others it is not known.
 */
function isToldBetween(place: Place, mark: Mark): boolean {
  if (!/^(?:postgresql|mysql|mariadb)\//.test(place.log)) return false
  const { parts, gtids } = mark
  const passed = parts !== null && isBefore(place, parts)
  if (!passed && !isInSnapshotOf(place, mark)) return false
  // Another server counts its files anew. The id is of the transaction before, which may be known.
  const gtid = splitGtid(place.gtid)
  return gtid === null || gtid.number < (gtids.get(gtid.origin) ?? -1n)
}

/**
 * True when the log was followed past where the snapshot was taken: one stands past everything
 * that was told before it.
 */
function isPassed({ log, parts }: Place, followed: Parts): boolean {
  if (isPostgres(log)) return (parts[1] ?? -1) <= (followed[1] ?? -1)
  return order(parts, followed) <= 0
}

/**
 * Negative when `a` was told before `b`. A snapshot is told before what is at its place; a connector
 * that was made anew does not know of a commit at first, and begins past all that was told.
 */
export function emission(a: Origin, b: Origin): number {
  const [one, other] = [a.place, b.place]
  if (one === null || other === null) return 0
  if (one.log !== other.log) return (a.committedAt ?? 0) < (b.committedAt ?? 0) ? -1 : 1
  const stands = isPostgres(one.log) ? byCommits(a, b) : order(one.parts, other.parts)
  if (stands !== 0) return stands
  return Number(b.snapshot !== 'no') - Number(a.snapshot !== 'no')
}

/** What does not know of a commit is before those commits that are past it. */
function byCommits(a: Origin, b: Origin): number {
  const [mine, other] = [a.place?.parts ?? [], b.place?.parts ?? []]
  if (mine[0] == null && other[0] != null) return isAfter(other[0], a) ? -1 : 1
  if (mine[0] != null && other[0] == null) return isAfter(mine[0], b) ? 1 : -1
  return order(mine, other)
}

/** True for what came after this commit, seen from one that does not know of a commit. */
function isAfter(commit: Whole, { place, snapshot }: Origin): boolean {
  const own = place?.parts[1] ?? -1
  return snapshot === 'no' ? commit > own : commit >= own
}

/** A connector that has just begun does not know of the commit before. */
function isSame({ log, parts }: Place, mark: Parts): boolean {
  if (!isPostgres(log) || parts[0] !== null) return order(parts, mark) === 0
  return byNumber(parts[1] ?? -1, mark[1] ?? -1) === 0
}

function isBefore({ log, parts }: Place, mark: Parts): boolean {
  const [commit, own] = parts
  const unsaid = isPostgres(log) && commit === null && (mark[0] ?? null) !== null
  if (!unsaid) return order(parts, mark) < 0
  // A connector that has just begun does not know of the commit before: its transaction is new
  // when it wrote past everything that is known.
  const newest = [mark[0] ?? -1, mark[1] ?? -1]
  return newest.some((known) => (own ?? -1) < known) && byNumber(own ?? -1, newest[1] ?? -1) !== 0
}

function isPostgres(log: string): boolean {
  return log.startsWith('postgresql/')
}

/** True when the newest snapshot was taken past where this stands, which it may hold or not. */
export function isInSnapshot(marks: Marks, { place }: Origin): boolean {
  const mark = marks.find(({ log }) => log === place?.log)
  return place !== null && mark !== undefined && isInSnapshotOf(place, mark)
}

function isInSnapshotOf({ log, parts }: Place, { snapshot }: Mark): boolean {
  if (snapshot === null) return false
  if (isPostgres(log)) return (parts[1] ?? -1) < (snapshot[1] ?? -1)
  return order(parts, snapshot) < 0
}

/** True for a row of a snapshot when a newer one is known, which replaces it. */
export function isOlder(marks: Marks, { place }: Origin): boolean {
  const mark = place === null ? undefined : marks.find(({ log }) => log === place.log)
  return place !== null && mark?.snapshot != null && order(place.parts, mark.snapshot) < 0
}

/** Negative when `a` is before `b`; what is not said is before every number. */
export function order(a: Parts, b: Parts): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const mine = a[i] ?? -1
    const other = b[i] ?? -1
    const stands = byNumber(mine, other)
    if (stands !== 0) return stands
  }
  return 0
}

const GTID = /^(.*[:-])(\d+)$/

function splitGtid(
  gtid: string | null,
): { readonly origin: string; readonly number: bigint } | null {
  const [, origin, number] = (gtid === null ? null : GTID.exec(gtid)) ?? []
  return origin === undefined || number === undefined ? null : { origin, number: BigInt(number) }
}

/** The marks once this event, which is new, was taken. */
export function marked(marks: Marks, origin: Origin | null): Marks {
  const place = origin?.place ?? null
  if (origin === null || place === null) return marks
  const i = marks.findIndex(({ log }) => log === place.log)
  const next = follow(marks[i] ?? first(place.log), origin, place)
  if (marks.length <= 1 && i === marks.length - 1) return [next]
  return i < 0 ? [...marks, next] : marks.with(i, next)
}

function first(log: string): Mark {
  return { log, parts: null, snapshot: null, at: 0, gtids: NO_GTIDS, total: 0 }
}

const NO_GTIDS: ReadonlyMap<string, bigint> = new Map()

function follow(mark: Mark, origin: Origin, place: Place): Mark {
  const { snapshot, committedAt, membership } = origin
  const { log, parts, gtid } = place
  const at = committedAt !== null && committedAt > mark.at ? committedAt : mark.at
  if (snapshot === 'incremental') return mark
  if (snapshot !== 'no') {
    // One that is newer and stands before what was followed begins another history.
    const anew = mark.parts !== null && isPassed(place, mark.parts)
    return { ...mark, at, snapshot: parts, parts: anew ? null : mark.parts }
  }
  const split = splitGtid(gtid)
  const { gtids, snapshot: taken } = mark
  const known = split === null ? null : (gtids.get(split.origin) ?? -1n)
  return {
    log,
    // The commit before is remembered where the event does not say it.
    parts:
      parts[0] === null && mark.parts !== null ? [mark.parts[0] ?? null, ...parts.slice(1)] : parts,
    snapshot: taken,
    at,
    total: membership?.totalOrder ?? 0,
    gtids:
      split === null || known === null || split.number <= known
        ? gtids
        : new Map([...gtids, [split.origin, split.number]]),
  }
}

/** A row of a snapshot of the whole table. */
export function isWhole({ snapshot }: Origin): boolean {
  return snapshot !== 'no' && snapshot !== 'incremental'
}

export function isLast({ snapshot }: Origin): boolean {
  return snapshot === 'last' || snapshot === 'last_in_data_collection'
}

/** The first row of a snapshot of the whole table. */
export function isFirst({ snapshot }: Origin): boolean {
  return snapshot === 'first' || snapshot === 'first_in_data_collection'
}

const NOTHING = '-'
/** No origin of global transaction ids is named so: they end in a separator. */
const TOTAL = 'total'

/** As text, for a checkpoint. */
export function writeMarks(marks: Marks): string {
  return marks
    .map(({ log, parts, snapshot, at, gtids, total }) => {
      const ids = [...gtids].map(([origin, number]) => `${encodeURIComponent(origin)}=${number}`)
      const words = [encodeURIComponent(log), writeParts(parts), writeParts(snapshot), String(at)]
      const count = total === 0 ? [] : [`${TOTAL}=${total}`]
      return [...words, ...count, ...ids].join(',')
    })
    .join(' ')
}

function writeParts(parts: Parts | null): string {
  return parts === null ? NOTHING : parts.map((part) => part ?? '').join('.')
}

/** Null for text that no marks are written as. */
export function parseMarks(text: string): Marks | null {
  const marks: Mark[] = []
  for (const word of text.split(' ').filter(Boolean)) {
    const [log = '', parts = '', snapshot = '', at = '', ...ids] = word.split(',')
    if (!isParts(parts) || !isParts(snapshot) || !/^\d+$/.test(at)) return null
    const gtids = new Map<string, bigint>()
    let total = 0
    for (const id of ids) {
      const [, origin = '', number = ''] = /^([^=]+)=(\d+)$/.exec(id) ?? []
      if (number === '') return null
      if (origin === TOTAL) total = Number(number)
      else gtids.set(decodeURIComponent(origin), BigInt(number))
    }
    marks.push({
      log: decodeURIComponent(log),
      parts: partsOf(parts),
      snapshot: partsOf(snapshot),
      at: whole(at),
      gtids,
      total,
    })
  }
  return marks
}

function isParts(text: string): boolean {
  return text === NOTHING || /^[\d.]*$/.test(text)
}

function partsOf(text: string): Parts | null {
  if (text === NOTHING) return null
  return text.split('.').map((part) => (part === '' ? null : whole(part)))
}
