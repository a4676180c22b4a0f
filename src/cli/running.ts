import { every, monotonic, sleep, type Ticker } from '../async/clock.ts'
import { ENVIRONMENT_PREFIX } from '../config/describe.ts'
import type { MirrorSettings } from '../config/settings.ts'
import type { MirrorLimits, MirrorOptions, MirrorOutcome, Watch } from '../mirror/options.ts'
import type { ConnectorProgress, MirrorEvent } from '../mirror/progress.ts'
import { asFault, Fault } from '../model/fault.ts'
import { Follower } from '../observe/follower.ts'
import { forgetHalt, rememberHalt } from '../observe/halts.ts'
import { Log } from '../observe/log.ts'
import { answer, openSettings } from '../observe/socket.ts'
import { runningStatus } from '../observe/status.ts'
import { runMirror } from '../supervise/keep.ts'
import { runOwned } from '../supervise/owned.ts'
import type { Call } from './command.ts'
import { todoText } from './format.ts'
import { progressLine } from './live.ts'
import { eventRecord, progressRecord } from './records.ts'
import { count, plural } from './words.ts'

/** What a run is to reach. */
export interface Goal {
  readonly until?: 'caught-up' | { readonly position: string }
  readonly snapshotOnly: boolean
  /** Other processes follow the same mirror, each some of its lanes. */
  readonly shared?: boolean
}

/** How one mirror of a run ended. */
export interface Ended {
  readonly settings: MirrorSettings
  readonly follower: Follower
  readonly outcome: MirrorOutcome | null
  readonly fault: Fault | null
  /** True once the mirror was this process's own: an end after that is a halt. */
  readonly claimed: boolean
}

/** Milliseconds to wait for a live holder of the mirror; it may be draining. */
const PATIENCE = 10_000
/** Milliseconds between attempts to open an end that is waited for. */
const AGAIN = 1_000
/** Milliseconds between two lines of progress. */
const ON_TERMINAL = 250
const IN_LOGS = 10_000
const AS_JSON = 1_000

/** Runs one mirror to its end and tells about it all the way; does not throw. */
export async function runWatched(call: Call, settings: MirrorSettings, goal: Goal): Promise<Ended> {
  const follower = new Follower(settings.name)
  const teller = new Teller(call, follower)
  const options = optionsOf(settings, goal)
  let outcome: MirrorOutcome | null = null
  let fault: Fault | null = null
  try {
    const { owned } = settings
    const watch: Watch = (event) => teller.take(event, settings)
    outcome = await opened(call, settings, () =>
      owned === null
        ? runMirror(options, call.signal, watch)
        : runOwned(options, owned, { drain: call.signal, watch }),
    )
  } catch (error) {
    fault = asUsage(asFault(error), goal, teller.claimed)
  }
  if (fault !== null) teller.halted(fault)
  await teller.end()
  return { settings, follower, outcome, fault, claimed: teller.claimed }
}

/** A place to stop at that the source cannot read is the user's mistake, not a damaged log. */
function asUsage(fault: Fault, { until }: Goal, claimed: boolean): Fault {
  if (typeof until !== 'object' || claimed || fault.code !== 'HF-L107') return fault
  return new Fault('HF-C012', {
    what: `--until takes caught-up or a position of the source, and "${until.position}" is neither`,
    todo: [{ text: 'A position of PostgreSQL looks like 0/16B3748.' }],
  })
}

/** The engine's options of a mirror with these settings. */
export function optionsOf(settings: MirrorSettings, goal: Goal): MirrorOptions {
  const { name, source, target, selection, onExisting, shape, rename } = settings
  const { copyWorkers, catchUp, metadata } = settings
  const shared = goal.shared === true
  const limits = shared ? ownSpill(settings.limits) : settings.limits
  const wanted = { name, source, target, selection, onExisting, shape, rename, metadata }
  const mirror = { ...wanted, copyWorkers, limits, catchUp }
  const until = goal.until === undefined ? {} : { until: goal.until }
  return { ...mirror, ...until, snapshotOnly: goal.snapshotOnly, shared, patience: PATIENCE }
}

/** Several processes may run in one folder. */
function ownSpill(limits: MirrorLimits): MirrorLimits {
  return { ...limits, spillDirectory: `${limits.spillDirectory}-${process.pid}` }
}

/** Tries again while an end cannot be reached and the settings say to wait for it. */
async function opened<T>(
  call: Call,
  settings: MirrorSettings,
  attempt: () => Promise<T>,
): Promise<T> {
  const began = monotonic()
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      const fault = asFault(error)
      const side = fault.detail.side
      const patience = side === 'source' || side === 'target' ? settings.await[side] : 0
      if (!fault.transient || monotonic() - began >= patience) throw error
      call.out.say(`[${settings.name}] ${fault.code} ${fault.message}; trying again`)
      await sleep(AGAIN, call.signal)
    }
  }
}

/** Tells what a mirror does: lines in a log, one living line, or records. */
class Teller {
  readonly #call: Call
  readonly #follower: Follower
  readonly #log: Log
  readonly #ticker: Ticker
  #door: Promise<AsyncDisposable | null> | null = null

