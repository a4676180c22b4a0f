import { ident } from '../../../dialect/mysql/quote.ts'
import type { Finding, Todo } from '../../../model/fault.ts'
import { findingsAt, listed } from '../../../model/findings.ts'
import type { TargetPlan } from '../../target.ts'
import { type FoundTable, findTables } from '../apply/columns.ts'
import { type Build, restOf } from '../schema/finish.ts'
import { readKnown } from '../schema/native.ts'
import type { Link } from '../sessions.ts'
import { readFacts, type TargetFacts } from './facts.ts'
import { makingFindings } from './making.ts'
import { readTriggers, readViews, tableFindings } from './tables.ts'

const { fail } = findingsAt('target')

const OLDEST = { mysql: 80_017, mariadb: 100_600 } as const

/** Looks at the target for all that would stop or endanger the mirror; changes nothing. */
export async function preflightTarget(link: Link, plan: TargetPlan): Promise<Finding[]> {
  const { session } = link
  const version = versionFindings(link)
  if (version.some(({ level }) => level === 'fail')) return version
  const facts = await readFacts(session)
  const names = plan.tables.map(({ target }) => target.name)
  const found = await findTables(session, names)
  const known = await readKnown(session, link.collation)
  const there = {
    ...{ found, known },
    views: await readViews(session),
    triggers: await readTriggers(session),
  }
  return [
    ...version,
    ...serverFindings(facts),
    ...rightFindings(facts, restOf(plan, known).builds),
    ...makingFindings(plan, { ...facts, ...there }),
    ...tableFindings(plan, there),
    ...(await rowFindings(link, plan, found)),
  ]
}

function versionFindings({ session }: Link): Finding[] {
  const { flavour, number, text } = session.version
  const name = flavour === 'mysql' ? 'MySQL' : 'MariaDB'
  if (number >= OLDEST[flavour]) {
    return [{ level: 'ok', subject: 'version', what: `${name} ${text}` }]
  }
  const least = flavour === 'mysql' ? '8.0.17' : '10.6'
  return [
    fail('HF-T227', 'version', {
      what: `the target is ${name} ${text}; ${least} is needed`,
      why: 'Older servers have no collation in which only equal texts are equal.',
    }),
  ]
}

function serverFindings(facts: TargetFacts): Finding[] {
  const findings: Finding[] = []
  if (facts.readOnly) {
    const text = 'Give the URL of the primary as the target, or let it be written to.'
    findings.push(
      fail('HF-T215', 'server', {
        what: 'the target is read-only',
        why: 'read_only is on, as it is on a replica.',
        todo: [{ text, sql: 'SET GLOBAL read_only = 0', at: 'target', as: 'administrator' }],
      }),
    )
  }
  if (!facts.tellsDisk) {
    findings.push(
      fail('HF-T263', 'disk', {
        what: 'the target does not wait for its disk at a commit, and does not tell how far it has come',
      }),
    )
  }
  if (facts.logFormat === 'STATEMENT') {
    findings.push(
      fail('HF-T263', 'binary log', {
        what: 'the target writes statements to its binary log, which allows no transactions of ours',
        why: 'Transactions at READ COMMITTED need rows in the binary log.',
        todo: [
          {
            text: 'Let it write rows.',
            sql: `SET GLOBAL binlog_format = 'ROW'`,
            at: 'target',
            as: 'administrator',
          },
        ],
      }),
    )
  }
  return findings
}

const NEEDED = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'ALTER', 'DROP'] as const

function rightFindings(
  { rights, account, database }: TargetFacts,
  builds: readonly Build[],
): Finding[] {
  const references = builds.some(({ kind }) => kind === 'foreign key') ? ['REFERENCES'] : []
  const needed = [...NEEDED, ...references]
  const all = rights === null || rights.has('ALL PRIVILEGES') || rights.has('ALL')
  const missing = needed.filter((right) => !all && !rights.has(right))
  if (missing.length === 0) {
    return [{ level: 'ok', subject: 'rights', what: `${account} may create what is needed` }]
  }
  const what = `${account} lacks ${listed(missing)} on the database ${database}`
  // All of them, and the name as no pattern: the server looks at one grant for a database only.
  const name = ident(database.replaceAll(/[_%\\]/g, '\\$&'))
  const sql = `GRANT ${needed.join(', ')} ON ${name}.* TO ${account}`
  const todo: Todo = { text: 'Grant it.', sql, at: 'target', as: 'administrator' }
  return [fail('HF-T221', 'rights', { what, todo: [todo] })]
}

async function rowFindings(
  { session }: Link,
  plan: TargetPlan,
  found: ReadonlyMap<string, FoundTable>,
): Promise<Finding[]> {
  if (plan.onExisting !== 'refuse') return []
  const full: string[] = []
  for (const { target } of plan.tables) {
    const table = found.get(target.name)
    if (table === undefined) continue
    const rows = await session.query(`SELECT 1 AS one FROM ${ident(table.name)} LIMIT 1`)
    if (rows.length > 0) full.push(table.name)
  }
  if (full.length === 0) return []
  const what = `${listed(full)} at the target hold${full.length === 1 ? 's' : ''} rows already`
  return [fail('HF-T222', 'rows', { what })]
}
