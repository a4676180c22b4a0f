import { Bell } from '../../async/deferred.ts'
import type { Session } from './connect.ts'
import type { Sql } from './sql.ts'
import { type Command, lengthAt, type Packet, type Wire, wireOf, writeQuery } from './wire.ts'

/** Bytes of rows that wait to be asked for before the socket is read no further. */
const ENOUGH = 1 << 20
const EOF = 0xfe

/** The rows of one SELECT, as the server sends them. */
class Receiving implements Command {
  readonly #sql: Sql
  readonly #arrived = new Bell()
  #rows: Buffer[] = []
  #bytes = 0
  #stage: 'begin' | 'head' | 'columns' | 'rows' = 'begin'
  #ended = false
  #failed: { readonly error: unknown } | null = null
  #paused: Wire | null = null

  constructor(sql: Sql) {
    this.#sql = sql
  }

  get over(): boolean {
    return this.#ended
  }

  readonly onResult = (error: unknown): void => {
    this.#failed = { error }
    this.#ended = true
    this.#arrived.ring()
  }

  execute(packet: Packet | undefined, wire: Wire): boolean {
    if (this.#stage === 'begin') {
      this.#stage = 'head'
      writeQuery(wire, this.#sql)
      return false
    }
    if (packet === undefined) return false
    if (packet.isError()) {
      this.onResult(packet.asError(wire.clientEncoding))
      return true
    }
    const end = packet.buffer[packet.offset] === EOF && packet.end - packet.offset < 9
    if (this.#stage !== 'rows') {
      this.#stage = end ? 'rows' : 'columns'
      return false
    }
    if (end) {
      this.#ended = true
      this.#arrived.ring()
    } else this.#row(packet, wire)
    return end
  }

  #row({ buffer, offset, end }: Packet, wire: Wire): void {
    this.#rows.push(buffer.subarray(offset, end))
    this.#bytes += end - offset
    this.#arrived.ring()
    if (this.#bytes < ENOUGH || this.#paused !== null) return
    this.#paused = wire
    wire.pause()
  }

  /** What came since the last call; none when there is no more. */
  async next(): Promise<readonly Buffer[]> {
    while (this.#rows.length === 0 && !this.#ended) await this.#arrived.wait()
    if (this.#failed !== null) throw this.#failed.error
    const rows = this.#rows
    this.#rows = []
    this.#bytes = 0
    const wire = this.#paused
    this.#paused = null
    wire?.resume()
    return rows
  }
}

/**
 * The rows of a SELECT in bursts, each row as it was sent: for each cell a length and its text
 * (https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset_row.html).
 * `sql` is not written to before the first burst. Whoever leaves early waits for the rest. Throws
 * the driver's errors.
 */
export async function* receive(
  session: Session,
  sql: Sql,
): AsyncGenerator<readonly Buffer[], void, undefined> {
  const receiving = new Receiving(sql)
  wireOf(session).addCommand(receiving)
  try {
    for (let rows = await receiving.next(); rows.length > 0; rows = await receiving.next()) {
      yield rows
    }
  } finally {
    while (!receiving.over) await receiving.next()
  }
}

const NULL_CELL = 0xfb

/** Calls for each cell of a row; null for what is null. */
export function eachCell(row: Buffer, call: (cell: Buffer | null, index: number) => void): void {
  let at = 0
  for (let index = 0; at < row.length; index++) {
    if (row[at] === NULL_CELL) {
      call(null, index)
      at++
      continue
    }
    const { value, next } = lengthAt(row, at)
    call(row.subarray(next, next + value), index)
    at = next + value
  }
}
