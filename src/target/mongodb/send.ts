import type { Document } from 'mongodb'
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
    const deletes = gone.map(({ id, stamp }) => ({ q: { _id: id, ...olderThan(stamp) }, limit: 1 }))
    noErrors(on, await write(on, collection, { kind: 'delete', deletes }), gone)
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
  const documents = born.map((op) => wholeOf(op))
  const { errors } = await write(on, collection, { kind: 'insert', documents })
  const isKnown = ({ code, ofId }: WriteError): boolean => code === DUPLICATE && ofId
  const real = errors.filter((error) => !isKnown(error))
  noErrors(on, { matched: 0, errors: real }, born)
  return errors.flatMap(({ index }) => born[index] ?? [])
}

/** Writes over documents that are older than the change, and makes those that are missing. */
async function sendOver(on: Writing, collection: string, ops: readonly Op[]): Promise<void> {
  if (ops.length === 0) return
  const updates = ops.map((op) => ({
    q: { _id: op.id, ...olderThan(op.stamp) },
    ...changeOf(op),
    upsert: op.kind === 'put',
  }))
  const { errors } = await write(on, collection, { kind: 'update', updates })
  // The document is there and is not older: this change, or a later one, has arrived before.
  const real = errors.filter(({ code, ofId }) => code !== DUPLICATE || !ofId)
  noErrors(on, { matched: 0, errors: real }, ops)
}

function wholeOf(op: Op): Fields {
  const { layout, id, stamp, row, fields } = op
  if (row !== null) return layout.document(row, op)
  return documentOf(id, { at: stamp }, layout.nested(fields ?? new Map()))
}

function changeOf(op: Op): Document {
  if (op.kind === 'put') return { u: wholeOf(op) }
  const set = new Map<string, unknown>([...(op.fields ?? []), [`${MARK}.at`, op.stamp]])
  return { u: { $set: set } }
}

async function sendCounted(on: Writing, collection: string, ops: readonly Op[]): Promise<void> {
  const gone = ops.filter(({ kind, before }) => kind === 'drop' && before !== 'absent')
  const changed = ops.filter(({ kind, before }) => kind !== 'drop' && before !== 'absent')
  const born = ops.filter(({ kind, before }) => kind !== 'drop' && before === 'absent')
  if (gone.length > 0) {
    const deletes = gone.map(({ id }) => ({ q: { _id: id }, limit: 1 }))
    const written = await write(on, collection, { kind: 'delete', deletes })
    const free = gone.every(({ before }) => before === 'either')
    expect(on, gone, { written, wanted: free ? written.matched : gone.length })
  }
  if (changed.length > 0) {
    const updates = changed.map((op) => ({
      q: { _id: op.id },
      ...changeOf(op),
      upsert: op.before === 'either',
    }))
    const written = await write(on, collection, { kind: 'update', updates })
    expect(on, changed, { written, wanted: changed.length })
  }
  if (born.length > 0) {
    const documents = born.map((op) => wholeOf(op))
    const written = await write(on, collection, { kind: 'insert', documents })
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
