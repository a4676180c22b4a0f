import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Step } from '../../../../src/model/batch.ts'
import { type Tuple, tupleOf } from '../../../../src/model/tuple.ts'
import { packedTuples } from '../../../../testkit/packed.ts'
import type { TestDatabase } from '../../../../testkit/servers/index.ts'
import { batch, stand, table } from './support.ts'

/** A column of a type, and values of it. */
const columns: Readonly<Record<string, readonly (string | null)[]>> = {
  mood: ['sad', 'o\'k, "x"', null],
  code: ['abc', '\\', null],
  pair: ['(1,"a,""b")', '(,)', null],
  'pair[]': ['{"(1,a)","(2,\\"b c\\")"}', '{}', null],
  'mood[]': [`[3:4]={sad,"o'k, \\"x\\""}`, '{{sad},{sad}}', null],
  span: ['[1.5,2)', 'empty', null],
  'code[]': ['{abc,NULL}', '{}', null],
  'numeric(10,2)': ['1.50', 'NaN', null],
  numeric: ['-1234567890123456789012345678901234567890.0001000', 'NaN', '0.00'],
  float8: ['-0', 'Infinity', '5e-324'],
  float4: ['1.1', 'NaN', null],
  'varchar(5)': ['ab  ', '', null],
  'char(4)': ['ab', '', null],
  timestamptz: ['infinity', '0044-03-15 12:00:00+00 BC', '294276-12-31 23:59:59.999999+00'],
  interval: ['1 mon -2 days 00:00:00.000001', '-178000000 years', null],
  'timetz[]': ['{12:00:00+02,NULL}', '{}', null],
  bytea: ['\\x00ff5c0a09', '\\x', null],
  jsonb: ['{"a": [1, 2.50, null]}', '"\\\\"', null],
  json: ['{ "a" : 1 }', '[]', null],
  xml: ['<a>&lt;</a>', 'text', null],
  inet: ['10.0.0.1/8', '::1', null],
  'bit(3)': ['101', '000', null],
  'varbit[]': ['{1,0101}', '{}', null],
  point: ['(1,-0)', '(NaN,0)', null],
  tsvector: [`'a':1A 'b'`, '', null],
  int4multirange: ['{[1,3),[5,9)}', '{}', null],
  money: ['-12.34', '0', null],
  '"char"': ['x', '', null],
  uuid: ['0195cf70-0000-7000-8000-000000000000', null, null],
}

const names = Object.keys(columns).map((_, i) => `c${i}`)
const rowCount = 3
const makeTypes = `create type mood as enum ('sad', 'o''k, "x"');
  create domain code as varchar(9) collate "C";
  create type pair as (a int, b text);
  create type span as range (subtype = numeric);
  create table sample (id int primary key, ${Object.keys(columns)
    .map((type, i) => `c${i} ${type}`)
    .join(', ')})`

const opaque = { kind: 'opaque', dialect: 'postgres', name: '' } as const
const sample = table('sample', {
  id: opaque,
  ...Object.fromEntries(names.map((name) => [name, opaque])),
})

/** The rows as the stream brings them: text, or what the types' send functions give. */
async function tuples(db: TestDatabase, encoding: string): Promise<Tuple[]> {
  const all = ['id', ...names]
  if (encoding === 'pg-text') {
    const rows = await db.query(`select ${all.join(', ')} from sample order by id`)
    return rows.map((row) => tupleOf(all.map((name) => row[name])))
  }
  const sends = await db.query(`select a.attname, t.typsend::text as send from pg_attribute a
    join pg_type t on t.oid = a.atttypid where attrelid = 'sample'::regclass and attnum > 0`)
  const list = sends.map(({ attname, send }) => `encode(${send}(${attname}), 'hex') as ${attname}`)
  const rows = await db.query(`select ${list.join(', ')} from sample order by id`)
  return rows.map((row) =>
    tupleOf(all.map((name) => (row[name] == null ? null : Buffer.from(row[name], 'hex')))),
  )
}

