import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  isBuiltInTypeText,
  isOneExpression,
  isPartitionBound,
  literalSql,
} from '../../../../src/dialect/postgres/expression.ts'

const literals: readonly [string, string | null][] = [
  ['0', '0'],
  ['1.50', '1.50'],
  ['true', 'true'],
  ["'-5'::integer", "CAST('-5' AS integer)"],
  ["'it''s'::text", "CAST('it''s' AS text)"],
  ["'x'::character varying", "CAST('x' AS character varying)"],
  ["'ok'::public.mood", "'ok'"],
  [`'ok'::"Sch""ema"."Mo od"`, "'ok'"],
  ["'{}'::text[]", "CAST('{}' AS text[])"],
  ['ARRAY[]::text[]', "'{}'"],
  ['B\'101\'::"bit"', 'CAST(B\'101\' AS "bit")'],
  [
    "'2020-01-01 00:00:00+00'::timestamp with time zone",
    "CAST('2020-01-01 00:00:00+00' AS timestamp with time zone)",
  ],
  ["'1 day'::interval day to second(3)", "CAST('1 day' AS interval day to second(3))"],
  ["'\\x00ff'::bytea", "CAST( E'\\\\x00ff' AS bytea)"],
  ['NULL::character varying', 'CAST(NULL AS character varying)'],
  ['now()', null],
  ['CURRENT_TIMESTAMP', null],
  ["nextval('s'::regclass)", null],
  ["('now'::text)::date", null],
  ["('a'::text || 'b'::text)", null],
  ["'a'::text || pg_sleep(1)", null],
  ["'a'::text; drop table x", null],
  ['1 + 1', null],
  ['ARRAY[evil()]::text[]', null],
]

for (const [text, sql] of literals) {
  test(`the default ${text} is ${sql === null ? 'not carried' : 'a constant'}`, () => {
    assert.equal(literalSql(text), sql)
  })
}

test('only one expression passes for one', () => {
  for (const good of [
    '(a + b)',
    'upper((email)::text)',
    "x = ';'::text",
    '("we;ird" > 1)',
    'a[1]',
  ]) {
    assert.ok(isOneExpression(good), good)
  }
  for (const bad of [
    'a) ; drop table x; (b',
    'a)',
    '(a',
    'a -- b',
    'a /* b',
    'a; b',
    "'a",
    '$$a$$',
    ')(',
  ]) {
    assert.ok(!isOneExpression(bad), bad)
  }
})

test('partition bounds are constants', () => {
  for (const good of [
    'DEFAULT',
    "FOR VALUES IN ('a', NULL, 'it''s')",
    "FOR VALUES FROM ('2024-01-01', MINVALUE) TO (5, MAXVALUE)",
    'FOR VALUES WITH (modulus 4, remainder 0)',
    'FOR VALUES IN (true)',
  ]) {
    assert.ok(isPartitionBound(good), good)
  }
  for (const bad of [
    'FOR VALUES IN (evil())',
    'DEFAULT; drop table x',
    "FOR VALUES IN ('a'); --",
  ]) {
    assert.ok(!isPartitionBound(bad), bad)
  }
})

test('names of built-in types are told from other text', () => {
  for (const good of [
    'integer',
    'character varying(10)',
    'numeric(10,-2)',
    'timestamp(3) with time zone',
    'interval day to second(3)',
    '"char"',
    'double precision[]',
    'bit varying(5)',
  ]) {
    assert.ok(isBuiltInTypeText(good), good)
  }
  for (const bad of ['integer default 1', 'public.mood', 'integer)', 'integer; x', 'int, b int']) {
    assert.ok(!isBuiltInTypeText(bad), bad)
  }
})
