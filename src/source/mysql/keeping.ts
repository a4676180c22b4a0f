import type { Session } from '../../dialect/mysql/connect.ts'
import type { LogAge, LogState } from '../source.ts'
import { begunAt } from './log/begun.ts'
import type { FilePlace } from './place.ts'
import type { LogFile } from './server.ts'

/** Settings by which servers of both flavours, and Percona's, throw their log away. */
const SETTINGS = [
  'binlog_expire_logs_seconds',
  'binlog_expire_logs_auto_purge',
  'expire_logs_days',
  'max_binlog_total_size',
  'binlog_space_limit',
]

const never = new AbortController().signal

/** How long the server goes on keeping what the mirror needs next. */
export class Keeping {
  readonly #control: Session
  /** Another session, to be given up. */
  readonly #another: () => Promise<Session>
  /** When the file before this one was closed, seconds since 1970 by the server's clock. */
  #begun: { readonly file: string; readonly at: number } | null = null

  constructor(control: Session, another: () => Promise<Session>) {
    this.#control = control
    this.#another = another
  }

  /** Of the place from which the mirror would read on, among all files, oldest first. */
  async limits(
    needed: FilePlace | null,
    files: readonly LogFile[],
  ): Promise<Pick<LogState, 'limitBytes'> & { readonly age?: LogAge }> {
    const settings = await this.#settings()
    const size = Number(settings.get('max_binlog_total_size') ?? settings.get('binlog_space_limit'))
    const limitBytes = size > 0 ? size : null
    const limitSeconds = secondsKept(settings)
    const at = files.findIndex(({ file }) => file === needed?.file)
    if (limitSeconds === 0 || at < 0) return { limitBytes }
    const next = files[at + 1]?.file
    // The server never throws away the file that it writes.
    const seconds = next === undefined ? 0 : await this.#secondsSince(next)
    const remedy = settings.has('binlog_expire_logs_seconds')
      ? `SET GLOBAL binlog_expire_logs_seconds = ${2 * Math.ceil(limitSeconds)}`
      : `SET GLOBAL expire_logs_days = ${2 * Math.ceil(limitSeconds / 86_400)}`
    return { limitBytes, age: { seconds, limitSeconds, remedy } }
  }

  async #settings(): Promise<ReadonlyMap<string, string>> {
    const names = SETTINGS.map((name) => `'${name}'`).join(', ')
    const sql = `SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`
    const rows = await this.#control.query(sql)
    return new Map(rows.map((row) => [row['Variable_name'] ?? '', row['Value'] ?? '']))
  }

  /** The age of a file counts from its last change, which is when the next one was begun. */
  async #secondsSince(file: string): Promise<number> {
    if (this.#begun?.file !== file)
      this.#begun = { file, at: await begunAt(await this.#another(), file, never) }
    const [row] = await this.#control.query('SELECT UNIX_TIMESTAMP() AS n')
    return Math.max(0, Number(row?.['n']) - this.#begun.at)
  }
}

/** How long a server with these settings keeps its log; 0 is for ever. */
export function secondsKept(settings: ReadonlyMap<string, string>): number {
  if (settings.get('binlog_expire_logs_auto_purge') === 'OFF') return 0
  const seconds = Number(settings.get('binlog_expire_logs_seconds') ?? 0)
  return seconds > 0 ? seconds : Number(settings.get('expire_logs_days') ?? 0) * 86_400
}
