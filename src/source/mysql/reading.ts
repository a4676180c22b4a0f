import type { Change, StreamItem } from '../../model/change.ts'
import { Fault } from '../../model/fault.ts'
import { Again } from './again.ts'
import { type Control, controlOf } from './control.ts'
import { Images } from './images.ts'
import type { LastWord } from './last-word.ts'
import { misread } from './log/bytes.ts'
import type { DomainPosition } from './log/domains.ts'
import type { LogEvent } from './log/events.ts'
import type { GtidSet } from './log/gtid.ts'
import { Open } from './open.ts'
import { Outbox } from './outbox.ts'
import { Passage } from './passage.ts'
import { contains, type FilePlace, type Landmark, lacking, type Place } from './place.ts'
import type { Places } from './places.ts'
import { type Ending, judged, Prepared } from './prepared.ts'
import { type Followed, type SchemaInForce, statementFault } from './schema/force.ts'
import type { Gtid } from './trail.ts'

export interface ReadingOptions {
  readonly places: Places
  readonly force: SchemaInForce
  readonly start: Place
  readonly landmark: Landmark | null
  /** Updates bring the row before, also where the key stays. */
  readonly before: boolean
  /** Told, in a sentence, what may part the ends and stops nothing. */
  readonly notice: (text: string) => void
  /** What the log says last of an XA transaction before a place. */
  readonly lastWord: (xid: string, before: FilePlace) => Promise<LastWord | null>
}

type Of<K extends LogEvent['kind']> = Extract<LogEvent, { readonly kind: K }>

/** Turns the events of a log, in order, into what a stream consists of. */
export class Reading {
  readonly #places: Places
  readonly #force: SchemaInForce
  readonly #images: Images
  readonly #passage: Passage
  readonly #out: Outbox
  readonly #notice: (text: string) => void
  readonly #lastWord: ReadingOptions['lastWord']
  readonly prepared: Prepared
  readonly #again: Again
  #file = ''
  /** The server has ended the file by itself. */
  #closed = false
  /** True until the first file of the connection has shown what comes before it. */
  #first = true
  #open: Open | null = null
  /** The last place at which no transaction was open, and the one that was handed out. */
  #safe = { file: '', end: 0 }
  #handed = { file: '', end: 0 }

  constructor({ places, force, start, landmark, before, notice, lastWord }: ReadingOptions) {
    this.#notice = notice
    this.#lastWord = lastWord
    this.#places = places
    this.#force = force
    this.#images = new Images({ mariadb: places.server.flavour === 'mariadb', before })
    this.#passage = new Passage(places, { place: start, landmark })
    this.#out = new Outbox(this.#passage)
    this.prepared = new Prepared(this.#passage, this.#out)
    this.#again = new Again(this.#passage, start.from)
  }

  /** True when everything that `place` has passed was passed here, too. */
  covers({ passed }: Place): boolean {
    const own = this.#passage.passed()
    return own !== null && passed !== null && contains(own, passed)
  }

  /** Takes in one event; waits only where something has to be asked. What it throws ends the stream. */
  take(event: LogEvent): Promise<void> | undefined {
    if (event.kind !== 'query') {
      this.#event(event)
      this.#passed(event)
      return undefined
    }
    const asking = this.#query(event)
    if (asking !== undefined) return asking.then(() => this.#passed(event))
    this.#passed(event)
    return undefined
  }

  /** What was taken in and can be handed on. */
  drain(): readonly StreamItem[] {
    return this.#out.drain()
  }

  #passed({ end }: LogEvent): void {
    if (this.#open === null && end > 0) this.#reach(this.#file, end)
  }

  #reach(file: string, end: number): void {
    if (this.#safe.file === file) this.#safe.end = end
    else this.#safe = { file, end }
  }

  #event(event: Exclude<LogEvent, { kind: 'query' }>): void {
    switch (event.kind) {
      case 'rows':
        this.#rows(event)
        return
      case 'gtid': {
        const { origin, number } = event.gtid
        this.#begin({ kind: 'set', origin, number }, event, PLAIN)
        return
      }
      case 'domain-gtid': {
        const { standalone, xa, domain, server, sequence } = event.gtid
        const how = { began: !standalone, prepares: xa === 'prepared' }
        this.#begin({ kind: 'domain', domain, server, sequence }, event, how)
        return
      }
      case 'anonymous':
        this.#requireFiles()
        this.#begin(null, event, PLAIN)
        return
      case 'xid':
        this.#commit(event)
        return
      case 'xa-prepare':
        if (event.prepared.onePhase) this.#commit(event)
        else this.#prepare(event.prepared.xid)
        return
      case 'load':
        throw statementFault(null)
      default:
        this.#between(event)
        return
    }
  }

  #between(event: LogEvent): void {
    switch (event.kind) {
      case 'rotate':
        this.#rotate(event)
        return
      case 'stop':
        this.#closed = true
        return
      case 'format':
        this.#closed = false
        this.#abandon()
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

  #rotate({ file, timestamp }: Of<'rotate'>): void {
    const closed = this.#closed || timestamp > 0
    if (this.#file !== '' && this.#file !== file) {
      this.#places.ruler.closed(this.#file, this.#safe.end)
      this.#abandon()
      this.#first = false
      if (!closed) this.prepared.doubt()
    }
    this.#closed = closed
    this.#file = file
  }

  /** What was handed out is not true of a server that stopped in the middle of it. */
  #abandon(): void {
    this.#open?.discard(this.#out)
    this.#open = null
  }

