import {
  MongoBulkWriteError,
  MongoError,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
} from 'mongodb'
import { Fault, type FaultCode } from '../../model/fault.ts'

export interface ErrorContext {
  /** What was being done, as in `while applying changes`. */
  readonly doing: string
  /** `host:port`. */
  readonly label: string
  readonly table?: string
}

/**
 * Codes of the server (src/mongo/base/error_codes.yml of MongoDB). What is not among them is a
 * refusal that nobody foresaw.
 */
const codes: Readonly<Record<number, FaultCode>> = {
  6: 'HF-T201', // HostUnreachable
  7: 'HF-T201', // HostNotFound
  13: 'HF-T214', // Unauthorized
  18: 'HF-T204', // AuthenticationFailed
  24: 'HF-T217', // LockTimeout
  50: 'HF-T217', // MaxTimeMSExpired
  64: 'HF-T217', // WriteConcernTimeout
  89: 'HF-T201', // NetworkTimeout
  91: 'HF-T201', // ShutdownInProgress
  112: 'HF-T217', // WriteConflict
  134: 'HF-T217', // ReadConcernMajorityNotAvailableYet
  189: 'HF-T201', // PrimarySteppedDown
  225: 'HF-T217', // TransactionTooOld
  246: 'HF-T217', // SnapshotUnavailable
  251: 'HF-T217', // NoSuchTransaction
  262: 'HF-T217', // ExceededTimeLimit
  290: 'HF-T217', // TransactionExceededLifetimeLimitSeconds
  388: 'HF-T217', // TransactionTooLargeForCache
  8000: 'HF-T204', // AtlasError, said of a wrong password
  10107: 'HF-T215', // NotWritablePrimary
  10334: 'HF-T251', // BSONObjectTooLarge
  11000: 'HF-T205', // DuplicateKey
  11600: 'HF-T201', // InterruptedAtShutdown
  11601: 'HF-T217', // Interrupted
  11602: 'HF-T201', // InterruptedDueToReplStateChange
  13388: 'HF-T217', // StaleConfig
  13435: 'HF-T215', // NotPrimaryNoSecondaryOk
  13436: 'HF-T201', // NotPrimaryOrSecondary
  14031: 'HF-T203', // OutOfDiskSpace
  17280: 'HF-T251', // KeyTooLong
}

/** The code of an error that the server sent; null for any other. */
export function serverCode(error: unknown): number | null {
  if (!(error instanceof MongoServerError)) return null
  const { code } = error
  return code === undefined || code === null ? null : Number(code)
}

export function hasLabel(error: unknown, label: string): boolean {
  return error instanceof MongoError && error.hasErrorLabel(label)
}

/** Any error of the driver as a Fault, without a value of a row in it. */
export function faultOf(error: unknown, context: ErrorContext): Fault {
  if (error instanceof Fault) return error
  const { label, doing, table } = context
  const code = codeOf(error)
  const number = serverCode(error)
  const words = number === null ? nameOf(error) : `error ${number}`
  const why = sentences[words] ?? words
  return new Fault(code, {
    what: `the target at ${label} failed while ${doing}${table === undefined ? '' : ` ${table}`}: ${why}`,
    side: 'target',
    ...(table === undefined ? {} : { table }),
    evidence: { error: words, ...(isHarmless(code) ? { said: saidBy(error) } : {}) },
    // The driver's error may hold the document that was refused.
    ...(code === 'HF-X001' ? { cause: error } : {}),
  })
}

function codeOf(error: unknown): FaultCode {
  const number = serverCode(error)
  const known = number === null ? undefined : codes[number]
  if (known !== undefined) return known
  const message = error instanceof Error ? error.message : ''
  if (/MaxDocumentSize|maximum (?:BSON|document) size|larger than the maximum/i.test(message)) {
    return 'HF-T251'
  }
  if (/index row requires|index row size|key too large/i.test(message)) return 'HF-T251'
  if (/no space left/i.test(message)) return 'HF-T203'
  if (hasLabel(error, 'TransientTransactionError') || hasLabel(error, 'RetryableWriteError')) {
    return 'HF-T217'
  }
  // A server that goes away while TLS is agreed on comes back.
  if (/socket disconnected before/.test(message)) return 'HF-T201'
  if (/certificate|self.signed|SSL|TLS/.test(message)) return 'HF-T211'
  if (error instanceof MongoServerSelectionError || error instanceof MongoNetworkError) {
    return 'HF-T201'
  }
  if (/connection.*(?:closed|establish|pool)|topology/i.test(message)) return 'HF-T201'
  if (isOfSocket(error)) return 'HF-T201'
  if (error instanceof MongoBulkWriteError || error instanceof MongoServerError) return 'HF-T216'
  return error instanceof MongoError ? 'HF-T201' : 'HF-X001'
}

/**
 * A command that meets a socket in the moment of its end fails with the socket's own error, not with
 * one of the driver's. Its message need not name the code.
 */
function isOfSocket(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error ? String(error.code) : ''
  return /^(?:E[A-Z]+|ERR_(?:STREAM|SOCKET)_\w+)$/.test(code) || /ECONN|EPIPE/i.test(error.message)
}

/** What the driver's errors mean, by their names. */
const sentences: Readonly<Record<string, string>> = {
  MongoServerSelectionError: 'no server that can be written to answers',
  MongoNetworkError: 'the connection broke',
  MongoNetworkTimeoutError: 'no answer came in time',
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'an unknown error'
}

/** Words of the server about its connections never hold rows. */
function isHarmless(code: FaultCode): boolean {
  return ['HF-T201', 'HF-T204', 'HF-T211', 'HF-T214', 'HF-T215', 'HF-T217'].includes(code)
}

function saidBy(error: unknown): string {
  return error instanceof Error ? error.message : ''
}
