import type { Connection } from '../../dialect/mongodb/connect.ts'
import { faultOf } from '../../dialect/mongodb/errors.ts'
import type { Finding } from '../../model/fault.ts'
import { findingsAt, listed, listedTables } from '../../model/findings.ts'
import { type Table, tableName } from '../../model/table.ts'
import type { TargetPlan } from '../target.ts'
import { CHANGES } from './config.ts'
import {
  collectionNames,
  collectionObstacle,
  fieldObstacle,
  pathOf,
  stepObstacle,
} from './names.ts'

const { fail, warn } = findingsAt('target')

/** Looks at the target for all that would stop or endanger the mirror; changes nothing. */
export async function preflightTarget(
  on: Connection,
  mirror: string,
  plan: TargetPlan,
): Promise<Finding[]> {
  const tables = plan.tables.map(({ table }) => table)
  const nameOf = collectionNames(tables)
  const findings = tables.flatMap(fieldFindings)
  if (!on.transactions) {
    const what = `${on.label} commits each document by itself: it is no replica set`
    findings.push(warn('HF-T253', 'transactions', { what }))
  }
  if (plan.shape === 'history') return [...findings, ...(await historyFindings(on, mirror, plan))]
  findings.push(...tables.flatMap((table) => nameFindings(on, table, nameOf(table))))
  findings.push(...sameNames(tables, nameOf))
  if (plan.onExisting === 'refuse') findings.push(...(await fullOnes(on, tables, nameOf)))
  return findings
}

type NameOf = (table: Table) => string

function nameFindings(on: Connection, table: Table, collection: string): Finding[] {
  const subject = tableName(table)
  const why = collectionObstacle(on.db.databaseName, collection)
  if (why === null) return []
  const what = `${subject} cannot be a collection named ${JSON.stringify(collection)}: ${why}`
  return [fail('HF-T252', subject, { what, table: subject })]
}

function fieldFindings(table: Table): Finding[] {
  const subject = tableName(table)
  return table.columns.flatMap(({ name }, i) => {
    const why = pathOf(table, i)
      .map((step, depth) => (depth === 0 ? fieldObstacle(step) : stepObstacle(step)))
      .find((one) => one !== null)
    if (why === undefined) return []
    const what = `the column ${JSON.stringify(name)} of ${subject} cannot be a field: ${why}`
    return [fail('HF-T252', subject, { what, table: subject })]
  })
}

/** A history begins with a copy; what there is of another one cannot be continued. */
async function historyFindings(
  on: Connection,
  mirror: string,
  plan: TargetPlan,
): Promise<Finding[]> {
  const nested = plan.tables.find(({ table }) => {
    return table.columns.some((_, i) => pathOf(table, i).length > 1)
  })
  if (nested !== undefined) {
    const what = `tables.rename nests columns of ${tableName(nested.table)}, and a history keeps them side by side`
    return [fail('HF-T254', 'rename', { what })]
  }
  if (plan.onExisting === 'merge') {
    const what = 'on_existing is merge, and a history is never merged with another one'
    return [fail('HF-T254', 'on_existing', { what })]
  }
  if (plan.onExisting === 'replace') return []
  const known = await on.db
    .collection(CHANGES)
    .findOne({ mirror }, { projection: { _id: 1 } })
    .catch((error: unknown) => {
      throw faultOf(error, { doing: 'looking at its collections', label: on.label })
    })
  if (known === null) return []
  const what = `${CHANGES} at the target holds changes of a mirror named ${mirror} already`
  return [fail('HF-T222', CHANGES, { what, tables: [CHANGES] })]
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
