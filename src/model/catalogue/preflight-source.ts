import type { CatalogueEntry } from './entry.ts'
import { exclude, grants, makeAgain, refusal, warning } from './parts.ts'

/** What a look at a source finds that is read by the log of its rows. */
export const sourcePreflightFaults = {
  'HF-S231': {
    ...refusal,
    title: 'The source writes no log of its rows',
    why: 'Changes are read from the binary log: it has to be on, to hold rows instead of statements, and to hold what a replica gets from its own source.',
    todo: [
      {
        text: 'Set it in the configuration of the server and restart it.',
        run: 'log_bin = binlog, binlog_format = ROW, log_replica_updates = ON (log_slave_updates before MySQL 8.0.26 and in MariaDB)',
      },
    ],
  },
  'HF-S233': {
    ...refusal,
    title: 'The log of the source would not hold whole rows',
    why: 'With binlog_row_image = MINIMAL an insert leaves out the columns that get their default.',
    todo: [
      {
        text: 'Let the server log whole rows; sessions that are open keep what they have.',
        sql: "SET GLOBAL binlog_row_image = 'FULL'",
        at: 'source',
        as: 'administrator',
      },
    ],
  },
  'HF-S234': {
    ...refusal,
    title: 'The account at the source lacks a right',
    why: 'Reading the log takes REPLICATION SLAVE and REPLICATION CLIENT (in MariaDB REPLICATION SLAVE and BINLOG MONITOR), the first copy and verification SELECT.',
    todo: [grants],
  },
  'HF-S235': {
    ...refusal,
    title: 'A foreign key changes rows without the log',
    why: 'ON DELETE and ON UPDATE with CASCADE or SET NULL are carried out inside of InnoDB; before MySQL 9.6, and in MariaDB, the rows that they change are not in the log.',
    todo: [
      exclude,
      {
        text: 'Or make the foreign key RESTRICT and change those rows in the application.',
        at: 'source',
      },
    ],
  },
  'HF-S236': {
    ...refusal,
    title: 'A table of a kind that cannot be mirrored',
    why: 'The engine keeps its rows elsewhere or nowhere, or keeps a history beside them.',
    todo: [exclude],
  },
  'HF-S238': {
    ...refusal,
    title: 'The source is too old for its log to be read',
    why: 'Holdfast reads the log of MySQL 5.6 and of MariaDB 10.2, and of what came later.',
    todo: [{ text: 'Upgrade the source.' }],
  },
  'HF-S306': {
    ...warning,
    title: 'The log of the source does not describe its columns',
    why: 'With binlog_row_metadata = FULL every change names its columns, so that a difference to what the mirror knows shows at once.',
    todo: [
      {
        text: 'Let the server describe what it logs (MySQL 8.0.1, MariaDB 10.5 and later).',
        sql: 'SET GLOBAL binlog_row_metadata = FULL',
        at: 'source',
        as: 'administrator',
      },
    ],
  },
  'HF-S307': {
    ...warning,
    title: 'The source may throw away its log while the mirror is away',
    why: 'The server keeps its log for a time that is set, whoever still needs it. A mirror that is away for longer has to be built anew.',
    todo: [
      {
        text: 'Let it keep the log for longer (expire_logs_days before MySQL 8 and MariaDB 10.6).',
        sql: 'SET GLOBAL binlog_expire_logs_seconds = 604800',
        at: 'source',
        as: 'administrator',
      },
    ],
  },
  'HF-S308': {
    ...warning,
    title: 'The source may lose its newest transactions in a crash',
    why: 'Its log is not flushed at each commit (sync_binlog, innodb_flush_log_at_trx_commit). What the mirror got and the source lost shows at the next start, and then the mirror has to be built anew.',
    todo: [
      {
        text: 'Let the server flush at each commit.',
        sql: 'SET GLOBAL sync_binlog = 1; SET GLOBAL innodb_flush_log_at_trx_commit = 1',
        at: 'source',
        as: 'administrator',
      },
    ],
  },
  'HF-S309': {
    ...warning,
    title: 'Tables without transactions',
    why: 'What is written to them is seen at once, and is not undone with its transaction; a crash of the source may leave rows and log apart.',
    todo: [{ text: 'Use InnoDB.', sql: 'ALTER TABLE schema.table ENGINE = InnoDB', at: 'source' }],
  },
  'HF-S310': {
    ...warning,
    title: 'A foreign key would change rows without the log',
    why: 'ON UPDATE CASCADE and SET NULL are carried out inside of InnoDB, and the rows that they change are not in the log. They act only where a key changes that is referred to, and that is in the log: such a change halts the mirror with HF-D413, before anything of its transaction is applied.',
    todo: [
      {
        text: 'Nothing, where those keys never change. Else make the foreign key RESTRICT and change those rows in the application.',
        at: 'source',
      },
    ],
  },
  'HF-S311': {
    ...warning,
    title: 'A table came to the source that the mirror cannot take by itself',
    why: 'Tables that match the selection are taken when they come. Partitioned tables are not, nor is a table without a key where the mirror began without a publication for such tables.',
    todo: [
      {
        text: 'Mirror it by a mirror of its own, with the same URLs and another name.',
        run: 'holdfast run --name NAME --include schema.table',
      },
      makeAgain,
    ],
  },
} as const satisfies Record<string, CatalogueEntry>
