import type { CatalogueEntry } from './entry.ts'

/** Comparing both ends. */
export const verifyFaults = {
  'HF-V101': {
    title: 'Rows differ between source and target',
    class: 'data',
    severity: 'critical',
    exit: 4,
    why: 'Somebody else wrote to the target, changes were skipped, or the mirror has a defect. Lag is never counted as a difference.',
    safe: 'Verification changes nothing; every key that differs is listed.',
    todo: [
      { text: 'See every key.', run: 'holdfast verify --json' },
      { text: 'Find out who else writes to the target, and take that right away.' },
    ],
  },
  'HF-V103': {
    title: 'The target is too far behind to be compared',
    class: 'persistent',
    severity: 'error',
    exit: 4,
    why: 'Changes that the target does not hold yet are put on top of its rows in memory, which has a limit.',
    safe: 'Nothing was changed; the source keeps the changes for the mirror.',
    todo: [
      {
        text: 'Let the mirror catch up, then verify again.',
        run: 'holdfast run --until caught-up',
      },
    ],
  },
  'HF-V105': {
    title: 'A table was changed while it was compared',
    class: 'transient',
    severity: 'warn',
    exit: 1,
    why: 'It was emptied or rewritten meanwhile, or its columns changed between the position of the target and now.',
    safe: 'Nothing was changed, and no difference is claimed.',
    todo: [{ text: 'Let the mirror carry the change, then verify again.', run: 'holdfast verify' }],
  },
  'HF-V106': {
    title: 'The source does not show transactions yet that are in its log',
    class: 'transient',
    severity: 'warn',
    exit: 1,
    why: 'Commits wait for a synchronous standby: they are in the log and perhaps in the target, and nobody at the source sees them.',
    safe: 'Nothing was changed. Rows were found that differ, but these transactions may be the reason.',
    todo: [
      { text: 'See what the standby does, then verify again.', run: 'holdfast verify' },
      { text: 'The standbys:', sql: 'SELECT * FROM pg_stat_replication;', at: 'source' },
    ],
  },
  'HF-V107': {
    title: 'Transactions are prepared at the source and do not end',
    class: 'transient',
    severity: 'warn',
    exit: 1,
    why: 'What is prepared stands in the log of MySQL and MariaDB, and nobody sees its rows before its end, so that no place of the log fits a view of the tables.',
    safe: 'Nothing was changed and nothing was compared. The mirror goes on.',
    todo: [
      {
        text: 'Name them, and end them with XA COMMIT or XA ROLLBACK.',
        sql: 'XA RECOVER',
        at: 'source',
      },
      { text: 'Then verify again.', run: 'holdfast verify' },
    ],
  },
} as const satisfies Record<string, CatalogueEntry>
