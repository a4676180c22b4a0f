const ADDED =
  /^__(?:deleted|op|(?:source_)?(?:version|connector|name|ts_ms|ts_us|ts_ns|snapshot|db|sequence|schema|table|txId|lsn|xmin|origin|origin_lsn|server_id|gtid|file|pos|row|thread|query|change_lsn|commit_lsn|event_serial_no|scn|commit_scn|rs_id|ssn|redo_thread|transaction_id)|transaction_(?:id|total_order|data_collection_order))$/

/** True for a name that the unwrap transform gives to what it adds to a row. */
export function isAdded(name: string): boolean {
  return ADDED.test(name)
}
