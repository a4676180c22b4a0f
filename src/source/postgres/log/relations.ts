import { monotonic, sleep } from '../../../async/clock.ts'
import type { Session } from '../../../dialect/postgres/connect.ts'
import { neutralType, typeIndex } from '../../../dialect/postgres/types.ts'
import type { SchemaChange } from '../../../model/change.ts'
import { Fault } from '../../../model/fault.ts'
import type { Column, Table } from '../../../model/table.ts'
import { oidArray } from '../rows.ts'
import {
  addedColumns,
  compareKey,
  compareShape,
  drifted,
  keyOf,
  refuseFilled,
} from '../schema/drift.ts'
import { tableVersion } from '../schema/identity-key.ts'
import { readTypes, typeNames, typeUse } from '../schema/inspect-types.ts'
import { type Mark, markOf, readMark, readShapes, type Shape, writeMark } from '../schema/shape.ts'
import { misread } from './bytes.ts'
import type { RelationColumn, RelationMessage } from './pgoutput.ts'
import type { Tables } from './transactions.ts'

/** How long a commit that is in the log may take to show in the catalogue. */
const VISIBLE_MS = 10_000
const LOOK_AGAIN_MS = 50
const SETTLE_MS = 2_000
const SETTLE_STEP_MS = 2

interface Known {
  readonly table: Table
  readonly mark: Mark
}

interface Learned extends Known {
  readonly sub: number | null
}

/** A widening that was met inside a streamed transaction, to be confirmed when that commits. */
interface Unconfirmed {
  readonly sub: number | null
  readonly from: Known
  readonly to: Table
  readonly message: RelationMessage
}

/**
 * Which table, in which version, the rows of a relation are of. It only ever moves from a table
 * that is known to one with more columns, and only when the catalogue says that rows from before
 * hold null in them; anything else is a Fault.
 *
 * Relation messages of a streamed transaction hold for that transaction alone until it commits
 * (logical replication workers of PostgreSQL do the same: worker.c, apply_handle_relation).
 */
export class Relations implements Tables {
  readonly #session: Session
  readonly #known = new Map<number, Known>()
  /** Published, not mirrored, and no partition of what is. */
  readonly #foreign = new Set<number>()
  readonly #streamed = new Map<number, Map<number, Learned>>()
  /** What the newest transaction that is not streamed found, of the relations that it changed. */
  #found = { xid: -1, known: new Map<number, Known>() }
  readonly #unconfirmed = new Map<number, Unconfirmed[]>()
  /** New columns, as `relation.attnum`, that were harmless when a look first saw them. */
  readonly #harmless = new Set<string>()

  private constructor(session: Session) {
    this.#session = session
  }

