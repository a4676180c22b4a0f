import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseUrl } from '../../config/url.ts'
import type { Settings } from '../../connect/answers.ts'
import { isReference, requireReferences, shownSettings } from '../../connect/secrets.ts'
import { type Kind, kinds, templateOf } from '../../connect/template.ts'
import { validated } from '../../connect/validate.ts'
import { Fault } from '../../model/fault.ts'
import type { Call } from '../command.ts'
import { findingData } from '../format.ts'
import { columns } from '../grid.ts'
import type { Outcome } from '../outcome.ts'
import { nameOf, workerOf } from './shared.ts'

/** Asks the connector's own code, and changes nothing. */
export async function validate(call: Call): Promise<Outcome> {
  const worker = workerOf(call)
  const name = nameOf(call)
  const config = settingsOf(call, name)
  const findings = await validated(worker, name, config)
  for (const finding of findings) call.out.finding(finding)
  const errors = findings.filter(({ level }) => level === 'fail').length
  showSettings(call, config)
  const result = {
    config: shownSettings(config),
    findings: findings.map((one) => findingData(one, call.out.typed)),
  }
  return { ok: errors === 0, summary: { errors }, result }
}

/** Creates a connector that its own code has accepted: configured, and started by a person. */
export async function create(call: Call): Promise<Outcome> {
  const worker = workerOf(call)
  const name = nameOf(call)
  const config = settingsOf(call, name)
  if (!call.given.on('plain-secrets')) requireReferences(name, config)
  const findings = await validated(worker, name, config)
  const wrong = findings.filter(({ level }) => level === 'fail')
  if (wrong.length > 0) {
    for (const finding of wrong) call.out.finding(finding)
    const result = { findings: wrong.map((one) => findingData(one, call.out.typed)) }
    return { ok: false, summary: { errors: wrong.length }, result }
  }
  const start = call.given.on('start')
  await worker.create(name, config, start ? 'RUNNING' : 'STOPPED')
  const mark = call.out.paint.stdout.mark('ok')
  call.out.data(
    `${mark} connector ${name} is ${start ? 'started' : 'configured; nothing runs yet'}`,
  )
  const next = start ? `holdfast connectors status ${name}` : `holdfast connectors resume ${name}`
  call.out.say(`  Next: ${next}`)
  const result = { name, state: start ? 'RUNNING' : 'STOPPED', config: shownSettings(config) }
  const hints = [{ why: start ? 'see that it runs' : 'start it', run: next }]
  return { ok: true, summary: { created: name }, result, hints }
}

function showSettings(call: Call, config: Settings): void {
  if (!call.out.verbose) return
  const shown = Object.entries(shownSettings(config))
  call.out.data(columns([['SETTING', 'VALUE'], ...shown]))
}

/** The settings of a file, or of the template of a source, and those of the flags over them. */
function settingsOf(call: Call, name: string): Settings {
  const { given } = call
  const file = given.text('file')
  const base = file === null ? fromTemplate(call, name) : fromFile(resolve(call.directory, file))
  const over = given.texts('setting').map((text) => {
    const at = text.indexOf('=')
    if (at > 0) return [text.slice(0, at), text.slice(at + 1)] as const
    throw new Fault('HF-C012', { what: 'a --setting is not of the form key=value' })
  })
  const { name: _, ...config } = { ...base, ...Object.fromEntries(over) }
  return config
}

function fromTemplate(call: Call, name: string): Settings {
  const { given, environment } = call
  const url = given.text('source')
  if (url === null) {
    throw new Fault('HF-C008', { what: `connector ${name} needs --source URL, or --file FILE` })
  }
  const bootstrap = given.text('kafka') ?? environment['HOLDFAST_KAFKA'] ?? null
  if (bootstrap === null) {
    throw new Fault('HF-C008', {
      what: `connector ${name} needs --kafka host:port, the brokers as the worker reaches them`,
    })
  }
  const source = parseUrl(url, '--source')
  const reference = referenceOf(given.text('password-from'))
  return templateOf({
    kind: kindOf(url),
    name,
    source,
    password: reference ?? source.password?.reveal() ?? null,
    prefix: given.text('prefix') ?? name,
    include: given.texts('include'),
    exclude: given.texts('exclude'),
    bootstrap: bootstrap.replace(/^kafka:\/\//, ''),
    partitions: partitionsOf(given.text('partitions')),
  })
}

/** By the scheme as it was typed: MariaDB has a connector of its own. */
function kindOf(url: string): Kind {
  const scheme = /^[^:]*/.exec(url.trim().toLowerCase())?.[0] ?? ''
  const kind = kinds.find((known) => known === scheme.replace('postgresql', 'postgres'))
  if (kind !== undefined) return kind
  throw new Fault('HF-C101', {
    what: `--source: there is no template of a connector for it; known are ${kinds.join(', ')}`,
  })
}

/** `env:NAME` and `file:/path:key`, or the same as the worker writes them. */
function referenceOf(text: string | null): string | null {
  if (text === null) return null
  const reference = isReference(text) ? text : `\${${text}}`
  if (isReference(reference)) return reference
  throw new Fault('HF-C012', { what: '--password-from is not env:NAME or file:/path:key' })
}

function partitionsOf(text: string | null): number | null {
  if (text === null) return null
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new Fault('HF-C012', { what: `--partitions: "${text}" is not a number of partitions` })
}

/** Settings as Kafka Connect's tools take them: with or without the name around them. */
function fromFile(path: string): Settings {
  const wrong = (what: string): Fault => new Fault('HF-C012', { what: `${path} ${what}` })
  let parsed: unknown
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    throw wrong('cannot be read as JSON')
  }
  const inner = isRecord(parsed) && isRecord(parsed['config']) ? parsed['config'] : parsed
  if (!isRecord(inner)) throw wrong('holds no settings')
  const odd = Object.entries(inner).find(([, value]) => typeof value === 'object')
  if (odd !== undefined) throw wrong(`: ${odd[0]} is not a text, a number or a truth value`)
  return Object.fromEntries(Object.entries(inner).map(([key, value]) => [key, String(value)]))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
