import type { Session } from '../../../dialect/postgres/connect.ts'
import { ident, qualified } from '../../../dialect/postgres/quote.ts'
import { Fault, type Finding, type Todo } from '../../../model/fault.ts'
import { findingsAt, listedTables } from '../../../model/findings.ts'
import { type Table, tableName } from '../../../model/table.ts'
import type { Selection } from '../../source.ts'
import { namesFor } from '../names.ts'
import {
  createSql,
  type Publication,
  readPublications,
  shortcomings,
  type Wanted,
  wantedPublications,
} from '../publication.ts'
import { type Reading, readSource } from '../schema/inspect.ts'
import { loopFindings } from './loop.ts'
import { keylessFindings, omissionFindings, typeFindings } from './preflight-tables.ts'
import {
  describeSlots,
  readRights,
  readServer,
  readUnreadSequences,
  type ServerFacts,
  type TableRights,
} from './server.ts'

export interface PreflightOptions {
  readonly mirror: string
  readonly selection: Selection
  /** `Target.place` of the mirror, where it is known. */
  readonly target?: string | undefined
}

/** Looks at the source for all that would stop, endanger or harm; changes nothing. */
export async function preflightSource(
  session: Session,
  options: PreflightOptions,
): Promise<Finding[]> {
  const server = await readServer(session, namesFor(options.mirror).slot)
  const findings = [
    ...versionFindings(server),
    ...logFindings(server),
    ...(await roomFindings(session, server)),
    ...roleFindings(server),
  ]
  let reading: Reading
  try {
    reading = await readSource(session, options.selection)
  } catch (error) {
    if (!(error instanceof Fault) || error.entry.class !== 'config') throw error
    return [...findings, { level: 'fail', subject: 'tables', fault: error }]
  }
  return [...findings, ...(await tableFindings(session, { ...options, server, reading }))]
}

interface TableContext extends PreflightOptions {
  readonly server: ServerFacts
  readonly reading: Reading
}

async function tableFindings(session: Session, context: TableContext): Promise<Finding[]> {
  const { server, reading, selection } = context
  const ids = reading.tables.map((table) => table.id)
  const rights = await readRights(session, ids)
  const count = reading.tables.length
  return [
    { level: 'ok', subject: 'tables', what: count === 1 ? '1 table' : `${count} tables` },
    ...(context.target === undefined
      ? []
      : await loopFindings(session, context.target, reading.tables)),
    ...keylessFindings(reading, selection.keyless),
    ...typeFindings(reading, server),
    ...readFindings(server, reading.tables, rights),
    ...(await sequenceFindings(session, server, reading)),
    ...(await publicationFindings(session, context, rights)),
    ...omissionFindings(reading.schema),
  ]
}

const { fail, warn } = findingsAt('source')

/** The newest corrections of logical decoding that can lose or repeat changes, by major. */
const CORRECTED: Readonly<Record<number, number>> = { 14: 19, 15: 14, 16: 10, 17: 6 }

export function versionFindings({ version, encoding }: ServerFacts): Finding[] {
  const [major, minor] = [Math.floor(version / 10000), version % 10000]
  const findings: Finding[] = []
  if (major < 14) {
    findings.push(fail('HF-S226', 'version', { what: `the source is PostgreSQL ${major}` }))
  }
  const wanted = CORRECTED[major]
  if (wanted !== undefined && minor < wanted) {
    const what = `the source is PostgreSQL ${major}.${minor}; corrections came until ${major}.${wanted}`
    findings.push(warn('HF-S303', 'version', { what }))
  }
  if (encoding === 'SQL_ASCII') {
    findings.push(fail('HF-S223', 'encoding', { what: 'the source database is SQL_ASCII' }))
  }
  if (findings.length > 0) return findings
  return [{ level: 'ok', subject: 'version', what: `PostgreSQL ${major}.${minor}, ${encoding}` }]
}

function logFindings(server: ServerFacts): Finding[] {
  const { walLevel, standby, slotLimit, version } = server
  const findings: Finding[] =
    walLevel === 'logical'
      ? [{ level: 'ok', subject: 'log', what: 'wal_level is logical' }]
      : [fail('HF-S201', 'log', { what: `wal_level of the source is ${walLevel}, not logical` })]
  if (standby && version < 160000) {
    const what = 'the source is a standby of a version that keeps no logical slot there'
    findings.push(fail('HF-S225', 'server', { what }))
  }
  if (slotLimit === '-1') {
    const what = 'the source would keep its log for the mirror until its disk is full'
    findings.push(warn('HF-S305', 'log', { what }))
  }
  return findings
}

async function roomFindings(session: Session, server: ServerFacts): Promise<Finding[]> {
  const { slots, senders } = server
  const findings: Finding[] = []
  if (!slots.own && slots.used >= slots.limit) {
    const held = slots.used === 0 ? 'none is allowed' : await describeSlots(session)
    const what = `all ${slots.limit} replication slots of the source are in use: ${held}`
    findings.push(fail('HF-S204', 'slots', { what }))
  }
  if (senders.used >= senders.limit) {
    const what = `all ${senders.limit} walsenders of the source are in use`
    findings.push(fail('HF-S204', 'walsenders', { what }))
  }
  if (findings.length > 0) return findings
  const free = `${slots.limit - slots.used} of ${slots.limit} free`
  return [{ level: 'ok', subject: 'slots', what: slots.own ? 'the mirror has one' : free }]
}

