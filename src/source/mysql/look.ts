import type { Session } from '../../dialect/mysql/connect.ts'

/** A sentence on what the server does not log as whole rows; null when it does so with all. */
export async function logSettings(session: Session): Promise<string | null> {
  const rows = await session.query(
    `SHOW GLOBAL VARIABLES WHERE Variable_name IN ('binlog_format', 'binlog_row_image')`,
  )
  const found = new Map(rows.map((row) => [row['Variable_name'] ?? '', row['Value'] ?? '']))
  const said: string[] = []
  const format = found.get('binlog_format') ?? 'ROW'
  if (format !== 'ROW') {
    said.push(
      `binlog_format of the source is ${format} now: a change that is logged as a statement halts ` +
        "the mirror with HF-L115. To log rows: SET GLOBAL binlog_format = 'ROW'",
    )
  }
  if (found.get('binlog_row_image') === 'MINIMAL') {
    said.push(
      'binlog_row_image of the source is MINIMAL now: an insert that leaves a column to its default ' +
        "halts the mirror with HF-L116. To log whole rows: SET GLOBAL binlog_row_image = 'FULL'",
    )
  }
  return said.length === 0 ? null : said.join('; ')
}
