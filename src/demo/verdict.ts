import { parseUrl } from '../config/url.ts'
import { verifyMirror } from '../mirror/verify.ts'
import type { Stage } from './stage.ts'

/** What a comparison of both databases said. */
export interface Verdict {
  readonly equal: boolean
  readonly tables: number
  readonly rows: number
  readonly differences: number
  readonly seconds: number
}

/** Compares all tables at one commit of the source, while the shop writes. */
export async function compare(stage: Stage, signal: AbortSignal): Promise<Verdict> {
  const { verdict, tables, rows, missing, extra, changed, seconds } = await verifyMirror(
    {
      name: 'demo',
      source: parseUrl(stage.source, 'the demo'),
      target: parseUrl(stage.target, 'the demo'),
    },
    signal,
  )
  const differences = missing + extra + changed
  return { equal: verdict === 'PASS', tables: tables.length, rows, differences, seconds }
}
