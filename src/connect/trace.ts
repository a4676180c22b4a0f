import { Fault, type FaultCode } from '../model/fault.ts'

interface Sign {
  readonly code: FaultCode
  readonly pattern: RegExp
}

/**
 * What a trace is known by, the most telling first: a refused login also says that a connection
 * failed. The patterns are looked for in the whole trace; none of its text is shown, since drivers
 * write rows into it.
 */
const signs: readonly Sign[] = [
  {
    code: 'HF-K412',
    pattern:
      /password authentication failed|no password was provided|Access denied for user|Login failed for user|ORA-01017|AuthenticationException|no pg_hba\.conf entry|is not permitted to log in|role "[^"]*" does not exist/i,
  },
  {
    code: 'HF-K413',
    pattern:
      /replication slot "[^"]*" does not exist|no longer available on the server|has already been removed|can no longer (?:get changes from|access) replication slot|purged|Slot (?:is )?ahead|slot .*(?:ahead|recreat)|error code 1236|could not find (?:the )?first log file|ORA-01291|ORA-00308|ORA-01333|db history topic|schema history/i,
  },
  {
    code: 'HF-K414',
    pattern:
      /permission denied|must be owner|must be superuser|SQLSTATE: 42501|you need \(at least one of\)|command denied|ORA-01031|AuthorizationException/i,
  },
  {
    code: 'HF-K416',
    pattern:
      /ConstraintViolationException|BatchUpdateException|SQLIntegrityConstraint|DataTruncation|JDBC sink connector failure/,
  },
  { code: 'HF-K417', pattern: /RecordTooLargeException|MESSAGE_TOO_LARGE/ },
  {
    code: 'HF-K415',
    pattern:
      /DataException|SerializationException|SchemaBuilderException|ConversionException|ParsingException|Encountered change event for table .* whose schema isn't known/,
  },
  {
    code: 'HF-K411',
    pattern:
      /java\.net\.|SocketException|EOFException|Connection refused|Connection to \S+ refused|connection attempt failed|Database connection failed|Communications link failure|terminating connection|the database system is (?:starting up|shutting down|in recovery)|TimeoutException|DisconnectException|BrokerNotAvailable|NotLeaderOrFollower|NetworkException|RetriableException|is active for PID/,
  },
  { code: 'HF-K418', pattern: /ConfigException/ },
]

/** The innermost exception that a trace names, as `package.Class`. */
export function innermost(trace: string): string {
  const named = trace.matchAll(/^(?:Caused by: )?((?:[a-z][\w$]*\.)+[A-Z][\w$]*)/gm)
  return [...named].at(-1)?.[1] ?? 'unknown'
}

/** The code of what a driver or a worker says, or null when it is of no known kind. */
export function signOf(text: string): FaultCode | null {
  return signs.find(({ pattern }) => pattern.test(text))?.code ?? null
}

/** What has become of a task, from the trace that its worker keeps; `who` names it. */
export function traceFault(who: string, trace: string): Fault {
  const code = signOf(trace) ?? 'HF-K419'
  return new Fault(code, { what: `${who} has failed`, evidence: { exception: innermost(trace) } })
}
