import type { Fault, Finding, Todo } from '../model/fault.ts'
import type { Paint } from './paint.ts'

/** How a person names a mirror on the command line. */
export interface Typed {
  readonly mirror?: string
  /** Those that say where it is described: `--config FILE`, `--source URL --target URL`. */
  readonly flags?: string
}

export interface FaultView extends Typed {
  /** Stack traces of the fault and its causes are shown. */
  readonly verbose?: boolean
}

/**
 * A fault for a person: title, what happened, why, what is not lost, what to do, where to read
 * on. Several lines, without a line end after the last.
 */
export function faultLines(fault: Fault, paint: Paint, view: FaultView = {}): string {
  const { entry, detail } = fault
  const tags = [entry.severity, view.mirror].filter((tag) => tag !== undefined).join(' · ')
  const head = `${paint.mark('fail')} ${paint.colour('bold', fault.code)}  ${entry.title}`
  const lines = [`${head}   ${paint.colour('dim', tags)}`]
  const row = (label: string, text: string): void => {
    lines.push(`  ${paint.colour('dim', label.padEnd(10))} ${text}`)
  }
  row('happened', detail.what)
  const { excerpt, ...evidence } = detail.evidence ?? {}
  if (excerpt !== undefined) lines.push(indent(excerpt, 4))
  row('why', fault.why)
  row('not lost', fault.safe)
  for (const [index, todo] of fault.todo.entries()) {
    row(index === 0 ? 'you' : '', todoText(todo, view))
  }
  const facts = Object.entries(evidence).map(([key, value]) => `${key} ${value}`)
  row('more', [`holdfast explain ${fault.code}`, ...facts].join('  ·  '))
  if (view.verbose === true) lines.push(indent(stackOf(fault), 4))
  return lines.join('\n')
}

/** A fault among others: its sentence and the one thing to do. */
export function shortFault(fault: Fault, paint: Paint, typed: Typed = {}): string {
  const { what, evidence } = fault.detail
  const lines = [`${paint.mark('fail')} ${paint.colour('bold', fault.code)}  ${what}`]
  if (evidence?.['excerpt'] !== undefined) lines.push(indent(evidence['excerpt'], 4))
  else lines.push(...fault.todo.slice(0, 1).map((todo) => `    → ${todoText(todo, typed)}`))
  return lines.join('\n')
}

/** One result of a look: `glyph code  subject`, what, and what to run. */
export function findingLines(finding: Finding, paint: Paint, typed: Typed = {}): string {
  if (finding.level === 'ok') return `${paint.mark('ok')} ${finding.subject}   ${finding.what}`
  const { fault } = finding
  const head = `${paint.mark(finding.level)} ${paint.colour('bold', fault.code)}  ${finding.subject}`
  const todo = fault.todo.map((step) => `    → ${todoText(step, typed)}`)
  return [head, `    ${fault.detail.what}`, ...todo].join('\n')
}

/** Commands that are about one mirror. */
const OF_A_MIRROR =
  /^holdfast (?:run|destroy|verify|status|lag|check|discover|resync-tables)\b( --name \S+)?/

/** What to do, with the command or SQL that does it, for the mirror that was called so. */
export function todoText(todo: Todo, typed: Typed = {}): string {
  const where = todo.at === undefined ? '' : ` (at the ${todo.at})`
  const act = runOf(todo, typed) ?? todo.sql
  return act === undefined ? todo.text : `${todo.text}  ${act}${where}`
}

/** What to do as data, with commands for the mirror that was called so. */
export function todoData(todo: readonly Todo[], typed: Typed): readonly Todo[] {
  return todo.map((step) => {
    const run = runOf(step, typed)
    return run === undefined ? step : { ...step, run }
  })
}

function runOf({ run }: Todo, typed: Typed): string | undefined {
  const commands = run?.split(' && ').map((command) => addressed(command, typed))
  return commands?.join(' && ')
}

/** A command for one mirror, unless it names another. */
function addressed(command: string, { mirror = 'default', flags = '' }: Typed): string {
  return command.replace(OF_A_MIRROR, (words: string, named: string | undefined) => {
    const name = named !== undefined || mirror === 'default' ? '' : ` --name ${mirror}`
    const own = flags === '' || / --(?:source|target) /.test(command) ? '' : ` ${flags}`
    return `${words}${name}${own}`
  })
}

/** The fault as data; never holds a value of a row. */
export function faultData(fault: Fault, typed: Typed): Record<string, unknown> {
  const { entry, detail } = fault
  return {
    code: fault.code,
    title: entry.title,
    severity: entry.severity,
    class: entry.class,
    what: detail.what,
    why: fault.why,
    safe: fault.safe,
    todo: todoData(fault.todo, typed),
    side: detail.side ?? null,
    table: detail.table ?? null,
    evidence: detail.evidence ?? {},
    retryable: fault.transient,
  }
}

export function findingData(finding: Finding, typed: Typed): Record<string, unknown> {
  const { level, subject } = finding
  if (finding.level === 'ok') return { level, subject, what: finding.what }
  return { level, subject, ...faultData(finding.fault, typed) }
}

function stackOf(fault: Fault): string {
  const stacks: string[] = []
  for (let at: unknown = fault; at instanceof Error && stacks.length < 5; at = at.cause) {
    stacks.push(at.stack ?? `${at.name}: ${at.message}`)
  }
  return stacks.join('\ncaused by ')
}

function indent(text: string, width: number): string {
  return text.replaceAll(/^/gm, ' '.repeat(width))
}
