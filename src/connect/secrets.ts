import { Fault } from '../model/fault.ts'
import type { Settings } from './answers.ts'

/** Settings whose value lets somebody in. */
const SECRET =
  /password|secret|passphrase|credential|sasl\.jaas|user\.info|private\.?key|token|api\.?key/i

/** A reference that the worker resolves when it starts the connector: `${env:NAME}`. */
const REFERENCE = /^\$\{[\w.-]+:[^{}]+\}$/

/** Passwords in the addresses that drivers take. */
const IN_URL = /(:\/\/[^/?#:@\s]*:)[^@/?#\s]+(?=@)|((?:^|[?&;])(?:password|pwd)=)[^&;]+/gi

/** Settings for a person: what lets somebody in is blotted out, a reference is not. */
export function shownSettings(config: Settings): Settings {
  const shown = Object.entries(config).map(([name, value]) => {
    if (REFERENCE.test(value) || value === '') return [name, value] as const
    if (SECRET.test(name)) return [name, '***'] as const
    return [name, value.replaceAll(IN_URL, '$1$2***')] as const
  })
  return Object.fromEntries(shown)
}

/** Whether a text is what a worker's provider resolves, and not the secret itself. */
export function isReference(text: string): boolean {
  return REFERENCE.test(text)
}

/** Refuses settings that would write a secret into the topic of the worker's configurations. */
export function requireReferences(name: string, config: Settings): void {
  const shown = shownSettings(config)
  const plain = Object.keys(config).filter((key) => shown[key] !== config[key])
  if (plain.length === 0) return
  const settings = plain.join(', ')
  throw new Fault('HF-K409', { what: `connector ${name}: ${settings} would be stored as it is` })
}
