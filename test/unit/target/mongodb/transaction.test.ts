import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ClientSession, type Document, MongoClient } from 'mongodb'
import { hasLabel } from '../../../../src/dialect/mongodb/errors.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { write } from '../../../../src/target/mongodb/commands.ts'
import { transact } from '../../../../src/target/mongodb/transaction.ts'
import { opmsgPeer, type Reply } from '../../../../testkit/opmsg.ts'

// Answers as the manual and the specification of transactions for drivers give them:
// https://www.mongodb.com/docs/manual/core/transactions-in-applications/
// https://github.com/mongodb/specifications/blob/master/source/transactions/transactions.md
const done = { ok: 1 }
const written = { ok: 1, n: 1 }
const stepsDown = {
  ok: 0,
  code: 189,
  codeName: 'PrimarySteppedDown',
  errmsg: 'Primary stepped down while waiting for replication',
  errorLabels: ['RetryableWriteError'],
}
const noTransaction = {
  ok: 0,
  code: 251,
  codeName: 'NoSuchTransaction',
  errmsg: 'Transaction was aborted',
  errorLabels: ['TransientTransactionError'],
}
const conflict = {
  ok: 0,
  code: 112,
  codeName: 'WriteConflict',
  errmsg: 'WriteConflict error',
  errorLabels: ['TransientTransactionError'],
}
const refused = { ok: 0, code: 20, codeName: 'IllegalOperation', errmsg: 'not allowed' }

interface Outcome {
  /** `name of command/number of transaction`. */
  readonly commands: readonly string[]
  readonly concerns: readonly Document[]
  /** What each attempt was told of the one before. */
  readonly doubts: readonly boolean[]
  readonly error: unknown
}

const documents = [{ _id: 1 }]

function plain(client: MongoClient, session: ClientSession): Promise<unknown> {
  return client.db('shop').command({ insert: 'rows', documents }, { session })
}

/** As the target sends it. */
function asSent(client: MongoClient, session: ClientSession): Promise<unknown> {
  const send = <T>(command: () => Promise<T>): Promise<T> => command()
  const on = { db: client.db('shop'), label: 'there', session, send }
  return write(on, 'rows', { kind: 'insert', what: documents })
}

/** Runs a transaction of one insert; `stands` is what a look finds after a commit in doubt. */
async function run(
  script: readonly Reply[],
  stands = false,
  insert: (client: MongoClient, session: ClientSession) => Promise<unknown> = plain,
): Promise<Outcome> {
  await using peer = await opmsgPeer(script)
  const client = new MongoClient(peer.url, { serverSelectionTimeoutMS: 20_000 })
  const doubts: boolean[] = []
  const body = async (session: ClientSession, doubtful: boolean): Promise<boolean> => {
    doubts.push(doubtful)
    if (doubtful && stands) return false
    await insert(client, session)
    return true
  }
  let error: unknown = null
  try {
    await transact(client, { send: (command) => command(), sent: () => undefined, body })
  } catch (thrown) {
    error = thrown
  } finally {
    await client.close()
  }
  const commands = peer.commands.map(
    (command: Document) => `${Object.keys(command)[0]}/${command['txnNumber']}`,
  )
  return { commands, concerns: peer.commands, doubts, error }
}

test('G10 a transaction is committed once, with a majority and its journal', async () => {
  const { commands, concerns, doubts, error } = await run([written, done])
  assert.equal(error, null)
  assert.deepEqual(commands, ['insert/1', 'commitTransaction/1'])
  const [first, last] = concerns
  assert.deepEqual(first?.['readConcern'], { level: 'snapshot' })
  assert.deepEqual([last?.['writeConcern']['w'], last?.['writeConcern']['j']], ['majority', true])
  assert.deepEqual(doubts, [false])
})

test('G2 a commit whose answer is lost is sent again, and nothing else', async () => {
  const lost = await run([written, 'hangs up', done])
  assert.equal(lost.error, null)
  assert.deepEqual(lost.commands, ['insert/1', 'commitTransaction/1', 'commitTransaction/1'])
  // The driver asks twice by itself; the third time it is us.
  const twice = await run([written, 'hangs up', stepsDown, done])
  assert.equal(twice.error, null)
  assert.deepEqual(twice.commands, ['insert/1', ...Array(3).fill('commitTransaction/1')])
})

test('G2 a commit that was not made after all is found out by a look, then made anew', async () => {
  const { commands, doubts, error } = await run([written, 'hangs up', noTransaction, written, done])
  assert.equal(error, null)
  const first = ['insert/1', 'commitTransaction/1', 'commitTransaction/1']
  assert.deepEqual(commands.slice(0, 3), first)
  assert.deepEqual(doubts, [false, true])
  assert.match(commands.slice(3).join(' '), /^insert\/(\d) commitTransaction\/\1$/)
})

test('G2 a commit that stands although its answer was lost is not made a second time', async () => {
  const { commands, doubts, error } = await run([written, 'hangs up', noTransaction], true)
  assert.equal(error, null)
  assert.deepEqual(commands, ['insert/1', 'commitTransaction/1', 'commitTransaction/1'])
  assert.deepEqual(doubts, [false, true])
})

test('G2 a commit of which nothing is known in the end is thrown with its label', async () => {
  const { commands, error } = await run([written, ...Array<Reply>(20).fill(stepsDown)])
  assert.ok(hasLabel(error, 'UnknownTransactionCommitResult'))
  assert.deepEqual(new Set(commands), new Set(['insert/1', 'commitTransaction/1']))
})

test('G3 what the server broke off is begun anew, and at most five times', async () => {
  const once = await run([conflict, done, written, done])
  assert.equal(once.error, null)
  assert.deepEqual(once.commands, [
    'insert/1',
    'abortTransaction/1',
    'insert/2',
    'commitTransaction/2',
  ])
  assert.deepEqual(once.doubts, [false, false])
  const always = await run(Array<Reply>(20).fill(conflict))
  assert.ok(hasLabel(always.error, 'TransientTransactionError'))
  assert.equal(always.doubts.length, 5)
})

test('what the server refuses for good is not tried again', async () => {
  const { commands, error } = await run([refused, done])
  assert.ok(error instanceof Error)
  assert.deepEqual(commands, ['insert/1', 'abortTransaction/1'])
})

const tooLarge = {
  ok: 0,
  code: 388,
  codeName: 'TransactionTooLargeForCache',
  errmsg: 'transaction is too large and will not fit in the storage engine cache',
}
const tooLong = {
  ok: 0,
  code: 290,
  codeName: 'TransactionExceededLifetimeLimitSeconds',
  errmsg: 'operation was interrupted',
  errorLabels: ['TransientTransactionError'],
}

test('G4 a transaction that goes on for too long, or is too large, is asked for in smaller ones', async () => {
  for (const reply of [tooLarge, tooLong]) {
    for (const insert of [plain, asSent]) {
      const { commands, error } = await run([reply, done], false, insert)
      assert.ok(error instanceof Fault)
      assert.equal(error.code, 'HF-T255')
      assert.deepEqual(commands, ['insert/1', 'abortTransaction/1'])
    }
  }
  // One that is ended may have met another primary: that is tried again first.
  const ended = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? noTransaction : done))
  const { doubts, error } = await run(ended, false, asSent)
  assert.ok(error instanceof Fault)
  assert.equal(error.code, 'HF-T255')
  assert.equal(doubts.length, 5)
  // What a commit was answered is a matter of its outcome, not of its size.
  const late = await run([written, noTransaction, written, done])
  assert.equal(late.error, null)
})
