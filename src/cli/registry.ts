import type { Command } from './command.ts'
import { check } from './commands/check.ts'
import { config } from './commands/config.ts'
import { connectors } from './commands/connectors.ts'
import { demo } from './commands/demo.ts'
import { destroy } from './commands/destroy.ts'
import { discover } from './commands/discover.ts'
import { explain } from './commands/explain.ts'
import { init } from './commands/init.ts'
import { lag } from './commands/lag.ts'
import { resyncTables } from './commands/resync-tables.ts'
import { run } from './commands/run.ts'
import { status } from './commands/status.ts'
import { topics } from './commands/topics.ts'
import { verify } from './commands/verify.ts'
import { version } from './commands/version.ts'

interface Group {
  readonly title: string
  readonly commands: readonly Command[]
}

/** Every command, in the order of the help. */
export const groups: readonly Group[] = [
  { title: 'Try', commands: [demo] },
  { title: 'Prepare', commands: [init, discover, check] },
  { title: 'Mirror', commands: [run, status, lag, verify, resyncTables, destroy] },
  { title: 'Kafka', commands: [connectors, topics] },
  { title: 'Look up', commands: [explain, config, version] },
]

export const commands: readonly Command[] = groups.flatMap((group) => group.commands)