  /** A file says what was logged before it: all of that must have come. */
  #requireWhole(before: GtidSet | DomainPosition): void {
    const own = this.#passage.passed()
    if (this.#first || !this.#again.over || own === null) return
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

  #begin(
    named: Gtid | null,
    event: LogEvent,
    how: { readonly began: boolean; readonly prepares: boolean },
  ): void {
    if (this.#open !== null) throw misread('a transaction begins within another one')
    const gtid = this.#places.byFiles ? null : named
    const said = event.kind === 'gtid' ? event.gtid.committedAt : null
    const begin = {
      gtid,
      file: this.#file,
      start: event.start,
      time: said ?? BigInt(event.timestamp * 1_000_000),
      skip: this.#again.has(gtid, this.#file, event.start),
      prepares: how.prepares,
    }
    this.#open = new Open(begin, how.began)
  }

  #query(event: Of<'query'>): Promise<void> | undefined {
    if (this.#open === null) this.#begin(null, event, PLAIN)
    const open = this.#open
    const control = controlOf(event.query)
    if (open === null) return undefined
    if (control === null) return this.#statement(open, event)
    if (control.kind === 'xa-commit' || control.kind === 'xa-rollback') {
      return this.#end({ commits: control.kind === 'xa-commit', xid: control.xid }, open, event)
    }
    this.#control(open, control, event)
    return undefined
  }

  #control(open: Open, control: Control, event: LogEvent): void {
    const out = this.#out
    switch (control.kind) {
      case 'begin':
        open.began = true
        return
      case 'commit':
        this.#commit(event)
        return
      case 'rollback':
        this.#rollback(open, event)
        return
      case 'savepoint':
        if (open.wanted) open.savepoint(control.name, out)
        return
      case 'rollback-to':
        if (!open.wanted || open.rollbackTo(control.name, out)) return
        throw misread('the log goes back to a savepoint that it did not name')
      case 'xa-start':
        open.began = true
        open.prepares = true
        return
      default:
    }
  }

