import type { ClientSession, MongoClient } from 'mongodb'
import { hasLabel, serverCode } from '../../dialect/mongodb/errors.ts'
import { Fault } from '../../model/fault.ts'

/** How often a transaction, or its commit, is tried again here. */
const ATTEMPTS = 5

const options = {
  readConcern: { level: 'snapshot' },
  writeConcern: { w: 'majority', journal: true },
} as const

export interface Transaction {
  /** Sends a command if that is allowed at this moment. */
  readonly send: <T>(command: () => Promise<T>) => Promise<T>
  /**
   * What the transaction consists of, from the beginning at each attempt. `doubtful`: an earlier
   * commit was sent and nobody knows what became of it. False: it stands already, and nothing is
   * to be done.
   */
  readonly body: (session: ClientSession, doubtful: boolean) => Promise<boolean>
  /** Before the commit is sent. */
  readonly sent: () => void
}

/**
 * Carries out a transaction. What the server broke off is begun anew, bounded; a commit whose answer
 * is lost is sent again, which changes nothing once it has happened. A commit of which nothing is
 * known in the end throws, and whoever claims the mirror next reads the checkpoint.
 */
export async function transact(client: MongoClient, transaction: Transaction): Promise<void> {
  let doubtful = false
  for (let attempt = 1; ; attempt++) {
    const session = client.startSession({ defaultTransactionOptions: options })
    let committing = false
    try {
      session.startTransaction()
      if (!(await transaction.body(session, doubtful))) return
      transaction.sent()
      committing = true
      await commit(session, transaction, () => {
        doubtful = true
      })
      return
    } catch (error) {
      if (!committing && isTooMuch(error, attempt)) throw tooMuch(error)
      const broken = hasLabel(error, 'TransientTransactionError') || isConflict(error)
      if (!broken || attempt >= ATTEMPTS) throw error
    } finally {
      if (session.inTransaction()) await session.abortTransaction().catch(() => undefined)
      await session.endSession()
    }
  }
}

async function commit(
  session: ClientSession,
  { send }: Transaction,
  unknown: () => void,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await send(() => session.commitTransaction())
    } catch (error) {
      // Only an answer that says so is one: whatever else went wrong may have come after the commit.
      unknown()
      if (!hasLabel(error, 'UnknownTransactionCommitResult') || attempt >= ATTEMPTS) throw error
    }
  }
}

/** Broken off for how long it takes or how large it is: TransactionTooLargeForCache, … */
const OVER_LIMIT = new Set([290, 388])
/** NoSuchTransaction: the server has ended it, as it ends those that go on for too long. */
const ENDED = 251

/** Smaller ones may go through where this one never will. */
function isTooMuch(error: unknown, attempt: number): boolean {
  const code = numberOf(error)
  return OVER_LIMIT.has(code) || (code === ENDED && attempt >= ATTEMPTS)
}

function numberOf(error: unknown): number {
  if (!(error instanceof Fault)) return serverCode(error) ?? 0
  return Number(/^error (\d+)$/.exec(error.detail.evidence?.['error'] ?? '')?.[1] ?? 0)
}

function tooMuch(error: unknown): Fault {
  return new Fault('HF-T255', {
    what: `the target ended a transaction before it was whole (error ${numberOf(error)})`,
    side: 'target',
  })
}

function isConflict(error: unknown): boolean {
  return error instanceof Fault && error.code === 'HF-T217'
}
