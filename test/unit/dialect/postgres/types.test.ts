import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PgType } from '../../../../src/dialect/postgres/schema.ts'
import {
  neutralType,
  readsInBinary,
  typeIndex,
  unsupported,
} from '../../../../src/dialect/postgres/types.ts'

const base = (
  oid: number,
  name: string,
  more: Partial<PgType & { kind: 'base' }> = {},
): PgType => ({
  oid,
  schema: 'pg_catalog',
  name,
  builtIn: true,
  extension: null,
  kind: 'base',
  binary: true,
  ...more,
})

const own = { schema: 'public', builtIn: false, extension: null } as const
const use = (oid: number, typmod = -1) => ({ oid, typmod, sql: `type ${oid}` })

const types = typeIndex([
  base(23, 'int4'),
  base(25, 'text'),
  base(1700, 'numeric'),
  base(2205, 'regclass'),
  base(114, 'json'),
  base(1184, 'timestamptz'),
  { ...base(1007, '_int4'), kind: 'array', element: 23 },
  { ...base(2210, '_regclass'), kind: 'array', element: 2205 },
  base(16400, 'citext', { schema: 'public', builtIn: false, extension: 'citext' }),
  base(16401, 'shell', { schema: 'public', builtIn: false }),
  { ...own, oid: 16500, name: 'mood', kind: 'enum', labels: ['a', 'b'] },
  { ...own, oid: 16501, name: '_mood', kind: 'array', element: 16500 },
  {
    ...own,
    oid: 16502,
    name: 'plain',
    kind: 'composite',
    fields: [{ name: 'a', type: use(23), collation: null }],
  },
  {
    ...own,
    oid: 16503,
    name: 'mixed',
    kind: 'composite',
    fields: [
      { name: 'a', type: use(16500), collation: null },
      { name: 'b', type: use(114), collation: null },
    ],
  },
  {
    ...own,
    oid: 16504,
    name: 'worded',
    kind: 'composite',
    fields: [{ name: 'a', type: use(16400), collation: null }],
  },
  {
    ...own,
    oid: 16505,
    name: 'short',
    kind: 'domain',
    base: use(1700, 655366),
    notNull: false,
    collation: null,
    default: null,
    checked: false,
  },
  { ...own, oid: 16506, name: '_plain', kind: 'array', element: 16502 },
  { ...own, oid: 16507, name: 'a table', kind: 'other' },
])

test('what every server reads in binary is known', () => {
  const read = [23, 25, 1007, 16500, 16501, 16502, 16503, 16505, 16506]
  const unread = [2205, 2210, 16400, 16401, 16504, 16507, 9]
  assert.deepEqual(
    [...read, ...unread].filter((oid) => readsInBinary(oid, types)),
    read,
  )
})

test('what cannot be mirrored is said', () => {
  assert.equal(unsupported(16400, types), null)
  assert.match(unsupported(16401, types) ?? '', /public\.shell is a base type of no extension/)
  assert.match(unsupported(16507, types) ?? '', /row type of a table/)
  assert.equal(unsupported(16503, types), null)
})

test('neutral types carry what PostgreSQL packs into a typmod', () => {
  assert.deepEqual(neutralType(use(1700, 655366), types), {
    kind: 'decimal',
    precision: 10,
    scale: 2,
  })
  // numeric(3,-2)
  assert.deepEqual(neutralType(use(1700, ((3 << 16) | (-2 & 0x7ff)) + 4), types), {
    kind: 'decimal',
    precision: 3,
    scale: -2,
  })
  assert.deepEqual(neutralType(use(1700), types), { kind: 'decimal', precision: null, scale: null })
  assert.deepEqual(neutralType(use(1184, 3), types), { kind: 'timestamptz', precision: 3 })
  assert.deepEqual(neutralType(use(1184), types), { kind: 'timestamptz', precision: 6 })
  assert.deepEqual(neutralType(use(16505), types), { kind: 'decimal', precision: 10, scale: 2 })
  assert.deepEqual(neutralType(use(16501), types), {
    kind: 'array',
    of: { kind: 'enum', labels: ['a', 'b'] },
  })
  assert.equal(neutralType(use(16502), types).kind, 'opaque')
})
