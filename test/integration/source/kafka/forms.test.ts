import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseUrl } from '../../../../src/config/url.ts'
import { openSource } from '../../../../src/source/registry.ts'
import type { TestRecord } from '../../../../testkit/topics.ts'
import { halts, stand, TOPIC } from './stand.ts'

interface Flat {
  readonly id: number
  readonly a: string | null
  readonly op: 'c' | 'u' | 'd' | 'r'
  /** Where it stands in the log: the commit before, and its own place. */
  readonly at?: readonly [number | null, number]
}

const text = (field: string) => ({ type: 'string', optional: true, field })

/** What the transform that takes a row out of its envelope leaves, with what it was told to add. */
function flat(prefix: string, { id, a, op, at }: Flat): TestRecord {
  const columns = [{ type: 'int32', optional: false, field: 'id' }, text('a')]
  const added = ['__op', '__deleted'].map(text)
  const lsn = { type: 'int64', optional: true, field: '__source_lsn' }
  const placed =
    at === undefined ? [] : [lsn, ...['sequence', 'name'].map((n) => text(`__source_${n}`))]
  const name = (part: string) => ({ type: 'struct', name: `${prefix}.public.t.${part}` })
  const place =
    at === undefined
      ? {}
      : {
          __source_lsn: at[1],
          __source_sequence: JSON.stringify(at.map((one) => (one === null ? null : String(one)))),
          __source_name: prefix,
        }
  const payload = { id, a, __op: op, __deleted: String(op === 'd'), ...place }
  const value = { schema: { ...name('Value'), fields: [...columns, ...added, ...placed] }, payload }
  const key = { schema: { ...name('Key'), fields: columns.slice(0, 1) }, payload: { id } }
  return { key: JSON.stringify(key), value: JSON.stringify(value) }
}

suite('records in another form than an envelope with its schema', () => {
  test('flattened ones are followed; a delete comes as a mark, a tombstone, or both', async (t) => {
    const { topics, rows, catchUp } = await stand(t)
    const { prefix } = topics
    const gone = (id: number): TestRecord => flat(prefix, { id, a: null, op: 'd' })
    const ids = [1, 2, 3, 4]
    await topics.put(
      TOPIC,
      ids.map((id) => flat(prefix, { id, a: `v${id}`, op: 'r' })),
    )
    await catchUp()
    const tombstone = (id: number): TestRecord => ({ key: gone(id).key, value: null })
    await topics.put(TOPIC, [
      flat(prefix, { id: 4, a: null, op: 'u' }),
      flat(prefix, { id: 5, a: 'five', op: 'c' }),
      gone(1),
      tombstone(2),
      gone(3),
      tombstone(3),
    ])
    await catchUp()
    assert.equal(await rows(), '4 , 5 five')
  })

  test('flattened ones that say where they stand are not taken twice', async (t) => {
    const { topics, rows, catchUp } = await stand(t)
    const { prefix } = topics
    const told = [
      flat(prefix, { id: 1, a: 'one', op: 'c', at: [null, 1010] }),
      flat(prefix, { id: 1, a: 'uno', op: 'u', at: [1010, 1020] }),
      flat(prefix, { id: 2, a: 'two', op: 'c', at: [1020, 1030] }),
      flat(prefix, { id: 2, a: null, op: 'd', at: [1030, 1040] }),
    ]
    await topics.put(TOPIC, told)
    await catchUp()
    await topics.put(TOPIC, told.slice(0, 3))
    const notices = await catchUp()
    assert.equal(await rows(), '1 uno')
    assert.match(notices.join('\n'), /told again of a change that the target has/)
  })

  test('K12 what a connector loses, and records without their place, are named beforehand', async (t) => {
    const { topics, log, ends } = await stand(t)
    log.add({ type: 'string', optional: true, field: 'b', default: 'x' })
    await topics.put(TOPIC, log.snapshot({ id: 1, a: 'one', b: 'x' }))
    await topics.make('public.flat')
    await topics.put('public.flat', [flat(topics.prefix, { id: 1, a: 'one', op: 'r' })])
    await using source = await openSource({
      endpoint: parseUrl(ends.source, 'the test'),
      mirror: 'm',
      selection: { exclude: [], keyless: 'refuse', ...ends.selection },
    })
    const findings = await source.preflight({ fresh: true })
    const said = findings.flatMap((one) => (one.level === 'ok' ? [] : [one]))
    const told = said.map(({ level, fault }) => `${level} ${fault.code} ${fault.message}`)
    assert.equal(told.length, 2, told.join('\n'))
    assert.match(told.join('\n'), /warn HF-K113 .*public\.flat do not say where they stand/)
    assert.match(
      told.join('\n'),
      /warn HF-K308 .*public\.t may lose something of b: a null reads as/,
    )
  })

  test('K13 those without a schema are refused before anything is copied', async (t) => {
    const { topics, target, log, catchUp } = await stand(t)
    const bare = log.snapshot({ id: 1, a: 'one' }).map(({ key, value }) => ({
      key: JSON.stringify(JSON.parse(key ?? '').payload),
      value: JSON.stringify(JSON.parse(value ?? '').payload),
    }))
    await topics.put(TOPIC, bare)
    await assert.rejects(catchUp(), (error) => {
      halts('HF-K307')(error)
      assert.match(String(error), /offset 0 of partition 0 .* has no schema/)
      return true
    })
    const found = await target.query(`select 1 from pg_tables where schemaname = 'public'`)
    assert.deepEqual(found, [])
  })
})
