import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import fc from 'fast-check'
import { Pipe } from '../../../../src/dialect/postgres/pipe.ts'
import { tupleOf } from '../../../../src/model/tuple.ts'
import {
  form,
  MissingCell,
  type Rows,
  writeCopy,
} from '../../../../src/target/postgres/apply/rows.ts'
import { valuesRecode } from '../../../../src/target/postgres/apply/values.ts'
import { packedTuples } from '../../../../testkit/packed.ts'

/** The bytes that the server would be given as the data of the copy. */
async function copied(rows: Rows, how: 'binary' | 'text'): Promise<Buffer> {
  const stream = new PassThrough({ highWaterMark: 1 << 30 })
  const pipe = new Pipe(stream)
  await writeCopy(pipe, rows, how)
  pipe.sync()
  const wire = (stream.read() ?? Buffer.alloc(0)) as Buffer
  const data: Buffer[] = []
  const kinds: string[] = []
  for (let at = 0; at < wire.length; ) {
    const kind = String.fromCharCode(wire[at] ?? 0)
    const end = at + 1 + wire.readInt32BE(at + 1)
    if (kind === 'd') data.push(wire.subarray(at + 5, end))
    kinds.push(kind)
    at = end
  }
  assert.deepEqual(kinds.slice(-2), ['c', 'S'])
  return Buffer.concat(data)
}

/** What PostgreSQL's COPY reads: https://www.postgresql.org/docs/current/sql-copy.html */
function readText(data: Buffer): (string | null)[][] {
  const lines = data.toString('utf8').split('\n')
  assert.equal(lines.pop(), '')
  const back: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', '\\': '\\' }
  return lines.map((line) =>
    line.split('\t').map((cell) => {
      if (cell === '\\N') return null
      return cell.replace(/\\(.)/gs, (_, c: string) => back[c] ?? c)
    }),
  )
}

function readBinary(data: Buffer): (string | null)[][] {
  const rows: (string | null)[][] = []
  let at = 19
  for (;;) {
    const count = data.readInt16BE(at)
    at += 2
    if (count === -1) break
    const row: (string | null)[] = []
    for (let i = 0; i < count; i++) {
      const length = data.readInt32BE(at)
      at += 4
      row.push(length < 0 ? null : data.toString('utf8', at, at + length))
      at += Math.max(length, 0)
    }
    rows.push(row)
  }
  assert.equal(at, data.length)
  return rows
}

const cell = fc.option(
  fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 80 }),
    fc.stringMatching(/^[\\\t\n\rNtnr.x0]*$/),
    fc.integer({ min: 1, max: 9000 }).map((n) => 'ö\\'.repeat(n)),
  ),
  { nil: null },
)
const table = fc
  .integer({ min: 1, max: 6 })
  .chain((width) =>
    fc.array(fc.array(cell, { minLength: width, maxLength: width }), { maxLength: 40 }),
  )

test('every row of text is read back as it was', async () => {
  await fc.assert(
    fc.asyncProperty(table, async (rows) => {
      const tuples = packedTuples(rows.map((row) => tupleOf(row)))
      const data = await copied({ tuples, columns: null, recode: null }, 'text')
      assert.deepEqual(readText(data), rows)
    }),
    { numRuns: 200 },
  )
})

test('every row of binary cells is read back as it was', async () => {
  await fc.assert(
    fc.asyncProperty(table, async (rows) => {
      const tuples = packedTuples(
        rows.map((row) =>
          tupleOf(row.map((value) => (value === null ? null : Buffer.from(value)))),
        ),
      )
      const all = await copied({ tuples, columns: null, recode: null }, 'binary')
      assert.deepEqual(readBinary(all), rows)
      const last = await copied(
        { tuples, columns: [(rows[0]?.length ?? 1) - 1], recode: null },
        'binary',
      )
      assert.deepEqual(
        readBinary(last),
        rows.map((row) => row.slice(-1)),
      )
    }),
    { numRuns: 200 },
  )
})

test('cells of some columns, in the order that is asked for', async () => {
  const tuples = packedTuples([tupleOf(['a', 'b', undefined, 'd'])])
  const data = await copied({ tuples, columns: [3, 0], recode: null }, 'text')
  assert.deepEqual(readText(data), [['d', 'a']])
})

test('an unchanged cell is never written as a value', async () => {
  for (const how of ['text', 'binary'] as const) {
    for (const columns of [null, [0]]) {
      const rows = { tuples: packedTuples([tupleOf([undefined, 'x'])]), columns, recode: null }
      await assert.rejects(copied(rows, how), MissingCell)
    }
  }
})

test('raw bytes become the text of bytea, whatever they hold', async () => {
  const recode = valuesRecode({
    id: 't',
    schema: 's',
    name: 't',
    columns: [
      { name: 'a', type: { kind: 'text' }, native: '', nullable: true },
      { name: 'b', type: { kind: 'bytes' }, native: '', nullable: true },
    ],
    identity: { by: 'none' },
    version: '1',
  })
  const raw = '\0\t\n\\'
  const data = await copied(
    { tuples: packedTuples([tupleOf([raw, raw])]), columns: null, recode },
    'text',
  )
  assert.deepEqual(readText(data), [[raw, '\\x00090a5c']])
})

test('the form of rows is that of their cells', () => {
  const text = tupleOf(['a', null])
  const binary = tupleOf([Buffer.from('a'), null])
  const of = (...tuples: Buffer[]): string =>
    form({ tuples: packedTuples(tuples), columns: null, recode: null })
  assert.equal(of(text, text), 'text')
  assert.equal(of(binary), 'binary')
  assert.equal(of(tupleOf([null])), 'text')
  assert.equal(of(text, binary), 'mixed')
  assert.equal(form({ tuples: packedTuples([text, binary]), columns: [1], recode: null }), 'text')
})