function roleFindings({ role, replicationRole }: ServerFacts): Finding[] {
  if (role.replicates) {
    return [{ level: 'ok', subject: 'role', what: `${role.name} may replicate` }]
  }
  const sql =
    replicationRole === null
      ? `ALTER ROLE ${ident(role.name)} REPLICATION`
      : `GRANT ${ident(replicationRole)} TO ${ident(role.name)}`
  const what = `the role ${role.name} of the source may not replicate`
  const text = 'Let the role read the log; this takes a superuser or the administrator.'
  const todo: Todo[] = [{ text, sql, at: 'source', as: 'administrator' }]
  return [fail('HF-S207', 'role', { what, todo })]
}

export function readFindings(
  { role }: ServerFacts,
  tables: readonly Table[],
  rights: ReadonlyMap<string, TableRights>,
): Finding[] {
  const findings: Finding[] = []
  const unread = tables.filter(({ id }) => rights.get(id)?.reads !== true)
  if (unread.length > 0) {
    const what = `the role ${role.name} may not read ${listedTables(unread)}`
    const sql = selectGrants(unread, role.name)
    const todo: Todo[] = [{ text: 'Grant it.', sql, at: 'source', as: 'owner' }]
    findings.push(fail('HF-S221', 'rights', { what, todo, tables: unread.map(tableName) }))
  }
  const hidden = tables.filter(({ id }) => rights.get(id)?.hidden === true)
  if (hidden.length > 0 && !role.bypassesRowSecurity) {
    const what = `row security applies to the role ${role.name} on ${listedTables(hidden)}`
    const sql = `ALTER ROLE ${ident(role.name)} BYPASSRLS`
    const todo: Todo[] = [
      { text: 'Let the role see all rows.', sql, at: 'source', as: 'administrator' },
    ]
    findings.push(fail('HF-S224', 'row security', { what, todo, tables: hidden.map(tableName) }))
  }
  return findings
}

export async function sequenceFindings(
  session: Session,
  { role }: ServerFacts,
  { schema }: Reading,
): Promise<Finding[]> {
  const unread = await readUnreadSequences(session, schema.sequences)
  if (unread.length === 0) return []
  const what = `the role ${role.name} may not read the sequences ${listedTables(unread)}`
  const schemas = [...new Set(unread.map((sequence) => ident(sequence.schema)))].join(', ')
  const names = unread.map(qualified).join(', ')
  const sql = `GRANT USAGE ON SCHEMA ${schemas} TO ${ident(role.name)}; GRANT SELECT ON SEQUENCE ${names} TO ${ident(role.name)}`
  const todo: Todo[] = [{ text: 'Grant it.', sql, at: 'source', as: 'owner' }]
  return [fail('HF-S221', 'rights', { what, todo })]
}

/** GRANTs that let a role read tables. */
function selectGrants(tables: readonly Table[], role: string): string {
  const schemas = [...new Set(tables.map(({ schema }) => ident(schema)))]
  const names = tables.map(qualified)
  return `GRANT USAGE ON SCHEMA ${schemas.join(', ')} TO ${ident(role)}; GRANT SELECT ON ${names.join(', ')} TO ${ident(role)}`
}

async function publicationFindings(
  session: Session,
  { mirror, server, reading, selection }: TableContext,
  rights: ReadonlyMap<string, TableRights>,
): Promise<Finding[]> {
  const names = namesFor(mirror)
  // Under `refuse` a table without identity is refused already; it is not to be published.
  const tables = reading.tables.filter(
    ({ id }) => selection.keyless === 'append' || !reading.keyless.has(id),
  )
  const found = new Map((await readPublications(session, names)).map((one) => [one.name, one]))
  return wantedPublications(names, tables)
    .filter((wanted) => wanted.tables.length > 0 || wanted.name === names.publication)
    .map((wanted) => publicationFinding(wanted, { found: found.get(wanted.name), server, rights }))
}

function publicationFinding(
  wanted: Wanted,
  at: {
    readonly found: Publication | undefined
    readonly server: ServerFacts
    readonly rights: ReadonlyMap<string, TableRights>
  },
): Finding {
  const { found, server, rights } = at
  const subject = `publication ${wanted.name}`
  const lack = found === undefined ? 'it does not exist' : shortcomings(found, wanted)
  if (lack === null) return { level: 'ok', subject, what: 'used as found' }
  const foreign = wanted.tables.filter(({ id }) => rights.get(id)?.owns !== true)
  const owned = server.role.superuser || foreign.length === 0
  const makes = server.role.createsInDatabase && found?.mine !== false
  if (owned && makes && !server.standby)
    return { level: 'ok', subject, what: 'the mirror makes it' }
  const { name } = server.role
  const obstacles = [
    server.standby ? 'the source is a standby' : null,
    server.role.createsInDatabase ? null : `${name} may not CREATE in the database`,
    found?.mine === false ? `${name} does not own the publication` : null,
    owned ? null : `${name} does not own ${listedTables(foreign)}`,
  ].filter((obstacle) => obstacle !== null)
  const dropped = found === undefined ? '' : `DROP PUBLICATION ${ident(wanted.name)}; `
  return fail('HF-S222', subject, {
    what: `the publication ${wanted.name} cannot be made (${lack}): ${obstacles.join('; ')}`,
    todo: [
      {
        text: 'As the owner of the tables, make it; it is used as it is found.',
        sql: `${dropped}${createSql(wanted)}`,
        at: 'source',
        as: 'owner',
      },
    ],
  })
}
