import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { assertExact, exactHashes } from '../../../testkit/exact.ts'
import { type Form, mirror } from '../../../testkit/mirror.ts'
import { database, type Major, type TestDatabase } from '../../../testkit/servers/index.ts'

export interface Ends {
  readonly source: TestDatabase
  readonly target: TestDatabase
}

/**
 * Something that goes wrong elsewhere. It has a schema of its own, named like its row and first in
 * the search path; what it writes is compared at the end.
 */
export interface HardCase {
  /** Begins with its row's id. */
  readonly name: string
  /** Tables, and the rows that the first copy finds. */
  readonly begin: string
  /** Must stand at the target beforehand; its schema is made. */
  readonly atTarget?: string
  /** Written one after another; the mirror catches up after each. */
  readonly later: readonly string[]
  /** Looks at more than that the contents are equal. */
  readonly check?: (ends: Ends) => Promise<void>
  /** The first major of the source that it makes sense for. */
  readonly since?: Major
}

/**
 * What roles and databases may set to bend values and statements that are not pinned: how values
 * look, which isolation there is, and where `=` and functions are looked for.
 */
const hostile: Readonly<Record<string, string>> = {
  timezone: 'Pacific/Apia',
  datestyle: 'German, DMY',
  intervalstyle: 'sql_standard',
  extra_float_digits: '-15',
  bytea_output: 'escape',
  client_encoding: 'LATIN1',
  xmloption: 'document',
  array_nulls: 'off',
  standard_conforming_strings: 'off',
  quote_all_identifiers: 'on',
  default_transaction_isolation: 'serializable',
  default_transaction_deferrable: 'on',
  search_path: 'evil, pg_catalog',
}

const evil = `create schema evil;
create function evil.never(anyelement, anyelement) returns bool language sql as 'select false';
create function evil.never(text, text) returns bool language sql as 'select false';
create operator evil.= (leftarg = anyelement, rightarg = anyelement, function = evil.never);
create operator evil.= (leftarg = text, rightarg = text, function = evil.never);
create function evil.count(text) returns bigint language sql as 'select 0::bigint';
create function evil.now() returns timestamptz language sql as $$select 'epoch'::timestamptz$$`

/** Sets for every role, at this database, what a session must not be bent by. */
export async function bend(db: TestDatabase): Promise<void> {
  await db.query(evil)
  for (const [name, value] of Object.entries(hostile)) {
    const quoted = name === 'search_path' ? value : `'${value}'`
    await db.query(`alter role postgres in database ${db.name} set ${name} = ${quoted}`)
  }
}

const plain = `set datestyle = 'ISO, MDY'; set intervalstyle = 'postgres'; set timezone = 'UTC';
set standard_conforming_strings = on; set client_encoding = 'UTF8'; set array_nulls = on;
set xmloption = 'content'; set default_transaction_isolation = 'read committed'; `

function schemaOf({ name }: HardCase): string {
  return name.slice(0, name.indexOf(' ')).toLowerCase()
}

interface Pair {
  readonly from: Major
  readonly to: Major
  readonly form: Form
}

/** Runs all cases in one mirror, between two databases that are set against it. */
export function hardCases(area: string, pair: Pair, all: readonly HardCase[]): void {
  const cases = all.filter(({ since = 14 }) => since <= Math.min(pair.from, pair.to))
  test(`${area} as ${pair.form}, ${pair.from} to ${pair.to}`, async (t) => {
    const ends = await openEnds(t, pair)
    const { source, target } = ends
    const write = async (one: HardCase, sql: string): Promise<void> => {
      await source.query(`${plain}set search_path = ${schemaOf(one)}, public, extensions; ${sql}`)
    }
    for (const one of cases) await write(one, `create schema ${schemaOf(one)}; ${one.begin}`)
    for (const one of cases) {
      if (one.atTarget === undefined) continue
      await target.query(`${plain}set search_path = ${schemaOf(one)}, public;
        create schema ${schemaOf(one)}; ${one.atTarget}`)
    }
    const running = mirror(t, { source: source.url, target: target.url, form: pair.form })
    await running.catchUp()
    const rounds = Math.max(...cases.map(({ later }) => later.length))
    for (let round = 0; round < rounds; round++) {
      for (const one of cases) {
        const sql = one.later[round]
        if (sql !== undefined) await write(one, sql)
      }
      await running.catchUp()
    }
    const [hashes, found] = await Promise.all([exactHashes(source), exactHashes(target)])
    for (const one of cases) {
      await t.test(one.name, async () => {
        const only = (table: string): boolean => table.startsWith(`${schemaOf(one)}.`)
        await assertExact(source, target, { hashes, found, only })
        await one.check?.(ends)
      })
    }
    assert.deepEqual(await running.differences(), [])
  })
}

async function openEnds(t: TestContext, { from, to }: Pair): Promise<Ends> {
  const source = await database(t, from)
  const target = await database(t, to)
  for (const db of [source, target]) {
    await bend(db)
    await db.query(`create schema extensions; create extension hstore schema extensions;
      create extension citext schema extensions; create extension ltree schema extensions`)
  }
  return { source, target }
}
