import type { Change, StreamItem } from '../../model/change.ts'
import { Fault } from '../../model/fault.ts'
import { type Control, controlOf, xidText } from './control.ts'
import { Images } from './images.ts'
import { misread } from './log/bytes.ts'
import { DomainPosition } from './log/domains.ts'
import type { LogEvent } from './log/events.ts'
import type { GtidSet } from './log/gtid.ts'
import { type Begin, Open } from './open.ts'
import { type Gtid, gtidText, type Held, Passage } from './passage.ts'
import { contains, type Landmark, lacking, type Passed, type Place } from './place.ts'
import type { Places } from './places.ts'
import { type SchemaInForce, statementFault } from './schema/force.ts'

export interface ReadingOptions {
  readonly places: Places
  readonly force: SchemaInForce
  readonly start: Place
  readonly landmark: Landmark | null
  /** Updates bring the row before, also where the key stays. */
  readonly before: boolean
}

/** A transaction that is prepared: what its changes are called until it ends. */
interface Prepared {
  readonly id: string
  /** False for one that changes nothing of the mirror's. */
  readonly changes: boolean
  readonly held: Held
}

type Of<K extends LogEvent['kind']> = Extract<LogEvent, { readonly kind: K }>

/** Turns the events of a log, in order, into what a stream consists of. */
export class Reading {
  readonly #places: Places
  readonly #force: SchemaInForce
  readonly #images: Images
  readonly #passage: Passage
  readonly #prepared = new Map<string, Prepared>()
  /** Transactions come again that were passed before: what was passed of them so far. */
  #again: { passed: Passed | null } | null
  #file = ''
  /** True until the first file of the connection has shown what comes before it. */
  #first = true
  #open: Open | null = null
  /** The last place at which no transaction was open, and the one that was handed out. */
  #safe = { file: '', end: 0 }
  #handed = { file: '', end: 0 }

  constructor({ places, force, start, landmark, before }: ReadingOptions) {
    this.#places = places
    this.#force = force
    this.#images = new Images({ mariadb: places.server.flavour === 'mariadb', before })
    this.#passage = new Passage(places, { place: start, landmark })
    this.#again = start.from === null ? null : { passed: start.from.passed?.clone() ?? null }
  }

  /** True when everything that `place` has passed was passed here, too. */
  covers({ passed }: Place): boolean {
    const own = this.#passage.passed()
    return own !== null && passed !== null && contains(own, passed)
  }

  /** Takes in one event; waits only where something has to be asked. What it throws ends the stream. */
  take(event: LogEvent, items: StreamItem[]): Promise<void> | undefined {
    if (event.kind !== 'query') {
      this.#event(event, items)
      this.#passed(event)
      return undefined
    }
    const asking = this.#query(event, items)
    if (asking !== undefined) return asking.then(() => this.#passed(event))
    this.#passed(event)
    return undefined
  }

  #passed({ end }: LogEvent): void {
    if (this.#open === null && end > 0) this.#safe = { file: this.#file, end }
  }

  #event(event: Exclude<LogEvent, { kind: 'query' }>, items: StreamItem[]): void {
    switch (event.kind) {
      case 'rows':
        this.#rows(event, items)
        return
      case 'gtid':
        this.#begin(this.#setGtid(event), event, {})
        return
      case 'domain-gtid': {
        const { standalone, xa } = event.gtid
        const how = { began: !standalone, prepares: xa === 'prepared' }
        this.#begin({ kind: 'domain', ...event.gtid }, event, how)
        return
      }
      case 'anonymous':
        this.#requireFiles()
        this.#begin(null, event, {})
        return
      case 'xid':
        this.#commit(event, items)
        return
      case 'xa-prepare':
        if (event.prepared.onePhase) this.#commit(event, items)
        else this.#prepare(event.prepared.xid, items)
        return
      case 'load':
        throw statementFault(null)
      default:
        this.#between(event, items)
        return
    }
  }