for (const major of [14, 18] as const) {
  for (const encoding of ['pg-text', 'pg-binary']) {
    for (const copies of [1, 40]) {
      test(`${major} ${encoding}: ${copies * rowCount} rows of every kind of type stay what they are`, async (t) => {
        await using made = await stand(t, major, [sample], makeTypes)
        const { db, target } = made
        await db.query(`set datestyle = 'ISO'; set intervalstyle = 'postgres';
          set extra_float_digits = 3; set bytea_output = 'hex'; set timezone = 'UTC';
          set lc_monetary = 'C'`)
        const values = Array.from({ length: copies * rowCount }, (_, i) => {
          const cells = Object.values(columns).map((list) => {
            const value = list[i % rowCount]
            return value == null ? 'null' : `'${value.replaceAll("'", "''")}'`
          })
          return `(${i}, ${cells.join(', ')})`
        })
        await db.query(`insert into sample values ${values.join(', ')}`)
        const wanted = await tuples(db, 'pg-text')
        const rows = packedTuples(await tuples(db, encoding))
        await db.query('truncate sample')

        const born: Step = { kind: 'insert', table: sample, rows, existing: 'refuse' }
        await target.apply(batch(1, 2, [born]), encoding)
        assert.deepEqual(await tuples(db, 'pg-text'), wanted)

        await db.query(`update sample set ${names.map((name) => `${name} = null`).join(', ')}`)
        const set = [0, ...names.keys().map((i) => i + 1)]
        const changed: Step = { kind: 'update', table: sample, set, rows, old: null }
        await target.apply(batch(2, 3, [changed]), encoding)
        assert.deepEqual(await tuples(db, 'pg-text'), wanted)

        const keyless = { ...sample, identity: { by: 'row' } as const, version: '2' }
        const gone: Step = { kind: 'delete', table: keyless, old: rows }
        await target.apply(batch(3, 4, [gone]), encoding)
        assert.deepEqual(await tuples(db, 'pg-text'), [])
      })
    }
  }
}

const keys = [
  'mood',
  'code',
  'pair',
  'span',
  'mood[]',
  'numeric',
  'float8',
  'varchar(5)',
  'char(4)',
  'timestamptz',
  'interval',
  'bytea',
  'jsonb',
  'inet',
  'bit(3)',
  '"char"',
] as const

for (const encoding of ['pg-text', 'pg-binary']) {
  for (const extra of [0, 100]) {
    test(`${encoding}: rows are found by keys of many types, ${extra} rows beside them`, async (t) => {
      const tables = keys.map((_, i) =>
        table(`keyed${i}`, { k: opaque, n: opaque, v: opaque }, { by: 'key', columns: [0, 1] }),
      )
      const sql = keys.map(
        (type, i) => `create table keyed${i} (k ${type}, n int4, v text, primary key (k, n))`,
      )
      await using made = await stand(t, 18, tables, `${makeTypes}; ${sql.join('; ')}`)
      const { db, target } = made
      const all = await Array.fromAsync(keys.entries(), async ([i, type]) => {
        const values = (columns[type] ?? []).filter((value) => value !== null).slice(0, 2)
        const list = values.map((value) => `'${value.replaceAll("'", "''")}'`)
        const [first = 'null'] = list
        await db.query(`insert into keyed${i} select unnest(array[${list.join(', ')}]::text[])::${type}, 0, 'old'
            union all select ${first}::${type}, g, 'old' from generate_series(1, ${extra}) g`)
        const [send] =
          await db.query(`select typsend::text as send from pg_type t join pg_attribute a
            on a.atttypid = t.oid where attrelid = 'keyed${i}'::regclass and attname = 'k'`)
        const cell = encoding === 'pg-text' ? `k::text` : `encode(${send?.['send']}(k), 'hex')`
        const rows = await db.query(`select ${cell} as k, n from keyed${i}`)
        return rows.map((row) => {
          const n = Number(row['n'])
          if (encoding === 'pg-text') return tupleOf([row['k'] ?? null, String(n), 'new'])
          const bytes = Buffer.alloc(4)
          bytes.writeInt32BE(n)
          return tupleOf([Buffer.from(row['k'] ?? '', 'hex'), bytes, Buffer.from('new')])
        })
      })
      const updates = tables.map(
        (one, i): Step => ({
          kind: 'update',
          table: one,
          set: [2],
          rows: packedTuples(all[i] ?? []),
          old: null,
        }),
      )
      await target.apply(batch(1, 2, updates), encoding)
      for (const i of keys.keys()) {
        const [found] = await db.query(
          `select count(*) as n, max(v) as v from keyed${i} where v = 'new'`,
        )
        assert.deepEqual(found, { n: String(2 + extra), v: 'new' }, keys[i])
      }
      const deletes = tables.map(
        (one, i): Step => ({ kind: 'delete', table: one, old: packedTuples(all[i] ?? []) }),
      )
      await target.apply(batch(2, 3, deletes), encoding)
      for (const i of keys.keys()) {
        assert.deepEqual(await db.query(`select 1 from keyed${i}`), [], keys[i])
      }
    })
  }
}
