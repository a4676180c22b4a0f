import { FLAG_VARIABLES, variable } from '../config/environment.ts'
import { shellWord } from '../model/shell.ts'
import type { Call, Given } from './command.ts'
import type { Typed } from './format.ts'

/**
 * The command that a person would type next for the same mirror. Addresses are not repeated,
 * since they may hold a password.
 */
export function nextCommand({ given, config, environment }: Call, verb: string): string {
  const words = ['holdfast', verb]
  const file = given.text('config')
  if (file !== null) words.push('--config', shellWord(file))
  const name = given.text('name')
  if (name !== null) words.push('--name', name)
  for (const end of ['source', 'target'] as const) {
    // What a variable names need not be named again.
    const told = config().from !== 'flags' || variable(environment, FLAG_VARIABLES[end]) !== null
    if (given.text(end) !== null || !told) words.push(`--${end} URL`)
  }
  if (verb === 'run' || verb === 'check' || verb === 'discover') {
    for (const flag of ['include', 'exclude', 'set']) {
      for (const pattern of given.texts(flag)) words.push(`--${flag}`, shellWord(pattern))
    }
    for (const flag of ['keyless', 'on-existing']) {
      const value = given.text(flag)
      if (value !== null) words.push(`--${flag}`, value)
    }
  }
  return words.join(' ')
}

/** How a call names its mirror, for commands that a fault tells of. */
export function typedIn(given: Given): Typed {
  const [mirror, file] = [given.text('name'), given.text('config')]
  const ends = ['source', 'target'].filter((end) => given.text(end) !== null)
  const config = file === null ? [] : [`--config ${shellWord(file)}`]
  return {
    ...(mirror === null ? {} : { mirror }),
    flags: [...config, ...ends.map((end) => `--${end} URL`)].join(' '),
  }
}
