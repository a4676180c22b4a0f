import { BSON, type Document } from 'mongodb'
import { Bson, elementName } from '../../dialect/mongodb/bson.ts'
import { Fault } from '../../model/fault.ts'
import { tableName } from '../../model/table.ts'
import {
  DUPLICATE,
  refusal,
  type WriteError,
  type Writing,
  type Written,
  write,
} from './commands.ts'
import { MARK } from './config.ts'
import { documentHead, type Fields } from './layout.ts'
import type { Op, Pending } from './pending.ts'
import { settleTallies } from './tallies.ts'

/** True for a document that does not stand where `stamp` is, or past it. */
export function olderThan(stamp: string): Document {
  return { [`${MARK}.at`]: { $not: { $gte: stamp } } }
}

/** The document of a row: its id, its mark, its columns. */
export function documentOf(id: unknown, mark: Document, fields: Fields): Fields {
  const document = documentHead(id, mark)
  for (const [name, value] of fields) document.set(name, value)
  return document
}

/**
 * Sends what was gathered for one collection. Where there are transactions the server's counts must
 * be those that the source implies (a difference is a refusal); where there are none, what is sent
 * may have been sent before: a document that stands at the change's place or past it stays as it is.
 */
export async function send(on: Writing, collection: string, pending: Pending): Promise<void> {
  const ops = [...pending.ops.values()]
  if (on.session === null) await sendGuarded(on, collection, ops)
  else await sendCounted(on, collection, ops)
  await settleTallies(on, collection, [...pending.tallies.values()])
}

async function sendGuarded(on: Writing, collection: string, ops: readonly Op[]): Promise<void> {
  const gone = ops.filter(({ kind }) => kind === 'drop')
  const there = ops.filter(({ kind }) => kind !== 'drop')
  if (gone.length > 0) {
    const what = gone.map((op) => ({ q: { _id: idOf(op), ...olderThan(op.stamp) }, limit: 1 }))
    noErrors(on, await write(on, collection, { kind: 'delete', what }), gone)
  }
  const born = there.filter(({ before }) => before === 'absent')
  const known = await sendBorn(on, collection, born)
  await sendOver(on, collection, [...there.filter(({ before }) => before !== 'absent'), ...known])
}

/**
 * Inserts documents of rows that were not there before, which costs a tenth of an update that
 * looks first; gives back those that are there all the same, since they were sent before.
 */
async function sendBorn(
  on: Writing,
  collection: string,
  born: readonly Op[],
): Promise<readonly Op[]> {
  if (born.length === 0) return []
  const { errors } = await write(on, collection, { kind: 'insert', what: documentsOf(born) })
  const isKnown = ({ code, ofId }: WriteError): boolean => code === DUPLICATE && ofId
  const real = errors.filter((error) => !isKnown(error))
  noErrors(on, { matched: 0, errors: real }, born)
  return errors.flatMap(({ index }) => born[index] ?? [])
}

/** Writes over documents that are older than the change, and makes those that are missing. */
async function sendOver(on: Writing, collection: string, ops: readonly Op[]): Promise<void> {
  if (ops.length === 0) return
  const { errors } = await write(on, collection, { kind: 'update', what: updatesOf(ops, true) })
  // The document is there and is not older: this change, or a later one, has arrived before.
  const real = errors.filter(({ code, ofId }) => code !== DUPLICATE || !ofId)
  noErrors(on, { matched: 0, errors: real }, ops)
}

function idOf({ layout, key }: Op): unknown {
  return layout.id(key)
}

/** Bytes that an operation is taken to need beside those of its row. */
export const BESIDE = 200

function roomFor(ops: readonly Op[]): Bson {
  return new Bson(ops.reduce((room, { row }) => room + BESIDE + (row?.length ?? 0), 0))
}

function documentsOf(ops: readonly Op[]): Bson {
  const out = roomFor(ops)
  for (const op of ops) putWhole(out, op)
  return out
}

