import { parseUrl } from '../config/url.ts'
import { verifyMirror } from '../mirror/verify.ts'

/** What a comparison of both databases said. */
export interface Verdict {
  readonly equal: boolean
  readonly tables: number
  readonly rows: number
  readonly differences: number
  readonly seconds: number
}

/** Where both ends are; `database` is behind a source that holds no rows. */
interface Compared {
  readonly source: string
  readonly target: string
  readonly database?: string
}

/** Compares all tables at one commit of the source, while the shop writes. */
export async function compare(stage: Compared, signal: AbortSignal): Promise<Verdict> {
  const { verdict, tables, rows, missing, extra, changed, seconds } = await verifyMirror(
    {
      name: 'demo',
      source: parseUrl(stage.source, 'the demo'),
      target: parseUrl(stage.target, 'the demo'),
      database: stage.database === undefined ? null : parseUrl(stage.database, 'the demo'),
    },
    signal,
  )
  const differences = missing + extra + changed
  return { equal: verdict === 'PASS', tables: tables.length, rows, differences, seconds }
}