  constructor(call: Call, follower: Follower) {
    this.#call = call
    this.#follower = follower
    this.#log = logOf(call, follower.progress.mirror)
    const { json, paint } = call.out
    const pace = json ? AS_JSON : paint.stderr.terminal ? ON_TERMINAL : IN_LOGS
    this.#ticker = every(
      pace,
      () => this.#beat(),
      (error) => this.#log.error(`progress cannot be shown: ${asFault(error).message}`),
    )
  }

  get claimed(): boolean {
    return this.#door !== null
  }

  take(event: MirrorEvent, settings: MirrorSettings): void {
    const before = connectorWords(this.#follower.progress.connectors)
    this.#follower.take(event)
    if (event.kind === 'tables' && this.#door === null) {
      forgetHalt(this.#call.directory, settings.name)
      this.#door = this.#open(settings)
    }
    this.#tell(event, before)
    const { out } = this.#call
    if (!out.json) return
    const record = eventRecord(event, this.#follower, out.typed)
    if (record !== null) out.record(record)
  }

  /** Keeps why it has ended for whoever asks later. What another process has goes on. */
  halted(fault: Fault): void {
    const { mirror, phase } = this.#follower.progress
    if (phase !== 'halted' || fault.code === 'HF-X101') return
    try {
      rememberHalt(this.#call.directory, mirror, fault)
    } catch (error) {
      this.#log.warn(`why it halted cannot be kept in this folder: ${asFault(error).message}`)
    }
  }

  async end(): Promise<void> {
    await this.#ticker.stop()
    const { out } = this.#call
    if (out.json) this.#beat()
    else if (out.paint.stderr.terminal) out.live(this.#follower.progress.mirror, null)
    const door = await this.#door
    await door?.[Symbol.asyncDispose]()
  }

  /** Lets others on this machine ask; a mirror runs without, too. */
  async #open(settings: MirrorSettings): Promise<AsyncDisposable | null> {
    try {
      return await answer(this.#call.directory, settings.name, {
        status: () => runningStatus(this.#follower),
        settings: () => openSettings(settings),
      })
    } catch (error) {
      this.#log.warn(`status cannot be asked for in this folder: ${asFault(error).message}`)
      return null
    }
  }

  #beat(): void {
    const { out } = this.#call
    if (out.json) {
      out.record(progressRecord(this.#follower))
      return
    }
    const line = progressLine(this.#follower)
    if (out.paint.stderr.terminal) out.live(this.#follower.progress.mirror, line)
    else out.say(line)
  }

  #tell(event: MirrorEvent, before: string): void {
    const told = toldOf(event, this.#follower, before)
    if (told !== null) this.#log[told.level](told.text)
  }
}

/** How connectors are, in a line that stays the same while they do. */
function connectorWords(connectors: readonly ConnectorProgress[]): string {
  return connectors
    .map(({ name, condition, tasks }) => {
      const running = tasks.filter(({ state }) => state === 'RUNNING').length
      return `connector ${name} is ${condition}, ${running} of ${plural(tasks.length, 'task')} running`
    })
    .join('; ')
}

/**
 * What a log says of an event; null for those that are shown as progress. `before`: how connectors
 * were until then.
 */
function toldOf(
  event: MirrorEvent,
  follower: Follower,
  before: string,
): { readonly level: 'info' | 'warn'; readonly text: string } | null {
  switch (event.kind) {
    case 'opened':
      return { level: 'info', text: `source is ${event.source}; target is ${event.target}` }
    case 'phase':
      // How it ended is told once, with the command's answer.
      if (event.phase === 'halted' || event.phase === 'stopped') return null
      // The fault that it waits for was told a moment before.
      if (event.phase === 'waiting') return null
      return { level: 'info', text: phaseWords(event.phase, event.reason, follower) }
    case 'copied-table': {
      const table = follower.progress.tables.get(event.id)
      const rows = plural(table?.rowsCopied ?? 0, 'row')
      return { level: 'info', text: `copied ${table?.name ?? event.id}, ${rows}` }
    }
    case 'fault': {
      if (event.retryInMillis === null) return null
      const again = `trying again in ${(event.retryInMillis / 1000).toFixed(1)} s`
      // What is to be done by a person, where the fault knows more than its code.
      const todo = (event.fault.detail.todo ?? []).map((step) => `; ${todoText(step)}`).join('')
      return { level: 'warn', text: `${event.fault.code} ${event.fault.message}${todo}; ${again}` }
    }
    case 'way':
      return { level: 'info', text: event.why }
    case 'connectors': {
      const text = connectorWords(follower.progress.connectors)
      return before === text ? null : { level: 'info', text }
    }
    case 'notice':
      return { level: 'warn', text: event.text }
    default:
      return null
  }
}

function phaseWords(phase: string, reason: string | null, follower: Follower): string {
  const { tables, changes } = follower.progress
  switch (phase) {
    case 'snapshotting':
      return `copying ${plural([...tables.values()].filter(({ copied }) => !copied).length, 'table')}`
    case 'catching-up':
      return 'copied; following the changes made since'
    case 'streaming':
      return `streaming: the target is up to date (${count(changes)} changes applied)`
    default:
      return reason === null ? phase : `${phase}: ${reason}`
  }
}

/** The log of a mirror; `--json` leaves warnings, `--quiet` not even those. */
export function logOf(call: Call, mirror: string): Log {
  const { config, from } = call.config()
  const { out } = call
  const least = out.verbose ? 'debug' : out.quiet ? 'error' : out.json ? 'warn' : config.log.level
  const json = config.log.format === 'json' || (config.log.format === 'auto' && out.json)
  const prefix = from === 'environment' ? ENVIRONMENT_PREFIX : mirror
  return new Log(prefix, { least, format: json ? 'json' : 'pretty', write: (l) => out.log(l) })
}
