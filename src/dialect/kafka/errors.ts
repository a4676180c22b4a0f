import { Fault, type FaultCode } from '../../model/fault.ts'
import { client } from './client.ts'

export interface ErrorContext {
  /** What was being done, to go after "while": `listing topics`. */
  readonly doing: string
  /** The brokers, as people know them. */
  readonly label: string
}

/** By the names of the protocol (https://kafka.apache.org/protocol#protocol_error_codes). */
const codes: Readonly<Record<string, FaultCode>> = {
  UNKNOWN_TOPIC_OR_PARTITION: 'HF-K103',
  UNKNOWN_TOPIC_ID: 'HF-K103',
  INCONSISTENT_TOPIC_ID: 'HF-K103',
  OFFSET_OUT_OF_RANGE: 'HF-K101',
  CORRUPT_MESSAGE: 'HF-K108',
  TOPIC_AUTHORIZATION_FAILED: 'HF-S106',
  GROUP_AUTHORIZATION_FAILED: 'HF-S106',
  CLUSTER_AUTHORIZATION_FAILED: 'HF-S106',
  SASL_AUTHENTICATION_FAILED: 'HF-S102',
  UNSUPPORTED_SASL_MECHANISM: 'HF-S102',
  ILLEGAL_SASL_STATE: 'HF-S102',
}

const UNKNOWN = 'UNKNOWN_TOPIC_OR_PARTITION'

/** True when the broker answered with this error of the protocol, alone or among others. */
export function says(error: unknown, id: string): boolean {
  if (!(error instanceof client.GenericError || error instanceof client.MultipleErrors))
    return false
  // The client's own words where metadata did not hold a topic.
  if (id === UNKNOWN && /^Unknown topic /.test(error.message)) return true
  return client.findErrorBy(error, 'apiId', id) !== null
}

/** Whatever the client throws, as a Fault; a Fault stays what it is. */
export function faultOf(error: unknown, { doing, label }: ErrorContext): Fault {
  if (error instanceof Fault) return error
  const words = wordsOf(error)
  return new Fault(codeOf(error), {
    what: `the brokers at ${label} failed while ${doing}: ${words}`,
    side: 'source',
    cause: error,
    evidence: { said: words },
  })
}

const TLS_WORDS = /certificate|self.signed|\bTLS\b|\bSSL\b|ERR_TLS|ERR_SSL/i

function codeOf(error: unknown): FaultCode {
  const known = Object.keys(codes).find((id) => says(error, id))
  if (known !== undefined) return codes[known] ?? 'HF-S101'
  // A broker that goes away while it is being told who comes, or while TLS is agreed on, comes back.
  const refusals = allOf(error, client.AuthenticationError)
  if (refusals.length > 0)
    return refusals.every(({ cause }) => isAway(cause)) ? 'HF-S101' : 'HF-S102'
  const words = allWords(error)
  if (/socket disconnected before/.test(words)) return 'HF-S101'
  if (TLS_WORDS.test(words)) return 'HF-S103'
  if (has(error, client.UnsupportedCompressionError) || has(error, client.UnsupportedFormatError)) {
    return 'HF-K108'
  }
  if (isAway(error)) return 'HF-S101'
  return error instanceof client.GenericError || error instanceof client.MultipleErrors
    ? 'HF-S108'
    : 'HF-X001'
}

type ErrorClass = abstract new (...args: never[]) => Error

function isAway(error: unknown): boolean {
  return has(error, client.NetworkError) || has(error, client.TimeoutError)
}

function has(error: unknown, kind: ErrorClass): boolean {
  return allOf(error, kind).length > 0
}

/** Those of a kind among what an error was made of, the outermost of each branch. */
function allOf(error: unknown, kind: ErrorClass): readonly Error[] {
  if (error instanceof kind) return [error]
  if (!(error instanceof Error)) return []
  const inner = error instanceof AggregateError ? error.errors : []
  return [...inner, error.cause].flatMap((one) => allOf(one, kind))
}

function allWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const inner = error instanceof AggregateError ? error.errors : []
  const more = error.cause === undefined ? inner : [...inner, error.cause]
  const code = 'code' in error ? String(error.code) : ''
  return [error.message, code, ...more.map(allWords)].join(' ')
}

/** The innermost cause says more than what it was wrapped in. */
function wordsOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return [...new Set(error.errors.map(wordsOf))].join('; ')
  }
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message} (${wordsOf(error.cause)})` : error.message
}
