import type { ClientSession, Db, Document } from 'mongodb'
import { Bson } from '../../dialect/mongodb/bson.ts'
import { faultOf } from '../../dialect/mongodb/errors.ts'
import { sequenceOf } from '../../dialect/mongodb/sequence.ts'
import { Fault } from '../../model/fault.ts'
import { COMMAND_MS } from './config.ts'

const durably = { w: 'majority', j: true } as const

/** Duplicate key. */
export const DUPLICATE = 11000

export interface WriteError {
  readonly index: number
  readonly code: number
  /** It is the document's id that is there already, not a value of some other unique index. */
  readonly ofId: boolean
}

export interface Written {
  readonly matched: number
  readonly errors: readonly WriteError[]
}

export interface Writing {
  readonly db: Db
  readonly label: string
  /** The transaction that it belongs to. */
  readonly session: ClientSession | null
  /** Sends a command if that is allowed at this moment. */
  readonly send: <T>(command: () => Promise<T>) => Promise<T>
}

interface Body {
  readonly kind: keyof typeof FIELDS
  /** Of a table’s rows they are written already. */
  readonly what: readonly unknown[] | Bson
}

/** What a command of each kind calls what it holds. */
const FIELDS = { insert: 'documents', update: 'updates', delete: 'deletes' } as const

/**
 * One command that writes documents of a collection in no order, bounded in time and on disk at a
 * majority when it returns. Commands rather than the driver's own bulk writes: these have no bound,
 * and retry what must not be sent again once the claim is lost. Throws Fault for what is no error of
 * a single document.
 */
export async function write(
  on: Writing,
  collection: string,
  { kind, what }: Body,
): Promise<Written> {
  const field = FIELDS[kind]
  const held = what instanceof Bson ? sequenceOf(field, what) : what
  const command = { [kind]: collection, [field]: held, ordered: false, maxTimeMS: COMMAND_MS }
  try {
    const { session, db } = on
    const answer = await on.send(() =>
      session === null
        ? db.command({ ...command, writeConcern: durably })
        : db.command(command, { session }),
    )
    return writtenOf(answer)
  } catch (error) {
    throw faultOf(error, { doing: `writing ${collection}`, label: on.label })
  }
}

function writtenOf(answer: Document): Written {
  const found: readonly Document[] = answer['writeErrors'] ?? []
  const errors = found.map((error): WriteError => {
    const pattern: Document | undefined = error['keyPattern']
    const named = /index: _id_|'_id_'/.test(String(error['errmsg'] ?? ''))
    const ofId = pattern === undefined ? named : Object.keys(pattern).join() === '_id'
    return { index: Number(error['index']), code: Number(error['code']), ofId }
  })
  return { matched: Number(answer['n'] ?? 0), errors }
}

/** What an error of a document means; never holds the document. */
export function refusal(error: WriteError, at: { readonly label: string; readonly table: string }) {
  const { code, ofId } = error
  const duplicate = ofId ? 'there is one with its key already' : 'a unique index refuses it'
  const large = code === 10334 || code === 17280 || code === 261
  return new Fault(large ? 'HF-T251' : 'HF-T205', {
    what: `the target at ${at.label} refuses a row of ${at.table}: ${code === DUPLICATE ? duplicate : `error ${code}`}`,
    side: 'target',
    table: at.table,
    evidence: { error: String(code) },
  })
}
