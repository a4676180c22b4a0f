import { Command as Commander, CommanderError, Option } from 'commander'
import { suggest } from '../config/suggest.ts'
import { Fault } from '../model/fault.ts'
import type { Command, Flag, Given } from './command.ts'
import { commands, groups } from './registry.ts'
import { version } from './version.ts'

/** Flags that every command has. */
export const GLOBAL_FLAGS: readonly Flag[] = [
  { flags: '-c, --config <file>', text: 'configuration file (default: holdfast.yaml if there)' },
  { flags: '--json', text: 'one JSON envelope on stdout; streams as one JSON object a line' },
  { flags: '-q, --quiet', text: 'only the answer and faults' },
  { flags: '-v, --verbose', text: 'say more; internal faults with their stack' },
  {
    flags: '--color <when>',
    text: 'colours (default: auto; NO_COLOR and FORCE_COLOR are heeded)',
    choices: ['auto', 'always', 'never'],
  },
]

/** What was asked for on the command line. */
export type Request =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'command'; readonly command: Command; readonly given: Given }

/** Reads the words after `holdfast`. Throws HF-C010, HF-C011 or HF-C012. */
export function parseArguments(argv: readonly string[]): Request {
  const shown: string[] = []
  const found: { request: Request | null } = { request: null }
  const program = build(
    (text) => shown.push(text),
    (request) => {
      found.request = request
    },
  )
  try {
    program.parse([...argv], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (shown.length === 0 || error.exitCode !== 0) throw usageFault(error, argv)
  }
  return found.request ?? { kind: 'text', text: shown.join('') }
}

/** The help of everything, or of one command. */
export function helpText(name?: string): string {
  const program = build(
    () => {},
    () => {},
  )
  const command = name === undefined ? program : program.commands.find((c) => c.name() === name)
  return (command ?? program).helpInformation()
}

function build(show: (text: string) => void, chosen: (request: Request) => void): Commander {
  const program = new Commander('holdfast')
    .description('Keeps one database as a live, exact copy of another, and proves it.')
    .version(version(), '-V, --version', 'the version')
    .helpOption('-h, --help', 'this help')
    .helpCommand('help [command]', 'the help of a command')
    .usage('COMMAND [flags]')
  settle(program, show)
  for (const flag of GLOBAL_FLAGS) program.addOption(optionOf(flag))
  for (const group of groups) {
    for (const command of group.commands) {
      program.addCommand(subcommand(command, show, chosen).helpGroup(`${group.title}:`))
    }
  }
  return program.addHelpText('after', '\nFirst steps:  holdfast demo   ·   holdfast run --help')
}

function subcommand(
  command: Command,
  show: (text: string) => void,
  chosen: (request: Request) => void,
): Commander {
  const made = new Commander(command.name).description(command.summary)
  settle(made, show)
  made.helpOption('-h, --help', 'this help')
  for (const flag of command.flags) made.addOption(optionOf(flag))
  for (const word of command.words ?? []) {
    const name = `${word.name}${word.many === true ? '...' : ''}`
    made.argument(word.optional === true ? `[${name}]` : `<${name}>`, word.text)
  }
  const examples = command.examples.map((line) => `  ${line}`).join('\n')
  const notes = (command.notes ?? []).map((note) => `\n${note}\n`).join('')
  made.addHelpText('after', `\nExamples:\n${examples}\n${notes}`)
  made.action((...parameters: unknown[]) => {
    const words = parameters
      .slice(0, -2)
      .flat()
      .filter((word) => typeof word === 'string')
    chosen({ kind: 'command', command, given: givenBy(made.optsWithGlobals(), words) })
  })
  return made
}

/** Nothing of commander's own reaches the user: no text, no exit. */
function settle(command: Commander, show: (text: string) => void): void {
  command
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: show, writeErr: () => {}, outputError: () => {} })
}

function optionOf(flag: Flag): Option {
  const option = new Option(flag.flags, flag.text)
  if (flag.choices !== undefined) option.choices([...flag.choices])
  if (flag.many === true) {
    option.argParser((value: string, previous: string[] | undefined) => [
      ...(previous ?? []),
      value,
    ])
  }
  return option
}

function givenBy(options: Readonly<Record<string, unknown>>, words: readonly string[]): Given {
  const value = (flag: string): unknown =>
    options[flag.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())]
  return {
    words,
    text(flag) {
      const found = value(flag)
      return typeof found === 'string' ? found : null
    },
    texts(flag) {
      const found = value(flag)
      return Array.isArray(found) ? found.filter((item) => typeof item === 'string') : []
    },
    on: (flag) => value(flag) === true,
  }
}

function usageFault(error: CommanderError, argv: readonly string[]): Fault {
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? ''
  const word = quoted.replace(/[=\s].*$/s, '')
  const verb = commands.find((command) => argv.includes(command.name))
  const help = verb === undefined ? 'holdfast --help' : `holdfast ${verb.name} --help`
  if (error.code === 'commander.unknownCommand') {
    return unknown('HF-C010', `there is no command "${word}"`, {
      near: suggest(word, [...commands.map((command) => command.name), 'help']),
      help,
    })
  }
  if (error.code === 'commander.unknownOption') {
    const flags = [...GLOBAL_FLAGS, ...(verb?.flags ?? [])].map((flag) => longName(flag.flags))
    const where = verb === undefined ? 'holdfast' : `holdfast ${verb.name}`
    const near = suggest(word, [...flags, '--help'])
    return unknown('HF-C011', `${where} has no flag ${word}`, { near, help })
  }
  return new Fault('HF-C012', {
    what: usageSentence(error),
    todo: [{ text: 'See how it is used.', run: help }],
  })
}

/** Commander's sentence, without what was typed where that may hold a password. */
function usageSentence(error: CommanderError): string {
  if (error.message === '(outputHelp)') return 'a command is missing'
  return error.message
    .replace(/^error: /, '')
    .replace(/( but got \d+): .*$/s, '$1')
    .replaceAll(/:\/\/\S*@/g, '://***@')
}

function unknown(
  code: 'HF-C010' | 'HF-C011',
  what: string,
  { near, help }: { near: string | null; help: string },
): Fault {
  const meant = near === null ? [] : [{ text: `Did you mean ${near}?` }]
  return new Fault(code, { what, todo: [...meant, { text: 'See what there is.', run: help }] })
}

/** `--name` of `-n, --name <name>`; `--no-open` as it is. */
export function longName(flags: string): string {
  return /--[a-z-]+/.exec(flags)?.[0] ?? flags
}
