/** The tables that hold what Holdfast knows of its mirrors; they stand among the mirrored ones. */
export const STATE = {
  about: '_holdfast_about',
  mirrors: '_holdfast_mirrors',
  lanes: '_holdfast_lanes',
  tables: '_holdfast_tables',
  leases: '_holdfast_leases',
} as const

/** What the tables below are; a state of a later version is not touched. */
export const STATE_VERSION = 1

const text = (collation: string): string => `longtext CHARACTER SET utf8mb4 COLLATE ${collation}`
const name = (collation: string): string =>
  `varchar(190) CHARACTER SET utf8mb4 COLLATE ${collation}`

/** The columns of each. */
function definitions(collation: string): Readonly<Record<keyof typeof STATE, string>> {
  const [long, short] = [text(collation), name(collation)]
  return {
    about: `single tinyint NOT NULL DEFAULT 1 PRIMARY KEY, identity char(36) NOT NULL,
      version int NOT NULL, created_at datetime(6) NOT NULL`,
    mirrors: `name ${short} NOT NULL PRIMARY KEY, epoch bigint NOT NULL DEFAULT 0,
      settings ${long} NOT NULL, source ${long} NOT NULL, plan ${long},
      finished tinyint NOT NULL DEFAULT 0, created_at datetime(6) NOT NULL`,
    lanes: `mirror ${short} NOT NULL, lane ${short} NOT NULL, epoch bigint NOT NULL,
      log ${long} NOT NULL, place varchar(40) NOT NULL, token ${long} NOT NULL, landmark ${long},
      PRIMARY KEY (mirror, lane)`,
    tables: `mirror ${short} NOT NULL,
      id varchar(400) CHARACTER SET utf8mb4 COLLATE ${collation} NOT NULL, number int NOT NULL,
      definition ${long} NOT NULL, place_schema ${short} NOT NULL, place_name ${short} NOT NULL,
      mode varchar(20) NOT NULL, state varchar(20) NOT NULL DEFAULT 'pending', start ${long},
      held_rows tinyint NOT NULL DEFAULT 0, chunks_done int NOT NULL DEFAULT 0,
      chunks int NOT NULL DEFAULT 0, rows_copied bigint NOT NULL DEFAULT 0,
      PRIMARY KEY (mirror, id)`,
    leases: `mirror ${short} NOT NULL PRIMARY KEY, epoch bigint NOT NULL, host ${long} NOT NULL,
      space ${long}, pid int NOT NULL, started varchar(40), renewed_at datetime(6) NOT NULL`,
  }
}

/**
 * Creates the state where there is none; safe to run by several at once and to repeat. The row of
 * `about` comes last, so that where it is everything is.
 */
export function createState(collation: string): readonly string[] {
  const tables = Object.entries(definitions(collation)).map(
    ([key, columns]) =>
      `CREATE TABLE IF NOT EXISTS ${STATE[key as keyof typeof STATE]} (${columns}) ENGINE=InnoDB ROW_FORMAT=DYNAMIC`,
  )
  return [
    ...tables,
    `INSERT INTO ${STATE.about} (single, identity, version, created_at)
     VALUES (1, uuid(), ${STATE_VERSION}, utc_timestamp(6)) ON DUPLICATE KEY UPDATE single = 1`,
  ]
}
