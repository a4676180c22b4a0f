import { monotonic, sleep } from '../../src/async/clock.ts'
import { eventually } from '../eventually.ts'
import { startProxy } from '../proxy.ts'
import { diskOf } from '../servers/disk.ts'
import { openSession, type PostgresServer } from '../servers/index.ts'
import { type Drawn, drawTables } from './drawn.ts'
import { differences } from './equal.ts'
import { type Done, type FaultKind, inflict, type Place, type Scene } from './faults.ts'
import { Load } from './load.ts'
import { MirrorProcess } from './mirror.ts'
import type { OracleOptions, Outcome } from './oracle.ts'
import { type Plan, type PlannedFault, planOf } from './plan.ts'
import { Random } from './random.ts'
import { Reader } from './reader.ts'
import { schemaSql, tables } from './tables.ts'
import { Truth } from './truth.ts'
import { roomy, watch } from './watch.ts'

/** What a course of its own can see and do. */
export interface Stage extends Scene {
  readonly truth: Truth
  readonly reader: Reader
  /** Whether more is being written to the source. */
  loading(): boolean
  /** Fails unless the mirror reaches what had been committed by now. */
  recovered(after: string): Promise<void>
}

/** Changes that the mirror may be behind before the load waits for it. */
const MOST_BEHIND = 20_000

interface Parts {
  readonly truth: Truth
  readonly load: Load
  readonly reader: Reader
}

/** One run of the oracle and all that it started. */
export class Trial implements AsyncDisposable {
  readonly #options: OracleOptions
  readonly #plan: Plan
  readonly #random: Random
  readonly #drawn: Drawn
  readonly #name: string
  readonly #began = monotonic()
  readonly #faults: Record<string, number> = {}
  readonly #inflicted: PlannedFault[] = []
  #hits = 0
  readonly #leftOut: string[] = []
  readonly #log: string[] = []
  readonly #stack = new AsyncDisposableStack()
  #first: Load | null = null
  #truth: Truth | null = null
  #reader: Reader | null = null
  #load: Load | null = null
  #mirror: MirrorProcess | null = null
  #verifications = 0
  #over = false

  constructor(options: OracleOptions) {
    this.#options = options
    this.#plan = planOf(options)
    this.#random = new Random(options.seed)
    this.#drawn = drawTables(this.#random.fork('schema'))
    this.#name = `oracle_${process.pid}_${options.seed}_${Math.random().toString(36).slice(2, 6)}`
  }

  outcome(failure: string | null): Outcome {
    const [before, after] = [this.#first?.script, this.#load?.script]
    return {
      seed: this.#plan.seed,
      plan: this.#plan,
      transactions: this.#truth?.commits ?? 0,
      changes: this.#truth?.changes ?? 0,
      rolledBack: this.#load?.ends.rolledBack ?? 0,
      looks: this.#reader?.looks ?? 0,
      faults: this.#faults,
      leftOut: this.#leftOut,
      kills: this.#mirror?.kills ?? 0,
      deaths: this.#mirror?.deaths ?? {},
      starts: this.#mirror?.starts ?? 0,
      verifications: this.#verifications,
      seconds: Math.round((monotonic() - this.#began) / 1000),
      failure:
        failure === null ? null : `${failure}\nbefore it: ${this.#log.slice(-12).join(', ')}`,
      inflicted: this.#inflicted,
      script: before == null || after == null ? null : { before, after },
    }
  }

  /** Faults that the load has to last for. */
  get #least(): number {
    const { planned, faults, transactions } = this.#plan
    if (planned !== null) return planned.length
    const { course, least = Math.ceil(transactions / 60) } = this.#options
    return course !== undefined || Object.keys(faults).length === 0 ? 0 : least
  }

  #say(line: string): void {
    this.#log.push(line)
    this.#options.say?.(`${((monotonic() - this.#began) / 1000).toFixed(1)} s ${line}`)
  }

  async run(): Promise<void> {
    const scene = await this.#open()
    const { mirror } = scene
    const { truth, load, reader } = this.#parts()
    const all = Promise.all([reader.done, load.done])
    const work = this.#course(scene)
    try {
      // Whatever fails first is the verdict.
      await Promise.race([work, mirror.halted, all.then(() => work)])
    } finally {
      work.catch(() => undefined)
      all.catch(() => undefined)
    }
    this.#say(`${truth.commits} transactions, ${reader.looks} looks`)
  }

  #parts(): Parts {
    const [truth, load, reader] = [this.#truth, this.#load, this.#reader]
    if (truth === null || load === null || reader === null) throw new Error('not opened')
    return { truth, load, reader }
  }

  async #open(): Promise<Scene> {
    const { sessions, every, killAt } = this.#plan
    const source = await this.#place(this.#options.source, 'source')
    const target = await this.#place(this.#options.target, 'target')
    const truth = await this.#begin(source)
    const mirror = this.#make(source, target)
    this.#say(`${sessions} sessions, killed at ${killAt ?? 'nothing'} first`)
    mirror.start(killAt ?? undefined)
    this.#load = this.#work(source)
    this.#reader = new Reader({ url: target.url, mirror: 'oracle', truth, every, copied: watch })
    return { random: this.#random.fork('faults'), mirror, source, target }
  }

  /** The schema, a slot for the truth, and some rows that are there before the mirror is. */
  async #begin(source: Place): Promise<Truth> {
    const { mix, script } = this.#plan
    {
      await using session = await openSession(source.url)
      for (const sql of [...schemaSql, ...this.#drawn.sql]) await session.query(sql)
    }
    const truth = this.#stack.use(await Truth.begin(source.url, `${this.#name}_truth`))
    this.#truth = truth
    this.#first = new Load({
      url: source.url,
      random: this.#random.fork('first'),
      sessions: 4,
      transactions: 80,
      mix,
      tables: [...tables, ...this.#drawn.tables],
      script: script?.before ?? null,
      record: this.#options.record ?? false,
    })
    await this.#first.done
    return truth
  }

  #make(source: Place, target: Place): MirrorProcess {
    const { batchRows, memory, path } = this.#plan
    const { program, env } = this.#options
    const mirror = new MirrorProcess({
      name: 'oracle',
      source: source.proxy.url(source.url),
      target: target.proxy.url(target.url),
      batchRows,
      memory,
      ...(program === undefined ? {} : { program }),
      ...(env === undefined ? {} : { env }),
      ...(path === null ? {} : { path }),
    })
    this.#mirror = this.#stack.use(mirror)
    return mirror
  }

