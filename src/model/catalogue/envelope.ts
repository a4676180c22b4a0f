import type { CatalogueEntry } from './entry.ts'
import { snapshotAnew } from './parts.ts'

const kept =
  'Nothing after it was applied and nothing was skipped: the target stands at the last record before, and the topic keeps what follows as long as its retention lasts.'

export const envelopeFaults = {
  'HF-K301': {
    title: 'A record of a topic cannot be read',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'It is not what a connector of Debezium writes, its bytes do not fit its schema, or it says something that is not known.',
    safe: kept,
    todo: [
      {
        text: 'Look at the record that the message names, and at who wrote it.',
        run: 'holdfast topics read TOPIC --partition N --from OFFSET --limit 1',
      },
      { text: 'Or leave the topic out.', run: "holdfast run --exclude 'topic'" },
    ],
  },
  'HF-K302': {
    title: 'A value of a topic has no exact form',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'It says more than its type can hold here, such as a moment with parts of a microsecond, or the connector did not know it where it must be known.',
    safe: kept,
    todo: [
      {
        text: 'Change the value at the database, or leave its column out in the connector.',
        at: 'source',
      },
      { text: 'Or leave the topic out.', run: "holdfast run --exclude 'topic'" },
    ],
  },
  'HF-K303': {
    title: 'A column of a topic has a type without a counterpart',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'The schema of the record gives it a type that no column of a target can be made for, or does not say what it is.',
    safe: kept,
    todo: [
      { text: 'Leave the column out in the connector (column.exclude.list).' },
      { text: 'Or leave the topic out.', run: "holdfast run --exclude 'topic'" },
    ],
  },
  'HF-K304': {
    title: 'The schema registry does not answer',
    class: 'transient',
    severity: 'error',
    exit: 3,
    why: 'Records in Avro name their schema by a number that only the registry can explain.',
    safe: 'No schema is guessed. Nothing was applied past the last record that could be read; it goes on by itself when the registry answers.',
    todo: [
      {
        text: 'See that the registry runs and can be reached from here.',
        run: 'curl http://HOST:8081/subjects',
      },
    ],
  },
  'HF-K305': {
    title: 'The schema registry does not give a schema',
    class: 'persistent',
    severity: 'error',
    exit: 4,
    why: 'It does not know the number that a record names its schema by, which happens when it was emptied or is another one, or it refuses the user.',
    safe: kept,
    todo: [
      {
        text: 'Give the registry that the connector writes to, and a user who may read.',
        run: 'holdfast config show',
      },
    ],
  },
  'HF-K306': {
    title: 'A schema of the registry cannot be used',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'It is Protobuf or JSON Schema, or an Avro schema that Kafka Connect does not write.',
    safe: kept,
    todo: [
      { text: 'Let the connector write Avro, or JSON with its schema (schemas.enable=true).' },
      ...snapshotAnew,
    ],
  },
  'HF-K307': {
    title: 'The records of a topic have no schema',
    class: 'data',
    severity: 'error',
    exit: 1,
    why: 'JSON without its schema does not say what a value is: a number may be a day, a millisecond or a number, a text may be bytes. They are read by the columns of a table that is known, and in the modes that the connector has.',
    safe: kept,
    todo: [
      {
        text: 'Name the database behind the connector, of PostgreSQL, and how the connector writes values: its tables are read there.',
        run: 'holdfast run --set source.kafka.source_url=URL --set source.kafka.modes=decimal.handling.mode=precise,time.precision.mode=adaptive,binary.handling.mode=bytes',
      },
      {
        text: 'Or let the connector write the schema with each record: value.converter.schemas.enable=true and key.converter.schemas.enable=true, or Avro. Then have the tables told anew.',
        run: 'holdfast resync-tables SCHEMA.TABLE',
      },
    ],
  },
  'HF-K308': {
    title: 'A connector loses values before they are written',
    class: 'data',
    severity: 'warn',
    exit: 4,
    why: 'Its settings, or those of its converter, write some values in a form that holds less than the column does. No reader of the topic can bring the rest back.',
    safe: 'Every record is taken as it was written.',
    todo: [
      {
        text: 'Change the setting that the message names in the connector, and let it make a new snapshot.',
      },
      ...snapshotAnew,
    ],
  },
} as const satisfies Record<string, CatalogueEntry>
