import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { PrintedRows, type Readable } from '../../../src/model/printed.ts'
import { Hasher, Printer, VALUES } from '../../../src/model/prints.ts'
import type { Print, Recipe } from '../../../src/model/reader.ts'
import type { Identity, Table } from '../../../src/model/table.ts'
import { frame, type Tuple, textsOf, tupleOf } from '../../../src/model/tuple.ts'

function whole(hasher: Hasher): Buffer {
  const bytes = Buffer.alloc(16)
  const words = [hasher.high, hasher.low, hasher.third, hasher.fourth]
  for (const [i, value] of words.entries()) bytes.writeUInt32LE(value, i * 4)
  return bytes
}

function tableOf(columns: number, identity: Identity): Table {
  const names = Array.from({ length: columns }, (_, i) => `c${i}`)
  return {
    id: '1',
    schema: 's',
    name: 't',
    columns: names.map((name) => ({ name, type: { kind: 'text' }, native: '', nullable: true })),
    identity,
    version: '1',
  }
}

function recipeOf(columns: number, identity: Identity): Recipe {
  const table = tableOf(columns, identity)
  return { table, forms: table.columns.map(() => VALUES), buckets: 1024 }
}

const KEYED: Identity = { by: 'key', columns: [0] }

function readable(rows: readonly Tuple[], step = 7): Readable & { passes: number } {
  return {
    passes: 0,
    async *all() {
      this.passes++
      for (let at = 0; at < rows.length; at += step) yield frame(rows.slice(at, at + step))
    },
    async *some() {
      yield frame(rows)
    },
  }
}

async function listed(
  rows: PrintedRows,
  recipe: Recipe,
  buckets: readonly number[] | null,
): Promise<Print[]> {
  const all: Print[] = []
  for await (const burst of rows.list(recipe, buckets)) all.push(...burst)
  return all
}

