import { randomBytes } from 'node:crypto'
import type { Session } from '../../../dialect/postgres/connect.ts'
import { serverError, sqlstateOf } from '../../../dialect/postgres/errors.ts'
import { textArray } from '../../../dialect/postgres/layout.ts'
import { ident, literal } from '../../../dialect/postgres/quote.ts'
import { canonicalTuples } from '../../../dialect/postgres/values.ts'
import type { Change } from '../../../model/change.ts'
import { Fault } from '../../../model/fault.ts'
import { type Table, tableName } from '../../../model/table.ts'
import { locate, NULL, type Tuple } from '../../../model/tuple.ts'
import {
  commitLsnOf,
  Decoder,
  endLsnOf,
  oldIn,
  type PgoutputMessage,
  type RelationMessage,
  rowIn,
} from '../log/pgoutput.ts'
import { formatLsn, type Lsn, parseLsn } from '../position.ts'

/** A transaction as the log holds it. */
export interface LoggedCommit {
  readonly xid: number
  readonly endLsn: Lsn
  readonly visible: boolean
  readonly changes: readonly Change[]
}

export interface LogOptions {
  readonly slot: string
  /** Those that there are of these are read through; the first one must be there. */
  readonly publications: readonly string[]
  readonly tables: readonly Table[]
  /** Bytes of changes that may be handed out in all. */
  readonly limit: number
}

/** What a change costs beside its tuples. */
const OVERHEAD = 200
/** Messages that one FETCH brings. */
const FETCH = 1000

/**
 * The log behind a temporary copy of a replication slot, which leaves the slot itself untouched
 * (docs: functions-admin, pg_copy_logical_replication_slot). The copy goes with the session, or
 * with the first error in it.
 */
export class LogCopy {
  /** The log is known from here on. */
  readonly from: Lsn
  readonly #session: Session
  readonly #name: string
  readonly #options: LogOptions
  readonly #publications: readonly string[]
  readonly #decoder = new Decoder()
  readonly #relations = new Map<number, Relation>()
  readonly #canonical = canonicalTuples()
  #warning: Fault | null = null
  #spent = 0

  private constructor(
    session: Session,
    options: LogOptions,
    copy: { readonly name: string; readonly from: Lsn; readonly publications: readonly string[] },
  ) {
    this.#session = session
    this.#options = options
    this.#name = copy.name
    this.from = copy.from
    this.#publications = copy.publications
    // From 18 on a publication that is not there is only warned of, and its rows are left out.
    session.client.on('notice', (notice) => {
      const said = serverError(notice)
      if (said?.code === '55000') this.#warning ??= publicationGone(said.message)
    })
  }

  static async open(session: Session, options: LogOptions): Promise<LogCopy> {
    const name = `holdfast_verify_${randomBytes(8).toString('hex')}`
    const publications = await publicationsOf(session, options.publications)
    await session
      .query('SELECT pg_copy_logical_replication_slot($1, $2, true)', [options.slot, name])
      .catch((error: unknown) => {
        throw copyFault(error, options.slot)
      })
    const [row] = await session.query(
      'SELECT confirmed_flush_lsn AS lsn FROM pg_replication_slots WHERE slot_name = $1',
      [name],
    )
    return new LogCopy(session, options, { name, from: parseLsn(row?.['lsn'] ?? ''), publications })
  }