/** The document as it will be. */
function putWhole(out: Bson, op: Op): void {
  const { layout, stamp, row, fields } = op
  if (row !== null) layout.put(out, { row, stamp })
  else
    out.document(
      BSON.serialize(documentOf(idOf(op), { at: stamp }, layout.nested(fields ?? new Map()))),
    )
}

/** `guarded`: documents that stand where the change is, or past it, are passed over. */
function updatesOf(ops: readonly Op[], guarded: boolean): Bson {
  const out = roomFor(ops)
  for (const op of ops) {
    const upsert = guarded ? op.kind === 'put' : op.before === 'either'
    if (op.kind === 'put') putUpdate(out, op, { guarded, upsert })
    else out.document(BSON.serialize(patchOf(op, { guarded, upsert })))
  }
  return out
}

interface How {
  readonly guarded: boolean
  /** A document that is not there is made. */
  readonly upsert: boolean
}

function patchOf(op: Op, { guarded, upsert }: How): Document {
  const q = { _id: idOf(op), ...(guarded ? olderThan(op.stamp) : {}) }
  const set = new Map<string, unknown>([...(op.fields ?? []), [`${MARK}.at`, op.stamp]])
  return { q, u: { $set: set }, upsert }
}

const NAMES = {
  q: elementName('q'),
  u: elementName('u'),
  upsert: elementName('upsert'),
  at: elementName(`${MARK}.at`),
  not: elementName('$not'),
  gte: elementName('$gte'),
}

function putUpdate(out: Bson, op: Op, { guarded, upsert }: How): void {
  out.begin()
  out.enter(NAMES.q)
  op.layout.putId(out, op.key)
  if (guarded) putOlder(out, op.stamp)
  out.end()
  out.field(NAMES.u)
  putWhole(out, op)
  out.bool(NAMES.upsert, upsert)
  out.end()
}

/** What `olderThan` says. */
function putOlder(out: Bson, stamp: string): void {
  out.enter(NAMES.at)
  out.enter(NAMES.not)
  out.ascii(NAMES.gte, stamp)
  out.end()
  out.end()
}

async function sendCounted(on: Writing, collection: string, ops: readonly Op[]): Promise<void> {
  const gone = ops.filter(({ kind, before }) => kind === 'drop' && before !== 'absent')
  const changed = ops.filter(({ kind, before }) => kind !== 'drop' && before !== 'absent')
  const born = ops.filter(({ kind, before }) => kind !== 'drop' && before === 'absent')
  if (gone.length > 0) {
    const what = gone.map((op) => ({ q: { _id: idOf(op) }, limit: 1 }))
    const written = await write(on, collection, { kind: 'delete', what })
    const free = gone.every(({ before }) => before === 'either')
    expect(on, gone, { written, wanted: free ? written.matched : gone.length })
  }
  if (changed.length > 0) {
    const what = updatesOf(changed, false)
    const written = await write(on, collection, { kind: 'update', what })
    expect(on, changed, { written, wanted: changed.length })
  }
  if (born.length > 0) {
    const written = await write(on, collection, { kind: 'insert', what: documentsOf(born) })
    expect(on, born, { written, wanted: born.length })
  }
}

function noErrors(on: Writing, { errors }: Written, ops: readonly Op[]): void {
  const [first] = errors
  if (first !== undefined) throw refusedRow(on, first, ops)
}

function refusedRow(on: Writing, error: WriteError, ops: readonly Op[]): Fault {
  const table = ops[error.index]?.layout.table ?? ops[0]?.layout.table
  return refusal(error, { label: on.label, table: table === undefined ? '' : tableName(table) })
}

function expect(
  on: Writing,
  ops: readonly Op[],
  { written, wanted }: { readonly written: Written; readonly wanted: number },
): void {
  noErrors(on, written, ops)
  if (written.matched === wanted) return
  const table = ops[0]?.layout.table
  const name = table === undefined ? '' : tableName(table)
  throw new Fault('HF-D201', {
    what: `${name} at ${on.label} does not hold the rows that the source changed: ${written.matched} instead of ${wanted}`,
    side: 'target',
    table: name,
  })
}
