import type { RowEvent } from '../../dialect/debezium/event.ts'
import { Fault } from '../../model/fault.ts'
import { type Table, tableName } from '../../model/table.ts'
import type { Entry, Lane } from './lane.ts'

/** An event that is newer than those that were applied, and stands before them. */
export function wentBack(of: Table, { topic, partition }: Lane, { offset }: Entry): Fault {
  const table = tableName(of)
  return new Fault('HF-K109', {
    what: `the record at offset ${offset} of partition ${partition} of the topic ${topic} stands before changes of ${table} that were applied, and is newer than they are`,
    side: 'source',
    table,
  })
}

/** What empties a table, of which another partition has told newer rows. */
export function tooLate(
  of: Table,
  { lane, entry, ahead }: { readonly lane: Lane; readonly entry: Entry; readonly ahead: Lane },
): Fault {
  const table = tableName(of)
  return new Fault('HF-K120', {
    what: `the record at offset ${entry.offset} of partition ${lane.partition} of the topic ${lane.topic} tells of all rows of ${table} as they were before changes of partition ${ahead.partition} that were applied`,
    side: 'source',
    table,
  })
}

export function incomplete(topic: string, { op, table }: RowEvent): Fault {
  return new Fault('HF-K106', {
    what: `the topic ${topic} holds a ${op} of ${tableName(table)} without its row`,
    side: 'source',
    table: tableName(table),
  })
}
