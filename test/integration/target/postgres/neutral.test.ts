import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Session } from '../../../../src/dialect/postgres/connect.ts'
import type { Table } from '../../../../src/model/table.ts'
import type { Type } from '../../../../src/model/value.ts'
import { preflightTarget } from '../../../../src/target/postgres/check/preflight.ts'
import { createKey, createSchema } from '../../../../src/target/postgres/schema/ddl.ts'
import { finishSchema } from '../../../../src/target/postgres/schema/finish.ts'
import type { TargetPlan } from '../../../../src/target/target.ts'
import { database } from '../../../../testkit/servers/index.ts'
import { openSession } from './support.ts'

async function build(session: Session, plan: TargetPlan): Promise<void> {
  await session.query('BEGIN')
  await createSchema(session, plan)
  await session.query('COMMIT')
  for (const { table } of plan.tables) await createKey(session, plan, table)
}

for (const major of [14, 18] as const) {
  test(`a table of another dialect is made from its neutral types, ${major}`, async (t) => {
    const target = await database(t, major)
    const kinds: readonly Type[] = [
      { kind: 'int', bits: 64, unsigned: true },
      { kind: 'int', bits: 8, unsigned: false },
      { kind: 'int', bits: 24, unsigned: true },
      { kind: 'decimal', precision: 10, scale: 2 },
      { kind: 'float', bits: 32 },
      { kind: 'enum', labels: ['a', 'b'] },
      { kind: 'json', binary: true },
      { kind: 'timestamp', precision: 3 },
      { kind: 'timestamptz', precision: 6 },
      { kind: 'time', precision: 0 },
      { kind: 'bit', length: 8, varying: false },
      { kind: 'bytes' },
      { kind: 'array', of: { kind: 'uuid' } },
    ]
    const table: Table = {
      id: '1',
      schema: 'some "schema"',
      name: 'things',
      columns: kinds.map((type, at) => ({ name: `c${at}`, type, native: 'any', nullable: at > 0 })),
      identity: { by: 'key', columns: [0] },
      version: '1',
    }
    const plan: TargetPlan = {
      blueprint: { dialect: 'other', tables: [table], native: null },
      tables: [{ table, target: table, mode: 'exact' }],
      onExisting: 'refuse',
    }
    const session = await openSession(t, target)
    await build(session, plan)
    const columns = await target.query(`select format_type(atttypid, atttypmod) as type
      from pg_attribute where attrelid = '"some ""schema""".things'::regclass and attnum > 0`)
    assert.deepEqual(
      columns.map(({ type }) => type),
      [
        'numeric(20,0)',
        'smallint',
        'integer',
        'numeric(10,2)',
        'real',
        'text',
        'json',
        'timestamp(3) without time zone',
        'timestamp(6) with time zone',
        'time(0) without time zone',
        'bit(8)',
        'bytea',
        'uuid[]',
      ],
    )
    assert.deepEqual(
      await preflightTarget(session, plan, { quiet: true }).then((found) =>
        found.filter(({ level }) => level === 'fail'),
      ),
      [],
    )
    await finishSchema(session, plan, { replicaRole: true })
    await build(session, plan)
  })
}

test('tables of another dialect are refused by what cannot be had, and used where it can', async (t) => {
  const db = await database(t, 18)
  await db.query(`create schema shop;
    create table shop.fits (a bigint, b numeric, c text, d timestamptz, e bit varying, f bytea, g json,
      h numeric(30, 0), i numeric(12, 2), j varchar, k time(6), primary key (a));
    create table shop.bends (a int, b numeric(10, 4), c varchar(20), d timestamptz(2), e bit(7), f text,
      g jsonb, h numeric(19, 0), i numeric(8, 2), j int, k time(1), primary key (a));`)
  const kinds: readonly Type[] = [
    { kind: 'int', bits: 32, unsigned: true },
    { kind: 'decimal', precision: 65, scale: 30 },
    { kind: 'text' },
    { kind: 'timestamptz', precision: 3 },
    { kind: 'bit', length: 8, varying: false },
    { kind: 'bytes' },
    { kind: 'json', binary: true },
    { kind: 'int', bits: 64, unsigned: true },
    { kind: 'decimal', precision: 10, scale: 2 },
    { kind: 'enum', labels: ['a'] },
    { kind: 'time', precision: 3 },
  ]
  const tableOf = (schema: string, name: string, columns: Table['columns']): Table => {
    return { id: name, schema, name, columns, identity: { by: 'key', columns: [0] }, version: '1' }
  }
  const columns = kinds.map((type, at) => {
    return { name: 'abcdefghijk'[at] ?? '', type, native: 'any', nullable: at > 0 }
  })
  const int: Type = { kind: 'int', bits: 32, unsigned: false }
  const column = (name: string, type: Type = int) => ({
    name,
    type,
    native: 'odd',
    nullable: false,
  })
  const tables = [
    tableOf('shop', 'fits', columns),
    tableOf('shop', 'bends', columns),
    tableOf('shop', 'names', [column('xmin'), column('ü'.repeat(32)), column('ok')]),
    tableOf('pg_shop', 'n'.repeat(64), [column('id')]),
    tableOf('shop', 'odd', [
      column('id'),
      column('at', { kind: 'opaque', dialect: 'x', name: 'y' }),
    ]),
  ]
  const plan: TargetPlan = {
    blueprint: { dialect: 'other', tables, native: null },
    tables: tables.map((table) => ({ table, target: table, mode: 'exact' })),
    onExisting: 'refuse',
  }
  const session = await openSession(t, db)
  const findings = await preflightTarget(session, plan, { quiet: true })
  const said = findings.flatMap((one) =>
    one.level === 'fail' ? [`${one.fault.code} ${one.fault.message}`] : [],
  )
  assert.deepEqual(said.sort(), [
    'HF-D405 shop.odd.at is odd, which PostgreSQL has nothing for',
    'HF-T223 shop.bends at the target differs: its column a is integer, not bigint, its column b is numeric(10,4), not numeric(65,30), its column c is character varying(20), not text, its column d is timestamp(2) with time zone, not timestamp(3) with time zone, its column e is bit(7), not bit(8), its column f is text, not bytea, its column g is jsonb, not json, its column h is numeric(19,0), not numeric(20,0), its column i is numeric(8,2), not numeric(10,2), its column j is integer, not text and 1 more',
    `HF-T238 pg_shop.${'n'.repeat(64)}: its name has more than 63 bytes`,
    `HF-T238 shop.names has columns whose names are taken: xmin`,
    `HF-T238 shop.names has names of more than 63 bytes: ${'ü'.repeat(32)}`,
    'HF-T238 the name of the schema pg_shop begins with pg_',
  ])
  const warned = findings.flatMap((one) => (one.level === 'warn' ? [one.fault.code] : []))
  assert.deepEqual(warned, [])
})
