import ZongJi from '@vlasky/zongji'
import { sleep } from '../../../src/async/clock.ts'
import { logEnd } from '../../binlog.ts'
import { eventually } from '../../eventually.ts'
import type { MysqlServer } from '../../servers/index.ts'
import type { LoggedRow, RowLine } from '../decoding.ts'
import { nothing, type Sum, TableModel } from '../state.ts'
import { canonical, type Form, formsOf, type OracleTable } from './tables.ts'

/** A place of the log as a number, in the order of its files. */
export function placeOf(file: string, position: number): bigint {
  return (BigInt(file.slice(file.lastIndexOf('.') + 1)) << 40n) | BigInt(position)
}

/** The place that a token of the product names; null when it names none. */
export function placeIn(token: string | null | undefined): bigint | null {
  const [, file, position] = /([^\s/]+\.\d+):(\d+)/.exec(token ?? '') ?? []
  return file === undefined ? null : placeOf(file, Number(position))
}

export function placeText(place: bigint): string {
  return `${place >> 40n}:${place & 0xffffffffffn}`
}

type Line = RowLine | { readonly kind: 'truncate'; readonly tables: readonly string[] }
type Log = InstanceType<typeof ZongJi>
type LogEvent = Parameters<Parameters<Log['on']>[1]>[0] & {
  getEventName(): string
  readonly nextPosition: number
}

interface Moment {
  readonly at: number
  readonly sum: Sum
}

/** What a history says of a row: what became of it, and its key; null without one. */
export function entryOf(op: string, key: readonly (string | null)[] | null): string {
  return key === null ? op : `${op} of ${JSON.stringify(key)}`
}

/** What a table has been through. */
interface Followed {
  readonly model: TableModel
  readonly key: readonly string[] | null
  readonly forms: ReadonlyMap<string, Form>
  readonly moments: Moment[]
  /** What a history says of each change, as `entryOf` writes it, by the place of its transaction. */
  readonly entries: { readonly place: bigint; readonly says: readonly string[] }[]
}

/**
 * What the source held after each of its transactions: the log as another reader decodes it, so
 * that no line of the product takes part in it.
 */
export class Truth implements AsyncDisposable {
  readonly #server: MysqlServer
  readonly #schema: string
  readonly #tables = new Map<string, Followed>()
  readonly #ends: bigint[] = []
  readonly #sums: number[] = []
  /** Rows of transactions that were prepared, by their names. */
  readonly #prepared = new Map<string, readonly Line[]>()
  readonly #failed = Promise.withResolvers<never>()
  #open: Line[] = []
  #file: string
  #resume: number
  #reached = 0n
  #changes = 0
  #log: Log | null = null
  #over = false

  private constructor(
    server: MysqlServer,
    schema: string,
    from: { readonly file: string; readonly position: number },
  ) {
    this.#server = server
    this.#schema = schema
    this.#file = from.file
    this.#resume = from.position
    this.#failed.promise.catch(() => undefined)
  }

