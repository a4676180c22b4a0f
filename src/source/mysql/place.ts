import { Fault } from '../../model/fault.ts'
import type { Comparison, Position } from '../../model/position.ts'
import { DomainPosition } from './log/domains.ts'
import { GtidSet } from './log/gtid.ts'

/** A server writes one log; its order is that of its files. */
export const LANE = 'log'

/** A place in the files of one server. */
export interface FilePlace {
  /** As in dialect/mysql/place.ts. */
  readonly server: string
  readonly file: string
  readonly position: number
}

/** The transactions that were passed, in the words of the server's flavour. */
export type Passed = GtidSet | DomainPosition

/** What a token says. One of both is there at least. */
export interface Place {
  /** Null where the log is followed by its files alone. */
  readonly passed: Passed | null
  /** Null in what a person has written by transactions alone. */
  readonly at: FilePlace | null
  /**
   * Where to begin reading where that is before what was passed: transactions were prepared and not
   * ended, and their rows come once more.
   */
  readonly from: { readonly passed: Passed | null; readonly at: FilePlace } | null
}

/** No transaction yet. */
const NONE = '-'

export function writePlace({ passed, at, from }: Place): string {
  const words: string[] = []
  if (passed !== null) words.push(passed.isEmpty ? NONE : passed.toString())
  if (at !== null) words.push(writeFile(at))
  if (from !== null) {
    words.push('from')
    if (from.passed !== null) words.push(from.passed.isEmpty ? NONE : from.passed.toString())
    words.push(writeFile(from.at))
  }
  return words.join(' ')
}

function writeFile({ server, file, position }: FilePlace): string {
  return `${server}/${encodeURIComponent(file)}:${position}`
}

/** What a token is read for. */
export interface Reader {
  readonly flavour: 'mysql' | 'mariadb'
  /** The server that a file without one is of. */
  readonly server: string
}

/** Throws Fault HF-L107. */
export function parsePlace(token: string, reader: Reader): Place {
  const [here = '', back] = token.trim().split(/\s+from\s+/)
  const { passed, at } = parsePart(here, reader)
  if (passed === null && at === null) throw unreadable()
  if (back === undefined) return { passed, at, from: null }
  const from = parsePart(back, reader)
  if (from.at === null) throw unreadable()
  return { passed, at, from: { passed: from.passed, at: from.at } }
}

function parsePart(text: string, reader: Reader): Pick<Place, 'passed' | 'at'> {
  let passed: Passed | null = null
  let at: FilePlace | null = null
  // A set is printed by the server with a line for each origin.
  for (const word of text.replaceAll(/,\s+/g, ',').split(/\s+/).filter(Boolean)) {
    const file = parseFile(word, reader.server)
    if (file !== null && at === null) at = file
    else if (passed === null) passed = parsePassed(word, reader.flavour)
    else throw unreadable()
  }
  return { passed, at }
}

/** In MySQL's words or MariaDB's, whichever they are: which log they are of is said beside them. */
function parsePassed(word: string, flavour: Reader['flavour']): Passed {
  const domains = word === NONE ? flavour === 'mariadb' : /^\d+-\d+-\d+(?:,|$)/.test(word)
  const text = word === NONE ? '' : word
  return domains ? DomainPosition.parse(text) : GtidSet.parse(text)
}

const FILE = /^(?:([0-9a-f-]+)\/)?([^/:]+\.\d+):(\d{1,15})$/

function parseFile(word: string, server: string): FilePlace | null {
  const [, named = server, file = '', position = ''] = FILE.exec(word) ?? []
  if (file === '') return null
  return { server: named, file: decodeURIComponent(file), position: Number(position) }
}

function unreadable(): Fault {
  return new Fault('HF-L107', { what: 'a log position cannot be read' })
}

/** `binlog.000012` is number 12 of `binlog`. */
export function fileNumber(file: string): { readonly base: string; readonly number: number } {
  const dot = file.lastIndexOf('.')
  return { base: file.slice(0, dot), number: Number(file.slice(dot + 1)) }
}

/** No file of a log is longer than 64 GiB, as bits of a place in it. */
const BITS = 36n

/** A place in the files of a server as a number that sorts, whatever files there still are. */
export function lastingOf({ file, position }: FilePlace): bigint {
  return (BigInt(fileNumber(file).number) << BITS) + BigInt(position)
}

/** Null for files that have nothing to do with each other. */
export function compareFiles(a: FilePlace, b: FilePlace): number | null {
  if (a.server !== b.server) return null
  if (a.file === b.file) return a.position - b.position
  const [one, other] = [fileNumber(a.file), fileNumber(b.file)]
  return one.base === other.base ? one.number - other.number : null
}

/** A position that knows what its token says, and cheaper than that its place in the files. */
export interface Known extends Position {
  readonly place: Place
  readonly file: FilePlace
}

/**
 * Places of one server stand in its files in order; those of several are compared by what they have
 * passed.
 */
export function comparePlaces(a: Place, b: Place): Comparison {
  const distance = a.at === null || b.at === null ? null : compareFiles(a.at, b.at)
  if (distance !== null) return distance === 0 ? 'equal' : distance < 0 ? 'before' : 'after'
  if (a.passed === null || b.passed === null) return 'unrelated'
  const [holds, held] = [contains(a.passed, b.passed), contains(b.passed, a.passed)]
  if (holds) return held ? 'equal' : 'after'
  return held ? 'before' : 'unrelated'
}

export function contains(a: Passed, b: Passed): boolean {
  if (a instanceof GtidSet) return b instanceof GtidSet && a.contains(b)
  return b instanceof DomainPosition && a.contains(b)
}

/** What `a` has passed and `b` has not. */
export function lacking(a: Passed, b: Passed): Passed {
  if (a instanceof GtidSet) return b instanceof GtidSet ? a.minus(b) : a
  return b instanceof DomainPosition ? a.minus(b) : a
}

/**
 * What a log is recognised by at a place: the transaction that came last before it, or the file in
 * which it stands where none was read yet.
 */
export interface Landmark {
  /** Where it begins. */
  readonly at: FilePlace
  /** Its name; empty where transactions have none, and for a file. */
  readonly gtid: string
  /** Microseconds since 1970 at the server that it was made on. */
  readonly time: bigint
}

export function writeLandmark({ at, gtid, time }: Landmark): string {
  return `${writeFile(at)} ${gtid === '' ? NONE : gtid} ${time}`
}

/** Throws Fault HF-L107. */
export function parseLandmark(text: string): Landmark {
  const [file = '', gtid = '', time = ''] = text.split(' ')
  const at = parseFile(file, '')
  if (at === null || !/^\d+$/.test(time)) {
    throw new Fault('HF-L107', { what: 'a landmark cannot be read' })
  }
  return { at, gtid: gtid === NONE ? '' : gtid, time: BigInt(time) }
}