  /**
   * Commits after what an earlier call reached whose record starts before `through`. Those that
   * `skip` names (by the start of the commit's record) come without their changes.
   */
  async *read(
    through: Lsn,
    is: {
      readonly visible: (xid: number) => boolean
      readonly skip: (visible: boolean, commitLsn: Lsn) => boolean
    },
  ): AsyncGenerator<readonly LoggedCommit[], void, undefined> {
    const query = this.#session.query
    await query('BEGIN')
    await query(`DECLARE log NO SCROLL CURSOR FOR ${this.#sql(through)}`)
    let open: Open | null = null
    for (;;) {
      const rows = await query(`FETCH ${FETCH} FROM log`).catch(readFault)
      if (this.#warning !== null) throw this.#warning
      const commits: LoggedCommit[] = []
      for (const row of rows) {
        const message = this.#decoder.decode(Buffer.from((row['data'] ?? '').slice(2), 'hex'))
        if (message.kind === 'begin') {
          const visible = is.visible(message.xid)
          const skipped = is.skip(visible, commitLsnOf(message))
          open = { xid: message.xid, visible, skipped, changes: [] }
        } else if (message.kind === 'commit' && open !== null) {
          const { xid, visible, changes } = open
          commits.push({ xid, endLsn: endLsnOf(message), visible, changes })
        } else if (message.kind === 'relation') {
          this.#relations.set(message.id, relationOf(message, this.#options.tables))
        } else if (open !== null && !open.skipped) {
          open.changes.push(...this.#changes(message))
        }
      }
      if (commits.length > 0) yield commits
      if (rows.length < FETCH) break
    }
    await query('COMMIT')
  }

  #sql(through: Lsn): string {
    const names = this.#publications.map(ident).join(',')
    return `SELECT data FROM pg_logical_slot_get_binary_changes(${literal(this.#name)},
      ${literal(formatLsn(through))}, NULL, 'proto_version', '1',
      'publication_names', ${literal(names)})`
  }

  #changes(message: PgoutputMessage): Change[] {
    if (message.kind === 'truncate') {
      const tables = message.relations.flatMap((id) => this.#relations.get(id)?.table ?? [])
      const { restartSequences } = message
      return tables.length === 0 ? [] : [{ kind: 'truncate', tables, restartSequences }]
    }
    if (message.kind !== 'insert' && message.kind !== 'update' && message.kind !== 'delete') {
      return []
    }
    const relation = this.#relations.get(message.relation)
    if (relation === undefined || relation.table === null) return []
    const { table, arrange } = relation
    const canonical = (tuple: Tuple): Tuple => this.#canonical(arrange(tuple), table)
    const [added, removed] = [rowIn(message), oldIn(message)]
    const row = added === null ? null : canonical(added)
    const old = removed === null ? null : canonical(removed)
    this.#spend((row?.length ?? 0) + (old?.length ?? 0) + OVERHEAD)
    return [{ kind: message.kind, table, row, old }]
  }

  #spend(bytes: number): void {
    this.#spent += bytes
    if (this.#spent <= this.#options.limit) return
    throw new Fault('HF-V103', {
      what: `more than ${Math.round(this.#options.limit / 1e6)} MB of changes lie between the target and the source`,
      side: 'target',
    })
  }
}

/** A transaction that is being read. */
interface Open {
  readonly xid: number
  readonly visible: boolean
  readonly skipped: boolean
  readonly changes: Change[]
}

interface Relation {
  /** Null when it is not compared. */
  readonly table: Table | null
  /** The tuple with its cells in the order of the table's columns. */
  readonly arrange: (tuple: Tuple) => Tuple
}

function relationOf(message: RelationMessage, tables: readonly Table[]): Relation {
  const same = (tuple: Tuple): Tuple => tuple
  const table = tables.find(({ id }) => id === String(message.id)) ?? null
  if (table === null) return { table, arrange: same }
  const names = message.columns.map(({ name }) => name)
  const places = table.columns.map(({ name }) => names.indexOf(name))
  const missing = table.columns.find((_, i) => places[i] === -1)
  if (missing !== undefined) {
    throw new Fault('HF-V105', {
      what: `column ${missing.name} of ${tableName(table)} is not in all of the changes to compare`,
      table: tableName(table),
    })
  }
  if (places.length === names.length && places.every((place, i) => place === i)) {
    return { table, arrange: same }
  }
  return { table, arrange: (tuple) => rearranged(tuple, places) }
}

function rearranged(tuple: Tuple, places: readonly number[]): Tuple {
  const offsets: number[] = []
  locate(tuple, offsets)
  const head = Buffer.alloc(2)
  head.writeUInt16BE(places.length, 0)
  const cells = places.map((place) => {
    const from = offsets[place]
    return from === undefined ? Buffer.from([NULL]) : tuple.subarray(from, offsets[place + 1])
  })
  return Buffer.concat([head, ...cells])
}

async function publicationsOf(session: Session, names: readonly string[]): Promise<string[]> {
  const rows = await session.query(
    'SELECT pubname AS name FROM pg_publication WHERE pubname = ANY ($1::text[])',
    [textArray(names)],
  )
  const there = new Set(rows.map((row) => row['name']))
  const found = names.filter((name) => there.has(name))
  if (found.length === 0) throw publicationGone(`publication ${names[0] ?? ''} does not exist`)
  return found
}

function publicationGone(words: string): Fault {
  return new Fault('HF-S206', { what: `the log cannot be read: ${words}`, side: 'source' })
}

/** Up to 17 a publication that is not there, now or when the rows were written, is an error. */
function readFault(error: unknown): never {
  if (sqlstateOf(error) !== '42704') throw error
  throw publicationGone('a publication did not exist when rows were written')
}

/** What the SQLSTATE of a refused copy means. */
function copyFault(error: unknown, slot: string): unknown {
  const state = sqlstateOf(error)
  const code = ({ '42704': 'HF-L103', '55000': 'HF-L101', '53400': 'HF-S204' } as const)[
    state as '42704' | '55000' | '53400'
  ]
  if (code === undefined) {
    if (state !== '42501') return error
    return new Fault('HF-S207', { what: 'the role may not read the log', side: 'source' })
  }
  const what = {
    'HF-L103': `replication slot ${slot} does not exist`,
    'HF-L101': `replication slot ${slot} can no longer be read`,
    'HF-S204': `no replication slot is free for a copy of ${slot}`,
  }[code]
  return new Fault(code, { what, side: 'source', cause: error })
}
