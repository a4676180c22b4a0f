import type { CatalogueEntry } from './entry.ts'
import { exclude, grants, otherName, refusal, warning } from './parts.ts'

/** What a look at both ends finds before anything is done. */
export const preflightFaults = {
  'HF-S203': {
    ...refusal,
    title: 'A table without an identity',
    why: 'The log names the row of an UPDATE or DELETE by the replica identity. Published without one, the UPDATEs and DELETEs of your application would fail.',
    todo: [
      {
        text: 'Give the table a primary key, or let the log hold whole rows.',
        sql: 'ALTER TABLE schema.table REPLICA IDENTITY FULL',
        at: 'source',
      },
      { text: 'Or leave such tables out.', run: 'holdfast run --keyless exclude' },
      {
        text: 'Or mirror only their inserts and truncates.',
        run: 'holdfast run --keyless append',
      },
    ],
  },
  'HF-S221': {
    ...refusal,
    title: 'The role at the source may not read a table',
    why: 'The first copy and every verification read the mirrored tables with SELECT.',
    todo: [grants, exclude],
  },
  'HF-S222': {
    ...refusal,
    title: 'The role at the source cannot publish the tables',
    why: 'Making a publication needs CREATE on the database and the ownership of each table; a publication that somebody else made is used as it is found.',
    todo: [
      { text: 'Print the script for the owner of the database.', run: 'holdfast check --sql' },
    ],
  },
  'HF-S223': {
    ...refusal,
    title: 'The source does not know the encoding of its texts',
    why: 'In a SQL_ASCII database a text is bytes of an unknown encoding, which no other database can be sure to hold.',
    todo: [
      { text: 'Dump the database and load it into one with the encoding that the texts have.' },
    ],
  },
  'HF-S224': {
    ...refusal,
    title: 'Row security would hide rows from the mirror',
    why: 'The role is neither the owner of the table nor allowed to bypass row security, so a copy would leave rows out without a word.',
    todo: [
      {
        text: 'Let the role of the mirror see all rows.',
        sql: 'ALTER ROLE role BYPASSRLS',
        at: 'source',
        as: 'administrator',
      },
      exclude,
    ],
  },
  'HF-S225': {
    ...refusal,
    title: 'The source is a standby',
    why: 'A publication cannot be made there, and before PostgreSQL 16 a standby keeps no logical slot.',
    todo: [{ text: 'Give the URL of the primary as the source.' }],
  },
  'HF-S226': {
    ...refusal,
    title: 'The source is too old',
    why: 'Holdfast reads the log of PostgreSQL 14 and later.',
    todo: [{ text: 'Upgrade the source to PostgreSQL 14 or later.' }],
  },
  'HF-S301': {
    ...warning,
    title: 'Large objects are not mirrored',
    why: 'PostgreSQL does not write them to the logical log; columns that refer to them hold numbers that mean nothing at the target.',
    todo: [{ text: 'Keep such data in bytea columns, or copy it by other means.' }],
  },
  'HF-S302': {
    ...warning,
    title: 'Columns that name objects of the source itself',
    why: 'An oid or a reg… value names an object of one server; at another one it may name nothing or something else, or be refused.',
    todo: [{ text: 'Leave the table out if its values do not mean anything at the target.' }],
  },
  'HF-S303': {
    ...warning,
    title: 'The source lacks corrections of logical decoding',
    why: 'Minor releases before this one can send wrong or too few changes in rare cases.',
    todo: [{ text: 'Install the newest minor release of PostgreSQL at the source.' }],
  },
  'HF-S304': {
    ...warning,
    title: 'Some things stay behind at the source',
    why: 'A mirror carries rows of ordinary and partitioned tables and what is needed to hold them.',
    todo: [{ text: 'Make by hand at the target what you need there.' }],
  },
  'HF-S305': {
    ...warning,
    title: 'The disk of the source can fill while the mirror is away',
    why: 'max_slot_wal_keep_size is -1, so the source keeps its log for the mirror without a limit.',
    todo: [
      {
        text: 'Set a limit: past it the mirror has to be built anew, but the source lives.',
        sql: "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf()",
        at: 'source',
        as: 'administrator',
      },
    ],
  },
  'HF-D405': {
    ...refusal,
    class: 'data',
    title: 'A type that cannot be mirrored',
    why: 'Values of this type cannot be written at another server, or the target cannot have the type.',
    todo: [{ text: 'Change the type of the column.', at: 'source' }, exclude],
  },
  'HF-D421': {
    ...refusal,
    class: 'data',
    title: 'A generated column that cannot be made at the target',
    why: 'Its expression uses what is not part of every PostgreSQL server, and no code of the source is carried over.',
    todo: [
      { text: 'Make the table at the target by hand, with this column, and start again.' },
      exclude,
    ],
  },
  'HF-D422': {
    ...refusal,
    class: 'data',
    title: 'A partitioned table that cannot be made at the target',
    why: 'Its partition key uses what is not part of every PostgreSQL server, and no code of the source is carried over.',
    todo: [
      { text: 'Make the table and its partitions at the target by hand, and start again.' },
      exclude,
    ],
  },
  'HF-D423': {
    ...warning,
    class: 'data',
    title: 'An index that cannot be made at the target',
    why: 'It uses what is not part of every server of the target’s kind, and no code of the source is carried over. Rows are mirrored all the same.',
    todo: [{ text: 'Make it by hand at the target after the first copy, if queries need it.' }],
  },
  'HF-D424': {
    ...warning,
    title: 'Tables at the target that belong to somebody else',
    why: 'Only the owner of a table can add indexes and foreign keys to it. Rows are mirrored all the same.',
    todo: [{ text: 'Make by hand at the target what queries need there.' }],
  },
  'HF-D425': {
    ...warning,
    class: 'data',
    title: 'What columns do by themselves at the source only',
    why: 'Expressions are code of the source, and the target may read them differently. The values that they gave are mirrored like all others.',
    todo: [
      { text: 'Give the columns at the target what applications need that write there later.' },
    ],
  },
  'HF-T221': {
    ...refusal,
    title: 'The role at the target may not create what is needed',
    why: 'The mirror makes missing schemas, types and tables, and a schema for its own state.',
    todo: [grants],
  },
  'HF-T222': {
    ...refusal,
    title: 'Tables at the target hold rows already',
    why: 'Rows that are not of the source would stay between those that are, or be lost.',
    todo: [
      { text: 'Empty or drop them, or give another database as the target.' },
      {
        text: 'Or keep their rows: the mirror then adds and updates and deletes nothing.',
        run: 'set on_existing: merge',
      },
      { text: 'Or let the mirror empty them first.', run: 'set on_existing: replace' },
    ],
  },
  'HF-T223': {
    ...refusal,
    title: 'A table at the target differs from the one at the source',
    why: 'Every column of the source needs one of the same name and type, and no other column may refuse a row that does not mention it.',
    todo: [{ text: 'Alter or drop the table at the target.', at: 'target' }, exclude],
  },
  'HF-T224': {
    ...refusal,
    title: 'An extension is missing at the target',
    why: 'Columns, indexes or keys use what this extension brings; installing it is a decision about that server.',
    todo: [
      {
        text: 'Install it.',
        sql: 'CREATE EXTENSION name SCHEMA schema',
        at: 'target',
      },
      exclude,
    ],
  },
  'HF-T225': {
    ...refusal,
    title: 'A collation is missing at the target',
    why: 'A column, key or index sorts and compares by it.',
    todo: [
      {
        text: 'Create it there as it is at the source.',
        sql: "SELECT collname, collprovider, collcollate, collctype, collisdeterministic FROM pg_collation WHERE collnamespace::regnamespace::text <> 'pg_catalog'",
        at: 'source',
      },
    ],
  },
  'HF-T226': {
    ...refusal,
    title: 'A type at the target differs from the one at the source',
    why: 'A type of that name exists and is made of something else.',
    todo: [{ text: 'Alter or drop the type at the target.', at: 'target' }],
  },
  'HF-T227': {
    ...refusal,
    title: 'The target is too old for a feature that a table uses',
    why: 'That version of PostgreSQL does not know it.',
    todo: [{ text: 'Use a newer target.' }, exclude],
  },
  'HF-T228': {
    ...refusal,
    title: 'Triggers, rules or foreign keys at the target would act a second time',
    why: 'What they do at the source arrives as changes of its own. They rest only in a session that may set session_replication_role.',
    todo: [grants],
  },
  'HF-T229': {
    ...refusal,
    title: 'A foreign key from outside the mirror points at a mirrored table',
    why: 'A TRUNCATE of the source could not be followed without emptying a table that is not of the mirror.',
    todo: [{ text: 'Drop the foreign key at the target, or mirror that table too.', at: 'target' }],
  },
  'HF-T230': {
    ...refusal,
    title: 'A table at the target has no key to find rows by',
    why: 'Changes find their row by the key of the source; without a unique index on it, checked at once, rows could come twice or be searched through the whole table.',
    todo: [{ text: 'Make the key at the target.', at: 'target' }],
  },
  'HF-T231': {
    ...warning,
    title: 'The target has rules that the source does not know',
    why: 'A row that the source accepts may be refused there, which would stop the mirror.',
    todo: [{ text: 'Drop them at the target unless the source can never break them.' }],
  },
  'HF-T232': {
    ...refusal,
    title: 'The role at the target may not write a table',
    why: 'Applying changes needs SELECT, INSERT, UPDATE, DELETE and TRUNCATE on every mirrored table, and to set foreign keys and indexes its ownership.',
    todo: [grants],
  },
  'HF-T233': {
    ...refusal,
    title: 'The role at the target may not make temporary tables',
    why: 'Large batches are staged in a temporary table.',
    todo: [grants],
  },
  'HF-T234': {
    ...refusal,
    title: 'Row security at the target would refuse or hide rows',
    why: 'Policies on a mirrored table apply to the role of the mirror.',
    todo: [
      {
        text: 'Let the role of the mirror pass.',
        sql: 'ALTER ROLE role BYPASSRLS',
        at: 'target',
        as: 'administrator',
      },
    ],
  },
  'HF-T235': {
    ...warning,
    title: 'The encoding of the target cannot hold every text of the source',
    why: 'A character that the target has no code for would stop the mirror.',
    todo: [{ text: 'Make the target database with ENCODING UTF8.' }],
  },
  'HF-T236': {
    ...refusal,
    title: 'Something else has the name of a mirrored table',
    why: 'A view, an index or a sequence of that name is in the way.',
    todo: [{ text: 'Rename or drop it at the target.', at: 'target' }],
  },
  'HF-T238': {
    ...refusal,
    title: 'A name that the target cannot have',
    why: 'The target would cut it off or take it for something of its own.',
    todo: [{ text: 'Rename it at the source.', at: 'source' }, otherName, exclude],
  },
  'HF-T261': {
    ...refusal,
    title: 'A table that the target cannot have',
    why: 'It has no column or too many, two of its columns or two tables differ only in what the target takes for equal, or its key is longer than an index of the target may be.',
    todo: [{ text: 'Change it at the source.', at: 'source' }, exclude],
  },
  'HF-T262': {
    ...warning,
    title: 'Columns that are kept as text',
    why: 'The target has no type that holds every value of theirs, so that they hold what the source prints, to the letter.',
    todo: [
      {
        text: 'Nothing, if whoever reads the target can do with text; cast them there.',
        at: 'target',
      },
    ],
  },
  'HF-T263': {
    ...refusal,
    title: 'The target is set up so that it cannot keep what is committed',
    why: 'What was applied may only be forgotten by the source once the target has it on disk, and a batch is one transaction there.',
    todo: [
      {
        text: 'Let the server wait for its disk at each commit.',
        sql: 'SET GLOBAL innodb_flush_log_at_trx_commit = 1; SET GLOBAL sync_binlog = 1',
        at: 'target',
        as: 'administrator',
      },
    ],
  },
} as const satisfies Record<string, CatalogueEntry>
