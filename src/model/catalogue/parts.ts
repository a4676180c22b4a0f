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

/** Where only a new copy helps; `replace` takes the place of the rows that stay at the target. */
export const MAKE_AGAIN = 'holdfast destroy && holdfast run --on-existing replace'
export const makeAgain: Todo = { text: 'Remove the mirror and make it again.', run: MAKE_AGAIN }

export const otherName: Todo = {
  text: 'Or give it another name at the target.',
  run: "holdfast run --set 'tables.rename=schema.table -> name'",
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

/** A connector that tells of all rows once more. */
export const snapshotAnew = [
  { text: 'Stop the connector; its settings stay.', run: 'holdfast connectors stop NAME' },
  {
    text: 'Let it forget where it stood, so that it begins with a snapshot.',
    run: 'holdfast connectors offsets NAME --reset --confirm NAME',
  },
  { text: 'Start it.', run: 'holdfast connectors resume NAME' },
] as const satisfies readonly Todo[]
