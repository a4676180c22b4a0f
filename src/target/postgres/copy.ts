import { orAborted } from '../../async/abort.ts'
import type { Session } from '../../dialect/postgres/connect.ts'
import { sqlstateOf } from '../../dialect/postgres/errors.ts'
import { exchange } from '../../dialect/postgres/exchange.ts'
import type { Pipe } from '../../dialect/postgres/pipe.ts'
import { Unframer } from '../../model/tuple.ts'
import type { Binding } from './apply/columns.ts'
import { type Recode, writeRows } from './apply/rows.ts'
import { copySql, overwriteSql, Stages } from './apply/stage.ts'
import { columnList } from './apply/statements.ts'
import { BINARY_COPY, VALUES } from './config.ts'
import { ownIndexes } from './metadata.ts'
import { refusal } from './refusal.ts'
import { type Link, transactionSettings } from './sessions.ts'
import { STATE } from './state/state.ts'

export interface ChunkCopy {
  readonly link: Link
  readonly binding: Binding
  readonly mirror: string
  readonly epoch: bigint
  /** Chunks of the table. */
  readonly of: number
  readonly encoding: string
  readonly recode: Recode | null
  /** Rows that are there already are overwritten; needs the table's key. */
  readonly overwrite: boolean
  /**
   * Rows are written as if they had always been there, which no VACUUM needs to look at again. For
   * a table that we made, has nobody else's rows, and is copied in one transaction.
   */
  readonly frozen: boolean
  readonly data: AsyncIterable<Buffer>
  readonly signal: AbortSignal
}

/**
 * Copies a chunk and marks it in one transaction; returns the number of rows. The epoch is
 * asserted last, so that no copy holds up a claim. When it fails the connection is to be closed.
 */
export async function copyChunk(copy: ChunkCopy): Promise<number> {
  try {
    const frozen = copy.frozen && (await emptied(copy))
    const [copied] = await exchange(copy.link.session, (pipe) => send(pipe, copy, frozen))
    const rows = Number(/^COPY (\d+)$/.exec(copied?.tag ?? '')?.[1] ?? 0)
    await exchange(copy.link.session, (pipe) => end(pipe, copy, rows))
    return rows
  } catch (error) {
    copy.signal.throwIfAborted()
    const { label } = copy.link.session
    throw refusal(error, { label, doing: 'copying a table', table: copy.binding.table })
  }
}

const BEGIN = 'BEGIN ISOLATION LEVEL READ COMMITTED'

function settingsOf({ link }: ChunkCopy): string {
  return transactionSettings(link, { synchronous_commit: 'off' })
}

/** lock_not_available */
const LOCKED = '55P03'

/**
 * Begins the transaction and gives the table the new file that frozen rows need (COPY, FREEZE).
 * False, with nothing begun, while somebody reads the table: such a reader is not waited for.
 */
async function emptied(copy: ChunkCopy): Promise<boolean> {
  const { binding, link } = copy
  const steps = [
    BEGIN,
    settingsOf(copy),
    `LOCK TABLE ONLY ${binding.name} IN ACCESS EXCLUSIVE MODE NOWAIT`,
    emptySql([binding]),
  ]
  try {
    await link.session.query(steps.join('; '))
    return true
  } catch (error) {
    if (sqlstateOf(error) !== LOCKED) throw error
    await link.session.query('ROLLBACK')
    return false
  }
}

async function send(pipe: Pipe, copy: ChunkCopy, frozen: boolean): Promise<void> {
  const { binding, encoding, signal } = copy
  if (!frozen) {
    pipe.statement(BEGIN)
    pipe.statement(settingsOf(copy))
  }
  const into = copy.overwrite ? new Stages(false).ready(pipe, binding, 'update') : binding.name
  const form = encoding === BINARY_COPY ? 'binary' : 'text'
  const columns = columnList(binding, ownIndexes(binding))
  pipe.statement(copySql(into, columns, { form, frozen }), { keep: true })
  pipe.copyBegins()
  const frames = new Unframer()
  for await (const bytes of copy.data) {
    if (encoding === VALUES) {
      const rows = { tuples: frames.take(bytes), columns: null, recode: copy.recode, packs: null }
      await writeRows(pipe, rows, { form: 'text', first: 0 })
    } else pipe.copyMessages(bytes)
    signal.throwIfAborted()
    if (pipe.full) await orAborted(pipe.room(), signal)
    if (pipe.stopped) return
  }
  frames.end()
  pipe.copyDone()
}

async function end(pipe: Pipe, copy: ChunkCopy, rows: number): Promise<void> {
  const { binding, mirror, epoch, of } = copy
  if (copy.overwrite)
    pipe.statement(
      overwriteSql(binding, new Stages(false).nameOf(binding, 'update'), ownIndexes(binding)),
    )
  pipe.statement(`SELECT ${STATE}.mark($1, $2, $3, $4, $5)`, {
    params: [mirror, binding.table.id, epoch.toString(), String(rows), String(of)],
  })
  pipe.statement('COMMIT')
}

/** True when there is a row in the table. */
export async function heldRows(session: Session, binding: Binding): Promise<boolean> {
  const [row] = await session.query(`select 1 as one from ${binding.name} limit 1`)
  return row !== undefined
}

/** The tables' names for one TRUNCATE. */
export function emptySql(bindings: readonly Binding[]): string {
  return `TRUNCATE ${bindings.map((binding) => `${binding.only}${binding.name}`).join(', ')}`
}
