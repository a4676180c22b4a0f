import { type MysqlKind, mysql, ownMongo, postgres } from '../../servers/index.ts'
import { targetSettings } from '../watch.ts'
import { mongoEnd, postgresEnd } from './ends.ts'
import type { KindsOptions } from './trial.ts'

const sources: Readonly<Record<string, MysqlKind>> = {
  mysql: 'mysql-9',
  'mysql-9': 'mysql-9',
  'mysql-5.6': 'mysql-5.6',
  mariadb: 'mariadb-10.11',
  'mariadb-10.11': 'mariadb-10.11',
}
/** What a crash takes back from the tables would stay in the log without them. */
const durable = { 'sync-binlog': '1', 'innodb-flush-log-at-trx-commit': '1' }

const targets = ['postgres', 'mongodb', 'mongodb-history'] as const

/** What a pair of kinds may be, for people. */
export const kindsOfPairs = `${Object.keys(sources).join(', ')} to ${targets.join(', ')}`

/** Two servers of different kinds, started for the oracle alone. */
export interface PairOfKinds extends Pick<KindsOptions, 'source' | 'openTarget'>, AsyncDisposable {}

/** Null for what is no pair of kinds, as `mysql:postgres` is one. */
export async function openPair(pair: string): Promise<PairOfKinds | null> {
  const [from = '', to = ''] = pair.split(':')
  const kind = sources[from]
  const target = targets.find((name) => name === to)
  if (kind === undefined || target === undefined) return null
  const source = await mysql(kind, { settings: durable })
  if (target === 'postgres') {
    const server = await postgres(18, { settings: targetSettings })
    return {
      source,
      openTarget: (setting) => postgresEnd(server, setting),
      [Symbol.asyncDispose]: async () => {
        await source[Symbol.asyncDispose]()
        await server[Symbol.asyncDispose]()
      },
    }
  }
  const server = await ownMongo()
  const shape = target === 'mongodb' ? 'mirror' : 'history'
  return {
    source,
    openTarget: (setting) => mongoEnd(server, setting, shape),
    [Symbol.asyncDispose]: async () => {
      await source[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}
