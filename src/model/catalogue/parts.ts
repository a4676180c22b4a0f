import type { Todo } from './entry.ts'

const untouched = 'Nothing was started and nothing was changed.'
export const grants: Todo = {
  text: 'Print the grants that the role needs.',
  run: 'holdfast check --sql',
}
export const exclude: Todo = {
  text: 'Or leave the table out.',
  run: "holdfast run --exclude 'schema.table'",
}

export const refusal = {
  class: 'persistent',
  severity: 'error',
  exit: 4,
  safe: untouched,
} as const

export const warning = {
  class: 'persistent',
  severity: 'warn',
  exit: 4,
  safe: 'This stops nothing; it is said so that nobody is surprised later.',
} as const
