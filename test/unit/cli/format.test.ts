import assert from 'node:assert/strict'
import { test } from 'node:test'
import { todoText } from '../../../src/cli/format.ts'

const again = {
  text: 'Make it again.',
  run: 'holdfast destroy && holdfast run --on-existing replace',
}

test('what is to be typed names the mirror, where it has a name of its own', () => {
  const named = 'holdfast destroy --name crm && holdfast run --name crm --on-existing replace'
  assert.equal(todoText(again, 'crm'), `Make it again.  ${named}`)
  assert.equal(todoText(again, 'default'), `Make it again.  ${again.run}`)
  assert.equal(todoText(again), `Make it again.  ${again.run}`)
})

test('a command that names another mirror is left as it is', () => {
  const other = { text: 'Begin another one.', run: 'holdfast run --name OTHER …' }
  assert.equal(todoText(other, 'crm'), `Begin another one.  ${other.run}`)
})