suite('prints of rows in the form values', () => {
  test('are those of MurmurHash3_x86_128, by its own verification value', () => {
    const all = Array.from({ length: 256 }, (_, size) => {
      const hasher = new Hasher(256 - size)
      hasher.take(Buffer.from(Array.from({ length: size }, (_, i) => i)), 0, size)
      return whole(hasher)
    })
    const hasher = new Hasher(0)
    hasher.take(Buffer.concat(all), 0, 4096)
    // SMHasher, main.cpp: g_hashes.
    assert.equal(hasher.high, 0xb3ece62a)
  })

  test('do not meet for rows that are nearly alike, in any 32 of their bits', () => {
    const rows: Tuple[] = []
    for (let i = 0; i < 40_000; i++) {
      rows.push(tupleOf([String(i), '2024-01-01 00:00:00', null]))
      rows.push(tupleOf([`${i % 200}`, `${Math.floor(i / 200)}`, 'same text in each of these']))
      rows.push(tupleOf(['7', String(i * 1024), String(-i)]))
      rows.push(tupleOf(['id', '0.1', 'x'.repeat(i % 400) + Math.floor(i / 400)]))
    }
    const printer = new Printer(recipeOf(3, { by: 'row' }))
    const prints = rows.map((row) => {
      printer.take(row)
      return printer.print.digest
    })
    assert.equal(new Set(prints).size, new Set(rows.map((row) => row.toString('latin1'))).size)
    for (const shift of [0n, 8n, 16n, 24n, 32n]) {
      const some = new Set(prints.map((print) => (print >> shift) & 0xffffffffn))
      // 160,000 random numbers of 32 bits meet three times.
      assert.ok(prints.length - some.size < 40, `${prints.length - some.size} meet at ${shift}`)
    }
  })

  test('tell cells apart, whatever stands between them', () => {
    const printer = new Printer(recipeOf(2, { by: 'row' }))
    const rows = [
      ['ab', 'c'],
      ['a', 'bc'],
      ['', 'abc'],
      ['abc', ''],
      [null, 'abc'],
      ['abc', null],
    ]
    const prints = rows.map((row) => {
      printer.take(tupleOf(row))
      return printer.print.digest
    })
    assert.equal(new Set(prints).size, rows.length)
  })

  test('hash the key alone, wherever its cells stand', () => {
    const key = (columns: readonly number[], row: readonly (string | null)[]): Print => {
      const printer = new Printer(recipeOf(row.length, { by: 'key', columns }))
      printer.take(tupleOf(row))
      return printer.print
    }
    const long = 'k'.repeat(1000)
    const one = key([0, 1], ['a', long, 'x'])
    assert.equal(key([0, 1], ['a', long, 'y']).hash, one.hash)
    assert.equal(key([2, 0], [long, 'x', 'a']).hash, one.hash)
    assert.notEqual(key([1, 0], ['a', long, 'x']).hash, one.hash)
    assert.notEqual(key([0, 1], ['a', long, 'y']).digest, one.digest)
    assert.deepEqual(textsOf(key([2, 0], [long, 'x', 'a']).key), ['a', long])
  })

  test('sum up by bucket as one by one', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(50), fc.string())), async (pairs) => {
        const rows = pairs.map(([id, text]) => tupleOf([String(id), text]))
        const recipe = recipeOf(2, KEYED)
        const printed = new PrintedRows(readable(rows))
        const sums = await printed.sums(recipe)
        const wanted = new Map<number, { count: bigint; sum: bigint }>()
        for (const { hash, digest } of await printed.print(recipe, rows)) {
          const bucket = Number(hash & 1023n)
          const { count, sum } = wanted.get(bucket) ?? { count: 0n, sum: 0n }
          wanted.set(bucket, { count: count + 1n, sum: sum + digest })
        }
        assert.deepEqual(
          [...sums].sort(([a], [b]) => a - b),
          [...wanted].sort(([a], [b]) => a - b),
        )
      }),
      { numRuns: 30 },
    )
  })

  test('are listed in order, part by part, in bounded room', async () => {
    const rows = Array.from({ length: 1000 }, (_, i) => tupleOf([String(i), 'x']))
    const recipe = recipeOf(2, KEYED)
    const from = readable(rows)
    const printed = new PrintedRows(from, { held: 50 })
    const all = await listed(printed, recipe, null)
    const prints = await printed.print(recipe, rows)
    assert.deepEqual(
      all.map(({ hash }) => hash),
      prints.map(({ hash }) => hash).sort((a, b) => (a < b ? -1 : 1)),
    )
    assert.ok(from.passes >= 10, `${from.passes} passes`)
    const buckets = [1, 5, 1000]
    const some = await listed(new PrintedRows(readable(rows)), recipe, buckets)
    assert.deepEqual(
      some,
      all.filter(({ hash }) => buckets.includes(Number(hash & 1023n))),
    )
    assert.ok(some.length > 0)
  })

  test('count equal rows of a table without a key, also where a part ends', async () => {
    const rows = Array.from({ length: 900 }, (_, i) => tupleOf([String(i % 9), null]))
    const recipe = recipeOf(2, { by: 'row' })
    const all = await listed(new PrintedRows(readable(rows), { held: 2 }), recipe, null)
    assert.deepEqual(
      all.map(({ count }) => count),
      Array.from({ length: 9 }, () => 100),
    )
    assert.equal(new Set(all.map(({ hash }) => hash)).size, 9)
  })

  test('of rows are found by key, with their values or a digest of each', async () => {
    const rows = Array.from({ length: 20 }, (_, i) => tupleOf([String(i), `v${i % 3}`]))
    const recipe = recipeOf(2, KEYED)
    const printed = new PrintedRows(readable(rows))
    const keys = [tupleOf(['3']), tupleOf(['6']), tupleOf(['99'])]
    const values = await printed.find(recipe, keys, 'values')
    assert.deepEqual(
      values.map(({ row }) => textsOf(row)),
      [
        ['3', 'v0'],
        ['6', 'v0'],
      ],
    )
    const [three, six] = await printed.find(recipe, keys, 'digests')
    assert.ok(three !== undefined && six !== undefined)
    const [[id3, same3], [id6, same6]] = [textsOf(three.row), textsOf(six.row)]
    assert.notEqual(id3, id6)
    assert.equal(same3, same6)
    assert.deepEqual(await printed.find(recipe, [], 'values'), [])
  })
})