  /**
   * `tables` are what the checkpoint knows; `earlier` has looked at them in the meantime. Throws
   * Fault when they can no longer be followed.
   */
  static async open(
    session: Session,
    tables: readonly Table[],
    earlier: Relations | null,
  ): Promise<Relations> {
    const relations = new Relations(session)
    for (const place of earlier === null ? [] : earlier.#harmless) relations.#harmless.add(place)
    const shapes = await shapesOf(session, tables)
    for (const table of tables) {
      const shape = shapes.get(table.id)
      const seen = earlier === null ? undefined : earlier.#known.get(Number(table.id))
      const known = seen?.table.version === table.version ? seen.mark : readMark(table)
      const mark = known ?? (shape === undefined ? null : markOf(table, shape))
      if (mark === null) throw misfit(table)
      relations.#known.set(Number(table.id), { table, mark })
    }
    relations.#compare(shapes)
    return relations
  }

  of(relation: number, streamed: number | null): Table | null {
    const learned = streamed === null ? undefined : this.#streamed.get(streamed)?.get(relation)
    const known = learned ?? this.#known.get(relation)
    if (known !== undefined) return known.table
    if (this.#foreign.has(relation)) return null
    throw misread(`rows came of relation ${relation}, which was not described`)
  }

  /** Looks at the catalogue. Throws the Fault of the first table that cannot be followed. */
  async look(tables: readonly Table[]): Promise<void> {
    const watched = tables.filter(({ id }) => this.#known.has(Number(id)))
    this.#compare(await shapesOf(this.#session, watched), new Set(watched.map(({ id }) => id)))
  }

  /**
   * Takes in how a relation's rows read from here on. Returns the change, when it is one. The
   * message names columns only, and a column that was dropped and made anew looks the same in it,
   * so each message is a reason to look at the catalogue; for a streamed transaction that is its
   * commit.
   */
  async learn(
    message: RelationMessage,
    { xid, streamed }: { readonly xid: number; readonly streamed: number | null },
  ): Promise<SchemaChange | null> {
    if (streamed === null) await this.#settled(xid, [message.id])
    const overlay = streamed === null ? undefined : this.#streamed.get(streamed)
    const from = overlay?.get(message.id) ?? this.#known.get(message.id)
    if (from === undefined) {
      await this.#stranger(message)
      return null
    }
    compareNames(from.table, message)
    const added = addedColumns(from.table, from.mark, message.columns)
    const key = await this.#keyOf(from.table, message)
    compareKey(from.table, { replicaIdentity: message.replicaIdentity, key })
    if (added.length === 0) {
      this.#keep(message, streamed, from)
      return null
    }
    const to = await this.#widened(from, message, streamed)
    if (streamed === null) this.#remember(xid, message.id, from)
    this.#keep(message, streamed, to)
    return { kind: 'schema', from: from.table, to: to.table }
  }

  async #keyOf({ identity }: Table, message: RelationMessage): Promise<readonly string[]> {
    const marked = message.columns.filter((column) => column.key).map(({ name }) => name)
    const full = message.replicaIdentity === 'f'
    if (full || identity.by !== 'key' || marked.length <= identity.columns.length) return marked
    const id = String(message.id)
    return keyOf(marked, (await readShapes(this.#session, [id])).get(id))
  }

  /** A streamed transaction has committed: what it said of relations holds for all. */
  committed(streamed: number): void {
    for (const [relation, learned] of this.#streamed.get(streamed) ?? []) {
      this.#known.set(relation, learned)
    }
    this.#streamed.delete(streamed)
  }

  /** Also for a transaction that is not streamed and will be read again from its start. */
  aborted(xid: number, sub: number): void {
    if (xid === sub) {
      this.#streamed.delete(xid)
      this.#unconfirmed.delete(xid)
      if (this.#found.xid !== xid) return
      for (const [relation, known] of this.#found.known) this.#known.set(relation, known)
      this.#found.known.clear()
      return
    }
    const overlay = this.#streamed.get(xid)
    for (const [relation, learned] of overlay ?? []) {
      if (learned.sub === sub) overlay?.delete(relation)
    }
    const left = this.#unconfirmed.get(xid)?.filter((one) => one.sub !== sub)
    if (left !== undefined) this.#unconfirmed.set(xid, left)
  }

  /** Before a streamed transaction's commit is passed on: what it added must be harmless. */
  async confirm(streamed: number): Promise<void> {
    await this.#settled(streamed, [...(this.#streamed.get(streamed)?.keys() ?? [])])
    const waiting = this.#unconfirmed.get(streamed) ?? []
    this.#unconfirmed.delete(streamed)
    for (const { from, to, message } of waiting) {
      const known = await this.#confirmed(from, to, message)
      const learned = this.#streamed.get(streamed)?.get(message.id)
      // The rows that were passed on hold the Table that they came with, so that one stays.
      if (learned !== undefined) {
        this.#streamed.get(streamed)?.set(message.id, { ...learned, mark: known.mark })
      }
    }
  }

  /**
   * Looks at the relations once the catalogue shows what the transaction did: it holds the lock
   * of its own number for a moment longer than its commit is in the log. One that waits for a
   * synchronous standby is not waited for, since that might be us; the next regular look sees it.
   */
  async #settled(xid: number, relations: readonly number[]): Promise<void> {
    if (relations.length === 0) return
    const until = monotonic() + SETTLE_MS
    while ((await this.#session.query(STILL_LOCKED, [String(xid)])).length > 0) {
      if (monotonic() > until) break
      await sleep(SETTLE_STEP_MS)
    }
    const tables = relations.flatMap((relation) => this.#known.get(relation)?.table ?? [])
    if (tables.length > 0) await this.look(tables)
  }

  #remember(xid: number, relation: number, from: Known): void {
    if (this.#found.xid !== xid) this.#found = { xid, known: new Map() }
    const { known } = this.#found
    if (!known.has(relation)) known.set(relation, from)
  }

  #keep(message: RelationMessage, streamed: number | null, known: Known): void {
    if (streamed === null) {
      this.#known.set(message.id, { table: known.table, mark: known.mark })
      return
    }
    const overlay = this.#streamed.get(streamed) ?? new Map<number, Learned>()
    const sub = message.xid === streamed ? null : message.xid
    overlay.set(message.id, { table: known.table, mark: known.mark, sub })
    this.#streamed.set(streamed, overlay)
  }

  async #widened(from: Known, message: RelationMessage, streamed: number | null): Promise<Known> {
    const known = this.#known.get(message.id)
    if (known !== undefined && known.table.columns.length === message.columns.length) return known
    const to = await widen(this.#session, from.table, message)
    if (streamed === null) return await this.#confirmed(from, to, message)
    // A transaction in progress may have added the column itself: nobody else sees that yet.
    const list = this.#unconfirmed.get(streamed) ?? []
    list.push({ sub: message.xid === streamed ? null : message.xid, from, to, message })
    this.#unconfirmed.set(streamed, list)
    return { table: to, mark: { node: from.mark.node, columns: marksOf(message, null) } }
  }

  async #confirmed(from: Known, to: Table, message: RelationMessage): Promise<Known> {
    const added = message.columns.slice(from.table.columns.length)
    const shape = await this.#visible(from.table, added)
    for (const { name } of added) {
      const column = shape.columns.find((other) => other.name === name)
      if (column === undefined || this.#harmless.has(`${from.table.id}.${column.number}`)) continue
      refuseFilled(from, column, shape.node)
    }
    const mark: Mark = { node: shape.node, columns: marksOf(message, shape) }
    return { table: { ...to, mark: writeMark(mark) }, mark }
  }

  /** The table's shape, once it shows the columns; a commit shows a moment after it is logged. */
  async #visible(table: Table, added: readonly RelationColumn[]): Promise<Shape> {
    const until = monotonic() + VISIBLE_MS
    for (;;) {
      const shape = (await shapesOf(this.#session, [table])).get(table.id)
      if (shape !== undefined && added.every((column) => shows(shape, column))) return shape
      if (monotonic() > until) {
        const names = added.map(({ name }) => name).join(', ')
        throw drifted('HF-D402', table, `its new column ${names} is no longer in the catalogue`)
      }
      await sleep(LOOK_AGAIN_MS)
    }
  }

  #compare(shapes: ReadonlyMap<string, Shape>, only?: ReadonlySet<string>): void {
    for (const [relation, known] of this.#known) {
      const { table, mark } = known
      if (only !== undefined && !only.has(table.id)) continue
      const shape = shapes.get(table.id)
      const added = compareShape(table, mark, shape)
      if (shape === undefined) continue
      if (added.length === 0) {
        this.#known.set(relation, { table, mark: { ...mark, node: shape.node } })
      }
      for (const column of added) {
        const place = `${table.id}.${column.number}`
        if (this.#harmless.has(place)) continue
        refuseFilled(known, column, shape.node)
        this.#harmless.add(place)
      }
    }
  }

  /**
   * A relation that is not mirrored is nobody's business when somebody else's publication holds
   * it, unless it is a partition of a table that is mirrored.
   */
  async #stranger(message: RelationMessage): Promise<void> {
    if (this.#foreign.has(message.id)) return
    const ids = [...this.#known.keys()]
    const rows = await this.#session.query(SHARES_ROOT, [String(message.id), oidArray(ids)])
    if (rows.length > 0) {
      throw new Fault('HF-D406', {
        what: `${message.schema}.${message.name} is a partition that the mirror does not know`,
        side: 'source',
        evidence: { partition: `${message.schema}.${message.name}` },
      })
    }
    this.#foreign.add(message.id)
  }
}

/** A transaction holds the lock of its number until everybody sees what it did. */
const STILL_LOCKED = `
select 1 from pg_locks l left join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'transactionid' and l.transactionid = $1::xid
  and l.mode = 'ExclusiveLock' and l.granted and a.wait_event is distinct from 'SyncRep'`

/** $1 is a partition below the same topmost table as one of $2. */
const SHARES_ROOT = `
select 1 from unnest($2::oid[]) mirrored(id)
where pg_partition_root($1::oid) = pg_partition_root(mirrored.id) limit 1`

async function shapesOf(session: Session, tables: readonly Table[]): Promise<Map<string, Shape>> {
  return await readShapes(
    session,
    tables.map(({ id }) => id),
  )
}

function shows(shape: Shape, { name, typeOid, typmod }: RelationColumn): boolean {
  const found = shape.columns.find((column) => column.name === name)
  return found !== undefined && found.typeOid === typeOid && found.typmod === typmod
}

function misfit(table: Table): Fault {
  return drifted('HF-D402', table, 'it has no longer the columns that the mirror knows')
}

function compareNames(table: Table, message: RelationMessage): void {
  if (table.schema === message.schema && table.name === message.name) return
  throw drifted('HF-D406', table, `it is called ${message.schema}.${message.name} now`)
}

/** The table with the columns of the message behind its own. */
async function widen(session: Session, table: Table, message: RelationMessage): Promise<Table> {
  const added = message.columns.slice(table.columns.length)
  const columns = [...table.columns, ...(await columnsOf(session, added))]
  const { mark: _, ...rest } = table
  return { ...rest, columns, version: tableVersion(columns, table.identity) }
}

async function columnsOf(session: Session, added: readonly RelationColumn[]): Promise<Column[]> {
  const types = await readTypes(
    session,
    added.map(({ typeOid }) => typeOid),
  )
  const [index, names] = [typeIndex(types), typeNames(types)]
  const columns: Column[] = []
  for (const { name, typeOid, typmod } of added) {
    const [row] = await session.query(
      `SELECT $1::oid AS atttypid, $2::int AS atttypmod, format_type($1, $2) AS format`,
      [String(typeOid), String(typmod)],
    )
    if (row === undefined) throw misread('the catalogue gave no type')
    const use = typeUse(row, names)
    columns.push({ name, type: neutralType(use, index), native: use.sql, nullable: true })
  }
  return columns
}

function marksOf(message: RelationMessage, shape: Shape | null): Mark['columns'] {
  return message.columns.map(({ name, typeOid, typmod }) => {
    const found = shape?.columns.find((column) => column.name === name)
    return { number: found?.number ?? 0, typeOid, typmod }
  })
}
