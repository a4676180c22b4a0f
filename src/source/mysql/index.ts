import { connect, type Session } from '../../dialect/mysql/connect.ts'
import { describePlace } from '../../dialect/mysql/place.ts'
import type { StreamItem } from '../../model/change.ts'
import type { Identities } from '../../model/checkpoint.ts'
import { Fault, type Finding } from '../../model/fault.ts'
import type { Comparison, Position, Positions } from '../../model/position.ts'
import type { SourceReader } from '../../model/reader.ts'
import {
  type Blueprint,
  type Sequence,
  type Table,
  tableName,
  type Vocabulary,
} from '../../model/table.ts'
import type {
  Estimate,
  Later,
  LogState,
  Selection,
  Snapshot,
  Source,
  SourceOptions,
  SourceTraits,
} from '../source.ts'
import { confirmLog } from './check/confirm.ts'
import { preflightSource } from './check/preflight.ts'
import { readCounters } from './counters.ts'
import { estimateTables } from './estimate.ts'
import { Keeping } from './keeping.ts'
import { Newcomers } from './later.ts'
import { logSettings } from './look.ts'
import { LANE } from './place.ts'
import { Places } from './places.ts'
import { openSourceReader } from './reader/reader.ts'
import { blueprintOf, readSource } from './schema/inspect.ts'
import {
  logEnd,
  logFiles,
  logPassed,
  logStart,
  logsCascades,
  readServer,
  type Server,
} from './server.ts'
import { openSnapshot, type SnapshotOptions } from './snapshot/snapshot.ts'
import { streamLog } from './stream.ts'

const NAMES = { mysql: 'MySQL', mariadb: 'MariaDB' } as const

/** Connects; faults within seconds when the server cannot be reached or entered. */
export async function openMysqlSource(options: SourceOptions): Promise<Source> {
  const { endpoint, mirror } = options
  const control = await connect(endpoint, { side: 'source', mirror, purpose: 'control' })
  try {
    const server = await readServer(control)
    return new MysqlSource(options, { control, server, place: await describePlace(control) })
  } catch (error) {
    await control[Symbol.asyncDispose]()
    throw error
  }
}

interface Opened {
  /** An ordinary session for single statements; several callers use it at once. */
  readonly control: Session
  readonly server: Server
  readonly place: string
}

class MysqlSource implements Source {
  readonly traits: SourceTraits = { dialect: 'mysql', wholeTransactions: true }
  readonly label: string
  readonly place: string
  readonly #options: SourceOptions
  readonly #control: Session
  /** The tables that were streamed last. */
  #followed: readonly Table[] = []
  readonly #server: Server
  readonly #places: Places
  readonly #keeping: Keeping
  readonly #newcomers = new Newcomers()
  /** What was said last of how the log is written; null while that is well. */
  #said: string | null = null
  /** The newest place that the target has on disk. */
  #durable: Position | null = null

  constructor(options: SourceOptions, { control, server, place }: Opened) {
    const { database } = options.endpoint
    const number = /^(?:5\.5\.5-)?(\d+\.\d+\.\d+)/.exec(control.version.text)?.[1] ?? ''
    const where = `${control.label}${database === null ? '' : `/${database}`}`
    this.#options = options
    this.#control = control
    this.#server = server
    this.#places = new Places(server)
    const purpose = { side: 'source', mirror: options.mirror, purpose: 'look' } as const
    this.#keeping = new Keeping(control, () => connect(options.endpoint, purpose))
    this.label = `${NAMES[server.flavour]} ${number} at ${where}`
    this.place = place
  }

  async preflight(): Promise<readonly Finding[]> {
    const { endpoint, mirror, selection } = this.#options
    return await preflightSource(this.#control, {
      endpoint,
      selection,
      home: endpoint.database,
      server: this.#server,
      logsCascades: logsCascades(this.#control, this.#server),
      another: (purpose) => connect(endpoint, { side: 'source', mirror, purpose }),
    })
  }

