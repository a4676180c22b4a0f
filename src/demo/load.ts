import { monotonic, sleep } from '../async/clock.ts'
import { postgresClerk } from './orders.ts'
import { mysqlClerk } from './orders-mysql.ts'

/** Rows written so far, by what was done to them; only what was committed counts. */
export interface Written {
  readonly inserts: number
  readonly updates: number
  readonly deletes: number
}

/** Shares of the rows that are written. */
export const MIX: Written = { inserts: 0.6, updates: 0.3, deletes: 0.1 }

export interface Load {
  readonly written: Written
  /** Resolves when the last transaction has ended. */
  stop(): Promise<void>
}

/** One connection of the shop. */
export interface Clerk {
  /** One transaction that is mostly of this kind; null when another one was in its way. */
  work(kind: keyof Written): Promise<Written | null>
  close(): Promise<void>
}

/** Writes about `rate` rows a second over `sessions` connections until stopped. */
export function startLoad(options: {
  readonly url: string
  /** As the shop was opened with. */
  readonly customers: number
  /** Rows a second. */
  readonly rate: number
  readonly sessions: number
  readonly failed: (error: unknown) => void
}): Load {
  const written = { inserts: 0, updates: 0, deletes: 0 }
  const total = (): number => written.inserts + written.updates + written.deletes
  const stopped = new AbortController()
  const began = monotonic()

  /** The kind that is furthest behind its share. */
  const due = (): keyof Written => {
    const behind = (kind: keyof Written): number => MIX[kind] * total() - written[kind]
    const kinds = Object.keys(MIX) as (keyof Written)[]
    return kinds.reduce((a, b) => (behind(b) > behind(a) ? b : a))
  }
  const session = async (): Promise<void> => {
    const { url, customers } = options
    const clerk = await (url.startsWith('mysql:') ? mysqlClerk : postgresClerk)(url, customers)
    try {
      while (!stopped.signal.aborted) {
        const ahead = (total() / options.rate) * 1000 - (monotonic() - began)
        if (ahead > 0) await sleep(Math.min(ahead, 100), stopped.signal).catch(() => {})
        else add(written, await clerk.work(due()))
      }
    } finally {
      await clerk.close()
    }
  }
  const running = Promise.all(Array.from({ length: options.sessions }, session)).catch((error) => {
    if (!stopped.signal.aborted) options.failed(error)
  })
  return {
    written,
    async stop() {
      stopped.abort()
      await running
    },
  }
}

type Sums = { -readonly [kind in keyof Written]: number }

function add(sums: Sums, more: Written | null): void {
  sums.inserts += more?.inserts ?? 0
  sums.updates += more?.updates ?? 0
  sums.deletes += more?.deletes ?? 0
}
