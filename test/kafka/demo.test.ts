import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { holdfast } from '../../testkit/child.ts'
import { eventually } from '../../testkit/eventually.ts'

test('demo --pair kafka shows the five failures of pipelines, each with a comparison, and leaves nothing', async () => {
  await using child = holdfast(['demo', '--pair', 'kafka', '--for', '1s', '--json'])
  const { code } = await child.end({ within: 280_000 })
  const events = child.stdout.flatMap((line) => {
    const record: Record<string, unknown> = JSON.parse(line)
    return record['schema'] === 'holdfast.demo/1' ? [record] : []
  })
  assert.equal(code, 0, child.lines.slice(-20).join('\n'))
  const told = events.flatMap(({ event, name, equal }) =>
    event === 'failure' ? [name] : event === 'verify' ? [equal] : [],
  )
  const names = ['restart', 'lag', 'schema', 'duplicates', 'backfill']
  assert.deepEqual(told, [true, ...names.flatMap((name) => [name, true]), true])
  const under = events.flatMap(({ event, underLoad }) => (event === 'verify' ? [underLoad] : []))
  assert.deepEqual([under[0], under[1], under.at(-1)], [false, true, false])
  const text = events.map(({ text: one }) => String(one ?? '')).join('\n')
  assert.match(text, /behind by [1-9]\d* records; 0 lost/)
  const pids = events.flatMap(({ pid }) => (typeof pid === 'number' ? [pid] : []))
  assert.equal(pids.length, 2)
  await eventually('the processes are gone', () => pids.every((pid) => !existsSync(`/proc/${pid}`)))
})