  #statement(open: Open, event: Of<'query'>): Promise<void> | undefined {
    const changes = open.skip ? [] : this.#force.apply(event.query)
    const done = (found: readonly Change[]): void => {
      for (const change of found) {
        if (change.kind === 'schema') open.reshapes = true
        this.#out.changes.push(change)
      }
      if (!open.began) this.#commit(event)
    }
    if (changes instanceof Promise) return changes.then(done)
    done(changes)
    return undefined
  }

  #rows(event: Of<'rows'>): void {
    const open = this.#open
    if (open === null) throw misread('the log holds rows outside of a transaction')
    const followed = open.wanted ? this.#force.of(event.map) : null
    if (followed === null) return
    if (open.skip) open.again(() => this.#take(followed, event), this.#out)
    else this.#take(followed, event)
    open.grown(event.rows.to - event.rows.from, this.#out)
  }

  #take(followed: Followed, { map, rows }: Of<'rows'>): void {
    this.#images.take(followed, followed.read(map, rows), this.#out.changes)
  }

  #commit(event: LogEvent): void {
    const open = this.#open
    if (open === null) throw misread('a transaction ends that did not begin')
    this.#open = null
    if (open.skip) {
      this.#skipped(open)
      return
    }
    this.#pass(open, event.end)
    if (open.isAlone) this.#ended(open)
    else if (this.#out.open > 0) {
      this.#handed.file = this.#file
      this.#handed.end = event.end
      this.#out.whole(this.#file, event.end)
    }
  }

  /** A transaction that does not go together with others. */
  #ended({ id, time }: Open, transaction = id): void {
    const { file, end } = this.#safe
    this.#handed = { file, end }
    const changes = this.#out.opened()
    const positions = this.#passage.at(file, end)
    this.#out.push({ kind: 'commit', transaction, changes, positions, committedAt: time })
  }

  /** The transaction is over, whatever became of it. */
  #pass(open: Open, end: number): void {
    this.#passage.pass(open, this.#file)
    this.#reach(this.#file, end)
  }

  #skipped(open: Open): void {
    open.discard(this.#out)
    this.#again.advance(open.gtid)
  }

  #rollback(open: Open, event: LogEvent): void {
    this.#open = null
    if (open.skip) {
      this.#skipped(open)
      return
    }
    open.discard(this.#out)
    this.#pass(open, event.end)
  }

  #prepare(xid: string): void {
    const open = this.#open
    if (open === null) throw misread('a transaction is prepared that did not begin')
    this.#open = null
    const { skip, gtid } = open
    open.flush(this.#out)
    this.prepared.add(xid, open, {
      gtid,
      before: skip ? this.#again.passed() : this.#passage.passed(),
      at: { server: this.#places.server.key, file: this.#file, position: open.start },
    })
    if (skip) this.#again.advance(gtid)
    else this.#passage.add(gtid)
  }

  #end(ending: Ending, open: Open, event: LogEvent): Promise<void> | undefined {
    this.#open = null
    const keeps = ending.commits && !open.skip
    const prepared = this.prepared.end(ending.xid, keeps)
    if (open.skip) this.#skipped(open)
    else if (prepared === null) return this.#endUnknown(ending, open, event)
    else {
      this.#pass(open, event.end)
      if (prepared.parted && keeps) this.#ended(open, prepared.id)
    }
    return undefined
  }

  async #endUnknown(ending: Ending, open: Open, { end }: LogEvent): Promise<void> {
    const { server } = this.#places
    const before = { server: server.key, file: this.#file, position: open.start }
    const said = judged(ending, await this.#lastWord(ending.xid, before))
    if (said !== null) this.#notice(said)
    this.#pass(open, end)
  }

  /** Everything up to `place` has been passed, although no event says so. */
  reached({ at }: Place): void {
    if (at === null || this.#open !== null || at.server !== this.#places.server.key) return
    if (this.#safe.file !== '' && this.#safeDistance(at) < 0n) return
    this.#reach(at.file, at.position)
  }

  /** True when everything before this place of the files has been read. */
  hasReached(at: FilePlace): boolean {
    if (this.#safe.file === '' || at.server !== this.#places.server.key) return false
    return this.#safeDistance(at) <= 0n
  }

  #safeDistance(at: FilePlace): bigint {
    const { ruler } = this.#places
    return ruler.at(at) - ruler.at({ file: this.#safe.file, position: this.#safe.end })
  }

  /** Says how far everything has been passed, unless that is said already. */
  progress(): void {
    const { file, end } = this.#safe
    if (file === '' || !this.#again.over) return
    this.#out.handOn()
    if (this.#handed.file === file && this.#handed.end === end) return
    if (this.#passage.isPast(file, end)) return
    this.#handed = { file, end }
    this.#out.push({ kind: 'progress', positions: this.#passage.at(file, end) })
  }
}

/** How most transactions begin. */
const PLAIN = { began: false, prepares: false } as const
