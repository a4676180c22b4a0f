import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { isLoopback, mirrorSwitch, variable } from '../../config/environment.ts'
import type { Environment } from '../../config/interpolate.ts'
import { DEFAULT_FILE } from '../../config/load.ts'
import { MIRROR_NAME } from '../../config/settings.ts'
import { parseUrl } from '../../config/url.ts'
import { Fault } from '../../model/fault.ts'
import { type Call, type Command, wholeMirror } from '../command.ts'
import type { Outcome } from '../outcome.ts'

export const init: Command = {
  name: 'init',
  summary: `Write a commented ${DEFAULT_FILE}.`,
  flags: [
    ...wholeMirror,
    { flags: '--from-env', text: 'from DATABASE_URL and MIRROR_DB_*, by reference' },
    { flags: '--dry-run', text: 'only show what would be written' },
  ],
  examples: [
    'holdfast init --source "$DATABASE_URL" --target postgres://mirror@db2/shop',
    'holdfast init --from-env --dry-run',
  ],
  notes: [
    'A URL that a variable of the environment holds is written as a reference to that variable.',
    'A file with a password in it gets mode 0600. A file that exists is never overwritten.',
  ],
  async run(call: Call): Promise<Outcome> {
    const { out, given, directory } = call
    const file = given.text('config') ?? DEFAULT_FILE
    const draft = draftOf(call)
    if (given.on('dry-run')) {
      if (!out.json) out.raw(draft.text)
      return { ok: true, result: { file, text: draft.text, written: false } }
    }
    try {
      const mode = draft.secret ? 0o600 : 0o644
      writeFileSync(resolve(directory, file), draft.text, { flag: 'wx', mode })
    } catch (error) {
      throw writeFault(error, file)
    }
    out.data(`${out.paint.stdout.mark('ok')} wrote ${file}`)
    if (draft.secret) {
      out.say(`  It holds a password, so only you may read it; a reference in its place is safer.`)
    }
    out.say('  Next: holdfast check')
    return {
      ok: true,
      result: { file, written: true },
      hints: [{ why: 'try it', run: 'holdfast check' }],
    }
  },
}

interface Draft {
  readonly text: string
  /** A password stands in it. */
  readonly secret: boolean
}

interface Side {
  /** Lines below `source:` or `target:`. */
  readonly lines: readonly string[]
  readonly secret: boolean
}

function draftOf(call: Call): Draft {
  const { given, environment } = call
  const name = given.text('name') ?? 'default'
  if (!MIRROR_NAME.test(name)) {
    throw new Fault('HF-C015', { what: `"${name}" cannot name a mirror` })
  }
  const byEnvironment = given.on('from-env')
  const source = byEnvironment ? environmentSource(environment) : urlSide(call, 'source')
  const target = byEnvironment ? environmentTarget(environment) : urlSide(call, 'target')
  return { text: fileText(call, name, { source, target }), secret: source.secret || target.secret }
}

function urlSide({ given, environment }: Call, side: 'source' | 'target'): Side {
  const url = given.text(side) ?? variable(environment, `HOLDFAST_${side.toUpperCase()}`)
  if (url === null) {
    const other = side === 'source' ? 'target' : 'source'
    throw new Fault('HF-C013', {
      what: `init needs both ends, and the ${side} is not named`,
      todo: [
        { text: 'Name both ends.', run: 'holdfast init --source URL --target URL' },
        {
          text: `Or take both from the environment (the ${other} too).`,
          run: 'holdfast init --from-env',
        },
      ],
    })
  }
  const { password } = parseUrl(url, `--${side}`)
  const holder = Object.entries(environment).find(
    ([key, value]) => value === url && /^[A-Za-z_][A-Za-z0-9_]*$/.test(key) && key !== '_',
  )
  if (holder !== undefined) return { lines: [`url: "${reference(holder[0])}"`], secret: false }
  const escaped = url.replaceAll('${', '%24{')
  return { lines: [`url: ${JSON.stringify(escaped)}`], secret: password !== null }
}

function environmentSource(environment: Environment): Side {
  const url = variable(environment, 'DATABASE_URL')
  if (url !== null) return { lines: [`url: "${reference('DATABASE_URL')}"`], secret: false }
  if (variable(environment, 'PGHOST') === null) {
    throw new Fault('HF-C006', {
      what: 'these are not set: DATABASE_URL (or PGHOST and the others)',
    })
  }
  const parts = [
    ['host', 'PGHOST'],
    ['port', 'PGPORT'],
    ['database', 'PGDATABASE'],
    ['user', 'PGUSER'],
    ['password', 'PGPASSWORD'],
  ].filter(([, name]) => variable(environment, name ?? '') !== null)
  const lines = parts.map(([key, name]) => `${key}: "${reference(name ?? '')}"`)
  return { lines: ['type: postgres', ...lines], secret: false }
}

function environmentTarget(environment: Environment): Side {
  if (mirrorSwitch(environment) === null) {
    throw new Fault('HF-C006', { what: 'these are not set: MIRROR_DB_HOST and the others' })
  }
  const local = isLoopback(variable(environment, 'MIRROR_DB_HOST') ?? '')
  const mode = reference('MIRROR_DB_SSLMODE', local ? 'prefer' : 'require')
  const byFile = variable(environment, 'MIRROR_DB_PASSWORD_FILE')
  return {
    lines: [
      'type: postgres',
      `host: "${reference('MIRROR_DB_HOST')}"`,
      `port: "${reference('MIRROR_DB_PORT', '5432')}"`,
      `database: "${reference('MIRROR_DB_NAME')}"`,
      `user: "${reference('MIRROR_DB_USER')}"`,
      byFile === null
        ? `password: "${reference('MIRROR_DB_PASSWORD')}"`
        : `password_file: "${reference('MIRROR_DB_PASSWORD_FILE')}"`,
      `pool: "${reference('MIRROR_DB_POOL', '3')}"`,
      `ssl: { mode: "${mode}" }`,
      'on_existing: merge',
    ],
    secret: false,
  }
}

/** `${NAME}` or `${NAME:-preset}`. */
function reference(name: string, preset?: string): string {
  return preset === undefined ? `\${${name}}` : `\${${name}:-${preset}}`
}

function fileText(
  { given }: Call,
  name: string,
  { source, target }: { readonly source: Side; readonly target: Side },
): string {
  const list = (flag: string): string => JSON.stringify(given.texts(flag))
  const existing = given.text('on-existing')
  const below = (side: Side): string[] => side.lines.map((line) => `      ${line}`)
  const refusal = target.lines.some((line) => line.startsWith('on_existing'))
    ? []
    : [`      on_existing: ${existing ?? 'refuse'}    # or merge, or replace`]
  return [
    '# yaml-language-server: $schema=./node_modules/holdfast/schema/holdfast.v1.json',
    '# All keys and what they mean: holdfast config schema. What is in force: holdfast config show.',
    'version: 1',
    'mirrors:',
    `  - name: ${name}`,
    '    source:',
    ...below(source),
    '    tables:',
    `      include: ${list('include')}    # patterns schema.table with *; none means every table`,
    `      exclude: ${list('exclude')}    # tables that must not leave the source`,
    `      keyless: ${given.text('keyless') ?? 'refuse'}    # tables without an identity: refuse, exclude or append`,
    '    target:',
    ...below(target),
    ...refusal,
    '',
  ].join('\n')
}

function writeFault(error: unknown, file: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : null
  if (code === 'EEXIST') return new Fault('HF-X011', { what: `${file} exists` })
  if (code === null) return error
  return new Fault('HF-C001', { what: `${file} cannot be written (${String(code)})` })
}
