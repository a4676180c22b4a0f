import type { Session } from '../../../dialect/postgres/connect.ts'
import { ident, qualified } from '../../../dialect/postgres/quote.ts'
import type { Finding, Todo } from '../../../model/fault.ts'
import { findingsAt, listed, listedTables } from '../../../model/findings.ts'
import type { TargetPlan } from '../../target.ts'
import { nativeSchema, placesOf, schemasOf } from '../schema/ddl.ts'
import { type Existing, key, readExisting } from '../schema/existing.ts'
import { STATE } from '../state/state.ts'
import {
  type FoundTable,
  readFacts,
  readFixedSequences,
  readFound,
  type TargetFacts,
} from './look.ts'
import { readTargetTypes } from './look-types.ts'
import { makingFindings } from './preflight-make.ts'
import { type Planned, tableFindings } from './preflight-tables.ts'

const { fail, warn } = findingsAt('target')

export interface TargetPreflight {
  /** The role may set session_replication_role. */
  readonly quiet: boolean
}

/** Looks at the target for all that would stop or endanger the mirror; changes nothing. */
export async function preflightTarget(
  session: Session,
  plan: TargetPlan,
  { quiet }: TargetPreflight,
): Promise<Finding[]> {
  await session.query(`BEGIN READ ONLY; SET LOCAL search_path = ''; SET LOCAL row_security = on`)
  try {
    return await look(session, plan, quiet)
  } finally {
    await session.query('ROLLBACK').catch(() => undefined)
  }
}

async function look(session: Session, plan: TargetPlan, quiet: boolean): Promise<Finding[]> {
  const schemas = schemasOf(plan)
  const facts = await readFacts(session, [...schemas, STATE])
  const existing = await readExisting(session, schemas)
  const places = [...placesOf(plan).values()]
  const found = await readFound(session, places)
  const planned = plannedTables(plan, found)
  const making = { plan, facts, existing, found, types: await readTargetTypes(session) }
  return [
    ...serverFindings(facts),
    ...rightFindings(facts, schemas),
    ...nameFindings(plan, existing),
    ...(await rowFindings(session, plan, found)),
    ...(await sequenceFindings(session, plan, facts)),
    ...tableFindings(planned, { facts, quiet, schema: nativeSchema(plan.blueprint) }),
    ...makingFindings(making),
  ]
}

function plannedTables(plan: TargetPlan, found: ReadonlyMap<string, FoundTable>): Planned[] {
  const schema = nativeSchema(plan.blueprint)
  const places = placesOf(plan)
  const mirrored = new Set(found.keys())
  const natives = new Map(schema?.tables.map((table) => [table.id, table]))
  return plan.tables.flatMap(({ table, target, mode }) => {
    const there = found.get(key(target))
    if (there === undefined) return []
    const native = natives.get(table.id) ?? null
    const parent = native?.parent == null ? null : (places.get(native.parent) ?? null)
    return [{ table, mode, native, parent, found: there, mirrored }]
  })
}

function serverFindings(facts: TargetFacts): Finding[] {
  const { readOnly, version, encoding } = facts
  const release = `PostgreSQL ${Math.floor(version / 10000)}`
  const findings: Finding[] = []
  if (readOnly !== null) findings.push(readOnlyFinding(facts, readOnly))
  if (version < 140000) {
    findings.push(fail('HF-T227', 'version', { what: `the target is ${release}; 14 is needed` }))
  }
  if (encoding !== 'UTF8') {
    const what = `the encoding of the target database is ${encoding}`
    findings.push(warn('HF-T235', 'encoding', { what }))
  }
  if (findings.length > 0) return findings
  return [{ level: 'ok', subject: 'version', what: `${release}, ${encoding}, writable` }]
}

function readOnlyFinding(
  { role, database }: TargetFacts,
  readOnly: 'standby' | 'default_transaction_read_only',
): Finding {
  if (readOnly === 'standby') {
    const todo = [{ text: 'Give the URL of the primary as the target.' }]
    return fail('HF-T215', 'server', { what: 'the target is a standby', todo })
  }
  return fail('HF-T215', 'server', {
    what: `default_transaction_read_only is on for ${role} in ${database} at the target`,
    why: 'Somebody chose that nothing is written there by default; the mirror does not override it.',
    todo: [
      {
        text: 'If the mirror is to write there, let its role.',
        sql: `ALTER ROLE ${ident(role)} IN DATABASE ${ident(database)} SET default_transaction_read_only = off`,
        at: 'target',
        as: 'administrator',
      },
    ],
  })
}

