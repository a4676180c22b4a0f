import type { CatalogueEntry } from './entry.ts'
import { MAKE_AGAIN, snapshotAnew } from './parts.ts'

const giveUp = {
  text: 'Give the mirror up; the tables of the target stay.',
  run: 'holdfast destroy',
} as const
const begin = {
  text: 'Make the mirror again once the snapshot is in the topics; it replaces the rows.',
  run: 'holdfast run --on-existing replace',
} as const

const goOn = { text: 'Then let the mirror go on.', run: 'holdfast run' } as const

/** Where topics do not hold what the mirror has not read: it stays, and so do its other tables. */
const tellAnew = [
  {
    text: 'Have the connector tell the tables anew, and go on with them there.',
    run: 'holdfast resync-tables',
  },
  goOn,
] as const
/** The same of a table that is named, since only its records show what is wrong. */
const tellOneAnew = [
  {
    text: 'Have the connector tell the table anew, and go on with it there.',
    run: 'holdfast resync-tables SCHEMA.TABLE',
  },
  goOn,
] as const
/** Where the table at the target is no longer what the topics tell of. */
const mirrorAnew = [giveUp, ...snapshotAnew, begin] as const

/** Topics of Kafka as the log of a source. */
export const topicFaults = {
  'HF-K101': {
    title: 'A topic no longer holds what the mirror has not read yet',
    class: 'persistent',
    severity: 'critical',
    exit: 1,
    why: 'Its retention passed (retention.ms, retention.bytes) or its records were deleted before the mirror had read them.',
    safe: 'Nothing was skipped: the target stands where it stood. What was thrown away can only be had by a new snapshot of the tables.',
    todo: [
      {
        text: 'Let the topics keep their records for longer.',
        run: 'kafka-configs.sh --bootstrap-server HOST:PORT --alter --entity-type topics --entity-name TOPIC --add-config retention.ms=604800000',
      },
      ...tellAnew,
    ],
  },
  'HF-K103': {
    title: 'A topic of the mirror was deleted, or made again',
    class: 'persistent',
    severity: 'critical',
    exit: 1,
    why: 'The topic of that name is gone or has another id: its offsets say nothing about what the mirror has read.',
    safe: 'Nothing was read from the new topic and nothing was skipped; the target stands where it stood.',
    todo: tellAnew,
  },
  'HF-K104': {
    title: 'A topic of the mirror has another number of partitions',
    class: 'persistent',
    severity: 'critical',
    exit: 1,
    why: 'With more partitions keys move to other ones, and which change of a row came last can no longer be told from where it stands.',
    safe: 'No record of the new partitions was applied, and none of the others was passed over.',
    todo: tellAnew,
  },
  'HF-K105': {
    title: 'No topic of Kafka is chosen',
    class: 'config',
    severity: 'error',
    exit: 2,
    why: 'A cluster holds topics of many programs, and none is mirrored unasked.',
    safe: 'Nothing was read or changed.',
    todo: [
      {
        text: 'Name the topics of the connector by patterns.',
        run: "holdfast run --include 'cdc.public.*'",
      },
    ],
  },
  'HF-K106': {
    title: 'A topic cannot be mirrored',
    class: 'persistent',
    severity: 'error',
    exit: 4,
    why: 'Its records do not describe rows of a table with a key, or it holds no record yet that would say what the columns are.',
    safe: 'Nothing was read on or changed.',
    todo: [
      { text: 'Leave the topic out.', run: "holdfast run --exclude 'topic'" },
      {
        text: 'Or give the table a key, and have the connector make a new snapshot.',
        at: 'source',
      },
      ...snapshotAnew,
    ],
  },
  'HF-K107': {
    title: 'A topic begins after its first record and holds no snapshot',
    class: 'persistent',
    severity: 'error',
    exit: 4,
    why: 'Older records were thrown away, or have no schema and were written before a column was declared as it is. Rows that were not changed since then are not in what can be read.',
    safe: 'Nothing was applied.',
    todo: [
      {
        text: 'Have the connector take a snapshot into it.',
        run: 'holdfast resync-tables',
      },
      { text: 'Then begin.', run: 'holdfast run' },
      {
        text: 'Refused all the same: stop the connector, delete the topic, and let it make both anew.',
        run: 'kafka-topics.sh --bootstrap-server HOST:PORT --delete --topic TOPIC',
      },
    ],
  },
  'HF-K108': {
    title: 'Records of a topic cannot be read',
    class: 'persistent',
    severity: 'critical',
    exit: 1,
    why: 'A batch of records is damaged, or compressed in a way that is not known here.',
    safe: 'Nothing of it was applied and nothing is skipped: the target stands before it.',
    todo: [
      {
        text: 'See at the broker what stands there.',
        run: 'kafka-dump-log.sh --print-data-log --files LOG',
      },
      { text: 'Or leave the topic out.', run: "holdfast run --exclude 'topic'" },
    ],
  },
  'HF-K109': {
    title: 'The log of the database behind a topic went back',
    class: 'data',
    severity: 'critical',
    exit: 1,
    why: 'A change that is newer by its time stands before changes that were applied already: the database was restored, replaced or failed over, and its positions count anew.',
    safe: 'The change was neither applied nor skipped; the target stands before it.',
    todo: tellOneAnew,
  },
  'HF-K110': {
    title: 'The columns of a topic changed in a way that cannot be followed',
    class: 'data',
    severity: 'critical',
    exit: 1,
    why: 'A column went, got another type, or came with a value for rows that were there before.',
    safe: 'Nothing of the new shape was applied: the target stands before it.',
    todo: mirrorAnew,
  },
  'HF-K112': {
    title: 'Topics cannot be compared with the target',
    class: 'config',
    severity: 'error',
    exit: 2,
    why: 'A topic holds changes and not the rows that they lead to.',
    safe: 'Nothing was read or changed.',
    todo: [
      {
        text: 'Name the database behind the connector, which is compared with the target.',
        run: 'holdfast verify --set source.kafka.source_url=URL',
      },
    ],
  },
  'HF-K114': {
    title: 'The topics do not reach up to the moment to compare at',
    class: 'transient',
    severity: 'warn',
    exit: 4,
    why: 'A word was written into the log of the database, and the connector did not tell of it in time: it is behind, is not running, reads another database, or leaves messages out (PostgreSQL before 14, message.prefix.exclude.list).',
    safe: 'Nothing was changed and no difference is claimed: SYNC_IN_PROGRESS.',
    todo: [
      { text: 'See whether the connector runs.', run: 'holdfast connectors status' },
      { text: 'Verify again.', run: 'holdfast verify' },
    ],
  },
  'HF-K121': {
    title: 'A compacted topic forgets deletes',
    class: 'config',
    severity: 'warn',
    exit: 4,
    why: 'Compaction keeps the newest record of each key, and removes the one that says that a row went when delete.retention.ms has passed. Who reads later does not hear of it.',
    safe: 'Nothing is missing as long as the mirror is never further behind than that.',
    todo: [
      { text: 'Let the topic keep all records, for longer than the mirror will ever be away.' },
      {
        text: 'Or let it keep deletes for longer.',
        run: 'kafka-configs.sh --bootstrap-server BROKER --alter --entity-type topics --entity-name TOPIC --add-config delete.retention.ms=604800000',
      },
    ],
  },
  'HF-K113': {
    title: 'Changes of a topic do not say where they stand',
    class: 'config',
    severity: 'warn',
    exit: 4,
    why: 'The records were flattened without the fields of their source, so that one that is told again looks like a new one.',
    safe: 'Each row ends as its newest record says, in the order of its partition.',
    todo: [
      {
        text: 'Let the transform add them (add.fields), or take it out of the connector.',
        run: 'transforms.unwrap.add.fields=op,source.sequence,source.ts_us,source.snapshot',
      },
    ],
  },
  'HF-K122': {
    title: 'A table was not told anew in time',
    class: 'transient',
    severity: 'error',
    exit: 1,
    why: 'A connector was asked for a snapshot, and no row of it came: it does not run, does not listen to the signal, is still busy, or the table is empty at the source, of which a snapshot says nothing.',
    safe: 'Nothing of the mirror was changed: it stands where it stood.',
    todo: [
      { text: 'See whether the connector runs.', run: 'holdfast connectors status' },
      { text: 'Ask again, and wait for longer.', run: 'holdfast resync-tables --wait 1h' },
      {
        text: 'Let a table that is empty at the source hold a row for as long as this takes, and delete that row then.',
        run: 'holdfast resync-tables SCHEMA.TABLE',
      },
      {
        text: 'Where nobody may write there, such a table is made again with the whole mirror.',
        run: MAKE_AGAIN,
      },
    ],
  },
  'HF-K120': {
    title: 'A topic told of an older state of the whole table after newer rows',
    class: 'data',
    severity: 'critical',
    exit: 1,
    why: 'Partitions of the topic took the records of the connector at different speeds: a TRUNCATE or a snapshot reached one of them when another had told of newer rows already.',
    safe: 'The record was neither applied nor skipped; the target stands before it.',
    todo: tellOneAnew,
  },
  'HF-K115': {
    title: 'A partition was followed past what another one holds, and cannot be read again',
    class: 'data',
    severity: 'critical',
    exit: 1,
    why: 'A truncate or a new snapshot stands in one partition, and another one was followed past it, by another process or since its records came first. What came after it is read again from the beginning of that partition, which no longer holds all of it.',
    safe: 'The truncate or snapshot was neither applied nor skipped: the target stands before it.',
    todo: tellOneAnew,
  },
} as const satisfies Record<string, CatalogueEntry>
