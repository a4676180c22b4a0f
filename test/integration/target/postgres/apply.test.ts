import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Tuple } from '../../../../src/model/tuple.ts'
import { packedTuples } from '../../../../testkit/packed.ts'
import { batch, orderOf, rows, stand, table, types } from './support.ts'

const things = table('things', { id: types.int, name: types.text, data: types.bytes })

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** Row `id` as each encoding has it. */
const encodings: Readonly<Record<string, (id: number, name: string | null) => Tuple>> = {
  'pg-text': (id, name) => only(rows([String(id), name, `\\x${bytesOf(id).toString('hex')}`])),
  'pg-binary': (id, name) =>
    only(rows([int(id), name === null ? null : Buffer.from(name), bytesOf(id)])),
  values: (id, name) => only(rows([String(id), name, bytesOf(id).toString('latin1')])),
}

function bytesOf(id: number): Buffer {
  return Buffer.from([id & 0x7f, 0, 92, 10])
}

function only(list: Iterable<Tuple>): Tuple {
  const [first] = list
  assert.ok(first !== undefined)
  return first
}

const readSql = `select id, name, encode(data, 'hex') as data from things order by id`
const name = (id: number): string | null => (id % 7 === 0 ? null : `näme\t${id}\\\n`)

for (const major of [14, 18] as const) {
  for (const [encoding, row] of Object.entries(encodings)) {
    for (const count of [3, 500]) {
      test(`${major} ${encoding}: ${count} rows are inserted, updated and deleted`, async (t) => {
        await using made = await stand(t, major, [things])
        const { db, target } = made
        const ids = Array.from({ length: count }, (_, i) => i + 1)
        const born = ids.map((id) => row(id, name(id)))
        await target.apply(
          batch(1, 2, [
            { kind: 'insert', table: things, rows: packedTuples(born), existing: 'refuse' },
          ]),
          encoding,
        )
        const wanted = (of: (id: number) => string | null) =>
          ids.map((id) => ({
            id: String(id),
            name: of(id),
            data: bytesOf(id).toString('hex'),
          }))
        assert.deepEqual(await db.query(readSql), wanted(name))

        const changed = ids.map((id) => row(id, `new ${id}`))
        await target.apply(
          batch(2, 3, [
            { kind: 'update', table: things, set: [0, 1], rows: packedTuples(changed), old: null },
          ]),
          encoding,
        )
        assert.deepEqual(
          await db.query(readSql),
          wanted((id) => `new ${id}`),
        )

        const again = ids.map((id) => row(id, `again ${id}`))
        await target.apply(
          batch(3, 4, [
            { kind: 'insert', table: things, rows: packedTuples(again), existing: 'overwrite' },
          ]),
          encoding,
        )
        assert.deepEqual(
          await db.query(readSql),
          wanted((id) => `again ${id}`),
        )

        await target.apply(
          batch(4, 5, [{ kind: 'delete', table: things, old: packedTuples(again.slice(1)) }]),
          encoding,
        )
        assert.deepEqual(await db.query(readSql), wanted((id) => `again ${id}`).slice(0, 1))
        assert.equal(await orderOf(target), 5n)
      })
    }
  }
}