  #work(source: Place): Load {
    const { sessions, transactions, mix, rate, early, script } = this.#plan
    // Some faults meet nothing, on a slow machine most of them.
    const most = 3 * this.#least
    return new Load({
      url: source.url,
      random: this.#random.fork('load'),
      sessions,
      transactions,
      more: () => !this.#over && this.#hits < this.#least && this.#inflicted.length < most,
      wait: () => !this.#over && this.#isFarBehind(),
      mix,
      tables: [...tables, ...this.#drawn.tables],
      rate,
      atFirst: early,
      from: 1000,
      script: script?.after ?? null,
      record: this.#options.record ?? false,
    })
  }

  /** A machine that is busy with other things may write faster than it mirrors, without an end. */
  #isFarBehind(): boolean {
    const [truth, reader] = [this.#truth, this.#reader]
    if (this.#options.course !== undefined || truth === null || reader === null) return false
    if (reader.looks === 0) return false
    return truth.changes - truth.changesAt(reader.position) > MOST_BEHIND
  }

  #comes(kind: FaultKind): boolean {
    const { faults, planned } = this.#plan
    return kind in faults || planned?.some((fault) => fault.kind === kind) === true
  }

  /** A database in the server, and the way to it. */
  async #place(server: PostgresServer, side: 'source' | 'target'): Promise<Place> {
    if (!server.running) await server.start()
    const name = this.#name
    const wanted = side === 'target' && this.#comes('target disk full')
    const disk = wanted ? await diskOf(server, roomy) : null
    if (wanted && disk === null) this.#leftOut.push('target disk full')
    {
      await using admin = await openSession(server.url())
      const where = disk === null ? '' : ` tablespace ${disk.tablespace}`
      await admin.query(`create database ${name}${where}`)
    }
    const proxy = this.#stack.use(await startProxy({ port: server.port }))
    return { server, url: server.url(name), proxy, disk }
  }

  /** Faults one after another while the load lasts, then the end. */
  async #course(scene: Scene): Promise<void> {
    const { truth, load, reader } = this.#parts()
    let loading = true
    const loaded = (): void => {
      loading = false
    }
    void load.done.then(loaded, loaded)
    await this.#recovered('the first copy')
    const held = this.#plan.held ? await hold(scene.target.url) : null
    load.goOn()
    const { course } = this.#options
    if (course !== undefined) {
      const recovered = (after: string): Promise<void> => this.#recovered(after)
      await course({ ...scene, truth, reader, recovered, loading: () => loading })
    } else if (this.#plan.planned !== null) await this.#follow(scene, load, this.#plan.planned)
    else await this.#draw(scene, () => loading)
    await load.done
    await held?.close()
    await scene.mirror.disarm()
    await eventually('the truth is read', () => truth.read().then(() => true))
    await this.#recovered('the end of the load')
    await this.#conclude(scene)
    await reader.stop()
  }

  async #draw(scene: Scene, loading: () => boolean): Promise<void> {
    const weights = Object.fromEntries(
      Object.entries(this.#plan.faults).filter(([kind]) => !this.#leftOut.includes(kind)),
    ) as Readonly<Record<FaultKind, number>>
    if (Object.keys(weights).length === 0) return
    const { random } = scene
    while (loading() && !this.#over) {
      await sleep(random.below(300))
      const kind = random.weighted(weights)
      const after = this.#load?.begun ?? 0
      const done = await this.#inflict(scene, { kind, seed: random.below(2 ** 31), after })
      // Faults may meet; each is healed before long.
      if (!done.hit || random.chance(0.5)) await this.#recovered(done.what)
    }
  }

  /** The planned faults, each when its time has come. */
  async #follow(scene: Scene, load: Load, planned: readonly PlannedFault[]): Promise<void> {
    for (const fault of planned) {
      while (load.begun < fault.after && !load.ended && !this.#over) await sleep(5)
      await this.#recovered((await this.#inflict(scene, fault)).what)
    }
  }

  async #inflict(scene: Scene, fault: PlannedFault): Promise<Done> {
    const { kind, seed } = fault
    const done = await inflict(kind, { ...scene, random: new Random(seed) })
    this.#inflicted.push(fault)
    if (done.hit || this.#plan.planned !== null) this.#hits++
    if (done.hit) this.#faults[kind] = (this.#faults[kind] ?? 0) + 1
    if (kind === 'verification' && done.what.includes('PASS')) this.#verifications++
    this.#say(`${done.what}${done.hit ? '' : ', missed'}`)
    return done
  }

  /** The mirror reaches what had been committed by now. */
  async #recovered(after: string): Promise<void> {
    const { truth, reader } = this.#parts()
    const mark = truth.last
    const reached = (): boolean => this.#over || (reader.looks > 0 && reader.position >= mark)
    const { patience = 120_000 } = this.#options
    await eventually(`the mirror goes on after ${after}`, reached, { within: patience, every: 10 })
  }

  async #conclude({ mirror, source, target }: Scene): Promise<void> {
    await using session = await openSession(target.url)
    const finished = async (): Promise<boolean> => {
      const [all] = await session.query('select bool_and(finished) as yes from _holdfast.mirrors')
      return all?.yes === 't'
    }
    await eventually('keys and indexes are made', finished, { within: 90_000 })
    const different = await differences(source.url, target.url)
    if (different.length > 0) throw new Error(`at the end:\n  ${different.join('\n  ')}`)
    const twice = await session.query(
      'select seq, times from oracle_watch.applied where times <> 1',
    )
    if (twice.length > 0) throw new Error(`applied not once: ${JSON.stringify(twice.slice(0, 5))}`)
    if (this.#options.quick !== true) await this.#verify(mirror)
    const end = await mirror.stop()
    if (end?.code !== 0) throw new Error(`the mirror stopped with ${end?.code ?? end?.signal}`)
  }

  async #verify(mirror: MirrorProcess): Promise<void> {
    const child = mirror.command(['verify'])
    const { code } = await child.end({ within: 120_000 })
    if (code !== 0) throw new Error(`verify ended with ${code}:\n${child.lines.join('\n')}`)
    this.#verifications++
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true
    await this.#mirror?.[Symbol.asyncDispose]()
    await this.#load?.stop().catch(() => undefined)
    await this.#reader?.stop().catch(() => undefined)
    await this.#stack.disposeAsync()
    for (const server of new Set([this.#options.source, this.#options.target])) {
      await dropDatabase(server, this.#name).catch(() => undefined)
    }
  }
}

/** No batch can begin while this is held. */
async function hold(url: string): Promise<{ close(): Promise<void> }> {
  const session = await openSession(url)
  await session.query('begin')
  await session.query('select 1 from _holdfast.lanes for update')
  return session
}

async function dropDatabase(server: PostgresServer, name: string): Promise<void> {
  if (!server.running) await server.start()
  await using admin = await openSession(server.url())
  await eventually('the slots are dropped', async () => {
    await admin.query(
      `select pg_terminate_backend(active_pid) from pg_replication_slots where database = $1 and active_pid is not null`,
      [name],
    )
    await admin.query(
      'select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = $1',
      [name],
    )
    return true
  })
  await admin.query(`drop database if exists ${name} with (force)`)
}
