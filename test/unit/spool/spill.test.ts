import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  type FileHandle,
  mkdtemp,
  open as openFile,
  readdir,
  readlink,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import type { Change } from '../../../src/model/change.ts'
import { Changes } from '../../../src/model/changes.ts'
import { Fault } from '../../../src/model/fault.ts'
import { tupleOf } from '../../../src/model/tuple.ts'
import { Spill } from '../../../src/spool/spill.ts'
import { textTable } from '../../../testkit/memory/tables.ts'
import { packedChanges } from '../../../testkit/packed.ts'

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-spill-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

const tables = ['1', '2'].map((id) =>
  textTable({ id, columns: ['id', 'a'], identity: { by: 'key', columns: [0] } }),
)
const tuple = fc
  .array(fc.option(fc.option(fc.string({ maxLength: 20 }), { nil: null }), { nil: undefined }))
  .map((cells) => tupleOf(cells))
const anyTable = fc.constantFrom(...tables)
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record(
    {
      kind: fc.constantFrom('insert', 'update', 'delete'),
      table: anyTable,
      row: fc.option(tuple, { nil: null }),
      old: fc.option(tuple, { nil: null }),
    },
    { noNullPrototype: true },
  ),
  fc.record(
    {
      kind: fc.constant('truncate'),
      tables: fc.constant(tables),
      restartSequences: fc.boolean(),
    },
    { noNullPrototype: true },
  ),
  fc.record(
    { kind: fc.constant('schema'), from: anyTable, to: anyTable },
    { noNullPrototype: true },
  ),
)

async function readAll(spill: Spill, bytes: number): Promise<Change[]> {
  await spill.finish()
  const all: Change[] = []
  for await (const run of spill.read(bytes)) all.push(...run)
  return all
}