  /** Begins where the log ends, on tables without rows. */
  static async begin(
    server: MysqlServer,
    schema: string,
    tables: readonly OracleTable[],
  ): Promise<Truth> {
    const truth = new Truth(server, schema, await logEnd(server))
    for (const table of tables) {
      const key = table.key.length === 0 ? null : table.key.map(({ column }) => column)
      truth.#tables.set(table.name, {
        model: new TableModel(table.name, key),
        key,
        forms: formsOf(table),
        moments: [{ at: 0, sum: nothing }],
        entries: [],
      })
    }
    truth.#follow()
    return truth
  }

  get tables(): readonly string[] {
    return [...this.#tables.keys()]
  }
  get commits(): number {
    return this.#ends.length
  }
  get changes(): number {
    return this.#changes
  }
  get last(): bigint {
    return this.#ends.at(-1) ?? 0n
  }
  get reached(): bigint {
    return this.#reached
  }
  /** Rejects when the log says what cannot be. */
  get failed(): Promise<never> {
    return this.#failed.promise
  }

  /** The end of the last transaction, once all that the log holds now is read. */
  async read(): Promise<bigint> {
    const end = await eventually('the log is asked for its end', () => logEnd(this.#server), {
      within: 60_000,
    })
    const place = placeOf(end.file, end.position)
    const known = eventually('the truth is read', () => this.#reached >= place, {
      within: 120_000,
      every: 5,
    })
    await Promise.race([known, this.#failed.promise])
    return this.last
  }

  commitsAt(place: bigint): number {
    const later = this.#ends.findIndex((end) => end > place)
    return later < 0 ? this.#ends.length : later
  }
  changesAt(place: bigint): number {
    return this.#sums[this.commitsAt(place) - 1] ?? 0
  }
  sumAt(table: string, commits: number): Sum {
    const moments = this.#tables.get(table)?.moments ?? []
    return moments.findLast(({ at }) => at <= commits)?.sum ?? nothing
  }
  /** Rows of a table as they are now. */
  textsOf(table: string): readonly string[] {
    return this.#tables.get(table)?.model.texts ?? []
  }
  formsOf(table: string): ReadonlyMap<string, Form> {
    return this.#tables.get(table)?.forms ?? new Map()
  }
  /** The columns of a table's key; null without one. */
  keyOf(table: string): readonly string[] | null {
    return this.#tables.get(table)?.key ?? null
  }
  /** What a history says of the changes of a table behind this place. */
  entriesAfter(table: string, place: bigint): readonly string[] {
    const entries = this.#tables.get(table)?.entries ?? []
    return entries.flatMap((one) => (one.place > place ? one.says : []))
  }

  /** Reads from the end of the last group on, as often as the server goes away. */
  #follow(): void {
    if (this.#over) return
    this.#open = []
    const { host, port } = this.#server
    const log = new ZongJi({ host, port, user: 'root', dateStrings: true })
    this.#log = log
    let lost = false
    const again = (): void => {
      if (lost) return
      lost = true
      close(log)
      void sleep(50).then(() => this.#follow())
    }
    log.on('error', again)
    log.on('stopped', again)
    log.on('binlog', (event) => {
      if (lost || this.#over) return
      try {
        this.#take(event as LogEvent)
      } catch (error) {
        this.#over = true
        this.#failed.reject(error)
      }
    })
    log.start({
      serverId: 3_000_000_000 + Math.floor(Math.random() * 1_000_000_000),
      filename: this.#file,
      position: this.#resume,
    })
  }

  #take(event: LogEvent): void {
    const kind = event.getEventName()
    if (kind === 'rotate' && 'binlogName' in event) {
      this.#file = String(event.binlogName)
      this.#pass(Number('position' in event ? event.position : 4))
      return
    }
    if ('rows' in event) this.#rows(kind, event as LogEvent & RowsEvent)
    else if (kind === 'xid') this.#commit(this.#open, event)
    else if (kind === 'xaprepare') this.#prepare(event)
    else if (kind === 'query' && 'query' in event) this.#statement(event as LogEvent & QueryEvent)
    if (this.#open.length === 0 && event.nextPosition > 0 && kind !== 'tablemap') {
      this.#reach(event.nextPosition)
    }
  }

  /** The end of a group, from where reading can go on. */
  #pass(position: number): void {
    this.#open = []
    this.#resume = position
    this.#reach(position)
  }

  #reach(position: number): void {
    const place = placeOf(this.#file, position)
    if (place > this.#reached) this.#reached = place
  }

  #statement(event: LogEvent & QueryEvent): void {
    const query = event.query.trim()
    const [, decision, name] = /^XA (COMMIT|ROLLBACK) X'([0-9a-f]*)'/i.exec(query) ?? []
    if (decision !== undefined) {
      const key = (name ?? '').toLowerCase()
      const lines = this.#prepared.get(key) ?? []
      this.#prepared.delete(key)
      if (decision.toUpperCase() === 'COMMIT') this.#commit(lines, event)
      else this.#pass(event.nextPosition)
    } else if (/^COMMIT$/i.test(query)) this.#commit(this.#open, event)
    else if (!/^(?:BEGIN|XA |SAVEPOINT|ROLLBACK TO)/i.test(query)) {
      const [, table] = /^truncate\s+(?:table\s+)?`?(\w+)/i.exec(query) ?? []
      const ours = table !== undefined && event.schema === this.#schema
      if (ours) this.#commit([{ kind: 'truncate', tables: [table] }], event)
      else this.#pass(event.nextPosition)
    }
  }

  #prepare(event: LogEvent): void {
    const named = event as LogEvent & { readonly xidGtrid: string | Buffer }
    this.#prepared.set(Buffer.from(named.xidGtrid).toString('hex'), this.#open)
    this.#pass(event.nextPosition)
  }

  #rows(kind: string, event: LogEvent & RowsEvent): void {
    const map = event.tableMap[event.tableId]
    if (map?.parentSchema !== this.#schema) return
    const table = map.tableName
    const forms = this.formsOf(table)
    for (const found of event.rows) {
      if (kind === 'updaterows') {
        const [old, row] = [found['before'], found['after']].map((one) => cells(one, forms))
        if (row === undefined || old === undefined) throw new Error('an update without its rows')
        this.#open.push({ kind: 'update', table, row, old })
      } else {
        const row = cells(found, forms)
        this.#open.push({ kind: kind === 'writerows' ? 'insert' : 'delete', table, row, old: null })
      }
    }
  }

  #commit(lines: readonly Line[], event: LogEvent): void {
    const end = placeOf(this.#file, event.nextPosition)
    if (lines.length > 0) {
      this.#ends.push(end)
      const touched = new Set(lines.flatMap((line) => this.#apply(line, end)))
      this.#sums.push(this.#changes)
      for (const { model, moments } of touched) {
        moments.push({ at: this.#ends.length, sum: model.sum })
      }
    }
    this.#pass(event.nextPosition)
  }

  #apply(line: Line, place: bigint): readonly Followed[] {
    this.#changes++
    const names = line.kind === 'truncate' ? line.tables : [line.table]
    return names.flatMap((name) => {
      const table = this.#tables.get(name)
      if (table === undefined) throw new Error(`the log holds the unknown table ${name}`)
      if (line.kind === 'truncate') table.model.truncate()
      else table.model.take(line)
      table.entries.push({ place, says: saidOf(table, line) })
      return [table]
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true
    if (this.#log !== null) close(this.#log)
  }
}

/** A change of a key is said of both keys. */
function saidOf({ model, key }: Followed, line: Line): readonly string[] {
  if (line.kind === 'truncate') return [entryOf('truncate', null)]
  const of = (cells: LoggedRow): readonly (string | null)[] | null =>
    key?.map((column) => cells.get(column) ?? null) ?? null
  const said = entryOf(line.kind, of(line.row))
  if (line.old === null || !model.moves(line)) return [said]
  return [said, entryOf('delete', of(line.old))]
}

interface RowsEvent {
  readonly tableId: number | string
  readonly tableMap: Readonly<
    Record<number | string, { readonly parentSchema: string; readonly tableName: string }>
  >
  readonly rows: readonly Readonly<Record<string, unknown>>[]
}

interface QueryEvent {
  readonly query: string
  readonly schema: string
}

function close(log: Log): void {
  try {
    log.stop()
  } catch {
    // Its connection is gone already.
  }
}

function cells(row: unknown, forms: ReadonlyMap<string, Form>): LoggedRow {
  const found = Object.entries(row as Readonly<Record<string, unknown>>)
  return new Map(
    found.flatMap(([name, value]): [string, string][] =>
      value === null
        ? []
        : [[name, canonical(forms.get(name) ?? 'plain', printed(name, value, forms))]],
    ),
  )
}

function printed(name: string, value: unknown, forms: ReadonlyMap<string, Form>): string {
  const form = forms.get(name)
  if (form === 'bytes') {
    const bytes = Buffer.isBuffer(value) ? value : Buffer.from(String(value), 'latin1')
    return `\\x${bytes.toString('hex')}`
  }
  if (Buffer.isBuffer(value)) return value.toString('utf8')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
