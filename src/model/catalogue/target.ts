import type { CatalogueEntry } from './entry.ts'
import { MAKE_AGAIN } from './parts.ts'

export const targetFaults = {
  'HF-T201': {
    title: 'The target cannot be reached',
    class: 'transient',
    severity: 'error',
    exit: 3,
    why: 'The server is down or restarting, the host or port is wrong, or a network stands between.',
    safe: 'Nothing is lost: the target stands at a source commit and the source keeps what came after.',
    todo: [{ text: 'Check the host and port, and that the server accepts connections from here.' }],
  },
  'HF-T204': {
    title: 'The target refuses the user or the password',
    class: 'persistent',
    severity: 'error',
    exit: 3,
    why: 'The user or password is wrong, or pg_hba.conf has no line for this user, database and address.',
    safe: 'Nothing is lost: the target stands at a source commit and the source keeps what came after.',
    todo: [
      { text: 'Correct the user or password of the target, or add the line to pg_hba.conf.' },
      { text: 'Then try the connection.', run: 'holdfast check' },
    ],
  },
  'HF-T206': {
    title: 'The target has no room for the locks of so many tables',
    class: 'transient',
    severity: 'warn',
    exit: 1,
    why: 'One transaction locks all tables of the mirror, and max_locks_per_transaction times max_connections is less than that takes (about three for each table).',
    safe: 'Nothing is lost: the transaction was rolled back whole, and the source keeps every change.',
    todo: [
      {
        text: 'If it stays: raise the limit to a tenth of the number of tables or more and restart the server; the mirror then goes on by itself.',
        sql: 'ALTER SYSTEM SET max_locks_per_transaction = 1024',
        at: 'target',
      },
    ],
  },
  'HF-T211': {
    title: 'No encrypted connection to the target',
    class: 'persistent',
    severity: 'error',
    exit: 3,
    why: 'The server offers no TLS, its certificate cannot be proven, or a certificate file cannot be read.',
    safe: 'Nothing is lost: the target stands at a source commit and the source keeps what came after.',
    todo: [
      {
        text: 'Give the right authority with sslrootcert, use the name that the certificate was made for, or choose another sslmode (disable, prefer, require, verify-ca, verify-full).',
      },
    ],
  },
  'HF-T212': {
    title: 'The target has no such database',
    class: 'persistent',
    severity: 'error',
    exit: 3,
    why: 'The database name in the URL is wrong or the database was dropped.',
    safe: 'Nothing is lost: the target stands at a source commit and the source keeps what came after.',
    todo: [{ text: 'Correct the database name at the end of the URL.' }],
  },
  'HF-T213': {
    title: 'The target has no free connection',
    class: 'transient',
    severity: 'error',
    exit: 3,
    why: 'All connections of the server, the database or the role are in use.',
    safe: 'Nothing is lost: the target stands at a source commit and the source keeps what came after.',
    todo: [
      {
        text: 'See who holds them; raise max_connections or the limit of the role if they are needed.',
        sql: 'SELECT usename, application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3 ORDER BY 4 DESC',
        at: 'target',
      },
    ],
  },
  'HF-T214': {
    title: 'The target denies a permission',
    class: 'transient',
    severity: 'error',
    exit: 3,
    why: 'The role lacks a right that was there before or was never granted.',
    safe: 'Nothing is lost: the target stands at a source commit and the source keeps what came after.',
    todo: [
      {
        text: 'Grant what the message names. A mirror that was running has not ended: it tries again at least every half minute and goes on by itself.',
      },
      { text: 'Print the grants that the role needs.', run: 'holdfast check --sql' },
    ],
  },
  'HF-T216': {
    title: 'The target refused a statement',
    class: 'persistent',
    severity: 'error',
    exit: 1,
    why: 'The server answered with an error that is not one of the usual ones; its words are in the evidence.',
    safe: 'Nothing is lost: the target stands at a source commit and the source keeps what came after.',
    todo: [{ text: 'Look at the SQLSTATE and at the log of the target at that moment.' }],
  },
  'HF-T217': {
    title: 'The target was too busy or interrupted the work',
    class: 'transient',
    severity: 'warn',
    exit: 1,
    why: 'A lock, a deadlock, a conflict with another transaction, missing memory or a cancel ended the statement.',
    safe: 'Nothing is lost: the target stands at a source commit and the source keeps what came after.',
    todo: [
      { text: 'Nothing: it is tried again. If it stays, look for long transactions and locks.' },
    ],
  },
  'HF-T203': {
    title: 'The disk of the target is full',
    class: 'transient',
    severity: 'critical',
    exit: 1,
    why: 'The server could not write or extend a file.',
    safe: 'Nothing is lost: the transaction was rolled back whole and the source keeps every change.',
    todo: [{ text: 'Free or add disk space at the target; the mirror then goes on by itself.' }],
  },
  'HF-T215': {
    title: 'The target is read-only',
    class: 'transient',
    severity: 'error',
    exit: 4,
    why: 'The server is a standby, or default_transaction_read_only is on for the server, database or role.',
    safe: 'Nothing was written. A mirror that runs tries again until it may write, as after a failover.',
    todo: [
      {
        text: 'See whether it is a standby, and where the setting comes from.',
        sql: "SELECT pg_is_in_recovery(), setting, source FROM pg_settings WHERE name = 'default_transaction_read_only'",
        at: 'target',
      },
    ],
  },
  'HF-T205': {
    title: 'The target refuses a row',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'A constraint, a trigger or the type of a column at the target does not take a row that the source has.',
    safe: 'Nothing is lost: the transaction was rolled back whole, the target stands at a source commit and the source keeps what came after.',
    todo: [
      {
        text: 'Look at the named constraint, trigger or column at the target: the source does not have it in this form. Drop or change it there, then start again.',
        run: 'holdfast run',
      },
    ],
  },
  'HF-T218': {
    title: 'A mirrored table or column is missing at the target',
    class: 'transient',
    severity: 'error',
    exit: 1,
    why: 'It was dropped or renamed at the target, or never made there.',
    safe: 'Nothing is lost: the transaction was rolled back whole, the target stands at a source commit and the source keeps what came after.',
    todo: [
      {
        text: 'Bring the table or column back under the name in the message, with its rows. A mirror that was running has not ended: it tries again at least every half minute and goes on by itself.',
      },
      {
        text: 'If the rows are gone, stop the mirror, remove it, and make it again: everything is copied anew.',
        run: MAKE_AGAIN,
      },
    ],
  },
  'HF-T237': {
    title: 'An enum at the target has other labels than at the source',
    class: 'transient',
    severity: 'error',
    exit: 1,
    why: 'A label was added or renamed at the source. The mirror adds new ones itself where its role owns the type; it never renames one.',
    safe: 'Nothing is lost: the transaction was rolled back whole, the target stands at a source commit and the source keeps what came after.',
    todo: [
      {
        text: 'Nothing where the role of the mirror owns the type: the label is added and the row tried again. Else add or rename it at the target as the source did; the mirror then goes on by itself.',
      },
    ],
  },
  'HF-T219': {
    title: 'The source emptied tables that others at the target refer to',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'TRUNCATE needs every table that refers to the emptied ones by a foreign key; one of them is not mirrored.',
    safe: 'Nothing is lost: the transaction was rolled back whole, the target stands at a source commit and the source keeps what came after.',
    todo: [
      {
        text: 'Drop the foreign key of the table that is not mirrored, or empty that table yourself, then start again.',
      },
    ],
  },
  'HF-T220': {
    title: 'A broken-off copy cannot be told from the rows that were there',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'The table has no key, it held rows before the mirror and some of its rows were copied already.',
    safe: 'Nothing was deleted: the table holds its own rows and a part of the copy.',
    todo: [
      {
        text: 'Empty the table at the target, or remove the copied rows by hand, then destroy the mirror and start it anew.',
        run: 'holdfast destroy',
      },
    ],
  },
} as const satisfies Record<string, CatalogueEntry>