function rightFindings(facts: TargetFacts, schemas: readonly string[]): Finding[] {
  const { role, database } = facts
  const missing = [...schemas, STATE].filter((schema) => !facts.schemas.has(schema))
  const closed = [...schemas, STATE].filter((schema) => {
    const rights = facts.schemas.get(schema)
    return rights !== undefined && !(rights.uses && rights.creates)
  })
  const findings: Finding[] = []
  if (missing.length > 0 && !facts.creates) {
    const what = `${role} may not create the schemas ${listed(missing)} in ${database}`
    const sql = `GRANT CREATE ON DATABASE ${ident(database)} TO ${ident(role)}`
    findings.push(fail('HF-T221', 'rights', { what, todo: [granted(sql)] }))
  }
  if (closed.length > 0) {
    const what = `${role} may not create in the schemas ${listed(closed)}`
    const sql = `GRANT USAGE, CREATE ON SCHEMA ${closed.map(ident).join(', ')} TO ${ident(role)}`
    findings.push(fail('HF-T221', 'rights', { what, todo: [granted(sql)] }))
  }
  if (!facts.temporary) {
    const what = `${role} may not make temporary tables in ${database}`
    const sql = `GRANT TEMPORARY ON DATABASE ${ident(database)} TO ${ident(role)}`
    findings.push(fail('HF-T233', 'rights', { what, todo: [granted(sql)] }))
  }
  if (findings.length > 0) return findings
  return [{ level: 'ok', subject: 'rights', what: `${role} may create what is needed` }]
}

function granted(sql: string): Todo {
  return { text: 'Grant it.', sql, at: 'target', as: 'owner' }
}

/** pg_class.relkind, for people. */
const KINDS: Readonly<Record<string, string>> = {
  v: 'a view',
  m: 'a materialized view',
  f: 'a foreign table',
  i: 'an index',
  I: 'an index',
  S: 'a sequence',
  c: 'a composite type',
  t: 'a TOAST table',
}

function nameFindings(plan: TargetPlan, existing: Existing): Finding[] {
  const schema = nativeSchema(plan.blueprint)
  const places = placesOf(plan)
  const tables = [...places.values()].map((place) => ({ place, kinds: ['r', 'p'] }))
  const sequences = (schema?.sequences ?? []).map((sequence) => {
    const owner = sequence.owner === null ? undefined : places.get(sequence.owner.table)
    // The sequence of an identity column comes with its table, or is there with it.
    const made = sequence.identity && (owner === undefined || !existing.relations.has(key(owner)))
    return { place: { schema: sequence.schema, name: sequence.name }, kinds: made ? [] : ['S'] }
  })
  return [...tables, ...sequences].flatMap(({ place, kinds }) => {
    const kind = existing.relations.get(key(place))
    if (kind === undefined || kinds.includes(kind)) return []
    const what = `${place.schema}.${place.name} is ${KINDS[kind] ?? 'a table'} at the target`
    return [fail('HF-T236', 'names', { what })]
  })
}

async function sequenceFindings(
  session: Session,
  plan: TargetPlan,
  { role }: TargetFacts,
): Promise<Finding[]> {
  const sequences = nativeSchema(plan.blueprint)?.sequences ?? []
  const fixed = await readFixedSequences(session, sequences)
  if (fixed.length === 0) return []
  const what = `${role} may not set the sequences ${listedTables(fixed)} at the target`
  const sql = `GRANT SELECT, UPDATE ON SEQUENCE ${fixed.map(qualified).join(', ')} TO ${ident(role)}`
  return [fail('HF-T232', 'rights', { what, todo: [granted(sql)] })]
}

async function rowFindings(
  session: Session,
  plan: TargetPlan,
  found: ReadonlyMap<string, FoundTable>,
): Promise<Finding[]> {
  if (plan.onExisting !== 'refuse') return []
  const full: FoundTable[] = []
  for (const { target } of plan.tables) {
    const table = found.get(key(target))
    if (table === undefined || table.lacks.includes('SELECT')) continue
    const only = table.partitioned ? '' : 'ONLY '
    const sql = `select exists (select from ${only}${qualified(target)}) as rows`
    const [row] = await session.query(sql)
    if (row?.['rows'] === 't') full.push(table)
  }
  if (full.length === 0) return []
  const what = `${listedTables(full)} at the target hold${full.length === 1 ? 's' : ''} rows already`
  return [fail('HF-T222', 'rows', { what })]
}
