import type { CatalogueEntry } from './entry.ts'

export const logFaults = {
  'HF-L101': {
    title: 'The source threw away changes that were not read yet',
    class: 'persistent',
    severity: 'critical',
    exit: 1,
    why: 'The slot was held back for longer than the source keeps its log (max_slot_wal_keep_size, idle_replication_slot_timeout, or rows removed on a standby).',
    safe: 'Source and target are intact and nothing was skipped: the target stands where it stood. The changes in between can only be had by a new copy.',
    todo: [
      {
        text: 'Let the source keep more of its log from now on.',
        sql: "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf()",
        at: 'source',
      },
      {
        text: 'Remove the mirror and make it again.',
        run: 'holdfast destroy && holdfast run --on-existing replace',
      },
    ],
  },
  'HF-L103': {
    title: 'The replication slot of the mirror is gone',
    class: 'persistent',
    severity: 'critical',
    exit: 1,
    why: 'It was dropped by hand, or the server is another one (a failover without failover slots, a restored copy).',
    safe: 'Source and target are intact and nothing was skipped. The changes since the checkpoint can only be had by a new copy.',
    todo: [
      {
        text: 'See which slots there are.',
        sql: 'SELECT slot_name, plugin, database, active, wal_status FROM pg_replication_slots',
        at: 'source',
      },
      {
        text: 'Remove the mirror and make it again.',
        run: 'holdfast destroy && holdfast run --on-existing replace',
      },
    ],
  },
  'HF-L104': {
    title: 'Somebody else reads from the replication slot of the mirror',
    class: 'transient',
    severity: 'error',
    exit: 4,
    why: 'A slot serves one reader at a time, and this reader is not Holdfast.',
    safe: 'Nothing is lost. What the other reader acknowledges is no longer sent to this mirror, so find it.',
    todo: [
      {
        text: 'See who it is.',
        sql: 'SELECT s.slot_name, a.pid, a.usename, a.application_name, a.client_addr FROM pg_replication_slots s JOIN pg_stat_activity a ON a.pid = s.active_pid',
        at: 'source',
      },
    ],
  },
  'HF-L105': {
    title: 'The replication slot does not go on where the mirror stands',
    class: 'persistent',
    severity: 'critical',
    exit: 1,
    why: 'A slot of that name was made anew, for another database or with other options, or somebody else has read on from it. Changes between the place where the target stands and the place where the slot begins would be missing.',
    safe: 'Nothing was read from it and nothing was changed; the target stands where it stood.',
    todo: [
      { text: 'Give the mirror another name.', run: 'holdfast run --name …' },
      {
        text: 'Or remove the mirror and make it again.',
        run: 'holdfast destroy && holdfast run --on-existing replace',
      },
    ],
  },
  'HF-L106': {
    title: 'The source is another server, or went back in time',
    class: 'persistent',
    severity: 'critical',
    exit: 1,
    why: 'The server, its history or the database is not the one of the checkpoint: it was restored, replaced or failed over, or its log was reset.',
    safe: 'Nothing was applied from it. The target stands where it stood, and may hold rows that this source no longer has.',
    todo: [
      { text: 'If the URL is wrong, correct it.' },
      {
        text: 'If the source was restored or its log was reset, make the mirror again.',
        run: 'holdfast destroy && holdfast run --on-existing replace',
      },
    ],
  },
  'HF-L107': {
    title: 'The log of the source holds something that is not understood',
    class: 'persistent',
    severity: 'critical',
    exit: 1,
    why: 'The bytes are damaged, or a newer server sends a kind of message that this version does not know. An unknown message is never skipped.',
    safe: 'Nothing of it was applied; the target stands at the last whole transaction and the source keeps what follows.',
    todo: [
      {
        text: 'Start it again; if it comes back, report it with the output of -v.',
        run: 'holdfast run',
      },
    ],
  },
  'HF-L108': {
    title: 'The source went silent',
    class: 'transient',
    severity: 'error',
    exit: 3,
    why: 'No keepalive came although one was asked for: the connection hangs or the server is stuck.',
    safe: 'Nothing is lost: the source keeps every change until the target has it.',
    todo: [{ text: 'Nothing: the connection is made anew.', run: 'holdfast status' }],
  },
  'HF-L109': {
    title: 'The snapshot of the source is gone',
    class: 'transient',
    severity: 'error',
    exit: 1,
    why: 'A snapshot lives as long as the session that holds it, and that session ended.',
    safe: 'Tables that were copied whole stay; one that was not is emptied and copied anew.',
    todo: [{ text: 'Nothing: the copy goes on by itself with a new snapshot.' }],
  },
  'HF-L110': {
    title: 'The replication slot cannot read a table',
    class: 'persistent',
    severity: 'critical',
    exit: 1,
    why: 'The table was emptied or written anew while the server made the slot, which the server forgets where it has no second slot to spare; or its catalogue is damaged.',
    safe: 'Source and target are intact and nothing was skipped: the target stands at the last transaction before.',
    todo: [
      {
        text: 'Let the source have two more slots than are in use, and restart it.',
        sql: 'ALTER SYSTEM SET max_replication_slots = 20',
        at: 'source',
        as: 'administrator',
      },
      { text: 'Remove the mirror; the tables and their rows stay.', run: 'holdfast destroy' },
      {
        text: 'Make it again; what holds rows at the target is emptied and copied anew.',
        run: 'holdfast run --on-existing replace',
      },
    ],
  },
  'HF-L111': {
    title: 'The source no longer holds the log from where the mirror stands',
    class: 'persistent',
    severity: 'critical',
    exit: 1,
    why: 'Files of the binary log were purged, the log was reset, or the server holds another history than the one that was read.',
    safe: 'Source and target are intact and nothing was skipped: the target stands where it stood. The changes in between can only be had by a new copy.',
    todo: [
      {
        text: 'See which files there are.',
        sql: 'SHOW BINARY LOGS',
        at: 'source',
      },
      {
        text: 'Let the source keep its log for longer, in its configuration, too (expire_logs_days before MySQL 8 and MariaDB 10.6).',
        sql: 'SET GLOBAL binlog_expire_logs_seconds = 604800',
        at: 'source',
        as: 'administrator',
      },
      {
        text: 'Remove the mirror and make it again.',
        run: 'holdfast destroy && holdfast run --on-existing replace',
      },
    ],
  },
  'HF-L112': {
    title: 'The source says that its log has a hole',
    class: 'persistent',
    severity: 'critical',
    exit: 1,
    why: 'The server wrote an incident into its log: it could not log changes that it made.',
    safe: 'Nothing after it was applied; the target stands at the last whole transaction before. What the source did not log can only be had by a new copy.',
    todo: [
      { text: 'Look at the log of the server at that moment.' },
      {
        text: 'Remove the mirror and make it again.',
        run: 'holdfast destroy && holdfast run --on-existing replace',
      },
    ],
  },
  'HF-L114': {
    title: 'Rows of the log cannot be read with what is known of their table',
    class: 'data',
    severity: 'critical',
    exit: 1,
    why: 'The log does not describe its columns (binlog_row_metadata is not FULL), or describes others than the mirror knows.',
    safe: 'Nothing of it was applied, no value was shifted or lost: the target stands at the last transaction before.',
    todo: [
      {
        text: 'Let the server describe what it logs (MySQL 8.0.1, MariaDB 10.5 and later).',
        sql: 'SET GLOBAL binlog_row_metadata = FULL',
        at: 'source',
        as: 'administrator',
      },
      {
        text: 'Remove the mirror and make it again.',
        run: 'holdfast destroy && holdfast run --on-existing replace',
      },
    ],
  },
  'HF-L115': {
    title: 'The source logged a change as a statement',
    class: 'data',
    severity: 'critical',
    exit: 1,
    why: 'A session of the source writes to its log what was said instead of which rows came of it (binlog_format). The same words can mean other rows elsewhere.',
    safe: 'Nothing of it was applied: the target stands at the last transaction before. What was changed can only be had by a new copy.',
    todo: [
      {
        text: 'Let the server log rows, and find the session that set it otherwise.',
        sql: "SET GLOBAL binlog_format = 'ROW'",
        at: 'source',
        as: 'administrator',
      },
      {
        text: 'Remove the mirror and make it again.',
        run: 'holdfast destroy && holdfast run --on-existing replace',
      },
    ],
  },
  'HF-L116': {
    title: 'The log of the source leaves out values of rows',
    class: 'data',
    severity: 'critical',
    exit: 1,
    why: 'binlog_row_image is not FULL, for the server or for one session: columns that got their default, or that the server works out by itself, are not in the log.',
    safe: 'Nothing of it was applied and no value was guessed: the target stands at the last transaction before. What was left out can only be had by a new copy.',
    todo: [
      {
        text: 'Let the server log whole rows.',
        sql: "SET GLOBAL binlog_row_image = 'FULL'",
        at: 'source',
        as: 'administrator',
      },
      {
        text: 'Remove the mirror and make it again.',
        run: 'holdfast destroy && holdfast run --on-existing replace',
      },
    ],
  },
  'HF-L117': {
    title: 'A transaction ended that was prepared before the mirror began',
    class: 'data',
    severity: 'critical',
    exit: 1,
    why: 'Rows of an XA transaction are logged when it is prepared, and the log was read from a later place on; or a server of MariaDB that was killed in the middle of XA COMMIT had logged it already, and was told to commit once more.',
    safe: 'Nothing of it was applied: the target stands at the last transaction before.',
    todo: [
      {
        text: 'See that no transaction is prepared when the mirror begins, and none is left after a crash.',
        sql: 'XA RECOVER',
        at: 'source',
      },
      {
        text: 'Remove the mirror and make it again.',
        run: 'holdfast destroy && holdfast run --on-existing replace',
      },
    ],
  },
  'HF-L118': {
    title: 'Transactions of the source have no names any more',
    class: 'persistent',
    severity: 'critical',
    exit: 1,
    why: 'gtid_mode was turned off. The mirror knows its place by the names of transactions.',
    safe: 'Nothing of it was applied; the target stands at the last transaction that had a name.',
    todo: [
      {
        text: 'If no change was written without a name, turn names on again.',
        sql: 'SET GLOBAL gtid_mode = ON_PERMISSIVE; SET GLOBAL gtid_mode = ON',
        at: 'source',
        as: 'administrator',
      },
      {
        text: 'Else remove the mirror and make it again.',
        run: 'holdfast destroy && holdfast run --on-existing replace',
      },
    ],
  },
  'HF-L119': {
    title: 'A large transaction was not read to its end',
    class: 'transient',
    severity: 'warn',
    exit: 3,
    why: 'The target was at work with it while the rest was still being read, and reading failed.',
    safe: 'The target has taken back what it had of it, and nobody saw that. The transaction is read again from its start, and whole before the target begins.',
    todo: [
      {
        text: 'Nothing once. Where it comes again, see what keeps the log from being read.',
        run: 'holdfast status',
      },
    ],
  },
  'HF-L124': {
    title: 'Another reader of the log has the same name',
    class: 'transient',
    severity: 'error',
    exit: 3,
    why: 'Readers of a binary log call themselves by a number and an identifier, which each connection draws at random. A server ends the one of two that are the same.',
    safe: 'Nothing is lost: reading begins again where the target stands, under another name.',
    todo: [{ text: 'Nothing: the connection is made anew.', run: 'holdfast status' }],
  },
} as const satisfies Record<string, CatalogueEntry>
