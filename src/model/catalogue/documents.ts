import type { CatalogueEntry } from './entry.ts'
import { exclude, MAKE_AGAIN, otherName } from './parts.ts'

export const documentFaults = {
  'HF-T251': {
    title: 'The target cannot hold a value exactly',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'A document is at most 16 MB, and a moment that is kept as a date has milliseconds and an end: infinity and years past 275760 have no such form.',
    safe: 'Nothing is lost and no value was bent: the checkpoint stands before the transaction with that row, and the source keeps what came after.',
    todo: [
      {
        text: 'The log holds the row as it was: change it at the source, or leave its table out, and make the mirror again.',
        run: MAKE_AGAIN,
      },
    ],
  },
  'HF-T252': {
    title: 'A name cannot be used at the target',
    class: 'persistent',
    severity: 'error',
    exit: 4,
    why: 'A collection has no empty name, none with $ or a zero byte, none that begins with system. and no long one; a field has no empty name, none with a dot, a zero byte or $ at its beginning, and _id and _holdfast are taken.',
    safe: 'Nothing was changed.',
    todo: [
      { text: 'Rename the table or the column at the source.', at: 'source' },
      otherName,
      exclude,
    ],
  },
  'HF-T253': {
    title: 'The target has no transactions',
    class: 'persistent',
    severity: 'warn',
    exit: 4,
    why: 'A single server, or one that only speaks the protocol, commits each document by itself.',
    safe: 'Every change still arrives, once and in its order for each document; a reader can see a transaction of the source half done, and after a crash the last batch is gone through again.',
    todo: [
      {
        text: 'Nothing, if readers can live with that. Else use a replica set; one member is enough.',
      },
    ],
  },
  'HF-T255': {
    title: 'A transaction of the source is too large for one of the target',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'The server ends transactions that go on for longer than transactionLifetimeLimitSeconds, 60 by default, or that do not fit into its cache. Several transactions of the source that went together are tried in halves first; this is one alone, and it is never cut.',
    safe: 'Nothing of it was applied, everything before it was: the target stands at the last transaction before, and the source keeps what follows.',
    todo: [
      {
        text: 'Allow longer transactions at the target, in the shell of MongoDB; or give it a larger cache.',
        run: 'db.adminCommand({ setParameter: 1, transactionLifetimeLimitSeconds: 3600 })',
      },
      { text: 'Then go on.', run: 'holdfast run' },
    ],
  },
  'HF-T254': {
    title: 'What the target can do for this mirror is not what was asked',
    class: 'persistent',
    severity: 'error',
    exit: 4,
    why: 'A setting of the mirror has no meaning at a target of this kind.',
    safe: 'Nothing was changed.',
    todo: [{ text: 'Change the setting that the message names.', run: 'holdfast config show' }],
  },
} as const satisfies Record<string, CatalogueEntry>
