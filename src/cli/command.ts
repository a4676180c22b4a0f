import type { Environment } from '../config/interpolate.ts'
import type { Loaded } from '../config/load.ts'
import type { MirrorSettings, SourceSettings } from '../config/settings.ts'
import type { Outcome } from './outcome.ts'
import type { Output } from './output.ts'

export interface Flag {
  /** As commander reads it: `--until <place>`, `-n, --name <name>`, `--sql`. */
  readonly flags: string
  readonly text: string
  /** May be given several times. */
  readonly many?: true
  readonly choices?: readonly string[]
}

export interface Argument {
  readonly name: string
  readonly text: string
  readonly optional?: true
  /** Takes all further words. */
  readonly many?: true
  readonly choices?: readonly string[]
}

/** What was typed after the name of a command. */
export interface Given {
  /** The value of `--name`, or null. */
  text(flag: string): string | null
  /** The values of a flag that may be given several times. */
  texts(flag: string): readonly string[]
  /** True when a flag without a value is there. `--no-open` is `on('open') === false`. */
  on(flag: string): boolean
  readonly words: readonly string[]
}

/** One call of a command and what it may use. */
export interface Call {
  readonly given: Given
  readonly out: Output
  readonly environment: Environment
  readonly directory: string
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal
  /** The sentence that says why nothing is to run, when the environment switched it off. */
  disabled(): string | null
  /** Flags, environment and file brought together; throws faults of class config. */
  config(): Loaded
  /** The mirrors that the command is about, ready to be opened. */
  mirrors(): readonly MirrorSettings[]
  /**
   * The one mirror that the command is about; throws HF-C014 when there are several. Where nothing
   * describes one, it is that of the name which runs in this folder.
   */
  mirror(): Promise<MirrorSettings>
  /** As `mirror`, where the target need not be known. */
  source(): Promise<SourceSettings>
}

/** A verb: one file in commands/, one line in registry.ts. */
export interface Command {
  readonly name: string
  readonly summary: string
  readonly words?: readonly Argument[]
  readonly flags: readonly Flag[]
  readonly examples: readonly string[]
  /** Further paragraphs of its help. */
  readonly notes?: readonly string[]
  /** Ends by itself when the call's signal aborts; any other command is ended at once. */
  readonly graceful?: true
  run(call: Call): Promise<Outcome>
}

const name: Flag = { flags: '--name <name>', text: 'the mirror; default is "default"' }
const ends: readonly Flag[] = [
  { flags: '--source <url>', text: 'where rows come from' },
  { flags: '--target <url>', text: 'where rows go' },
]
const selection: readonly Flag[] = [
  { flags: '--include <pattern>', text: 'tables to mirror: schema.table with *', many: true },
  { flags: '--exclude <pattern>', text: 'tables to leave out', many: true },
  {
    flags: '--keyless <what>',
    text: 'what becomes of tables without an identity',
    choices: ['refuse', 'exclude', 'append'],
  },
]
const onExisting: Flag = {
  flags: '--on-existing <what>',
  text: 'what to do where a table of the target holds rows already',
  choices: ['refuse', 'merge', 'replace'],
}

const set: Flag = {
  flags: '--set <key=value>',
  text: 'any key of the configuration, such as target.shape=history',
  many: true,
}

/** Flags that name a mirror. */
export const whichMirror: readonly Flag[] = [name, ...ends, set]
/** Flags that name and describe a mirror. */
export const wholeMirror: readonly Flag[] = [...whichMirror, ...selection, onExisting]
