import type { Connection } from '../../dialect/mongodb/connect.ts'
import { faultOf } from '../../dialect/mongodb/errors.ts'
import type { Finding } from '../../model/fault.ts'
import { findingsAt, listed, listedTables } from '../../model/findings.ts'
import { type Table, tableName } from '../../model/table.ts'
import type { TargetPlan } from '../target.ts'
import { collectionNames, collectionObstacle, fieldObstacle } from './names.ts'

const { fail, warn } = findingsAt('target')

/** Looks at the target for all that would stop or endanger the mirror; changes nothing. */
export async function preflightTarget(on: Connection, plan: TargetPlan): Promise<Finding[]> {
  const tables = plan.tables.map(({ table }) => table)
  const nameOf = collectionNames(tables)
  const findings = [...tables.flatMap((table) => nameFindings(on, table, nameOf(table)))]
  findings.push(...sameNames(tables, nameOf))
  if (!on.transactions) {
    const what = `${on.label} commits each document by itself: it is no replica set`
    findings.push(warn('HF-T253', 'transactions', { what }))
  }
  if (plan.onExisting === 'refuse') findings.push(...(await fullOnes(on, tables, nameOf)))
  return findings
}

type NameOf = (table: Table) => string

function nameFindings(on: Connection, table: Table, collection: string): Finding[] {
  const subject = tableName(table)
  const findings: Finding[] = []
  const why = collectionObstacle(on.db.databaseName, collection)
  if (why !== null) {
    const what = `${subject} cannot be a collection named ${JSON.stringify(collection)}: ${why}`
    findings.push(fail('HF-T252', subject, { what, table: subject }))
  }
  for (const { name } of table.columns) {
    const obstacle = fieldObstacle(name)
    if (obstacle === null) continue
    const what = `the column ${JSON.stringify(name)} of ${subject} cannot be a field: ${obstacle}`
    findings.push(fail('HF-T252', subject, { what, table: subject }))
  }
  return findings
}

function sameNames(tables: readonly Table[], nameOf: NameOf): Finding[] {
  const named = Map.groupBy(tables, nameOf)
  return [...named].flatMap(([collection, all]) => {
    if (all.length < 2) return []
    const what = `${listedTables(all)} would be one collection, ${collection}`
    return [fail('HF-T252', collection, { what, tables: all.map(tableName) })]
  })
}

async function fullOnes(
  on: Connection,
  tables: readonly Table[],
  nameOf: NameOf,
): Promise<Finding[]> {
  const full: string[] = []
  try {
    for (const table of tables) {
      const name = nameOf(table)
      if (collectionObstacle(on.db.databaseName, name) !== null) continue
      const one = await on.db.collection(name).findOne({}, { projection: { _id: 1 } })
      if (one !== null) full.push(name)
    }
  } catch (error) {
    throw faultOf(error, { doing: 'looking at its collections', label: on.label })
  }
  if (full.length === 0) return []
  const what = `${listed(full)} at the target ${full.length === 1 ? 'holds' : 'hold'} documents already`
  return [fail('HF-T222', 'documents', { what, tables: full })]
}
