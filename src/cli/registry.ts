import type { Command } from './command.ts'
import { run } from './commands/run.ts'
import { version } from './commands/version.ts'

/** Every command, in the order of the help. */
export const groups: readonly { readonly title: string; readonly commands: readonly Command[] }[] =
  [
    { title: 'Mirror', commands: [run] },
    { title: 'About', commands: [version] },
  ]

export const commands: readonly Command[] = groups.flatMap((group) => group.commands)