  #between(event: LogEvent, items: StreamItem[]): void {
    switch (event.kind) {
      case 'rotate':
        if (this.#file !== '' && this.#file !== event.file) {
          this.#places.ruler.closed(this.#file, this.#safe.end)
          this.#abandon(items)
          this.#first = false
        }
        this.#file = event.file
        return
      case 'format':
        this.#abandon(items)
        return
      case 'gtids-before':
        this.#requireWhole(event.set)
        return
      case 'domains-before':
        this.#requireWhole(event.position)
        return
      default:
    }
  }

  /** What was handed out is not true of a server that stopped in the middle of it. */
  #abandon(items: StreamItem[]): void {
    const open = this.#open
    this.#open = null
    if (open?.parted) items.push({ kind: 'discard', transaction: open.begin.id, sub: null })
  }

  /** A file says what was logged before it: all of that must have come. */
  #requireWhole(before: GtidSet | DomainPosition): void {
    const own = this.#passage.passed()
    if (this.#first || this.#again !== null || own === null) return
    const missing = lacking(before, own)
    if (missing.isEmpty) return
    const what = `the source holds transactions that are not in its log: ${missing}`
    throw new Fault('HF-L111', { what, side: 'source' })
  }

  #requireFiles(): void {
    if (this.#places.byFiles) return
    const what = 'the source writes transactions without a GTID now'
    throw new Fault('HF-L118', { what, side: 'source' })
  }

  #setGtid({ gtid: { origin, number } }: Of<'gtid'>): Gtid {
    return { kind: 'set', origin, number }
  }

  #begin(
    named: Gtid | null,
    event: LogEvent,
    how: { readonly began?: boolean; readonly prepares?: boolean },
  ): void {
    if (this.#open !== null) throw misread('a transaction begins within another one')
    const gtid = this.#places.byFiles ? null : named
    const said = event.kind === 'gtid' ? event.gtid.committedAt : null
    const begin: Begin = {
      id: `${this.#file}:${event.start}`,
      gtid,
      start: event.start,
      time: said ?? BigInt(event.timestamp) * 1_000_000n,
      skip: this.#isAgain(gtid, event.start),
      prepares: how.prepares === true,
    }
    this.#open = new Open(begin, how.began === true)
  }

  /** After the first one that is new no other comes again. */
  #isAgain(gtid: Gtid | null, start: number): boolean {
    const again = this.#again
    if (again === null) return false
    const known =
      gtid === null ? this.#passage.isBefore(this.#file, start) : this.#passage.has(gtid)
    if (!known) this.#again = null
    return known
  }

  #query(event: Of<'query'>, items: StreamItem[]): Promise<void> | undefined {
    if (this.#open === null) this.#begin(null, event, {})
    const open = this.#open
    const control = controlOf(event.query)
    if (open === null) return undefined
    if (control === null) return this.#statement(open, event, items)
    this.#control(open, control, { event, items })
    return undefined
  }

  #control(
    open: Open,
    control: Control,
    { event, items }: { readonly event: LogEvent; readonly items: StreamItem[] },
  ): void {
    switch (control.kind) {
      case 'begin':
        open.began = true
        return
      case 'commit':
        this.#commit(event, items)
        return
      case 'rollback':
        this.#rollback(open, event, items)
        return
      case 'savepoint':
        if (open.wanted) open.savepoint(control.name, items)
        return
      case 'rollback-to':
        if (!open.wanted || open.rollbackTo(control.name, items)) return
        throw misread('the log goes back to a savepoint that it did not name')
      case 'xa-start':
        open.began = true
        open.prepares = true
        return
      case 'xa-commit':
      case 'xa-rollback':
        this.#end({ commits: control.kind === 'xa-commit', xid: control.xid }, event, items)
        return
      default:
    }
  }

  #statement(open: Open, event: Of<'query'>, items: StreamItem[]): Promise<void> | undefined {
    const changes = open.begin.skip ? [] : this.#force.apply(event.query)
    const done = (found: readonly Change[]): void => {
      open.changes.push(...found)
      if (!open.began) this.#commit(event, items)
    }
    if (changes instanceof Promise) return changes.then(done)
    done(changes)
    return undefined
  }

  #rows({ map, rows }: Of<'rows'>, items: StreamItem[]): void {
    const open = this.#open
    if (open === null) throw misread('the log holds rows outside of a transaction')
    const followed = open.wanted ? this.#force.of(map) : null
    if (followed === null) return
    this.#images.take(followed, followed.read(map, rows), open.changes)
    open.grown(rows.rows.length, items)
  }

  #commit(event: LogEvent, items: StreamItem[]): void {
    const open = this.#open
    if (open === null) throw misread('a transaction ends that did not begin')
    this.#open = null
    const { begin } = open
    if (begin.skip) {
      this.#skipped(open, items)
      return
    }
    this.#pass(begin, event.end)
    if (open.changes.length === 0 && !open.parted) return
    items.push(this.#ended(begin, begin.id, open.changes))
  }

  #ended({ time }: Begin, transaction: string, changes: readonly Change[]): StreamItem {
    const { file, end } = this.#safe
    this.#handed = this.#safe
    const positions = this.#passage.at(file, end)
    return { kind: 'commit', transaction, changes, positions, committedAt: time }
  }

  /** The transaction is over, whatever became of it. */
  #pass({ gtid, start, time }: Begin, end: number): void {
    this.#passage.add(gtid)
    const at = { server: this.#places.server.key, file: this.#file, position: start }
    this.#passage.mark({ at, gtid: gtidText(gtid), time })
    this.#safe = { file: this.#file, end }
  }

  #skipped({ begin, parted }: Open, items: StreamItem[]): void {
    if (parted) items.push({ kind: 'discard', transaction: begin.id, sub: null })
    const passed = this.#again?.passed
    if (passed instanceof DomainPosition && begin.gtid?.kind === 'domain') {
      passed.advance(begin.gtid)
    }
  }

  #rollback(open: Open, event: LogEvent, items: StreamItem[]): void {
    this.#open = null
    if (open.begin.skip) {
      this.#skipped(open, items)
      return
    }
    if (open.parted) items.push({ kind: 'discard', transaction: open.begin.id, sub: null })
    this.#pass(open.begin, event.end)
  }

  /** What was prepared waits for its end, maybe for days; reading begins at it until then. */
  #prepare(xid: string, items: StreamItem[]): void {
    const open = this.#open
    if (open === null) throw misread('a transaction is prepared that did not begin')
    this.#open = null
    const { begin } = open
    open.flush(items)
    const again = begin.skip ? (this.#again?.passed?.clone() ?? null) : null
    const held: Held = {
      gtid: begin.gtid,
      before: begin.skip ? again : this.#passage.passed(),
      at: { server: this.#places.server.key, file: this.#file, position: begin.start },
    }
    this.#passage.hold(held)
    this.#prepared.set(xidText(xid), { id: begin.id, changes: open.parted, held })
    if (begin.skip) this.#skipped(new Open(begin, true), items)
    else this.#passage.add(begin.gtid)
  }

  #end(
    control: { readonly commits: boolean; readonly xid: string },
    event: LogEvent,
    items: StreamItem[],
  ): void {
    const open = this.#open
    this.#open = null
    if (open === null) return
    const { begin } = open
    const prepared = this.#prepared.get(control.xid)
    this.#prepared.delete(control.xid)
    if (prepared !== undefined) this.#passage.release(prepared.held)
    const commits = control.commits && !begin.skip
    if (prepared === undefined) {
      if (commits) throw endedFault(control.xid)
    } else if (!commits && prepared.changes) {
      items.push({ kind: 'discard', transaction: prepared.id, sub: null })
    }
    if (begin.skip) {
      this.#skipped(open, items)
      return
    }
    this.#pass(begin, event.end)
    if (prepared?.changes !== true || !commits) return
    items.push(this.#ended(begin, prepared.id, []))
  }

  /** Everything up to `place` has been passed, although no event says so. */
  reached({ at }: Place): void {
    if (at === null || this.#open !== null || at.server !== this.#places.server.key) return
    const { ruler } = this.#places
    const { file, end } = this.#safe
    if (file !== '' && ruler.at({ file, position: end }) > ruler.at(at)) return
    this.#safe = { file: at.file, end: at.position }
  }

  /** Says how far everything has been passed, unless that is said already. */
  progress(items: StreamItem[]): void {
    const { file, end } = this.#safe
    if (file === '' || this.#again !== null || this.#passage.isPast(file, end)) return
    if (this.#handed.file === file && this.#handed.end === end) return
    this.#handed = this.#safe
    items.push({ kind: 'progress', positions: this.#passage.at(file, end) })
  }
}

function endedFault(xid: string): Fault {
  const what = `the XA transaction ${xid} ended, which was prepared before the mirror began`
  return new Fault('HF-L117', { what, side: 'source' })
}
