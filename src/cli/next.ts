import type { Call } from './command.ts'

/**
 * The command that a person would type next for the same mirror. Addresses are not repeated,
 * since they may hold a password.
 */
export function nextCommand({ given, config }: Call, verb: string): string {
  const words = ['holdfast', verb]
  const file = given.text('config')
  if (file !== null) words.push('--config', quoted(file))
  const name = given.text('name')
  if (name !== null) words.push('--name', name)
  if (config().from === 'flags') words.push('--source URL', '--target URL')
  if (verb === 'run' || verb === 'check' || verb === 'discover') {
    for (const flag of ['include', 'exclude']) {
      for (const pattern of given.texts(flag)) words.push(`--${flag}`, quoted(pattern))
    }
    for (const flag of ['keyless', 'on-existing']) {
      const value = given.text(flag)
      if (value !== null) words.push(`--${flag}`, value)
    }
  }
  return words.join(' ')
}

/** A word as a shell takes it. */
function quoted(word: string): string {
  return /^[\w./:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
