import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import fc from 'fast-check'
import { Pipe } from '../../../../src/dialect/postgres/pipe.ts'
import { tupleOf } from '../../../../src/model/tuple.ts'
import { packsOf } from '../../../../src/target/postgres/apply/pack/pack.ts'
import {
  form,
  MissingCell,
  type Rows,
  writeCopy,
} from '../../../../src/target/postgres/apply/rows.ts'
import { valuesRecode } from '../../../../src/target/postgres/apply/values.ts'
import { BINARY_STREAM, TEXT_STREAM, VALUES } from '../../../../src/target/postgres/config.ts'
import { packedTuples } from '../../../../testkit/packed.ts'

/** The bytes that the server would be given as the data of the copy. */
async function copied(rows: Rows, how: 'binary' | 'text'): Promise<Buffer> {
  const stream = new PassThrough({ highWaterMark: 1 << 30 })
  const pipe = new Pipe(stream)
  await writeCopy(pipe, rows, { form: how, first: 0 })
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
      const data = await copied({ tuples, columns: null, recode: null, packs: null }, 'text')
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
      const all = await copied({ tuples, columns: null, recode: null, packs: null }, 'binary')
      assert.deepEqual(readBinary(all), rows)
      const last = await copied(
        { tuples, columns: [(rows[0]?.length ?? 1) - 1], recode: null, packs: null },
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
  const data = await copied({ tuples, columns: [3, 0], recode: null, packs: null }, 'text')
  assert.deepEqual(readText(data), [['d', 'a']])
})

test('an unchanged cell is never written as a value', async () => {
  for (const how of ['text', 'binary'] as const) {
    for (const columns of [null, [0]]) {
      const rows = {
        tuples: packedTuples([tupleOf([undefined, 'x'])]),
        columns,
        recode: null,
        packs: null,
      }
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
    { tuples: packedTuples([tupleOf([raw, raw])]), columns: null, recode, packs: null },
    'text',
  )
  assert.deepEqual(readText(data), [[raw, '\\x00090a5c']])
})

test('the form of rows is that of their cells', () => {
  const text = tupleOf(['a', null])
  const binary = tupleOf([Buffer.from('a'), null])
  const rows = (...tuples: Buffer[]): Rows => ({
    tuples: packedTuples(tuples),
    columns: null,
    recode: null,
    packs: packsOf([{ type: 25 }, { type: 25 }]),
  })
  assert.equal(form(rows(text, text), BINARY_STREAM), 'text')
  assert.equal(form(rows(binary), BINARY_STREAM), 'binary')
  assert.equal(form(rows(tupleOf([null])), BINARY_STREAM), 'text')
  assert.equal(form(rows(text, binary), BINARY_STREAM), 'mixed')
  assert.equal(form({ ...rows(text, binary), columns: [1] }, BINARY_STREAM), 'text')
  assert.equal(form(rows(text), TEXT_STREAM), 'text')
  assert.equal(form(rows(text), VALUES), 'packed')
  assert.equal(form({ ...rows(text), packs: null }, VALUES), 'text')
})

test('a type whose binary form is not known keeps all of a table as text', () => {
  assert.equal(packsOf([{ type: 23 }, { type: 142 }]), null)
})

test('packed rows end before the first that cannot be packed', async () => {
  const tuples = packedTuples([tupleOf(['1']), tupleOf([null]), tupleOf(['x']), tupleOf(['2'])])
  const rows = { tuples, columns: null, recode: null, packs: packsOf([{ type: 23 }]) }
  const stream = new PassThrough({ highWaterMark: 1 << 20 })
  const pipe = new Pipe(stream)
  assert.equal(await writeCopy(pipe, rows, { form: 'packed', first: 0 }), 2)
  pipe.sync()
  const wire = stream.read() as Buffer
  const head = wire.indexOf('PGCOPY') + 19 + 5
  const two = Buffer.from([0, 1, 0, 0, 0, 4, 0, 0, 0, 1, 0, 1, 255, 255, 255, 255])
  assert.deepEqual(wire.subarray(head, head + two.length), two)
  await assert.rejects(
    writeCopy(pipe, { ...rows, tuples: packedTuples([tupleOf([undefined])]) }, PACKED),
    MissingCell,
  )
})

const PACKED = { form: 'packed', first: 0 } as const