  async inspect(of?: readonly Table[]): Promise<Blueprint> {
    const { endpoint } = this.#options
    const selection = of === undefined ? this.#options.selection : new Set(of.map(({ id }) => id))
    const wanted = { selection, home: endpoint.database }
    return blueprintOf(this.#control, await readSource(this.#control, wanted))
  }

  async estimates(tables: readonly Table[]): Promise<readonly Estimate[]> {
    return await estimateTables(this.#control, tables)
  }

  encodings(): ReturnType<Source['encodings']> {
    return { stream: ['values'], copy: ['values'] }
  }

  async identity(): Promise<Identities> {
    const { flavour, key } = this.#server
    const log = { flavour: { value: flavour, changed: 'HF-L106' } }
    return this.#places.byFiles ? { ...log, server: { value: key, changed: 'HF-L106' } } : log
  }

  async range(): ReturnType<Source['range']> {
    this.#places.ruler.learn(await logFiles(this.#control))
    const server = this.#places.server
    const [from, head] = [
      await logStart(this.#control, server),
      await logEnd(this.#control, server),
    ]
    if (from === null || head === null) throw noLog(this.label)
    // Files go away when nothing is in them that was not passed, too.
    const oldest = from.passed === null ? from : { ...from, at: null }
    return { from: this.#places.at(oldest), head: this.#places.at(head), gap: 'HF-L111' }
  }

  /** The core passes it on by itself. */
  readonly compare = (a: Position, b: Position): Comparison => this.#places.compare(a, b)

  position(_lane: string, token: string): Position {
    return this.#places.parse(token)
  }

  async confirm(applied: Positions, signal: AbortSignal): Promise<void> {
    const { endpoint, mirror } = this.#options
    const { place, landmark } = this.#places.in(applied)
    const server = this.#places.server
    await confirmLog(
      { endpoint, mirror, control: this.#control, server, applied: place, landmark },
      signal,
    )
  }

  async prepare(_tables: readonly Table[]): Promise<void> {}

  async later(selection: Selection, known: readonly Table[]): Promise<Later> {
    const home = this.#options.endpoint.database
    const logs = logsCascades(this.#control, this.#server)
    const looking = { selection, home, known, logsCascades: logs }
    return await this.#newcomers.find(this.#control, looking)
  }

  /** The log is of all tables; what is noted is that a table was not among the first. */
  async admit(tables: readonly Table[]): Promise<readonly Table[]> {
    return tables.map((table) => ({ ...table, since: 'later' }))
  }

  async snapshot(
    options: { readonly keep: boolean; readonly tables?: readonly Table[] },
    signal: AbortSignal,
  ): Promise<Snapshot> {
    const { tables } = await this.inspect(options.tables)
    const unchanged = async (): Promise<void> => {
      const found = (await this.inspect(options.tables)).tables
      const now = new Map(found.map(({ id, version, mark }) => [id, `${version} ${mark}`]))
      const changed = tables.filter(({ id, version, mark }) => now.get(id) !== `${version} ${mark}`)
      if (changed.length === 0) return
      const what = `${changed.map(tableName).join(', ')} changed at the source while its copy began`
      throw new Fault('HF-D410', { what, side: 'source' })
    }
    return await openSnapshot({ ...this.#viewOf(tables), unchanged }, signal)
  }

  #viewOf(tables: readonly Table[]): SnapshotOptions {
    const { endpoint, mirror, notice } = this.#options
    const places = this.#places
    return {
      endpoint,
      mirror,
      control: this.#control,
      places,
      tables,
      follow: (after, signal, before = false) =>
        this.stream(places.at(after), { tables, encoding: 'values', before }, signal),
      notice: notice ?? (() => undefined),
    }
  }

  async *stream(
    after: Positions,
    options: {
      readonly tables: readonly Table[]
      readonly encoding: string
      readonly before?: boolean
    },
    signal: AbortSignal,
  ): AsyncIterable<readonly StreamItem[]> {
    const { endpoint, mirror, notice } = this.#options
    const { place, landmark } = this.#places.in(after)
    this.#followed = options.tables
    this.#places.ruler.learn(await logFiles(this.#control))
    yield* streamLog(
      {
        endpoint,
        mirror,
        control: this.#control,
        places: this.#places,
        tables: options.tables,
        before: options.before ?? false,
        after: place,
        landmark,
        head: () => logPassed(this.#control, this.#places.server),
        folded: this.#server.variables.get('lower_case_table_names') !== '0',
        logsCascades: logsCascades(this.#control, this.#server),
        ...(notice === undefined ? {} : { notice }),
      },
      signal,
    )
  }

  acknowledge(durable: Positions): void {
    this.#durable = durable.get(LANE) ?? this.#durable
  }

  async fence(): Promise<Positions> {
    const end = await logEnd(this.#control, this.#places.server)
    if (end === null) throw noLog(this.label)
    return this.#places.at(end)
  }

  /** What becomes of tables stands in the log; how it is written from now on does not. */
  async look(_tables: readonly Table[]): Promise<void> {
    const now = await logSettings(this.#control)
    if (now !== null && now !== this.#said) this.#options.notice?.(now)
    this.#said = now
  }

  sequences(): Promise<readonly Sequence[]> {
    return readCounters(this.#control, this.#followed)
  }

  /** None: labels come with the statement of the log that adds them, before the rows that hold them. */
  async vocabularies(_tables: readonly Table[]): Promise<readonly Vocabulary[]> {
    return []
  }

  /** The server keeps its log for a time, whoever still needs it. */
  async log(): Promise<LogState> {
    const durable = this.#durable
    const end = await logEnd(this.#control, this.#places.server)
    if (durable === null || end?.at == null) return { retainedBytes: null, limitBytes: null }
    const files = await logFiles(this.#control)
    this.#places.ruler.learn(files)
    const bytes = Number(this.#places.ruler.at(end.at) - durable.order)
    const { at, from } = this.#places.placeOf(durable)
    const needed = from?.at ?? at
    const here = needed?.server === this.#server.key ? needed : null
    return { retainedBytes: Math.max(0, bytes), ...(await this.#keeping.limits(here, files)) }
  }

  async reader(tables: readonly Table[], signal: AbortSignal): Promise<SourceReader> {
    return await openSourceReader(this.#viewOf(tables), signal)
  }

  /** The server keeps nothing for a mirror. */
  async destroy(): Promise<readonly string[]> {
    return []
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#control[Symbol.asyncDispose]()
  }
}

function noLog(label: string): Fault {
  return new Fault('HF-S107', { what: `${label} writes no binary log`, side: 'source' })
}
