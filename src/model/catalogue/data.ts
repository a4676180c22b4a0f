import type { CatalogueEntry } from './entry.ts'
import { MAKE_AGAIN } from './parts.ts'

/** A table of the target that still has its old shape would refuse the new mirror. */
const again = [
  { text: 'Remove the mirror; the tables and their rows stay.', run: 'holdfast destroy' },
  { text: 'At the target, drop the named table or change it as it was changed at the source.' },
  {
    text: 'Make the mirror again; what holds rows at the target is emptied and copied anew.',
    run: 'holdfast run --on-existing replace',
  },
] as const

export const dataFaults = {
  'HF-D401': {
    title: 'A new column may hold values in old rows',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'A column that comes with a default, an identity or an expression, or whose table was rewritten, gives values to rows that are never sent.',
    safe: 'Nothing after it was applied, no value was shifted or lost: the target stands at the last transaction before, and the source keeps what follows.',
    todo: again,
  },
  'HF-D402': {
    title: 'A column was dropped or renamed at the source',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'The log names columns only, so that a dropped and a renamed column cannot be told apart.',
    safe: 'Nothing after it was applied, no value was shifted or lost: the target stands at the last transaction before, and the source keeps what follows.',
    todo: again,
  },
  'HF-D403': {
    title: 'The key of a table changed at the source',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'Rows are found at the target by the key that the mirror began with.',
    safe: 'Nothing after it was applied, no value was shifted or lost: the target stands at the last transaction before, and the source keeps what follows.',
    todo: again,
  },
  'HF-D404': {
    title: 'The type of a column changed at the source',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'Rows that were rewritten by ALTER COLUMN … TYPE are never sent, and the target still has the old type.',
    safe: 'Nothing after it was applied, no value was shifted or lost: the target stands at the last transaction before, and the source keeps what follows.',
    todo: again,
  },
  'HF-D406': {
    title: 'A mirrored table came, went or was renamed at the source',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'A table was dropped, renamed or moved to another schema, or a partition was added that the mirror does not know.',
    safe: 'Nothing after it was applied, no value was shifted or lost: the target stands at the last transaction before, and the source keeps what follows.',
    todo: again,
  },
  'HF-D407': {
    title: 'Rows of a table came or went without the log',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'Partitions that are dropped, emptied or exchanged, tablespaces that are imported, and ALTER IGNORE TABLE change rows that the log does not name.',
    safe: 'Nothing after it was applied, no value was shifted or lost: the target stands at the last transaction before, and the source keeps what follows.',
    todo: again,
  },
  'HF-D408': {
    title: 'A table was changed in a way that is not understood',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'What a statement makes of a table is never guessed.',
    safe: 'Nothing after it was applied, no value was shifted or lost: the target stands at the last transaction before, and the source keeps what follows.',
    todo: again,
  },
  'HF-D410': {
    title: 'A table changed while its copy was prepared',
    class: 'persistent',
    severity: 'error',
    exit: 1,
    why: 'Somebody altered the table between the look at it and the snapshot.',
    safe: 'No row was copied since then. What was copied before stays as it is, and the source keeps what follows.',
    todo: again,
  },
  'HF-D411': {
    title: 'A value that cannot be carried exactly',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'The value exists only in the source: a date that is none (0000-00-00, the 30th of February), or a text in a character set that is not known.',
    safe: 'Nothing after it was applied and no value was bent: the target stands at the last transaction before.',
    todo: [
      { text: 'Correct the value at the source, or leave the table out of the mirror.' },
      {
        text: 'Then remove the mirror and make it again.',
        run: MAKE_AGAIN,
      },
    ],
  },
  'HF-D412': {
    title: 'Two columns would be one at the target',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'tables.rename gives a column the name, or a place inside of the name, that another column of the table has at the target; or apply.metadata_columns adds a column whose name the table has already.',
    safe: 'Nothing after it was applied: the target stands at the last transaction before, and the source keeps what follows.',
    todo: [
      {
        text: 'Rename the column at the source, or choose another name in tables.rename, or leave apply.metadata_columns out; where the mirror exists already, make it again with that:',
      },
      ...again,
    ],
  },
  'HF-D201': {
    title: 'The target does not hold a row that the source changed',
    class: 'data',
    severity: 'critical',
    exit: 1,
    why: 'An update or delete found no row, or more than one: somebody wrote to the target, or the copies had parted before, as by a session of the source that changed rows and did not log them (sql_log_bin of MySQL).',
    safe: 'Nothing is lost: the transaction was rolled back whole, the target stands at a source commit and the source keeps what came after.',
    todo: [
      { text: 'See which rows differ.', run: 'holdfast verify' },
      { text: 'Find who writes to the mirrored tables at the target; only the mirror may.' },
      {
        text: 'Then put these rows right by hand and start again, or make the mirror again.',
        run: MAKE_AGAIN,
      },
    ],
  },
  'HF-D413': {
    title: 'A key changed, and rows of another table with it, which are not in the log',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'ON UPDATE CASCADE and SET NULL are carried out inside of InnoDB: the log holds the key that changed, not the rows that refer to it.',
    safe: 'Nothing of that transaction was applied: the target stands at the last one before, and the source keeps what follows.',
    todo: [
      {
        text: 'At the source, make the named foreign key RESTRICT and let the application change those rows, lest it happen again.',
        at: 'source',
      },
      ...again,
    ],
  },
} as const satisfies Record<string, CatalogueEntry>
