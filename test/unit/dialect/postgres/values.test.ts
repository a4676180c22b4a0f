import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalTuples, framedValues } from '../../../../src/dialect/postgres/values.ts'
import { Fault } from '../../../../src/model/fault.ts'
import type { Column, Table } from '../../../../src/model/table.ts'
import { cell, tupleOf, unframe } from '../../../../src/model/tuple.ts'

const column = (name: string, kind: 'text' | 'bytes'): Column => ({
  name,
  type: { kind },
  native: kind === 'text' ? 'text' : 'bytea',
  nullable: true,
})

const table: Table = {
  id: '1',
  schema: 'public',
  name: 't',
  columns: [column('a', 'text'), column('b', 'bytes')],
  identity: { by: 'row' },
  version: '1',
}

/** COPY's text format, as copyto.c writes it. */
function copyField(text: string | null): string {
  if (text === null) return '\\N'
  return text.replace(/[\\\b\f\n\r\t\v]/g, (c) => {
    const letters: Record<string, string> = {
      '\b': '\\b',
      '\f': '\\f',
      '\n': '\\n',
      '\r': '\\r',
      '\t': '\\t',
      '\v': '\\v',
    }
    return letters[c] ?? '\\\\'
  })
}

async function* pieces(bytes: Buffer, size: number): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function read(bytes: Buffer, size: number): Promise<(Buffer | null)[][]> {
  const rows: (Buffer | null)[][] = []
  for await (const piece of framedValues(table, pieces(bytes, size))) {
    for (const tuple of unframe(piece)) {
      rows.push(
        table.columns.map((_, i) => {
          const { kind, bytes: value } = cell(tuple, i)
          return kind === 0x6e ? null : Buffer.from(value)
        }),
      )
    }
  }
  return rows
}

test('copied rows of any text and bytes come through, however they are cut', async () => {
  const text = fc.option(fc.string({ unit: 'binary' }).map((s) => s.replaceAll('\0', '')))
  const bytes = fc.option(fc.uint8Array().map((b) => Buffer.from(b)))
  const rows = fc.array(fc.tuple(text, bytes), { maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(rows, fc.integer({ min: 1, max: 40 }), async (sent, size) => {
      const lines = sent.map(([a, b]) => {
        const hex = b === null ? null : `\\x${b.toString('hex')}`
        return `${copyField(a)}\t${copyField(hex)}\n`
      })
      const got = await read(Buffer.from(lines.join(''), 'utf8'), size)
      assert.deepEqual(
        got,
        sent.map(([a, b]) => [a === null ? null : Buffer.from(a, 'utf8'), b]),
      )
    }),
  )
})

test('a copied row with other cells or without an end is refused', async () => {
  for (const bytes of ['a\n', 'a\t\\\\x01\tb\n', 'a\t\\\\x01']) {
    await assert.rejects(read(Buffer.from(bytes), 3), Fault)
  }
})

test('bytes of the stream become raw, everything else stays', () => {
  const convert = canonicalTuples()
  const converted = convert(tupleOf(['x', '\\x0102ff']), table)
  assert.deepEqual(cell(converted, 0).bytes.toString(), 'x')
  assert.deepEqual([...cell(converted, 1).bytes], [1, 2, 255])
  const untouched = tupleOf([undefined, null])
  assert.deepEqual(convert(untouched, table), untouched)
  const plain = { ...table, columns: [column('a', 'text')] }
  const same = tupleOf(['\\x01'])
  assert.equal(convert(same, plain), same)
})

test('bytes in another form are refused', () => {
  const convert = canonicalTuples()
  for (const text of ['abc', '\\x1', '\\xzz', '\\001']) {
    assert.throws(() => convert(tupleOf([null, text]), table), Fault)
  }
})
