import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultData, todoText } from '../../../src/cli/format.ts'
import { Fault } from '../../../src/model/fault.ts'

const again = {
  text: 'Make it again.',
  run: 'holdfast destroy && holdfast run --on-existing replace',
}

test('what is to be typed names the mirror, where it has a name of its own', () => {
  const named = 'holdfast destroy --name crm && holdfast run --name crm --on-existing replace'
  assert.equal(todoText(again, { mirror: 'crm' }), `Make it again.  ${named}`)
  assert.equal(todoText(again, { mirror: 'default' }), `Make it again.  ${again.run}`)
  assert.equal(todoText(again), `Make it again.  ${again.run}`)
})

test('a command that names another mirror is left as it is', () => {
  const other = { text: 'Begin another one.', run: 'holdfast run --name OTHER …' }
  assert.equal(todoText(other, { mirror: 'crm' }), `Begin another one.  ${other.run}`)
})

test('what is to be typed has the flags that the mirror was called with', () => {
  const flags = '--source URL --target URL'
  assert.equal(
    todoText(
      { text: 'Ask again.', run: 'holdfast resync-tables public.t' },
      { mirror: 'crm', flags },
    ),
    `Ask again.  holdfast resync-tables --name crm ${flags} public.t`,
  )
  const own = { text: 'Look.', run: 'holdfast status --target URL' }
  assert.equal(todoText(own, { flags }), 'Look.  holdfast status --target URL')
  const another = { text: 'Stop it.', run: 'holdfast connectors stop NAME' }
  assert.equal(
    todoText(another, { mirror: 'crm', flags }),
    'Stop it.  holdfast connectors stop NAME',
  )
})

test('a fault as data names the mirror in what is to be typed, as its text does', () => {
  const fault = new Fault('HF-L106', { what: 'another log', todo: [again] })
  const typed = { mirror: 'crm', flags: '--config a.yaml' }
  const { todo } = faultData(fault, typed)
  const run =
    'holdfast destroy --name crm --config a.yaml && holdfast run --name crm --config a.yaml --on-existing replace'
  assert.deepEqual(todo, [{ text: again.text, run }])
  assert.deepEqual(faultData(fault, {})['todo'], [again])
})
