import type { Fault, Finding, Todo } from '../model/fault.ts'
import type { Paint } from './paint.ts'

export interface FaultView {
  /** The mirror that it belongs to. */
  readonly mirror?: string
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
    row(index === 0 ? 'you' : '', todoText(todo, view.mirror))
  }
  const facts = Object.entries(evidence).map(([key, value]) => `${key} ${value}`)
  row('more', [`holdfast explain ${fault.code}`, ...facts].join('  ·  '))
  if (view.verbose === true) lines.push(indent(stackOf(fault), 4))
  return lines.join('\n')
}

/** A fault among others: its sentence and the one thing to do. */
export function shortFault(fault: Fault, paint: Paint): string {
  const { what, evidence } = fault.detail
  const lines = [`${paint.mark('fail')} ${paint.colour('bold', fault.code)}  ${what}`]
  if (evidence?.['excerpt'] !== undefined) lines.push(indent(evidence['excerpt'], 4))
  else lines.push(...fault.todo.slice(0, 1).map((todo) => `    → ${todoText(todo)}`))
  return lines.join('\n')
}

/** One result of a look: `glyph code  subject`, what, and what to run. */
export function findingLines(finding: Finding, paint: Paint): string {
  if (finding.level === 'ok') return `${paint.mark('ok')} ${finding.subject}   ${finding.what}`
  const { fault } = finding
  const head = `${paint.mark(finding.level)} ${paint.colour('bold', fault.code)}  ${finding.subject}`
  const todo = fault.todo.map((step) => `    → ${todoText(step)}`)
  return [head, `    ${fault.detail.what}`, ...todo].join('\n')
}

/** Commands that are about one mirror, where they do not name another. */
const OF_A_MIRROR = /\bholdfast (?:run|destroy|verify|status|lag|check)\b(?! --name)/g

/** What to do, with the command or SQL that does it; for a mirror of another name than the usual one. */
export function todoText(todo: Todo, mirror = 'default'): string {
  const where = todo.at === undefined ? '' : ` (at the ${todo.at})`
  const named = mirror === 'default' ? '$&' : `$& --name ${mirror}`
  const act = todo.run?.replaceAll(OF_A_MIRROR, named) ?? todo.sql
  return act === undefined ? todo.text : `${todo.text}  ${act}${where}`
}

/** The fault as data; never holds a value of a row. */
export function faultData(fault: Fault): Record<string, unknown> {
  const { entry, detail } = fault
  return {
    code: fault.code,
    title: entry.title,
    severity: entry.severity,
    class: entry.class,
    what: detail.what,
    why: fault.why,
    safe: fault.safe,
    todo: fault.todo,
    side: detail.side ?? null,
    table: detail.table ?? null,
    evidence: detail.evidence ?? {},
    retryable: fault.transient,
  }
}

export function findingData(finding: Finding): Record<string, unknown> {
  const { level, subject } = finding
  if (finding.level === 'ok') return { level, subject, what: finding.what }
  return { level, subject, ...faultData(finding.fault) }
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
