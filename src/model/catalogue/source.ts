import type { CatalogueEntry } from './entry.ts'
import { makeAgain } from './parts.ts'

export const sourceFaults = {
  'HF-S101': {
    title: 'The source cannot be reached',
    class: 'transient',
    severity: 'error',
    exit: 3,
    why: 'The server is down or restarting, the host or port is wrong, or a network stands between.',
    safe: 'Nothing is lost: the source keeps every change until the target has it.',
    todo: [{ text: 'Check the host and port, and that the server accepts connections from here.' }],
  },
  'HF-S102': {
    title: 'The source refuses the user or the password',
    class: 'persistent',
    severity: 'error',
    exit: 3,
    why: 'The user or password is wrong, or pg_hba.conf has no line for this user, database and address.',
    safe: 'Nothing is lost: the source keeps every change until the target has it.',
    todo: [
      { text: 'Correct the user or password of the source, or add the line to pg_hba.conf.' },
      { text: 'Then try the connection.', run: 'holdfast check' },
    ],
  },
  'HF-S103': {
    title: 'No encrypted connection to the source',
    class: 'persistent',
    severity: 'error',
    exit: 3,
    why: 'The server offers no TLS, its certificate cannot be proven, or a certificate file cannot be read.',
    safe: 'Nothing is lost: the source keeps every change until the target has it.',
    todo: [
      {
        text: 'Give the right authority with sslrootcert, use the name that the certificate was made for, or choose another sslmode (disable, prefer, require, verify-ca, verify-full).',
      },
    ],
  },
  'HF-S104': {
    title: 'The source has no such database',
    class: 'persistent',
    severity: 'error',
    exit: 3,
    why: 'The database name in the URL is wrong or the database was dropped.',
    safe: 'Nothing is lost: the source keeps every change until the target has it.',
    todo: [{ text: 'Correct the database name at the end of the URL.' }],
  },
  'HF-S105': {
    title: 'The source has no free connection',
    class: 'transient',
    severity: 'error',
    exit: 3,
    why: 'All connections of the server, the database or the role are in use.',
    safe: 'Nothing is lost: the source keeps every change until the target has it.',
    todo: [
      {
        text: 'See who holds them; raise max_connections or the limit of the role if they are needed.',
        sql: 'SELECT usename, application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3 ORDER BY 4 DESC',
        at: 'source',
      },
    ],
  },
  'HF-S106': {
    title: 'The source denies a permission',
    class: 'transient',
    severity: 'error',
    exit: 3,
    why: 'The role lacks a right that was there before or was never granted.',
    safe: 'Nothing is lost: the source keeps every change until the target has it.',
    todo: [
      {
        text: 'Grant what the message names. A mirror that was running has not ended: it tries again at least every half minute and goes on by itself.',
      },
      { text: 'Print the grants that the role needs.', run: 'holdfast check --sql' },
    ],
  },
  'HF-S107': {
    title: 'The source refused a statement',
    class: 'persistent',
    severity: 'error',
    exit: 1,
    why: 'The server answered with an error that is not one of the usual ones; its words are in the evidence.',
    safe: 'Nothing is lost: the source keeps every change until the target has it.',
    todo: [{ text: 'Look at the SQLSTATE and at the log of the source at that moment.' }],
  },
  'HF-S108': {
    title: 'The source was too busy or interrupted the work',
    class: 'transient',
    severity: 'warn',
    exit: 1,
    why: 'A lock, a deadlock, a conflict with another transaction, missing memory or a cancel ended the statement.',
    safe: 'Nothing is lost: the source keeps every change until the target has it.',
    todo: [
      { text: 'Nothing: it is tried again. If it stays, look for long transactions and locks.' },
    ],
  },
  'HF-S109': {
    title: 'The source has no room for the locks of so many tables',
    class: 'transient',
    severity: 'warn',
    exit: 1,
    why: 'One transaction locks all tables of the mirror, and max_locks_per_transaction times max_connections is less than that takes (about three for each table).',
    safe: 'Nothing is lost: the transaction was rolled back whole, and the source keeps every change.',
    todo: [
      {
        text: 'If it stays: raise the limit to a tenth of the number of tables or more and restart the server; the mirror then goes on by itself.',
        sql: 'ALTER SYSTEM SET max_locks_per_transaction = 1024',
        at: 'source',
      },
    ],
  },
  'HF-S110': {
    title: 'MariaDB cannot name the place of a snapshot',
    class: 'transient',
    severity: 'warn',
    exit: 1,
    why: 'BINLOG_GTID_POS answers nothing where the file of the log holds a change larger than max_allowed_packet. The mirror then goes without it in a moment in which nothing is written, and there was none.',
    safe: 'Nothing is lost: a copy or a comparison did not begin, and is tried again.',
    todo: [
      {
        text: 'If it stays: raise the limit; the mirror then goes on by itself.',
        sql: 'SET GLOBAL max_allowed_packet = 1073741824',
        at: 'source',
      },
    ],
  },
  'HF-S201': {
    title: 'The source does not write a logical log',
    class: 'config',
    severity: 'error',
    exit: 4,
    why: 'wal_level is below logical, which is the default of PostgreSQL.',
    safe: 'Nothing was started and nothing was changed.',
    todo: [
      {
        text: 'Set it and restart the server.',
        sql: "ALTER SYSTEM SET wal_level = 'logical'",
        at: 'source',
        as: 'administrator',
      },
    ],
  },
  'HF-S204': {
    title: 'The source has no free replication slot or walsender',
    class: 'persistent',
    severity: 'error',
    exit: 4,
    why: 'max_replication_slots or max_wal_senders is reached.',
    safe: 'Nothing was started.',
    todo: [
      {
        text: 'Look for slots that nobody uses any more; dropping one is your decision.',
        sql: 'SELECT slot_name, database, active, pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) AS held FROM pg_replication_slots ORDER BY 3, 1',
        at: 'source',
      },
      {
        text: 'Or raise the limits and restart the server.',
        sql: 'ALTER SYSTEM SET max_replication_slots = 20; ALTER SYSTEM SET max_wal_senders = 20',
        at: 'source',
        as: 'administrator',
      },
    ],
  },
  'HF-S208': {
    title: 'The source holds a slot of this name for another mirror',
    class: 'config',
    severity: 'error',
    exit: 4,
    why: 'Slots belong to the whole server, and a mirror of that name keeps one, from another database or into another target.',
    safe: 'Nothing was started, and the slot was left alone: dropping it would cost the other mirror its changes.',
    todo: [
      { text: 'Give this mirror a name of its own.', run: 'holdfast run --name …' },
      {
        text: 'If the other one is gone for good, remove what it left, then start again.',
        run: 'holdfast destroy',
      },
    ],
  },
  'HF-S206': {
    title: 'The publication of the mirror is missing, changed or does not hold a table',
    class: 'data',
    severity: 'critical',
    exit: 1,
    why: 'It was dropped, made anew or altered. What was written meanwhile may not have been sent.',
    safe: 'The mirror stopped before anything after it was applied. Changes made while the publication was not whole may be missing.',
    todo: [
      {
        text: 'Find out who altered it.',
        sql: 'SELECT pubname, schemaname, tablename FROM pg_publication_tables ORDER BY 1, 2, 3',
        at: 'source',
      },
      makeAgain,
    ],
  },
  'HF-S207': {
    title: 'The role at the source may not replicate',
    class: 'persistent',
    severity: 'error',
    exit: 4,
    why: 'Reading the log needs the REPLICATION attribute (on RDS and Aurora the role rds_replication).',
    safe: 'Nothing was started and nothing was changed.',
    todo: [
      { text: 'Print the script for the owner of the database.', run: 'holdfast check --sql' },
    ],
  },
} as const satisfies Record<string, CatalogueEntry>
