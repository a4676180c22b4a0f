import type { Session } from '../../dialect/postgres/connect.ts'
import { ident, qualified } from '../../dialect/postgres/quote.ts'
import type { PgName } from '../../dialect/postgres/schema.ts'
import { Fault, type Todo } from '../../model/fault.ts'

const CONSTRAINED = `
select pg_catalog.string_agg(a.attname, ', ' order by a.attnum) as columns
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0
where n.nspname = $1 and c.relname = $2 and (
  exists (select from pg_catalog.pg_constraint k
    where k.conrelid = c.oid and k.conname = $3 and a.attnum = any(k.conkey))
  or exists (select from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
    where i.indrelid = c.oid and x.relname = $3 and a.attnum = any(i.indkey::int2[])))`

const RIGHTS = `
select current_user as role, pg_catalog.has_schema_privilege(n.oid, 'USAGE') as enters,
  (select pg_catalog.string_agg(p, ', ' order by o) from pg_catalog.unnest(
    array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) with ordinality u(p, o)
    where not pg_catalog.has_table_privilege(c.oid, p)) as lacks
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relname = $2`

/**
 * What the catalogue of the target knows of a refusal, asked for when the transaction is over: the
 * columns of a constraint, and the rights that the role lacks with the SQL that grants them. The
 * fault stays as it is where nothing is to be had.
 */
export async function explained(session: Session, fault: Fault, place: PgName): Promise<Fault> {
  try {
    if (fault.code === 'HF-T214') return await withGrants(session, fault, place)
    return await withColumns(session, fault, place)
  } catch {
    return fault
  }
}

async function withColumns(session: Session, fault: Fault, place: PgName): Promise<Fault> {
  const { detail } = fault
  const { constraint, column } = detail.evidence ?? {}
  if (constraint === undefined || column !== undefined) return fault
  const [row] = await session.query(CONSTRAINED, [place.schema, place.name, constraint])
  const columns = row?.['columns']
  if (columns == null) return fault
  const what = detail.what.replace(`by constraint ${constraint}`, (by) => `${by} on ${columns}`)
  return new Fault(fault.code, { ...detail, what, evidence: { ...detail.evidence, columns } })
}

async function withGrants(session: Session, fault: Fault, place: PgName): Promise<Fault> {
  const [row] = await session.query(RIGHTS, [place.schema, place.name])
  if (row?.['role'] == null) return fault
  const { role, enters, lacks } = row
  const statements: string[] = []
  if (enters === 'f') {
    statements.push(`GRANT USAGE ON SCHEMA ${ident(place.schema)} TO ${ident(role)}`)
  }
  if (lacks != null) statements.push(`GRANT ${lacks} ON ${qualified(place)} TO ${ident(role)}`)
  if (statements.length === 0) return fault
  const text = 'Grant it; the mirror then goes on by itself.'
  const todo: Todo = { text, sql: statements.join('; '), at: 'target', as: 'owner' }
  return new Fault(fault.code, { ...fault.detail, todo: [todo] })
}