suite('a spill', () => {
  test('gives back what was added and not taken back, as often as it is asked', async (t) => {
    const directory = await folder(t)
    const sub = fc.constantFrom(null, 'a', 'b')
    const added = fc.array(fc.tuple(sub, fc.array(change, { maxLength: 5 })), { maxLength: 8 })
    const asked = fc.tuple(added, fc.subarray(['a', 'b']), fc.integer({ min: 1, max: 300 }))
    await fc.assert(
      fc.asyncProperty(asked, async ([segments, gone, bytes]) => {
        await using spill = await Spill.create(directory, 'one')
        for (const [i, [name, changes]] of segments.entries())
          await spill.add(name, i % 2 === 0 ? Changes.of(changes) : packedChanges(changes))
        for (const name of gone) spill.discard(name)
        const wanted = segments.flatMap(([name, changes]) =>
          name !== null && gone.includes(name) ? [] : changes,
        )
        assert.deepEqual(await readAll(spill, bytes), wanted)
        assert.deepEqual(await readAll(spill, 1 << 20), wanted)
      }),
      { numRuns: 150 },
    )
  })

  test('is read while it grows, up to what comes last', async (t) => {
    const directory = await folder(t)
    const growing = fc.array(fc.tuple(fc.array(change, { maxLength: 40 }), fc.nat(3)), {
      maxLength: 12,
    })
    const long: Change = {
      kind: 'insert',
      table: tables[0] ?? assert.fail(),
      row: tupleOf(['1', 'x'.repeat(70_000)]),
      old: null,
    }
    await fc.assert(
      fc.asyncProperty(growing, fc.integer({ min: 1, max: 3000 }), async (added, bytes) => {
        await using spill = await Spill.create(directory, 'one')
        const read: Change[] = []
        const reading = (async () => {
          for await (const run of spill.read(bytes)) read.push(...run)
        })()
        const wanted: Change[] = []
        for (const [changes, turns] of added) {
          const all = turns === 3 ? [...changes, long, long, long, long] : changes
          await spill.add(null, packedChanges(all))
          wanted.push(...all)
          for (let i = 0; i < turns; i++) await turn()
        }
        await spill.finish()
        await reading
        assert.deepEqual(read, wanted)
        assert.deepEqual(await readAll(spill, bytes), wanted)
      }),
      { numRuns: 60 },
    )
  })

  test('gives who reads it the error that kept it from being finished', async (t) => {
    await using spill = await Spill.create(await folder(t), 'one')
    const next = spill.read(10)[Symbol.asyncIterator]().next()
    const error = new Error('the log is gone')
    spill.fail(error)
    await assert.rejects(next, error)
  })

  test('keeps the table itself, not a likeness', async (t) => {
    await using spill = await Spill.create(await folder(t), 'one')
    const [table] = tables
    assert.ok(table !== undefined)
    await spill.add(
      null,
      Changes.of([{ kind: 'insert', table, row: tupleOf(['1', 'x']), old: null }]),
    )
    const [back] = await readAll(spill, 1)
    assert.ok(back?.kind === 'insert' && back.table === table)
  })

  test('takes records larger than what is read at once', async (t) => {
    await using spill = await Spill.create(await folder(t), 'one')
    const [table] = tables
    assert.ok(table !== undefined)
    const sizes = [3 << 20, 10, (1 << 20) - 30, 1 << 20, 5 << 20, 0]
    const rows = sizes.map((size, i) => tupleOf([String(i), String(i).repeat(size)]))
    for (const row of rows)
      await spill.add(null, packedChanges([{ kind: 'update', table, row, old: row }]))
    assert.ok(spill.bytes > 18 << 20)
    const back = await readAll(spill, 2 << 20)
    assert.equal(back.length, rows.length)
    for (const [i, one] of back.entries()) {
      assert.ok(one.kind === 'update' && one.row !== null && one.old !== null)
      assert.ok(one.row.equals(rows[i] ?? Buffer.alloc(0)) && one.old.equals(one.row))
    }
  })

  test('is read in runs of about the size that is asked for', async (t) => {
    await using spill = await Spill.create(await folder(t), 'one')
    const [table] = tables
    assert.ok(table !== undefined)
    const row = tupleOf(['1', 'x'.repeat(1000)])
    const insert: Change = { kind: 'insert', table, row, old: null }
    await spill.add(null, Changes.of(Array.from({ length: 100 }, () => insert)))
    await spill.finish()
    let runs = 0
    for await (const run of spill.read(10_000)) {
      assert.ok(run.length <= 10)
      runs++
    }
    assert.equal(runs, 10)
  })

  test('leaves no file, in a folder that only its owner can enter', async (t) => {
    const directory = join(await folder(t), 'made', 'here')
    const spill = await Spill.create(directory, 'one')
    assert.equal((await stat(directory)).mode & 0o777, 0o700)
    const [table] = tables
    assert.ok(table !== undefined)
    await spill.add(
      null,
      Changes.of([{ kind: 'insert', table, row: tupleOf(['1', 'x']), old: null }]),
    )
    assert.equal((await readAll(spill, 1)).length, 1)
    assert.deepEqual(await readdir(directory), [])
    await spill[Symbol.asyncDispose]()
  })

  test('shares no file with another one, even of the same name', async (t) => {
    const directory = await folder(t)
    await using one = await Spill.create(directory, 'same')
    await using other = await Spill.create(directory, 'same')
    const [table] = tables
    assert.ok(table !== undefined)
    const insert = (id: string): Change => ({
      kind: 'insert',
      table,
      row: tupleOf([id, 'x']),
      old: null,
    })
    await one.add(null, Changes.of([insert('1')]))
    await other.add(null, Changes.of([insert('2')]))
    assert.deepEqual(await readAll(one, 1), [insert('1')])
    assert.deepEqual(await readAll(other, 1), [insert('2')])
  })

  test('what comes under the name of one that was taken back stays', async (t) => {
    await using spill = await Spill.create(await folder(t), 'again')
    const insert = (id: string): Change[] => {
      const [table] = tables
      assert.ok(table !== undefined)
      return [{ kind: 'insert', table, row: tupleOf([id, null]), old: null }]
    }
    await spill.add('a', Changes.of(insert('1')))
    spill.discard('a')
    await spill.add('a', Changes.of(insert('2')))
    assert.deepEqual(await readAll(spill, 1000), insert('2'))
  })

  test('whatever the disk gives back, it is a change or a fault', async (t) => {
    if (process.platform !== 'linux') return t.skip('a file without a name is reached by /proc')
    const [table] = tables
    assert.ok(table !== undefined)
    const row = tupleOf(['1', 'two'])
    const changes: Change[] = [
      { kind: 'insert', table, row, old: null },
      { kind: 'update', table, row, old: tupleOf(['1', null]) },
      { kind: 'truncate', tables: [table], restartSequences: false },
      { kind: 'delete', table, row: null, old: row },
    ]
    const directory = await folder(t)
    const bent = fc.array(fc.tuple(fc.nat(150), fc.constantFrom(0, 1, 2, 127, 128, 254, 255)), {
      minLength: 1,
      maxLength: 4,
    })
    await fc.assert(
      fc.asyncProperty(bent, fc.option(fc.nat(150)), async (bytes, end) => {
        await using spill = await Spill.create(directory, 'bent')
        await spill.add(null, Changes.of(changes))
        assert.deepEqual(await readAll(spill, 1000), changes)
        await using file = await openUnnamed(directory)
        for (const [at, to] of bytes) await file.write(Buffer.of(to), 0, 1, at % spill.bytes)
        if (end !== null) await file.truncate(end % spill.bytes)
        try {
          await readAll(spill, 1000)
          assert.equal(end, null)
        } catch (error) {
          assert.ok(error instanceof Fault && error.code === 'HF-X109', String(error))
        }
      }),
      { numRuns: 200 },
    )
  })
})

/** The newest open file of this process that had its name in this folder. */
async function openUnnamed(directory: string): Promise<FileHandle> {
  const open = await readdir('/proc/self/fd')
  for (const fd of open.toSorted((a, b) => Number(b) - Number(a))) {
    const path = await readlink(`/proc/self/fd/${fd}`).catch(() => '')
    if (path.startsWith(directory)) return await openFile(`/proc/self/fd/${fd}`, 'r+')
  }
  throw new Error('no such file is open')
}

const unwritable = (error: unknown): boolean =>
  error instanceof Fault && error.code === 'HF-X110' && error.transient

test('a folder that cannot be written to is told by name, and may pass', async (t) => {
  const inside = join(await folder(t), 'file')
  await writeFile(inside, '')
  await assert.rejects(Spill.create(inside, 'x'), unwritable)
})

test('a disk that is full is told by name, and may pass', async (t) => {
  const directory = await folder(t)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory], {
      stdio: 'ignore',
    })
  } catch {
    return t.skip('this user may mount no disk')
  }
  try {
    await using spill = await Spill.create(directory, 'x')
    const row = tupleOf(['1', 'x'.repeat(100_000)])
    const [table] = tables
    assert.ok(table !== undefined)
    const long = Changes.of([{ kind: 'insert', table, row, old: null }])
    await assert.rejects(spill.add(null, long), unwritable)
  } finally {
    execFileSync('umount', [directory])
  }
})
