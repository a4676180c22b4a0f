import type { Session } from './connect.ts'
import type { Sql } from './sql.ts'
import { type Command, lengthAt, type Packet, type Wire, wireOf, writeQuery } from './wire.ts'

/** What a statement that gives no rows did. */
export interface Done {
  /** Rows found by it, changed or not. */
  readonly rows: number
}

/** A statement failed; `done` tells of those before it. */
export class SendError extends Error {
  override readonly name = 'SendError'
  readonly done: readonly Done[]
  declare readonly cause: unknown

  constructor(cause: unknown, done: readonly Done[]) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.done = done
  }
}

const MORE_RESULTS = 0x0008

/** Statements on their way. */
class Sending implements Command {
  readonly result = Promise.withResolvers<readonly Done[]>()
  readonly #sql: Sql
  readonly #done: Done[] = []
  #begun = false

  constructor(sql: Sql) {
    this.#sql = sql
  }

  readonly onResult = (error: unknown): void => {
    this.result.reject(new SendError(error, this.#done))
  }

  execute(packet: Packet | undefined, wire: Wire): boolean {
    if (!this.#begun) {
      this.#begun = true
      writeQuery(wire, this.#sql)
      return false
    }
    if (packet === undefined) return false
    if (packet.isError()) {
      this.onResult(packet.asError(wire.clientEncoding))
      return true
    }
    const { rows, more } = okOf(packet)
    this.#done.push({ rows })
    if (more) return false
    this.result.resolve(this.#done)
    return true
  }
}

/** https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_ok_packet.html */
function okOf({ buffer, offset }: Packet): { readonly rows: number; readonly more: boolean } {
  if (buffer[offset] !== 0) throw new Error('a statement gave rows where none were asked for')
  const rows = lengthAt(buffer, offset + 1)
  const id = lengthAt(buffer, rows.next)
  const status = buffer.readUInt16LE(id.next)
  return { rows: rows.value, more: (status & MORE_RESULTS) !== 0 }
}

/**
 * Sends statements that give no rows, separated by `;` where there are several. Says what each did.
 * `sql` is not written to meanwhile. Throws SendError.
 */
export function send(session: Session, sql: Sql): Promise<readonly Done[]> {
  const sending = new Sending(sql)
  wireOf(session).addCommand(sending)
  return sending.result.promise
}
